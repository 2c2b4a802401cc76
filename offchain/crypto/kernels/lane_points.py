"""Sums of points of G1 in groups, eight additions at a time: on processors with AVX-512 IFMA.

The levels are those of `points.py`. What additions here do not know, two points with one x, is
noticed by the one inversion of a level, which then fails.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from offchain.crypto.kernels.lane_coordinates import (
    LIMBS,
    TWICE,
    add_pairs,
    multiply_lanes,
    subtract_first,
)
from offchain.crypto.kernels.lanes import LANES, LIMB_BITS, LIMB_MASK
from offchain.crypto.kernels.machine import ZERO, call_three, call_two, kernel, prefetch
from offchain.crypto.kernels.points import (
    COORDINATE,
    INVERSE,
    LANE_POINT_WORDS,
    MUL,
    ONE_PLACE,
    POINT,
    POINT_WORDS,
    TO_BLST,
    TO_LANES,
    Places,
    Words,
    begin_batch,
    copy,
    keep,
    largest,
    pair_up,
    scratch,
    sum_groups,
)

_TWICE: Final = np.array(TWICE, np.uint64)
_MASK: Final = np.uint64(LIMB_MASK)
_AHEAD: Final = 24  # points
_LINE: Final = np.uint64(64)  # bytes
_LANE_POINT_BYTES: Final = 8 * LANE_POINT_WORDS
_VECTOR_WORDS: Final = LIMBS * LANES  # of eight numbers
_VECTORS: Final = np.uint64(8 * _VECTOR_WORDS)


@kernel
def pack(limbs: Words, first: int, step: int, out: Words, place: int) -> None:
    """Write eight limbs of 52 bits as six words."""
    for word in range(6):
        out[place + word] = ZERO
    for j in range(LIMBS):
        limb = limbs[first + step * j]
        word, shift = (LIMB_BITS * j) // 64, np.uint64((LIMB_BITS * j) % 64)
        if word < 6:
            out[place + word] |= limb << shift
        if shift > np.uint64(64 - LIMB_BITS) and word < 5:
            out[place + word + 1] |= limb >> (np.uint64(64) - shift)


@kernel
def unpack(words: Words, place: int, out: Words, first: int, step: int) -> None:
    """The contrary of `pack`."""
    for j in range(LIMBS):
        word, shift = (LIMB_BITS * j) // 64, np.uint64((LIMB_BITS * j) % 64)
        limb = words[place + word] >> shift if word < 6 else ZERO
        if shift > np.uint64(64 - LIMB_BITS) and word < 5:
            limb |= words[place + word + 1] << (np.uint64(64) - shift)
        out[first + step * j] = limb & _MASK


@kernel
def _invert_lanes(
    calls: Words, numbers: Words, room: Words, total: int, result: int, spare: int
) -> bool:
    """Invert eight numbers; False if one is zero. All places count in words of `room`."""
    mul, at = calls[MUL], room.ctypes.data
    to_blst = numbers.ctypes.data + np.uint64(TO_BLST) * COORDINATE
    to_lanes = numbers.ctypes.data + np.uint64(TO_LANES) * COORDINATE
    one = numbers.ctypes.data + np.uint64(ONE_PLACE) * COORDINATE
    value = at + np.uint64(8 * spare)
    product = value + np.uint64(LANES) * COORDINATE
    inverse = product + np.uint64(LANES) * COORDINATE
    other = inverse + COORDINATE
    for lane in range(LANES):
        place, step = spare + 6 * lane, np.uint64(lane) * COORDINATE
        pack(room, total + lane, LANES, room, place)
        call_three(mul, value + step, value + step, to_blst)
        seen = ZERO
        for word in range(6):
            seen |= room[place + word]
        if seen == ZERO:
            return False
        call_three(
            mul, product + step, one if lane == 0 else product + step - COORDINATE, value + step
        )
    call_two(calls[INVERSE], inverse, product + np.uint64(LANES - 1) * COORDINATE)
    for lane in range(LANES - 1, -1, -1):
        step = np.uint64(lane) * COORDINATE
        call_three(mul, other, inverse, one if lane == 0 else product + step - COORDINATE)
        call_three(mul, inverse, inverse, value + step)
        call_three(mul, other, other, to_lanes)
        unpack(room, spare + 6 * (2 * LANES + 1), room, result + lane, LANES)
    return True


@kernel
def _add_in_lanes(
    calls: Words, numbers: Words, points: Words, out: Words, plan: Places, pairs: int, room: Words
) -> bool:
    """Add pairs of points, eight at a time; False if the two of a pair have one x."""
    blocks = (pairs + LANES - 1) // LANES
    for lane in range(blocks * LANES):
        # Lanes behind the last pair repeat it, and leave their sum behind all others.
        i = plan[0, min(lane, pairs - 1)]
        target = plan[1, lane] if lane < pairs else len(out) - 1
        plan[2, lane] = i * _LANE_POINT_BYTES
        plan[3, lane] = (i + 1) * _LANE_POINT_BYTES
        plan[4, lane] = target * _LANE_POINT_BYTES
    row = np.uint64(8 * plan.shape[1])
    left = plan.ctypes.data + np.uint64(2) * row
    right, targets = left + row, left + row + row
    at, to, below = points.ctypes.data, out.ctypes.data, room.ctypes.data
    product = below + np.uint64(blocks) * _VECTORS
    last = _VECTOR_WORDS * (2 * blocks - 1)
    inverse, spare = last + _VECTOR_WORDS, last + 3 * _VECTOR_WORDS
    inverse_at = below + np.uint64(8 * inverse)
    other = inverse_at + _VECTORS
    for block in range(blocks):
        lanes = np.uint64(8 * LANES * block)
        place, here = below + np.uint64(block) * _VECTORS, product + np.uint64(block) * _VECTORS
        subtract_first(place, at, left + lanes, right + lanes)
        if block:
            multiply_lanes(here, here - _VECTORS, place)
        else:
            for word in range(_VECTOR_WORDS):
                room[_VECTOR_WORDS * blocks + word] = room[word]
    if not _invert_lanes(calls, numbers, room, last, inverse, spare):
        return False
    for block in range(blocks - 1, -1, -1):
        lanes = np.uint64(8 * LANES * block)
        place, here = below + np.uint64(block) * _VECTORS, product + np.uint64(block) * _VECTORS
        slope = inverse_at
        if block:
            multiply_lanes(other, inverse_at, here - _VECTORS)
            multiply_lanes(inverse_at, inverse_at, place)
            slope = other
        add_pairs(to, targets + lanes, at, left + lanes, right + lanes, slope)
    return True


@kernel
def _tree_in_lanes(
    calls: Words,
    numbers: Words,
    points: Words,
    other: Words,
    room: Words,
    plan: Places,
    sizes: Places,
    groups: int,
) -> Any:
    """As `_tree`; whether no pair had one x comes first."""
    while largest(sizes, groups) > 1:
        pairs = pair_up(points, other, sizes, groups, plan)
        if not _add_in_lanes(calls, numbers, points, other, plan, pairs, room):
            return False, points
        points, other = other, points
    return True, points


@kernel
def sum_groups_in_lanes(
    calls: Words,
    numbers: Words,
    table: Words,
    references: npt.NDArray[np.uint32],
    starts: Places,
    sums: Words,
) -> None:
    """As `sum_groups`, for points of sixteen words: on processors where `lanes.available()`.

    A batch in which equal or opposite points met is added once more, by `sum_groups`. No point of
    the table that is named may be at infinity.
    """
    points, other, room, plan, sizes = scratch(starts, LANE_POINT_WORDS)
    first = 0
    while first < len(starts) - 1:
        last = begin_batch(starts, first, sizes)
        for i in range(starts[first], starts[last]):
            loaded = i - starts[first]
            # The table is larger than the cache, and its places come in no order.
            ahead = references[min(i + _AHEAD, len(references) - 1)] >> np.uint32(1)
            place = table.ctypes.data + np.uint64(ahead) * np.uint64(_LANE_POINT_BYTES)
            prefetch(place)
            prefetch(place + _LINE)
            copy(table, references[i] >> np.uint32(1), points, loaded)
            if references[i] & np.uint32(1):
                borrow = np.int64(0)
                for j in range(LIMBS):
                    limb = np.int64(_TWICE[j]) - np.int64(points[loaded, LIMBS + j]) + borrow
                    borrow = limb >> LIMB_BITS
                    points[loaded, LIMBS + j] = np.uint64(limb) & _MASK
        good, found = _tree_in_lanes(calls, numbers, points, other, room, plan, sizes, last - first)
        if good:
            keep(found, starts, first, last, sums)
        else:
            _sum_once_more(calls, numbers, table, references, starts, first, last, sums)
        first = last


@kernel
def _sum_once_more(
    calls: Words,
    numbers: Words,
    table: Words,
    references: npt.NDArray[np.uint32],
    starts: Places,
    first: int,
    last: int,
    sums: Words,
) -> None:
    """Sums of some groups of points of sixteen words, in blst's form in between."""
    count = starts[last] - starts[first]
    points = np.empty((count, LANE_POINT_WORDS), np.uint64)
    own = np.empty(count, np.uint32)
    for i in range(count):
        reference = references[starts[first] + i]
        copy(table, reference >> np.uint32(1), points, i)
        own[i] = 2 * i + (reference & np.uint32(1))
    plain = np.empty((count, POINT_WORDS), np.uint64)
    from_lanes(calls, numbers, points, plain)
    found = np.empty((last - first, POINT_WORDS), np.uint64)
    sum_groups(calls, numbers, plain, own, starts[first : last + 1] - starts[first], found)
    to_lanes(calls, numbers, found, sums[first:last])


