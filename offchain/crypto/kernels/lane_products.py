"""Sums of products of points of G1 that are not known before: on processors with AVX-512 IFMA.

A scalar k is s + x^2 q with both parts below 2^128; since -x^2 takes a point of G1 to (beta x, y),
k P is s P + q (beta x, -y). These *terms* are spread over eight lanes. Each lane adds up its own,
by signed digits of five bits from the highest on (Straus), and all double together.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from offchain.crypto.kernels.lane_coordinates import LIMBS, multiply_lanes
from offchain.crypto.kernels.lane_curve import (
    NUMBER_WORDS,
    add_points,
    double_points,
    keep_points,
    select_points,
)
from offchain.crypto.kernels.lane_decoding import (
    FROM_MONTGOMERY,
    ONE,
    PARAMETER,
    TO_BETA,
    TO_MONTGOMERY,
    read_coordinate,
    read_number,
)
from offchain.crypto.kernels.lanes import LANES, aligned
from offchain.crypto.kernels.machine import ZERO, kernel

Words = npt.NDArray[np.uint64]

SPLIT: Final = PARAMETER**2  # where scalars are cut
TERM_BITS: Final = 128
_WINDOW: Final = 5
_DIGITS: Final = TERM_BITS // _WINDOW + 1
_MULTIPLES: Final = 1 << (_WINDOW - 1)  # of every point in the table
_ROW_WORDS: Final = 3 * LIMBS  # a point with its limbs in rows
_ROW: Final = 8 * _ROW_WORDS
_NUMBER: Final = np.uint64(8 * NUMBER_WORDS)
_PAIR: Final = 96  # bytes of two coordinates


@kernel
def _digits(low: np.uint64, high: np.uint64, digits: npt.NDArray[np.int64]) -> None:
    """Write a number of 128 bits in digits from -15 to 16, the lowest first."""
    half, mask, carry = np.int64(_MULTIPLES), np.uint64(2 * _MULTIPLES - 1), np.int64(0)
    for k in range(_DIGITS):
        digit = np.int64(low & mask) + carry
        low = low >> np.uint64(_WINDOW) | high << np.uint64(64 - _WINDOW)
        high >>= np.uint64(_WINDOW)
        carry = np.int64(digit > half)
        digits[k] = digit - 2 * half * carry


@kernel
def _make_table(
    constants: Words, plain: npt.NDArray[np.uint8], table: Words, room: Words, offsets: Words
) -> None:
    """Write the multiples 1 to 16 of every point (x, y), and behind them those of (beta x, y).

    The first place of the table is that of infinity.
    """
    count = len(plain)
    at, fixed, to = room.ctypes.data, constants.ctypes.data, table.ctypes.data
    places = offsets.ctypes.data
    base, value = at, at + np.uint64(3) * _NUMBER
    table[0] = ZERO
    for limb in range(LIMBS):
        table[0, LIMBS + limb] = constants[ONE, LANES * limb]
    for first in range(0, count, LANES):
        for lane in range(LANES):
            point = min(first + lane, count - 1)
            read_coordinate(plain[point], 0, room, 0, lane)
            read_coordinate(plain[point], _PAIR // 2, room, 1, lane)
        for coordinate in range(2):
            here = base + np.uint64(coordinate) * _NUMBER
            multiply_lanes(here, here, fixed + np.uint64(TO_MONTGOMERY) * _NUMBER)
        room[2] = constants[ONE]
        room[3:6] = room[0:3]
        for multiple in range(_MULTIPLES):
            if multiple:
                add_points(value, value, base)
            for turned in range(2):
                for lane in range(LANES):
                    # Lanes behind the last point repeat it.
                    point = 2 * min(first + lane, count - 1) + turned
                    offsets[lane] = _ROW * (1 + point * _MULTIPLES + multiple)
                room[6:9] = room[3:6]
                if turned:
                    here = at + np.uint64(6) * _NUMBER
                    multiply_lanes(here, here, fixed + np.uint64(TO_BETA) * _NUMBER)
                keep_points(to, places, at + np.uint64(6) * _NUMBER)


@kernel
def sum_terms(
    constants: Words,
    plain: npt.NDArray[np.uint8],
    points: npt.NDArray[np.int64],
    scalars: Words,
    first_lanes: npt.NDArray[np.int64],
    out: Words,
) -> None:
    """Write sums of terms in homogeneous coordinates, numbers below p of six words.

    Parameters
    ----------
    constants
        `CONSTANTS` of lane_decoding.py.
    plain
        Points, shape (N, 96): x and y, most significant byte first; none at infinity.
    points
        Shape (8, T): for each lane its terms: 2 i for point i, 2 i + 1 for (beta x, -y) of it, -1
        behind the last one.
    scalars
        Shape (8, T, 2): 128 bits each, the lower word first.
    first_lanes
        Shape (sums + 1,): the sum g takes lanes first_lanes[g] up to first_lanes[g + 1].
    out
        Shape (sums, 3, 6).
    """
    count, terms = len(plain), points.shape[1]
    table = aligned(1 + 2 * count * _MULTIPLES, _ROW_WORDS)
    room = aligned(9, NUMBER_WORDS)
    offsets, signs = np.empty(LANES, np.uint64), np.empty(LANES, np.uint64)
    _make_table(constants, plain, table, room, offsets)
    digits = np.zeros((LANES, terms, _DIGITS), np.int64)
    for lane in range(LANES):
        for term in range(terms):
            if points[lane, term] >= 0:
                _digits(scalars[lane, term, 0], scalars[lane, term, 1], digits[lane, term])
    at = room.ctypes.data
    total, chosen = at, at + np.uint64(3) * _NUMBER
    room[0] = ZERO
    room[1] = constants[ONE]
    room[2] = ZERO
    for k in range(_DIGITS - 1, -1, -1):
        if k < _DIGITS - 1:
            for _ in range(_WINDOW):
                double_points(total, total)
        for term in range(terms):
            for lane in range(LANES):
                digit, point = digits[lane, term, k], points[lane, term]
                place = 0
                if digit:
                    place = 1 + point * _MULTIPLES + abs(digit) - 1
                offsets[lane] = _ROW * place
                signs[lane] = np.uint64((digit < 0) != (point % 2 == 1))
            select_points(chosen, table.ctypes.data, offsets.ctypes.data, signs.ctypes.data)
            add_points(total, total, chosen)
    _join_lanes(constants, room, first_lanes, out)


@kernel
def _join_lanes(
    constants: Words, room: Words, first_lanes: npt.NDArray[np.int64], out: Words
) -> None:
    """Add up the lanes of each sum, and write it."""
    at, sums = room.ctypes.data, len(first_lanes) - 1
    most = 0
    for g in range(sums):
        most = max(most, first_lanes[g + 1] - first_lanes[g])
    for step in range(1, most):
        room[3] = ZERO
        room[4] = constants[ONE]
        room[5] = ZERO
        for g in range(sums):
            first, last = first_lanes[g], first_lanes[g + 1]
            if first + step < last:
                for number in range(3):
                    for limb in range(LIMBS):
                        room[3 + number, LANES * limb + first] = room[
                            number, LANES * limb + first + step
                        ]
        room[6:9] = room[0:3]
        add_points(at, at + np.uint64(6) * _NUMBER, at + np.uint64(3) * _NUMBER)
    for number in range(3):
        here = at + np.uint64(number) * _NUMBER
        multiply_lanes(here, here, constants.ctypes.data + np.uint64(FROM_MONTGOMERY) * _NUMBER)
        for g in range(sums):
            read_number(room, number, first_lanes[g], out[g, number])
