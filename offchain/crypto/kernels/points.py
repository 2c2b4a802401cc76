"""Sums of points of G1 in groups, in affine coordinates.

The sum of two points takes one inversion. Montgomery's trick inverts many numbers with one
inversion and three multiplications each, so an addition costs six multiplications, where projective
coordinates take ten or more. All additions of a level, in all groups of a batch, share one.

A point is two coordinates as blst holds them (`blst_p1_affine`, twelve 64-bit words), or as vector
instructions take them (`lane_points.py`, sixteen words of 52 bits); the point at infinity is all
zeros. A *reference* names a point of an array and its sign: 2 place + (1 if negative).
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from offchain.crypto.kernels.lane_coordinates import BASE_FIELD, LIMBS, MONTGOMERY_BITS
from offchain.crypto.kernels.lanes import LANES, aligned
from offchain.crypto.kernels.machine import ZERO, call_three, call_two, kernel

Words = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]

POINT_WORDS: Final = 12
LANE_POINT_WORDS: Final = 2 * LIMBS
JACOBIAN_WORDS: Final = 18
# What a kernel is given in place of a library: addresses of functions of blst.h, in this order.
FUNCTIONS: Final = (
    "blst_fp_mul",
    "blst_fp_sqr",
    "blst_fp_add",
    "blst_fp_sub",
    "blst_fp_inverse",
    "blst_p1_add_or_double_affine",
    "blst_p1_add_or_double",
    "blst_p1_double",
)
MUL, _SQR, _ADD, _SUB, INVERSE, P1_ADD_AFFINE, P1_ADD, P1_DOUBLE = range(len(FUNCTIONS))

COORDINATE: Final = np.uint64(48)  # bytes
POINT: Final = np.uint64(96)
JACOBIAN: Final = np.uint64(144)
# What becomes of a pair of points.
_SUM, _DOUBLE, _FIRST, _SECOND, _NOTHING = range(5)
BATCH: Final = 4096  # points that are loaded together: they fit the second-level cache

_BLST_BITS: Final = 384


def _base_words(value: int) -> list[int]:
    return [value >> (64 * i) & (2**64 - 1) for i in range(6)]


# Numbers that blst multiplies by: one, and what turns Montgomery's form for 2^416 into that for
# 2^384, and back.
NUMBERS: Final = np.array(
    [
        _base_words((1 << _BLST_BITS) % BASE_FIELD),
        _base_words(1 << (2 * _BLST_BITS - MONTGOMERY_BITS)),
        _base_words((1 << MONTGOMERY_BITS) % BASE_FIELD),
    ],
    np.uint64,
)
ONE_PLACE, TO_BLST, TO_LANES = range(3)


@kernel
def _batch_end(starts: Places, first: int) -> int:
    """Return the group behind the last one that goes with group `first`."""
    last = first + 1
    while last < len(starts) - 1 and starts[last + 1] - starts[first] <= BATCH:
        last += 1
    return last


@kernel
def begin_batch(starts: Places, first: int, sizes: Places) -> int:
    """Write the sizes of a batch's groups, and return the group behind the last one."""
    last = _batch_end(starts, first)
    for group in range(first, last):
        sizes[group - first] = starts[group + 1] - starts[group]
    return last


@kernel
def scratch(starts: Places, words: int) -> Any:
    """Room for the largest batch: points twice, numbers, a plan, sizes."""
    points, groups, first = 0, len(starts) - 1, 0
    while first < groups:
        last = _batch_end(starts, first)
        points = max(points, starts[last] - starts[first])
        first = last
    blocks = points // (2 * LANES) + 1
    return (
        aligned(points + 1, words),
        aligned(points + 1, words),
        # Denominators, their products, and what is in between: 64 words for eight of them.
        aligned(1, 2 * LIMBS * LANES * (blocks + 2))[0],
        np.empty((5, LANES * blocks), np.int64),
        np.empty(groups, np.int64),
    )


@kernel
def is_infinity(points: Words, i: int) -> bool:
    """Return whether point i is at infinity."""
    seen = ZERO
    for word in range(points.shape[1]):
        seen |= points[i, word]
    return seen == ZERO


@kernel
def _same(a: Words, i: int, j: int, offset: int) -> bool:
    different = ZERO
    for word in range(offset, offset + 6):
        different |= a[i, word] ^ a[j, word]
    return different == ZERO


@kernel
def copy(source: Words, i: int, target: Words, j: int) -> None:
    """Write point i of one array to place j of another."""
    for word in range(source.shape[1]):
        target[j, word] = source[i, word]


@kernel
def pair_up(points: Words, other: Words, sizes: Places, groups: int, plan: Places) -> int:
    """Plan a level: neighbours of a group become one point, a last one without any is copied.

    Returns the number of pairs. Rows of the plan: where a pair begins, where its sum goes; those
    behind are free. `sizes` becomes those of the next level.
    """
    pairs, source, target = 0, 0, 0
    for group in range(groups):
        size = sizes[group]
        for i in range(source, source + size - 1, 2):
            plan[0, pairs], plan[1, pairs] = i, target
            pairs += 1
            target += 1
        if size % 2:
            copy(points, source + size - 1, other, target)
            target += 1
        sizes[group] = (size + 1) // 2
        source += size
    return pairs


@kernel
def largest(sizes: Places, groups: int) -> int:
    """Return the size of the largest of the first groups."""
    largest = 0
    for group in range(groups):
        largest = max(largest, sizes[group])
    return largest


