"""What a data set is: its arrays, its names, its origin and its public ranges."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from offchain.learning.arrays import Floats
from offchain.learning.errors import OptionError, ShapeError
from offchain.learning.models import Model, ModelKind


class Task(StrEnum):
    """What is predicted: a class or a number."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where data comes from, for reports.

    Attributes
    ----------
    source
        Who made it, and the file it is read from.
    licence
        The licence it comes under, as far as known.
    simulated
        Whether a simulation made it rather than a plant; None if that is its owner's to say.
    """

    source: str
    licence: str
    simulated: bool | None

    def describe(self) -> str:
        """Return one line for people."""
        kind = "own" if self.simulated is None else "simulated" if self.simulated else "real"
        return f"{kind} data; source: {self.source}; licence: {self.licence}"


@dataclass(frozen=True, slots=True, repr=False)
class Dataset:
    """A task's data with its fixed split into training and test rows. Arrays are read-only.

    Attributes
    ----------
    name, task, origin
        Name in the registry, kind of task, where it comes from.
    X_train, X_test
        Features, float64, shapes (m, features) and (m', features), in the plant's units.
    y_train, y_test
        Targets, float64 (m,): numbers, or classes as whole numbers from 0.
    feature_names, class_names
        Names of columns; names of classes, empty for regression.
    target_name
        Name of the target.
    ranges
        Public range (low, high) per feature, shape (features, 2).
    target_range
        Public range of the target, shape (1, 2); for regression only used in standardising.
    """

    name: str
    task: Task
    origin: Origin
    X_train: Floats
    y_train: Floats
    X_test: Floats
    y_test: Floats
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    target_name: str
    ranges: Floats
    target_range: Floats

    def __post_init__(self) -> None:
        columns = len(self.feature_names)
        for field, X, y in (
            ("train", self.X_train, self.y_train),
            ("test", self.X_test, self.y_test),
        ):
            if X.ndim != 2 or X.shape[1] != columns:
                raise ShapeError(f"X_{field}", X.shape, f"(rows, {columns})")
            if y.shape != (len(X),):
                raise ShapeError(f"y_{field}", y.shape, f"({len(X)},)")
        if self.ranges.shape != (columns, 2):
            raise ShapeError("ranges", self.ranges.shape, f"({columns}, 2)")
        for array in (self.X_train, self.y_train, self.X_test, self.y_test, self.ranges):
            array.flags.writeable = False

    def __repr__(self) -> str:
        return (
            f"Dataset({self.name}: {len(self.X_train)} train, {len(self.X_test)} test, "
            f"{len(self.feature_names)} features, {len(self.class_names)} classes)"
        )

    @property
    def default_kind(self) -> ModelKind:
        """Linear for regression, logistic for 2 classes, else softmax."""
        if self.task is Task.REGRESSION:
            return ModelKind.LINEAR
        return ModelKind.LOGISTIC if len(self.class_names) == 2 else ModelKind.SOFTMAX

    def model(self, kind: ModelKind | None = None) -> Model:
        """Return the model of `kind` for this data.

        Raises
        ------
        OptionError
            If the kind does not suit the task.
        """
        kind = kind or self.default_kind
        if (kind is ModelKind.LINEAR) != (self.task is Task.REGRESSION):
            raise OptionError("model", kind.value, f"does not suit {self.task.value}")
        classes = len(self.class_names)
        if kind is ModelKind.LOGISTIC and classes != 2:
            raise OptionError("model", kind.value, f"needs 2 classes, {self.name} has {classes}")
        return Model(kind, len(self.feature_names), classes)


def public_ranges(X: Floats) -> Floats:
    """Return per column (low, high), the data's extent rounded outward; shape (features, 2).

    The ends are rounded outward to 2 significant digits of the column's width. A plant knows the
    ranges of its instruments; a published data set does not say them, so this is a stand-in that
    is derived once from the training rows. It therefore tells something about those rows, and is
    treated as public. A constant column v gets [v - 1, v + 1].
    """
    ranges = np.empty((X.shape[1], 2))
    for column, (low, high) in enumerate(zip(X.min(axis=0), X.max(axis=0), strict=True)):
        if low == high:
            ranges[column] = low - 1.0, high + 1.0
            continue
        digits = 1 - math.floor(math.log10(high - low))
        unit = 10.0**-digits
        ranges[column] = (
            round(math.floor(low / unit) * unit, max(digits, 0)),
            round(math.ceil(high / unit) * unit, max(digits, 0)),
        )
    return ranges
