"""Sums of products over fixed points, by kernels over blst.

Where there is no blst, or a known sum comes out otherwise, `FixedBase.build` returns None and the
caller takes py-arkworks: the sums are the same points, two to five times as dear.
docs/performance.md has the figures and the reasons.

Sums run outside the interpreter lock.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from py_arkworks_bls12381 import G1Point, Scalar

from offchain.crypto.blst import addresses, library
from offchain.crypto.field import FieldVector, R
from offchain.crypto.kernels import buckets, lane_points, lanes, points

_LOG = logging.getLogger(__name__)
_AFFINE_BYTES: Final = 8 * points.POINT_WORDS  # blst_p1_affine
_POINT_BYTES: Final = 8 * points.JACOBIAN_WORDS  # blst_p1
_MAGNITUDE_BITS: Final = 254
_MIN_WINDOW: Final = 5
_MAX_WINDOW: Final = 11  # wider ones make full sums a little faster, and short ones slower
_CHECKED: Final = 64  # points of the sum that every table is tried on


class _Adder:
    """Adds points in groups, in the form that this processor is fastest with."""

    def __init__(self, blst: ctypes.CDLL) -> None:
        self._blst = blst
        self._calls = addresses(blst, points.FUNCTIONS)
        self._in_lanes = lanes.available()

    def to_own_form(self, plain: points.Words) -> points.Words:
        """Turn points of blst's form into those of this one."""
        if not self._in_lanes:
            return plain
        turned = lanes.aligned(len(plain), points.LANE_POINT_WORDS)
        lane_points.to_lanes(self._calls, points.NUMBERS, plain, turned)
        return turned

    def to_plain_form(self, own: points.Words) -> points.Words:
        """The contrary of `to_own_form`."""
        if not self._in_lanes:
            return own
        turned = np.empty((len(own), points.POINT_WORDS), np.uint64)
        lane_points.from_lanes(self._calls, points.NUMBERS, own, turned)
        return turned

    def add(
        self, table: points.Words, references: npt.NDArray[np.uint32], starts: points.Places
    ) -> points.Words:
        """Return the sum of each group of points of a table."""
        words = points.LANE_POINT_WORDS if self._in_lanes else points.POINT_WORDS
        sums = lanes.aligned(len(starts) - 1, words)
        add = lane_points.sum_groups_in_lanes if self._in_lanes else points.sum_groups
        add(self._calls, points.NUMBERS, table, references, starts, sums)
        return sums

    def weighted(self, lines: points.Words, shift: int) -> G1Point:
        """Return 2^shift sum_i i lines[i] + sum_j j lines[rows + j], of plain lines."""
        total = np.empty((3, points.JACOBIAN_WORDS), np.uint64)
        buckets.weighted_sum(self._calls, lines, shift, total)
        encoded = ctypes.create_string_buffer(_AFFINE_BYTES)
        self._blst.blst_p1_serialize(encoded, total.ctypes.data)
        if encoded.raw[0] & 0x40:
            return G1Point.identity()
        return G1Point.from_xy_bytes_unchecked_be(encoded.raw)


def _plain(blst: ctypes.CDLL, given: Sequence[G1Point]) -> points.Words:
    """Points in blst's form, none of them at infinity."""
    table = np.empty((len(given), points.POINT_WORDS), np.uint64)
    encoded = ctypes.create_string_buffer(b"".join([p.to_xy_bytes_be() for p in given]))
    source, target = ctypes.addressof(encoded), table.ctypes.data
    for place in range(0, _AFFINE_BYTES * len(given), _AFFINE_BYTES):
        if blst.blst_p1_deserialize(target + place, source + place):
            raise ValueError(f"point {place // _AFFINE_BYTES} is not one of the curve")
    return table


class FixedBase:
    """Fixed points P_j with their multiples 2^(w k) P_j, w bits the *window*.

    A scalar is written in signed digits of w bits, digit k going with 2^(w k) P_j. All digits of
    all scalars fall into one set of 2^(w-1) buckets, so a sum costs one addition for each digit
    that is not zero: short scalars have few of them. The buckets, each times its number, are added
    along rows and columns, as if their numbers had two digits.

    Parameters
    ----------
    blst
        The library.
    bases
        The points, at least one; none at infinity.
    """

    def __init__(self, blst: ctypes.CDLL, bases: Sequence[G1Point]) -> None:
        self._adder = _Adder(blst)
        self._count = len(bases)
        self._window = min(max(self._count.bit_length() - 2, _MIN_WINDOW), _MAX_WINDOW)
        self._digits = (_MAGNITUDE_BITS + 1) // self._window + 1
        self._table = self._adder.to_own_form(self._multiples(blst, bases))

    @staticmethod
    def build(bases: Sequence[G1Point]) -> FixedBase | None:
        """Return a table that has been tried on a known sum, or None where there is no blst."""
        blst = library()
        if blst is None or not bases:
            return None
        base = FixedBase(blst, bases)
        tried = min(_CHECKED, len(bases))
        scalars = [pow(7, 91 * j + 1, R) for j in range(tried)]
        expected = G1Point.multiexp_unchecked(
            list(bases[:tried]), [Scalar.from_be_bytes(s.to_bytes(32, "big")) for s in scalars]
        )
        if base.sum(FieldVector.from_ints(scalars)) != expected:
            _LOG.warning("blst gives another sum than py-arkworks and is not used")
            return None
        return base

    def _multiples(self, blst: ctypes.CDLL, bases: Sequence[G1Point]) -> points.Words:
        """Return P_j, then each row of multiples from the row before it."""
        filled = np.empty((self._digits * self._count, points.POINT_WORDS), np.uint64)
        filled[: self._count] = _plain(blst, bases)
        table, size = filled.ctypes.data, _AFFINE_BYTES
        row = np.empty((self._count, _POINT_BYTES), np.uint8)
        places = [row.ctypes.data + _POINT_BYTES * j for j in range(self._count)]
        for place, j in zip(places, range(self._count), strict=True):
            blst.blst_p1_from_affine(place, table + size * j)
        shift = ctypes.create_string_buffer((1 << self._window).to_bytes(2, "little"), 2)
        factor, bits, multiply = ctypes.addressof(shift), self._window + 1, blst.blst_p1_mult
        contiguous = (ctypes.c_void_p * 2)(row.ctypes.data, None)
        for k in range(1, self._digits):
            for place in places:
                multiply(place, place, factor, bits)
            blst.blst_p1s_to_affine(table + size * self._count * k, contiguous, self._count)
        return filled

    def sum(self, vector: FieldVector) -> G1Point:
        """Return sum_j vector_j P_j; fastest where elements are small in magnitude.

        The vector may be shorter than the table, not longer.
        """
        elements = vector.elements(self._count)
        room = self._digits * self._count
        digits, references = np.empty(room, np.int32), np.empty(room, np.uint32)
        used = buckets.digits(elements, self._count, self._window, digits, references)
        if not used:
            return G1Point.identity()
        count, adder = 1 << (self._window - 1), self._adder
        sums = adder.add(self._table, *buckets.group_digits(digits, references, used, count))
        shift = self._window // 2
        lines = adder.add(sums, *buckets.lines_of_buckets(sums, shift))
        return adder.weighted(adder.to_plain_form(lines), shift)
