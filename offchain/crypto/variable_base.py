"""Sums of products over points that are not known before: batches of openings, signatures, masks.

On processors with AVX-512 IFMA by kernels, three times as fast as py-arkworks, which adds
everywhere else, and where there are so few points that it is the faster one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from py_arkworks_bls12381 import G1Point

from offchain.crypto.curve import G1, G1_INFINITY, msm_g1
from offchain.crypto.errors import LengthError, RangeError
from offchain.crypto.field import R
from offchain.crypto.kernels import lane_products, lanes
from offchain.crypto.kernels.lane_coordinates import BASE_FIELD
from offchain.crypto.kernels.lane_decoding import CONSTANTS

Products = tuple[Sequence[G1], Sequence[int]]
"""Points of G1, and as many scalars."""

_FEWEST: Final = 6  # points from which kernels pay
_MOST: Final = 512  # points whose multiples are in memory together: 3 MB
_COORDINATE_BYTES: Final = 48
_TERM_BYTES: Final = 16
_INFINITY: Final = G1_INFINITY.to_xy_bytes_be()  # no other point is all zeros


def sum_products(*sums: Products) -> list[G1]:
    """Return sum_i scalars[i] * points[i] of each sum, all in one go.

    Parameters
    ----------
    sums
        Up to eight. Scalars are taken modulo r, so points must be of order r, or infinity.

    Raises
    ------
    LengthError
        If the lengths of points and scalars differ.
    RangeError
        If there are more than eight sums.
    """
    if len(sums) > lanes.LANES:
        raise RangeError("sums", len(sums), 0, lanes.LANES)
    for points, scalars in sums:
        if len(points) != len(scalars):
            raise LengthError("scalars", len(scalars), len(points))
    longest = max((len(points) for points, _ in sums), default=0)
    if not lanes.available() or longest < _FEWEST:
        return [msm_g1(points, scalars) for points, scalars in sums]
    room = _MOST // len(sums)
    totals = [G1_INFINITY] * len(sums)
    for start in range(0, longest, room):
        part = slice(start, start + room)
        found = _sum_in_lanes([(points[part], scalars[part]) for points, scalars in sums])
        totals = [a + b for a, b in zip(totals, found, strict=True)] if start else found
    return totals


def _sum_in_lanes(sums: Sequence[Products]) -> list[G1]:
    plain: list[bytes] = []
    terms: list[list[tuple[int, int]]] = []  # of each sum: places of points, scalars
    for points, scalars in sums:
        mine = []
        for point, scalar in zip(points, scalars, strict=True):
            encoded = point.to_xy_bytes_be()
            if encoded == _INFINITY:
                continue
            upper, lower = 0, scalar % R
            if lower >> lane_products.TERM_BITS:
                upper, lower = divmod(lower, lane_products.SPLIT)
            if lower:
                mine.append((2 * len(plain), lower))
            if upper:
                mine.append((2 * len(plain) + 1, upper))
            plain.append(encoded)
        terms.append(mine)
    if not plain:
        return [G1_INFINITY] * len(sums)
    widths = _widths([len(mine) for mine in terms])
    longest = max(-(-len(mine) // width) for mine, width in zip(terms, widths, strict=True))
    points_of = np.full((lanes.LANES, longest), -1, np.int64)
    scalars_of = np.zeros((lanes.LANES, longest, 2), np.uint64)
    first_lanes = np.cumsum([0, *widths])
    for first, width, mine in zip(first_lanes, widths, terms, strict=False):
        if not mine:
            continue
        joined = b"".join([scalar.to_bytes(_TERM_BYTES, "little") for _, scalar in mine])
        i = np.arange(len(mine))
        where = (first + i % width, i // width)
        points_of[where] = [place for place, _ in mine]
        scalars_of[where] = np.frombuffer(joined, np.uint64).reshape(-1, 2)
    found = np.empty((len(sums), 3, 6), np.uint64)
    coordinates = np.frombuffer(b"".join(plain), np.uint8).reshape(len(plain), -1)
    lane_products.sum_terms(CONSTANTS, coordinates, points_of, scalars_of, first_lanes, found)
    return [_affine(point) for point in found]


def _widths(lengths: Sequence[int]) -> list[int]:
    """Share eight lanes out among sums, one at least for each, so that the longest is shortest."""
    widths = [1] * len(lengths)
    for _ in range(lanes.LANES - len(lengths)):
        busiest = max(range(len(lengths)), key=lambda g: -(-lengths[g] // widths[g]))
        widths[busiest] += 1
    return widths


def _affine(point: npt.NDArray[np.uint64]) -> G1:
    x, y, z = (int.from_bytes(number.tobytes(), "little") for number in point)
    if z == 0:
        return G1_INFINITY
    inverse = pow(z, -1, BASE_FIELD)
    coordinates = [x * inverse % BASE_FIELD, y * inverse % BASE_FIELD]
    encoded = b"".join([value.to_bytes(_COORDINATE_BYTES, "big") for value in coordinates])
    return G1Point.from_xy_bytes_unchecked_be(encoded)
