"""Decoding of compressed points of G1, eight at a time: on processors with AVX-512 IFMA.

y is (x^3 + 4)^((p + 1) / 4), where p = 3 mod 4, if x^3 + 4 is a square at all. A point (x, y) lies
in the group of order r if and only if x^2 times it, for the curve's parameter x, is -(beta x, y)
(Scott, eprint 2021/1130, section 6).
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from offchain.crypto.kernels.decoding import (
    COMPRESSED_BYTES,
    GOOD,
    NOT_IN_SUBGROUP,
    NOT_ON_CURVE,
)
from offchain.crypto.kernels.lane_coordinates import (
    BASE_FIELD,
    LIMBS,
    MONTGOMERY_BITS,
    ORDER,
    add_lanes,
    multiply_lanes,
    subtract_lanes,
)
from offchain.crypto.kernels.lane_curve import NUMBER_WORDS, add_points, double_points
from offchain.crypto.kernels.lane_points import pack, unpack
from offchain.crypto.kernels.lanes import LANES, aligned, limbs
from offchain.crypto.kernels.machine import ZERO, kernel, subtract_borrow, swap_bytes

Words = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]

PARAMETER: Final = 0xD201000000010000  # minus the curve's x
BETA: Final = 0x5F19672FDF76CE51BA69C6076A0F77EADDB3A93BE6F89688DE17D813620A00022E01FFFFFFFEFFFE
_PARAMETER_BITS: Final = np.array([int(bit) for bit in f"{PARAMETER:b}"], np.uint8)
_WINDOW: Final = 4
_EXPONENT: Final = np.array([int(digit, 16) for digit in f"{(BASE_FIELD + 1) // 4:x}"], np.uint8)
_WORDS: Final = 6  # of 64 bits in a coordinate
_ORDER_LIMBS: Final = np.array(ORDER, np.uint64)
_ORDER_WORDS: Final = np.array(
    [BASE_FIELD >> (64 * i) & (2**64 - 1) for i in range(_WORDS)], np.uint64
)
_LARGEST: Final = np.uint8(0x20)  # the flag of the larger y
_FLAGS: Final = np.uint8(0xE0)
_WORD: Final = np.uint64(8 * NUMBER_WORDS)


def _in_lanes(value: int) -> list[int]:
    """One number eight times, limb by limb."""
    return [limb for limb in limbs(value, LIMBS) for _ in range(LANES)]


# Rows of numbers that kernels multiply by or add: what turns a number into Montgomery's form and
# back, and one, four and beta in that form.
CONSTANTS: Final = np.array(
    [
        _in_lanes(value % BASE_FIELD)
        for value in (
            1 << (2 * MONTGOMERY_BITS),
            1,
            1 << MONTGOMERY_BITS,
            4 << MONTGOMERY_BITS,
            BETA << MONTGOMERY_BITS,
        )
    ],
    np.uint64,
)
TO_MONTGOMERY, FROM_MONTGOMERY, ONE, FOUR, TO_BETA = range(5)


@kernel
def _multiply(result: np.uint64, a: np.uint64, b: np.uint64) -> None:
    """Once for all its uses: the instructions of a product fill a page."""
    multiply_lanes(result, a, b)


@kernel
def read_coordinate(source: Bytes, first: int, room: Words, number: int, lane: int) -> None:
    """Read 48 bytes, most significant first, into a lane of a number (a row of `room`)."""
    words = np.empty(_WORDS, np.uint64)
    for word in range(_WORDS):
        total = ZERO
        for byte in range(8):
            total = total << np.uint64(8) | np.uint64(source[first + 8 * word + byte])
        words[_WORDS - 1 - word] = total
    unpack(words, 0, room[number], lane, LANES)


@kernel
def read_number(room: Words, number: int, lane: int, words: Words) -> None:
    """Write a lane of a number below 1.01 p as six words, least significant first, below p."""
    pack(room[number], lane, LANES, words, 0)
    less = np.empty(_WORDS, np.uint64)
    borrow = ZERO
    for word in range(_WORDS):
        less[word], borrow = subtract_borrow(words[word], _ORDER_WORDS[word], borrow)
    if borrow == ZERO:
        words[:] = less


@kernel
def _is_zero(room: Words, number: int, lane: int) -> bool:
    """Return whether a lane of a number below 1.01 p is 0 or p."""
    zero, order = True, True
    for limb in range(LIMBS):
        found = room[number, LANES * limb + lane]
        zero &= found == ZERO
        order &= found == _ORDER_LIMBS[limb]
    return zero or order


@kernel
def _take_root(room: Words, square: int, root: int, table: int) -> None:
    """Write a number's power by (p + 1) / 4; sixteen rows from `table` on are used."""
    at = room.ctypes.data
    base, value = at + np.uint64(square) * _WORD, at + np.uint64(root) * _WORD
    powers = at + np.uint64(table) * _WORD
    room[table + 1] = room[square]
    for k in range(2, 1 << _WINDOW):
        _multiply(powers + np.uint64(k) * _WORD, powers + np.uint64(k - 1) * _WORD, base)
    room[root] = room[table + _EXPONENT[0]]
    for i in range(1, len(_EXPONENT)):
        for _ in range(_WINDOW):
            _multiply(value, value, value)
        if _EXPONENT[i]:
            _multiply(value, value, powers + np.uint64(_EXPONENT[i]) * _WORD)