@kernel
def _add_one_by_one(
    calls: Words, numbers: Words, points: Words, out: Words, plan: Places, pairs: int, room: Words
) -> None:
    """Add pairs of points in blst's form, also equal and opposite ones and infinity.

    With (x1, y1) + (x2, y2): slope = (y2 - y1) / (x2 - x1), or 3 x^2 / 2 y for a point twice;
    x3 = slope^2 - x1 - x2; y3 = slope (x1 - x3) - y1.
    """
    mul, sqr, add, sub = calls[MUL], calls[_SQR], calls[_ADD], calls[_SUB]
    at, to, below = points.ctypes.data, out.ctypes.data, room.ctypes.data
    one = numbers.ctypes.data + np.uint64(ONE_PLACE) * COORDINATE
    product = below + np.uint64(pairs) * COORDINATE
    slope = product + np.uint64(pairs) * COORDINATE
    other, third, inverse = slope + COORDINATE, slope + COORDINATE * 2, slope + COORDINATE * 3
    for pair in range(pairs):
        i = plan[0, pair]
        p = at + np.uint64(i) * POINT
        place = below + np.uint64(pair) * COORDINATE
        kind = _SUM
        if is_infinity(points, i):
            kind = _SECOND
        elif is_infinity(points, i + 1):
            kind = _FIRST
        elif not _same(points, i, i + 1, 0):
            call_three(sub, place, p + POINT, p)
        elif _same(points, i, i + 1, 6):
            kind = _DOUBLE
            call_three(add, place, p + COORDINATE, p + COORDINATE)
        else:
            kind = _NOTHING
        if kind >= _FIRST:
            call_three(mul, place, one, one)
        plan[2, pair] = kind
        here = product + np.uint64(pair) * COORDINATE
        call_three(mul, here, one if pair == 0 else here - COORDINATE, place)
    call_two(calls[INVERSE], inverse, product + np.uint64(pairs - 1) * COORDINATE)
    for pair in range(pairs - 1, -1, -1):
        i, target, kind = plan[0, pair], plan[1, pair], plan[2, pair]
        p = at + np.uint64(i) * POINT
        q, result = p + POINT, to + np.uint64(target) * POINT
        place = below + np.uint64(pair) * COORDINATE
        before = product + np.uint64(pair - 1) * COORDINATE if pair else one
        call_three(mul, slope, inverse, before)
        call_three(mul, inverse, inverse, place)
        if kind == _NOTHING:
            out[target] = ZERO
        elif kind >= _FIRST:
            copy(points, i if kind == _FIRST else i + 1, out, target)
        else:
            if kind == _SUM:
                call_three(sub, other, q + COORDINATE, p + COORDINATE)
            else:
                call_two(sqr, third, p)
                call_three(add, other, third, third)
                call_three(add, other, other, third)
            call_three(mul, slope, other, slope)
            call_two(sqr, third, slope)
            call_three(sub, third, third, p)
            call_three(sub, result, third, q)
            call_three(sub, other, p, result)
            call_three(mul, other, other, slope)
            call_three(sub, result + COORDINATE, other, p + COORDINATE)


@kernel
def _tree(
    calls: Words,
    numbers: Words,
    points: Words,
    other: Words,
    room: Words,
    plan: Places,
    sizes: Places,
    groups: int,
) -> Words:
    """Add until every group has one point; return the array where they stand, empty ones apart."""
    while largest(sizes, groups) > 1:
        pairs = pair_up(points, other, sizes, groups, plan)
        _add_one_by_one(calls, numbers, points, other, plan, pairs, room)
        points, other = other, points
    return points


@kernel
def keep(points: Words, starts: Places, first: int, last: int, sums: Words) -> None:
    """Write the sums of groups; infinity for an empty one."""
    source = 0
    for group in range(first, last):
        if starts[group + 1] > starts[group]:
            copy(points, source, sums, group)
            source += 1
        else:
            sums[group] = ZERO


@kernel
def sum_groups(
    calls: Words,
    numbers: Words,
    table: Words,
    references: npt.NDArray[np.uint32],
    starts: Places,
    sums: Words,
) -> None:
    """Write the sum of each group of points; infinity for an empty one.

    Parameters
    ----------
    calls
        Addresses of `FUNCTIONS`.
    numbers
        `NUMBERS`.
    table
        Points, shape (N, 12).
    references
        Which points, with signs; group g has those from starts[g] up to starts[g + 1].
    sums
        Shape (groups, 12).
    """
    points, other, room, plan, sizes = scratch(starts, POINT_WORDS)
    zero = np.zeros(6, np.uint64)
    first = 0
    while first < len(starts) - 1:
        last = begin_batch(starts, first, sizes)
        for i in range(starts[first], starts[last]):
            loaded = i - starts[first]
            copy(table, references[i] >> np.uint32(1), points, loaded)
            if references[i] & np.uint32(1):
                _subtract_from(calls, zero, points, loaded)
        found = _tree(calls, numbers, points, other, room, plan, sizes, last - first)
        keep(found, starts, first, last, sums)
        first = last


@kernel
def _subtract_from(calls: Words, zero: Words, points: Words, i: int) -> None:
    """Turn a point into its negative; infinity stays what it is."""
    y = points.ctypes.data + np.uint64(i) * POINT + COORDINATE
    call_three(calls[_SUB], y, zero.ctypes.data, y)
