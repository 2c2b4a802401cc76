"""Array types, and the checks that every border of the package shares."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from offchain.learning.errors import NotFiniteError, OptionError, ShapeError

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]
Booleans: TypeAlias = npt.NDArray[np.bool_]


def parse_matrix(field: str, values: npt.ArrayLike, columns: int | None = None) -> Floats:
    """Return `values` as a finite float64 matrix.

    Raises
    ------
    ShapeError
        If it is not a matrix, or has not the wanted number of columns.
    NotFiniteError
        Naming the first row with NaN or infinity.
    """
    matrix = np.asarray(values, dtype=np.float64)
    wanted = f"(rows, {columns if columns is not None else 'columns'})"
    if matrix.ndim != 2 or (columns is not None and matrix.shape[1] != columns):
        raise ShapeError(field, matrix.shape, wanted)
    require_finite(field, matrix)
    return matrix


def parse_vector(field: str, values: npt.ArrayLike, length: int | None = None) -> Floats:
    """Return `values` as a finite float64 vector; errors as `parse_matrix`."""
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1 or (length is not None and vector.shape[0] != length):
        raise ShapeError(field, vector.shape, f"({length if length is not None else 'length'},)")
    require_finite(field, vector)
    return vector


def require_finite(field: str, values: Floats) -> None:
    """Raise `NotFiniteError` naming the first row (or element) that is not finite."""
    finite = np.isfinite(values)
    if not finite.all():
        raise NotFiniteError(field, int(np.argwhere(~finite)[0][0]))


def require_positive(option: str, value: float) -> None:
    """Raise `OptionError` unless `value` is finite and above 0."""
    if not np.isfinite(value) or value <= 0:
        raise OptionError(option, value, "must be finite and above 0")


def require_not_negative(option: str, value: float) -> None:
    """Raise `OptionError` unless `value` is finite and at least 0."""
    if not np.isfinite(value) or value < 0:
        raise OptionError(option, value, "must be finite and at least 0")


def require_at_least(option: str, value: int, least: int) -> None:
    """Raise `OptionError` unless `value` is at least `least`."""
    if value < least:
        raise OptionError(option, value, f"must be at least {least}")
