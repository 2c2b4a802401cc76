"""Linear maps over vectors of field elements, many slots in one big integer.

A vector of field elements is written into one integer with a fixed number of bits per element (a
*slot*). Multiplying that integer by a small integer multiplies every slot; adding two adds slot by
slot; slots are wide enough that nothing runs over before the one reduction modulo r at the end
(Barrett's, for all slots at once). GMP does in one call what a loop would do element by element.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import isqrt
from typing import Any, Final

import gmpy2
import numpy as np
import numpy.typing as npt

from offchain.crypto.hashing import SCALAR_ORDER as R

SCALAR_BYTES: Final = 32
_COLUMNS: Final = 1024  # slots handled together: the working set then fits the second-level cache
_NESTED_BITS: Final = 512
_NESTED_BOUND: Final = (1 << _NESTED_BITS) - 1
_mpz: Any = gmpy2.mpz
_fma: Any = gmpy2.fma


def centred(value: int) -> int:
    """Return the representative of `value` modulo r that is nearest to zero."""
    value %= R
    return value - R if value > R // 2 else value


@lru_cache(maxsize=128)
def _repeat(count: int, width: int, value: int) -> Any:
    """Return the packed integer whose `count` slots of `width` bits all hold `value`."""
    ones = ((_mpz(1) << (width * count)) - 1) // ((_mpz(1) << width) - 1)
    return ones * value


def slot_width(bits: int) -> int:
    """Return the slot width, in bits, that reducing values below 2^bits needs."""
    return -(-max(bits + 1, 2 * bits - 505, 258) // 8) * 8


_NESTED_WIDTH: Final = slot_width(_NESTED_BITS)


def reduce_slots(packed: Any, count: int, width: int, bits: int) -> Any:
    """Reduce every slot modulo r.

    Parameters
    ----------
    packed
        Packed integer with slots in [0, 2^bits).
    count, width
        Number of slots and bits per slot, `width >= slot_width(bits)`.
    bits
        At least 256.

    Notes
    -----
    Barrett: with s = bits - 252 and mu = floor(2^(254+s) / r), the estimate
    floor(floor(v / 2^254) mu / 2^s) is floor(v / r) or one less, since the two quotients differ by
    less than 2^254 / r + 2^(bits-254-s) < 0.81.
    """
    shift = bits - 252
    mu = (1 << (254 + shift)) // R
    mask = _repeat(count, width, (1 << (bits - 254)) - 1)
    quotient = ((((packed >> 254) & mask) * mu) >> shift) & mask
    packed = packed - quotient * R
    # Slots are below 2r < 2^256 now. Adding 2^256 - r sets bit 256 exactly where one r is left.
    ones = _repeat(count, width, 1)
    return packed - (((packed + _repeat(count, width, (1 << 256) - R)) >> 256) & ones) * R


@lru_cache(maxsize=64)
def _slot_type(width: int) -> np.dtype[np.void]:
    """Describe a slot as bytes: an element of 32 bytes at the end, zeros before it."""
    return np.dtype(
        {
            "names": ["element"],
            "formats": ["V32"],
            "offsets": [width // 8 - SCALAR_BYTES],
            "itemsize": width // 8,
        }
    )


def _pack(elements: npt.NDArray[np.void], width: int) -> Any:
    slots = np.zeros(len(elements), _slot_type(width))
    slots["element"] = elements
    return _mpz.from_bytes(slots.tobytes(), "big")


def _unpack(packed: Any, count: int, width: int) -> bytes:
    raw = packed.to_bytes(count * width // 8, "big")
    return np.frombuffer(raw, _slot_type(width))["element"].tobytes()


def linear_map(matrix: Sequence[Sequence[int]], vectors: Sequence[bytes]) -> list[bytes]:
    """Multiply a matrix of integers by a column of vectors over F_r.

    Parameters
    ----------
    matrix
        One row per result, one entry per vector; entries are reduced to their representatives
        nearest to zero, so small negative ones are as cheap as small positive ones.
    vectors
        Canonical elements, 32 bytes each, all vectors of one length.

    Returns
    -------
    list of bytes
        One vector of canonical elements per row.
    """
    rows = [[_mpz(centred(entry)) for entry in row] for row in matrix]
    total = max((sum(abs(entry) for entry in row) for row in rows), default=0)
    bits = max(int(R * total).bit_length(), 256)
    width = slot_width(bits)
    length = len(vectors[0]) // SCALAR_BYTES if vectors else 0
    views = [np.frombuffer(v, "V32") for v in vectors]
    results: list[list[bytes]] = [[] for _ in rows]
    for start in range(0, length, _COLUMNS):
        columns = min(_COLUMNS, length - start)
        packed = [_pack(view[start : start + columns], width) for view in views]
        for row, parts in zip(rows, results, strict=True):
            # A multiple of r large enough that no slot of the sum is negative.
            value = _repeat(columns, width, R) * sum(-entry for entry in row if entry < 0)
            for entry, vector in zip(row, packed, strict=True):
                if entry:
                    value = _fma(vector, entry, value)
            parts.append(_unpack(reduce_slots(value, columns, width, bits), columns, width))
    return [b"".join(parts) for parts in results]


def nested(vectors: Sequence[bytes], rows: Sequence[Sequence[int]]) -> list[bytes]:
    """Return v_0 + f_0 (v_1 + f_1 (v_2 + ... f_{k-2} v_{k-1})) over F_r for every row f.

    A polynomial at a small x, in monomial or in Newton's form, costs one multiplication by one
    machine word for each coefficient, where a linear map multiplies by whole powers.

    Parameters
    ----------
    vectors
        Canonical elements, 32 bytes each; at least one vector, all of one length.
    rows
        Factors from 0 to 2^64 - 1, one fewer than vectors in each row.
    """
    length = len(vectors[0]) // SCALAR_BYTES
    views = [np.frombuffer(v, "V32") for v in vectors]
    results: list[list[bytes]] = [[] for _ in rows]
    for start in range(0, length, _COLUMNS):
        columns = min(_COLUMNS, length - start)
        packed = [_pack(view[start : start + columns], _NESTED_WIDTH) for view in views]
        for row, parts in zip(rows, results, strict=True):
            value = packed[-1]
            bound = R - 1
            for factor, vector in zip(reversed(row), reversed(packed[:-1]), strict=True):
                if bound * factor + R > _NESTED_BOUND:
                    value, bound = _reduce_nested(value, columns), R - 1
                value = _fma(value, factor, vector)
                bound = bound * factor + R - 1
            parts.append(_unpack(_reduce_nested(value, columns), columns, _NESTED_WIDTH))
    return [b"".join(parts) for parts in results]


def _reduce_nested(value: Any, columns: int) -> Any:
    return reduce_slots(value, columns, _NESTED_WIDTH, _NESTED_BITS)


def horner_blocks(data: bytes, point: int, size: int) -> list[int]:
    """Return sum_q v_{b size + q} point^q for every block b of `size` elements.

    Notes
    -----
    Baby steps, giant steps: q = a B + b. The sums over a are weighted by (point^B)^a and taken for
    all b in one packed integer, which holds them without reduction; Horner's rule does the rest.
    """
    baby = max(isqrt(size), 1)
    step = pow(point, baby, R)
    weights = [_mpz(1)]
    while len(weights) * baby < size:
        weights.append(weights[-1] * step % R)
    bits = 2 * R.bit_length() + len(weights).bit_length()
    width = -(-bits // 8)  # bytes
    slots = np.zeros(len(data) // SCALAR_BYTES, _slot_type(8 * width))
    slots["element"] = np.frombuffer(data, "V32")
    raw, row = slots.tobytes(), width * baby
    block, missing = width * size, width * (len(weights) * baby - size)
    parse, from_bytes = _mpz.from_bytes, int.from_bytes
    out = []
    for start in range(0, len(raw), block):
        total, end = _mpz(0), start + block
        for place, weight in zip(range(start, end, row), weights, strict=True):
            if place + row <= end:
                value = parse(raw[place : place + row], "big")
            else:  # the elements there are the first of the row
                value = parse(raw[place:end], "big") << 8 * missing
            total = _fma(value, weight, total)
        sums, value = total.to_bytes(row, "big"), 0
        for b in range(row - width, -1, -width):
            value = (value * point + from_bytes(sums[b : b + width], "big")) % R
        out.append(value)
    return out


def sum_vectors(vectors: Sequence[bytes]) -> bytes:
    """Add many vectors of canonical elements, with one reduction at the end.

    Raises
    ------
    ValueError
        If the vectors are not of one length (callers check this first).
    """
    length = len(vectors[0]) // SCALAR_BYTES
    limbs = np.zeros((length, 8), np.uint64)
    for vector in vectors:
        limbs += np.frombuffer(vector, ">u4").reshape(length, 8)
    for i in range(7, 0, -1):
        limbs[:, i - 1] += limbs[:, i] >> np.uint64(32)
    bits = max((R * len(vectors)).bit_length(), 256)
    width = max(slot_width(bits), 288)
    slots = np.zeros((length, width // 8), np.uint8)
    slots[:, width // 8 - 28 :] = limbs[:, 1:].astype(">u4").view(np.uint8)
    slots[:, width // 8 - 36 : width // 8 - 28] = limbs[:, :1].astype(">u8").view(np.uint8)
    parts = []
    for start in range(0, length, _COLUMNS):
        part = slots[start : start + _COLUMNS]
        packed = _mpz.from_bytes(part.tobytes(), "big")
        parts.append(_unpack(reduce_slots(packed, len(part), width, bits), len(part), width))
    return b"".join(parts)