@kernel
def _multiply_by_parameter(room: Words, result: int, points: int) -> None:
    """Write |x| times eight points; each stands in three rows of `room`."""
    room[result : result + 3] = room[points : points + 3]
    to = room.ctypes.data + np.uint64(result) * _WORD
    base = room.ctypes.data + np.uint64(points) * _WORD
    for bit in _PARAMETER_BITS[1:]:
        double_points(to, to)
        if bit:
            add_points(to, to, base)


# Rows of the room of `decode_in_lanes`. Points take three.
_X, _Y, _Z, _MULTIPLE, _SQUARED, _T, _OTHER, _CHECKS, _TABLE = 0, 1, 2, 3, 6, 9, 10, 11, 14
_ROWS: Final = _TABLE + (1 << _WINDOW)


@kernel
def decode_in_lanes(constants: Words, compressed: Bytes, plain: Bytes, states: Bytes) -> None:
    """As `decoding.decode`.

    Parameters
    ----------
    constants
        `CONSTANTS`.
    compressed
        Shape (N, 48): canonical encodings, none of infinity.
    plain
        Shape (N, 96): x and y of those that are good.
    states
        Shape (N,): `GOOD`, `NOT_ON_CURVE` or `NOT_IN_SUBGROUP`.
    """
    count = len(compressed)
    room = aligned(_ROWS, NUMBER_WORDS)
    at, fixed = np.uint64(room.ctypes.data), np.uint64(constants.ctypes.data)
    to_montgomery = fixed + np.uint64(TO_MONTGOMERY) * _WORD
    from_montgomery = fixed + np.uint64(FROM_MONTGOMERY) * _WORD
    four, beta = fixed + np.uint64(FOUR) * _WORD, fixed + np.uint64(TO_BETA) * _WORD
    x, y, t = at, at + np.uint64(_Y) * _WORD, at + np.uint64(_T) * _WORD
    squared = at + np.uint64(_SQUARED) * _WORD
    other, checks = at + np.uint64(_OTHER) * _WORD, at + np.uint64(_CHECKS) * _WORD
    source, words = np.empty(COMPRESSED_BYTES, np.uint8), np.empty(_WORDS, np.uint64)
    for first in range(0, count, LANES):
        for lane in range(LANES):
            source[:] = compressed[min(first + lane, count - 1)]
            source[0] &= ~_FLAGS
            read_coordinate(source, 0, room, _X, lane)
        _multiply(x, x, to_montgomery)
        _multiply(t, x, x)
        _multiply(t, t, x)
        add_lanes(t, t, four)
        _take_root(room, _T, _Y, _TABLE)
        room[_Z] = constants[ONE]
        _multiply_by_parameter(room, _MULTIPLE, _X)
        _multiply_by_parameter(room, _SQUARED, _MULTIPLE)
        # y^2 = x^3 + 4; X = beta x Z; Y = -y Z: differences that are zero mod p.
        _multiply(other, y, y)
        subtract_lanes(checks, other, t)
        _multiply(other, x, beta)
        _multiply(other, other, squared + np.uint64(2) * _WORD)
        subtract_lanes(checks + _WORD, squared, other)
        _multiply(other, y, squared + np.uint64(2) * _WORD)
        add_lanes(checks + np.uint64(2) * _WORD, squared + _WORD, other)
        for check in range(3):
            place = checks + np.uint64(check) * _WORD
            _multiply(place, place, from_montgomery)
        _multiply(y, y, from_montgomery)
        for lane in range(min(LANES, count - first)):
            i = first + lane
            if not _is_zero(room, _CHECKS, lane):
                states[i] = NOT_ON_CURVE
            elif _is_zero(room, _CHECKS + 1, lane) and _is_zero(room, _CHECKS + 2, lane):
                states[i] = GOOD
                read_number(room, _Y, lane, words)
                _write_point(compressed, i, words, plain)
            else:
                states[i] = NOT_IN_SUBGROUP


@kernel
def _write_point(compressed: Bytes, i: int, y: Words, plain: Bytes) -> None:
    """Write x, and of y and -y the one that the flag of an encoding names."""
    negative = np.empty(_WORDS, np.uint64)
    borrow = ZERO
    for word in range(_WORDS):
        negative[word], borrow = subtract_borrow(_ORDER_WORDS[word], y[word], borrow)
    larger = False
    for word in range(_WORDS - 1, -1, -1):
        if y[word] != negative[word]:
            larger = y[word] > negative[word]
            break
    wanted = (compressed[i, 0] & _LARGEST) != 0
    plain[i, :COMPRESSED_BYTES] = compressed[i]
    plain[i, 0] &= ~_FLAGS
    found = y if larger == wanted else negative
    for word in range(_WORDS):
        total = swap_bytes(found[_WORDS - 1 - word])
        for byte in range(8):
            plain[i, COMPRESSED_BYTES + 8 * word + byte] = np.uint8(
                total >> np.uint64(8 * byte) & np.uint64(0xFF)
            )