@kernel
def to_lanes(calls: Words, numbers: Words, points: Words, out: Words) -> None:
    """Turn points of twelve words into points of sixteen."""
    room = np.empty(6, np.uint64)
    for i in range(len(points)):
        for half in range(2):
            _multiply_by(calls, numbers, TO_LANES, points, i, half, room)
            unpack(room, 0, out[i], LIMBS * half, 1)


@kernel
def from_lanes(calls: Words, numbers: Words, points: Words, out: Words) -> None:
    """The contrary of `to_lanes`."""
    room = np.empty(6, np.uint64)
    for i in range(len(points)):
        for half in range(2):
            pack(points[i], LIMBS * half, 1, room, 0)
            for word in range(6):
                out[i, 6 * half + word] = room[word]
            _multiply_by(calls, numbers, TO_BLST, out, i, half, room)
            for word in range(6):
                out[i, 6 * half + word] = room[word]


@kernel
def _multiply_by(
    calls: Words, numbers: Words, number: int, points: Words, i: int, half: int, out: Words
) -> None:
    """Multiply a coordinate of a point of twelve words by one of `NUMBERS`."""
    place = points.ctypes.data + np.uint64(i) * POINT + np.uint64(half) * COORDINATE
    factor = numbers.ctypes.data + np.uint64(number) * COORDINATE
    call_three(calls[MUL], out.ctypes.data, place, factor)
