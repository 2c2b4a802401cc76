"""Secure statistics round: mean and deviation from sums, before training (section 9).

Every device maps its rows to z in [-1, 1] by the public ranges (values outside are clipped) and
sends [sum z, sum z^2] per column through the same protocol as an update, its count in slot 0.
From the sums over all devices

    mean z = s1 / M,    var z = s2 / M - (s1 / M)^2,    x = centre + half_width z.

The target of a regression is standardised as one more column (`with_target`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from offchain.learning.arrays import Floats, parse_matrix, parse_vector, require_at_least
from offchain.learning.encoding import UpdateEncoding
from offchain.learning.errors import OptionError, RangeError, ShapeError


def parse_ranges(ranges: npt.ArrayLike) -> Floats:
    """Return public ranges (columns, 2) after checking low < high.

    Raises
    ------
    ShapeError, NotFiniteError
        If not a finite (columns, 2) matrix.
    RangeError
        Field `ranges`, naming the first column with low >= high.
    """
    matrix = parse_matrix("ranges", ranges, 2)
    empty = matrix[:, 0] >= matrix[:, 1]
    if empty.any():
        raise RangeError("ranges", int(np.argmax(empty)), "low must be below high")
    return matrix


def with_target(X: Floats, y: Floats) -> Floats:
    """Return X with y as its last column, shape (m, features + 1)."""
    return np.column_stack([X, y])


def statistics_vector(X: npt.ArrayLike, ranges: npt.ArrayLike) -> Floats:
    """Return a device's [sum z..., sum z^2...], shape (2 columns,), secret until masked.

    Parameters
    ----------
    X
        The device's rows in the plant's units, shape (m, columns), m >= 1.
    ranges
        Public (low, high) per column, shape (columns, 2).

    Raises
    ------
    ShapeError, NotFiniteError, RangeError
        If an argument is not as stated.
    """
    limits = parse_ranges(ranges)
    matrix = parse_matrix("X", X, len(limits))
    if len(matrix) == 0:
        raise ShapeError("X", matrix.shape, "at least one row")
    centre, half = _centre(limits)
    z = np.clip((matrix - centre) / half, -1.0, 1.0)
    return np.concatenate([z.sum(axis=0), np.square(z).sum(axis=0)])


def statistics_encoding(
    columns: int, *, noise_multiplier: float, min_samples: int, max_samples: int
) -> UpdateEncoding:
    """Return the encoding of the statistics round.

    Its clip norm is the public bound sqrt(2 columns) max_samples, which no device can pass since
    |z| <= 1: nothing is ever clipped.
    """
    require_at_least("columns", columns, 1)
    clip_norm = math.sqrt(2.0 * columns) * max_samples
    return UpdateEncoding(noise_multiplier, clip_norm, min_samples, max_samples)


def variance_resolution(encoding: UpdateEncoding, devices: int, count: int) -> float:
    """Return a bound on what rounding can change of any column's variance of z.

    Each device rounds by at most step/2, so s1 and s2 are off by at most h = devices step/2, and
    var z by at most h/M + 2 h/M + (h/M)^2 since |mean z| <= 1.
    """
    require_at_least("devices", devices, 1)
    require_at_least("count", count, 1)
    error = devices * encoding.step / (2.0 * count)
    return 3.0 * error + error * error


@dataclass(frozen=True, slots=True)
class Standardiser:
    """The public map x -> (x - mean) * weight, column by column.

    Attributes
    ----------
    mean, deviation
        In the plant's units, shape (columns,); the deviation is sqrt of the mean square.
    weight
        1 / deviation, and 0 for constant columns.
    constant
        Indices of the columns that are constant, or vary less than the round could resolve.
    """

    mean: Floats
    deviation: Floats
    weight: Floats
    constant: tuple[int, ...]

    @classmethod
    def from_sums(
        cls,
        count: int,
        sums: npt.ArrayLike,
        ranges: npt.ArrayLike,
        *,
        resolution: float = 1e-12,
    ) -> Standardiser:
        """Return the standardiser of all devices' rows together.

        Parameters
        ----------
        count
            Total number of rows M, at least 1.
        sums
            Sum of all `statistics_vector`s, shape (2 columns,).
        ranges
            The same public ranges, shape (columns, 2).
        resolution
            Variance of z at or below which a column counts as constant; after quantisation use
            `variance_resolution`.

        Raises
        ------
        ShapeError, NotFiniteError, OptionError
            If an argument is not as stated.
        RangeError
            Field `sums`, naming the column whose sums no `count` values in [-1, 1] can have.
        """
        limits = parse_ranges(ranges)
        require_at_least("count", count, 1)
        columns = len(limits)
        vector = parse_vector("sums", sums, 2 * columns)
        if not math.isfinite(resolution) or resolution < 0:
            raise OptionError("resolution", resolution, "must be finite and at least 0")
        # Rounding may carry honest sums a little beyond what values in [-1, 1] give.
        tolerance = max(resolution, 1e-9)
        first, second = vector[:columns] / count, vector[columns:] / count
        variance = second - np.square(first)
        limit = 1.0 + tolerance
        wrong = (np.abs(first) > limit) | (second > limit) | (variance < -tolerance)
        if wrong.any():
            raise RangeError("sums", int(np.argmax(wrong)), f"not of {count} values in [-1, 1]")
        centre, half = _centre(limits)
        flat = variance <= resolution
        deviation = np.where(flat, 0.0, half * np.sqrt(np.maximum(variance, 0.0)))
        weight = np.zeros(columns)
        weight[~flat] = 1.0 / deviation[~flat]
        return cls(centre + half * first, deviation, weight, tuple(np.flatnonzero(flat).tolist()))

    @classmethod
    def from_rows(cls, X: npt.ArrayLike, ranges: npt.ArrayLike) -> Standardiser:
        """Return the standardiser of rows that one party holds (central baseline)."""
        matrix = parse_matrix("X", X)
        return cls.from_sums(len(matrix), statistics_vector(matrix, ranges), ranges)

    def apply(self, X: npt.ArrayLike) -> Floats:
        """Return standardised rows, shape as X; constant columns become 0.

        Raises
        ------
        ShapeError, NotFiniteError
            If X is not a finite (m, columns) matrix.
        """
        return (parse_matrix("X", X, len(self.mean)) - self.mean) * self.weight

    def column(self, index: int) -> Standardiser:
        """Return the standardiser of one column (the target, index -1)."""
        position = index % len(self.mean)
        chosen = slice(position, position + 1)
        return self._take(chosen, (0,) if position in self.constant else ())

    def columns(self, count: int) -> Standardiser:
        """Return the standardiser of the first `count` columns (the features)."""
        return self._take(slice(0, count), tuple(i for i in self.constant if i < count))

    def names_of_constant(self, feature_names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names of the constant columns, for the report."""
        return tuple(feature_names[index] for index in self.constant)

    def _take(self, chosen: slice, constant: tuple[int, ...]) -> Standardiser:
        return Standardiser(
            self.mean[chosen], self.deviation[chosen], self.weight[chosen], constant
        )


def _centre(limits: Floats) -> tuple[Floats, Floats]:
    return (limits[:, 0] + limits[:, 1]) / 2.0, (limits[:, 1] - limits[:, 0]) / 2.0
