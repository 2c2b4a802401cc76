"""Errors of the learning package. Values that may be secret are never part of a message."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from offchain.errors import VerifogError


class LearningError(VerifogError):
    """Base of all errors of this package."""


class OptionError(LearningError):
    """A public option lies outside its bound.

    Attributes
    ----------
    option, value, bound
        Name of the option, the value given, and the bound it must meet, in words.
    """

    def __init__(self, option: str, value: object, bound: str) -> None:
        super().__init__(f"{option} = {value!r}: {bound}")
        self.option: Final = option
        self.value: Final = value
        self.bound: Final = bound


class UnknownNameError(LearningError):
    """A name is not in a registry; the message lists the names that are."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        names = tuple(sorted(known))
        super().__init__(f"unknown {what} {name!r}; there is: {', '.join(names)}")
        self.what: Final = what
        self.name: Final = name
        self.known: Final = names


class ShapeError(LearningError):
    """An array does not have the shape it must have."""

    def __init__(self, field: str, shape: tuple[int, ...], expected: str) -> None:
        super().__init__(f"{field} has shape {shape}, must be {expected}")
        self.field: Final = field
        self.shape: Final = shape
        self.expected: Final = expected


class LabelError(LearningError):
    """A class label lies outside the model's classes (the label itself is data: not shown)."""

    def __init__(self, index: int, classes: int) -> None:
        super().__init__(f"label at row {index} is not an integer from 0 to {classes - 1}")
        self.index: Final = index
        self.classes: Final = classes


class NotFiniteError(LearningError):
    """An array holds NaN or infinity."""

    def __init__(self, field: str, index: int) -> None:
        super().__init__(f"{field}[{index}] is not finite")
        self.field: Final = field
        self.index: Final = index


class RangeError(LearningError):
    """A number does not fit its declared integer range. The number itself may be secret."""

    def __init__(self, field: str, index: int, bound: str) -> None:
        super().__init__(f"{field}[{index}] is out of range: {bound}")
        self.field: Final = field
        self.index: Final = index
        self.bound: Final = bound


class DataFileError(LearningError):
    """A file of a data set is missing or not what it should be."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path: Final = path
        self.problem: Final = problem


class CellError(DataFileError):
    """A cell of a data file is not what it must be (its content is data: not shown).

    Attributes
    ----------
    row, column
        Number of the row as a person finds it (line of a CSV file, its header being 1; row of a
        Parquet file, from 1), and name of the column.
    """

    def __init__(self, path: str, row: int, column: str, problem: str) -> None:
        super().__init__(path, f"row {row}, column {column!r}: {problem}")
        self.row: Final = row
        self.column: Final = column


class NotANumber(CellError):
    """A cell holds text where a number is due."""


class SchemaMismatch(DataFileError):
    """A device's data differs in schema from what the devices have agreed on."""
