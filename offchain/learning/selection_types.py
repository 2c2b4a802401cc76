"""What selection rules take and give (section 5.4): shared by all of them.

A rule sees what the fog sees: masked updates, an (n, d) matrix in real units, the public noise
deviation, and of earlier rounds the masked updates and the exact sum that was released.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from offchain.learning.arrays import Floats, parse_matrix, parse_vector, require_not_negative
from offchain.learning.errors import OptionError, ShapeError


@dataclass(frozen=True, slots=True)
class KeepBest:
    """Keep the `count` rows of the lowest scores; all of them if there are fewer."""

    count: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise OptionError("keep", self.count, "must be at least 1")


@dataclass(frozen=True, slots=True)
class KeepShare:
    """Keep the best `share` of the rows, rounded, at least one."""

    share: float

    def __post_init__(self) -> None:
        if not 0.0 < self.share <= 1.0:
            raise OptionError("keep", self.share, "must be above 0 and at most 1")

    def of(self, rows: int) -> KeepBest:
        """Return how many of `rows` that is."""
        return KeepBest(max(1, round(self.share * rows)))


@dataclass(frozen=True, slots=True)
class Within:
    """Keep the rows whose score is at most `deviations` standard deviations."""

    deviations: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.deviations) or self.deviations <= 0:
            raise OptionError("deviations", self.deviations, "must be finite and above 0")


Criterion: TypeAlias = KeepBest | KeepShare | Within


class Memory(Protocol):
    """What a rule carries from round to round: made by the rule, opaque to everybody else."""

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of the devices that it knows."""


@dataclass(frozen=True, slots=True)
class PastRound:
    """What a fog knows of the round before.

    Attributes
    ----------
    devices
        Names of the rows of `masked`.
    masked
        Masked updates, shape (n, d), real units.
    kept
        Indices of the rows that were kept.
    aggregate
        The exact sum over all clusters that the round released, shape (d,), or None if the round
        failed.

    Raises
    ------
    ShapeError, NotFiniteError
        If the parts do not fit together.
    """

    devices: tuple[str, ...]
    masked: Floats
    kept: tuple[int, ...]
    aggregate: Floats | None

    def __post_init__(self) -> None:
        shape = parse_matrix("past masked", self.masked).shape
        if len(self.devices) != shape[0]:
            raise ShapeError("past devices", (len(self.devices),), f"({shape[0]},)")
        if self.aggregate is not None:
            parse_vector("aggregate", self.aggregate, shape[1])


@dataclass(frozen=True, slots=True)
class History:
    """What a fog remembers when it selects.

    Attributes
    ----------
    devices
        Names of the rows now under judgement; names stay the same over rounds.
    last
        The round this fog selected in before, handed over once; None at the start.
    memory
        `Selection.memory` of that selection; None at the start.
    clip_norm
        Public L2 bound that honest updates keep; None if not known.
    """

    devices: tuple[str, ...]
    last: PastRound | None = None
    memory: Memory | None = None
    clip_norm: float | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that was not kept, its score, and why in words for the log."""

    index: int
    score: float
    reason: str


@dataclass(frozen=True, slots=True)
class Selection:
    """The outcome of a rule.

    Attributes
    ----------
    kept
        Indices of the kept rows, ascending.
    scores
        One score per row, lower is better, shape (n,).
    rejected
        The other rows, ascending by index.
    memory
        To hand back in the next round's `History`; None for rules without memory.
    """

    kept: tuple[int, ...]
    scores: Floats
    rejected: tuple[Rejection, ...]
    memory: Memory | None = None


class SelectionRule(Protocol):
    """A plug-in that chooses rows; must be deterministic."""

    @property
    def name(self) -> str:
        """Name on the command line."""

    @property
    def default_criterion(self) -> Criterion:
        """The criterion that suits the rule where nobody asks for another."""

    def select(
        self,
        masked: Floats,
        criterion: Criterion,
        *,
        noise_sigma: float,
        history: History | None = None,
    ) -> Selection:
        """Choose among the rows of `masked`.

        Parameters
        ----------
        masked
            Masked updates, shape (n, d), n >= 1, finite, real units.
        criterion
            How many, or how far out, to keep.
        noise_sigma
            Standard deviation of the mask per coordinate, real units, at least 0.
        history
            What came before, for rules that learn over rounds. Without it the rows have no names
            and every call is a first round.

        Raises
        ------
        ShapeError, NotFiniteError, OptionError
            If an argument is not as stated.
        """


def parse_masked(masked: Floats, noise_sigma: float, history: History | None) -> Floats:
    """Check the arguments of `SelectionRule.select`; return the matrix."""
    matrix = parse_matrix("masked", masked)
    if matrix.shape[0] < 1:
        raise ShapeError("masked", matrix.shape, "at least one row")
    require_not_negative("noise sigma", noise_sigma)
    if history is not None and len(history.devices) != len(matrix):
        raise ShapeError("history.devices", (len(history.devices),), f"({len(matrix)},)")
    return matrix


def choose(
    scores: Floats, criterion: Criterion, *, what: str = "standard deviations from the mean"
) -> Selection:
    """Apply a criterion to scores (lower is better); ties go to the lower index.

    Shared by rules that score rows independently; `what` completes the reason of a rejection.
    """
    order = [int(index) for index in np.argsort(scores, kind="stable")]
    if isinstance(criterion, KeepShare):
        criterion = criterion.of(len(order))
    if isinstance(criterion, KeepBest):
        kept = set(order[: criterion.count])
        reasons = {
            index: f"rank {rank} of {len(order)}, the best {criterion.count} are kept"
            for rank, index in enumerate(order, start=1)
        }
    else:
        kept = {index for index in order if scores[index] <= criterion.deviations}
        reasons = {
            index: f"{scores[index]:.3f} {what}, at most {criterion.deviations:g} allowed"
            for index in order
        }
    rejected = tuple(
        Rejection(index, float(scores[index]), reasons[index])
        for index in range(len(order))
        if index not in kept
    )
    return Selection(tuple(sorted(kept)), scores, rejected)


def robust_scores(values: Floats, least: float = 0.0) -> Floats:
    """Return (value - median) / spread, shape as `values`.

    The spread is 1.4826 times the median absolute deviation, the standard deviation of normal
    values, and at least `least`. Values that are all alike score 0.
    """
    centred = values - np.median(values)
    spread = max(1.4826 * float(np.median(np.abs(centred))), least)
    if spread == 0.0:
        return np.where(centred == 0.0, 0.0, np.copysign(np.inf, centred))
    return np.asarray(centred / spread)
