"""Splitting a data set's training rows over devices, so that each sees only its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from offchain.learning.arrays import Floats, Integers, require_at_least
from offchain.learning.errors import OptionError
from offchain.learning.tasks import Dataset, Task

_TARGET_BINS = 10


@dataclass(frozen=True, slots=True)
class Even:
    """`even`: equal sizes (to one row), shuffled, classes spread evenly."""

    def __str__(self) -> str:
        return "even"


@dataclass(frozen=True, slots=True)
class Dirichlet:
    """`dirichlet:ALPHA`: each class's rows go to devices in shares drawn from Dirichlet(ALPHA).

    A small ALPHA gives each device few classes. For regression, ten equally filled bins of the
    target take the place of classes.
    """

    alpha: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.alpha) or self.alpha <= 0:
            raise OptionError(
                "split", f"dirichlet:{self.alpha}", "ALPHA must be finite and above 0"
            )

    def __str__(self) -> str:
        return f"dirichlet:{self.alpha:g}"


Split: TypeAlias = Even | Dirichlet


def parse_split(text: str) -> Split:
    """Return the split that `even` or `dirichlet:ALPHA` names.

    Raises
    ------
    OptionError
        If the text is neither, or ALPHA is not a number above 0.
    """
    name, _, argument = text.partition(":")
    if text == "even":
        return Even()
    if name == "dirichlet":
        try:
            alpha = float(argument)
        except ValueError:
            raise OptionError("split", text, "ALPHA must be a number") from None
        return Dirichlet(alpha)
    raise OptionError("split", text, "must be even or dirichlet:ALPHA")


@dataclass(frozen=True, slots=True, repr=False)
class DeviceData:
    """One device's own rows and nothing else; the repr shows shapes only.

    Attributes
    ----------
    X, y
        Features (m, features) and targets (m,), float64, copies of this device's rows.
    """

    X: Floats
    y: Floats

    @property
    def count(self) -> int:
        """Number of rows m."""
        return len(self.y)

    def __repr__(self) -> str:
        return f"DeviceData(X: {self.X.shape}, y: {self.y.shape})"


def partition(
    dataset: Dataset,
    devices: int,
    split: Split,
    *,
    rng: np.random.Generator,
    minimum: int = 8,
    maximum: int | None = None,
) -> tuple[DeviceData, ...]:
    """Split the training rows over devices; every row goes to exactly one.

    Parameters
    ----------
    devices
        Number of devices, at least 1.
    split
        `Even()` or `Dirichlet(alpha)`.
    rng
        Source of the shuffle; the same state gives the same split.
    minimum
        Least rows of any device; short devices are filled up from the largest.
    maximum
        Most rows of any device (the task's public `max_samples`); rows beyond go to the smallest.

    Raises
    ------
    OptionError
        If there are too few rows for `minimum`, or too many for `maximum`.
    """
    rows = len(dataset.X_train)
    require_at_least("devices", devices, 1)
    require_at_least("minimum", minimum, 1)
    if devices * minimum > rows:
        bound = f"must be at most {rows // minimum}: {rows} rows, at least {minimum} each"
        raise OptionError("devices", devices, bound)
    if maximum is not None and maximum < max(minimum, math.ceil(rows / devices)):
        least = max(minimum, math.ceil(rows / devices))
        raise OptionError("maximum", maximum, f"must be at least {least} for {rows} rows")
    labels = _labels(dataset)
    order = rng.permutation(rows)
    order = order[np.argsort(labels[order], kind="stable")]
    if isinstance(split, Even):
        parts = [order[device::devices] for device in range(devices)]
    else:
        parts = _deal(order, labels, devices, split.alpha, rng)
        parts = _level(parts, minimum, maximum, rng)
    return tuple(
        DeviceData(dataset.X_train[part], dataset.y_train[part])
        for part in (rng.permutation(part) for part in parts)
    )


def _labels(dataset: Dataset) -> Integers:
    if dataset.task is Task.CLASSIFICATION:
        return dataset.y_train.astype(np.int64)
    ranks = np.argsort(np.argsort(dataset.y_train, kind="stable"), kind="stable")
    return (ranks * _TARGET_BINS // len(ranks)).astype(np.int64)


def _deal(
    order: Integers, labels: Integers, devices: int, alpha: float, rng: np.random.Generator
) -> list[Integers]:
    """Give each class's rows to devices in Dirichlet shares."""
    parts: list[list[Integers]] = [[] for _ in range(devices)]
    for label in np.unique(labels):
        rows = order[labels[order] == label]
        shares = rng.dirichlet(np.full(devices, alpha))
        cuts = np.floor(np.cumsum(shares)[:-1] * len(rows)).astype(np.int64)
        for part, piece in zip(parts, np.split(rows, cuts), strict=True):
            part.append(piece)
    return [np.concatenate(part) for part in parts]


def _level(
    parts: list[Integers], minimum: int, maximum: int | None, rng: np.random.Generator
) -> list[Integers]:
    """Move random rows from the largest to the smallest until all sizes are within bounds."""
    parts = [rng.permutation(part) for part in parts]
    while True:
        sizes = [len(part) for part in parts]
        small, large = sizes.index(min(sizes)), sizes.index(max(sizes))
        short = minimum - sizes[small]
        excess = 0 if maximum is None else sizes[large] - maximum
        if short <= 0 and excess <= 0:
            return parts
        # Never more than makes the two equal, so that every move brings sizes closer.
        moved = max(1, min(max(short, excess), (sizes[large] - sizes[small]) // 2))
        parts[small] = np.concatenate([parts[small], parts[large][:moved]])
        parts[large] = parts[large][moved:]
