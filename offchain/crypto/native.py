"""Sums of products over fixed points through blst, the curve library inside `ckzg`.

`ckzg` comes with `eth-account`, for all platforms, and its extension module exports the public
functions of blst (`blst.h`). Where it does not (Windows), or a known sum comes out otherwise,
`FixedBase.build` returns None and the caller takes py-arkworks: the sums are the same points, two
to three times as dear. docs/performance.md has the figures and the reasons.

Calls run outside the interpreter lock.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import Final

import numpy as np
import numpy.typing as npt
from py_arkworks_bls12381 import G1Point, Scalar

from offchain.crypto.hashing import SCALAR_ORDER as R

_LOG = logging.getLogger(__name__)
_AFFINE_BYTES: Final = 96  # blst_p1_affine: two coordinates of six 64-bit words
_POINT_BYTES: Final = 144  # blst_p1
_MAGNITUDE_BITS: Final = 254
_MIN_WINDOW: Final = 5
_MAX_WINDOW: Final = 11  # 2^10 buckets of 192 bytes stay in the second-level cache
_CHECKED: Final = 64  # points of the sum that every table is tried on

_pointer = ctypes.c_void_p
_size = ctypes.c_size_t
_SIGNATURES: Final = {
    "blst_p1_deserialize": (ctypes.c_int, (_pointer, _pointer)),
    "blst_p1_from_affine": (None, (_pointer, _pointer)),
    "blst_p1_mult": (None, (_pointer, _pointer, _pointer, _size)),
    "blst_p1_serialize": (None, (_pointer, _pointer)),
    "blst_p1s_to_affine": (None, (_pointer, _pointer, _size)),
    "blst_p1s_mult_pippenger_scratch_sizeof": (_size, (_size,)),
    "blst_p1s_tile_pippenger": (
        None,
        (_pointer, _pointer, _size, _pointer, _size, _pointer, _size, _size),
    ),
}


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL | None:
    """Return blst with its functions declared, or None where it cannot be reached."""
    spec = find_spec("ckzg")
    if spec is None or spec.origin is None:
        return None
    try:
        blst = ctypes.CDLL(spec.origin)
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(blst, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError):
        _LOG.info("blst cannot be reached through ckzg: sums of products go through py-arkworks")
        return None
    return blst


class FixedBase:
    """Fixed points P_j with their multiples 2^(w k) P_j, w bits the *window*.

    A scalar is written in signed digits of w bits, digit k going with 2^(w k) P_j. All digits of
    all scalars fall into one set of 2^(w-1) buckets, so a sum costs one addition for each digit
    that is not zero: short scalars have few of them.

    Parameters
    ----------
    blst
        The library.
    points
        At least one; none at infinity.
    """

    def __init__(self, blst: ctypes.CDLL, points: Sequence[G1Point]) -> None:
        self._blst = blst
        self._count = len(points)
        self._window = min(max(self._count.bit_length() - 2, _MIN_WINDOW), _MAX_WINDOW)
        self._digits = (_MAGNITUDE_BITS + 1) // self._window + 1
        unit = blst.blst_p1s_mult_pippenger_scratch_sizeof(0)
        self._buckets_bytes = unit << (self._window - 1)
        self._table = np.empty((self._digits * self._count, _AFFINE_BYTES), np.uint8)
        self._fill(points)

    @staticmethod
    def build(points: Sequence[G1Point]) -> FixedBase | None:
        """Return a table that has been tried on a known sum, or None where there is no blst."""
        blst = library()
        if blst is None or not points:
            return None
        base = FixedBase(blst, points)
        tried = min(_CHECKED, len(points))
        scalars = [pow(7, 91 * j + 1, R) // 2 for j in range(tried)]
        expected = G1Point.multiexp_unchecked(
            list(points[:tried]), [Scalar.from_be_bytes(s.to_bytes(32, "big")) for s in scalars]
        )
        words = np.frombuffer(b"".join(s.to_bytes(32, "big") for s in scalars), ">u8")
        magnitude = words.reshape(-1, 4).astype(np.uint64)
        found = base.sum(np.arange(tried), np.zeros(tried, np.bool_), magnitude)
        if found != expected:
            _LOG.warning("blst gives another sum than py-arkworks and is not used")
            return None
        return base

    def _fill(self, points: Sequence[G1Point]) -> None:
        """Write P_j, then each row of multiples from the row before it."""
        blst, table = self._blst, self._table.ctypes.data
        encoded = ctypes.create_string_buffer(b"".join([p.to_xy_bytes_be() for p in points]))
        start, size = ctypes.addressof(encoded), _AFFINE_BYTES
        for j in range(self._count):
            if blst.blst_p1_deserialize(table + size * j, start + size * j):
                raise ValueError(f"point {j} is not one of the curve")
        row = np.empty((self._count, _POINT_BYTES), np.uint8)
        places = [row.ctypes.data + _POINT_BYTES * j for j in range(self._count)]
        for place, j in zip(places, range(self._count), strict=True):
            blst.blst_p1_from_affine(place, table + size * j)
        shift = ctypes.create_string_buffer((1 << self._window).to_bytes(2, "little"), 2)
        factor, bits, multiply = ctypes.addressof(shift), self._window + 1, blst.blst_p1_mult
        contiguous = (_pointer * 2)(row.ctypes.data, None)
        for k in range(1, self._digits):
            for place in places:
                multiply(place, place, factor, bits)
            blst.blst_p1s_to_affine(table + size * self._count * k, contiguous, self._count)

    def sum(
        self,
        index: npt.NDArray[np.intp],
        negative: npt.NDArray[np.bool_],
        magnitude: npt.NDArray[np.uint64],
    ) -> G1Point:
        """Return the sum of +-magnitude[i] P_index[i].

        Parameters
        ----------
        index
            Shape (M,), each below the number of points.
        negative
            Shape (M,).
        magnitude
            Shape (M, 4), at most r / 2, most significant word first.
        """
        long = magnitude[:, :3].any(axis=1)
        places, digits = [], []
        for part in (~long, long):
            if part.any():
                flat, values = self._recode(index[part], negative[part], magnitude[part])
                places.append(flat)
                digits.append(values)
        if not places or not sum(len(part) for part in places):
            return G1Point.identity()
        return self._add_up(np.concatenate(places), np.concatenate(digits))

    def _recode(
        self,
        index: npt.NDArray[np.intp],
        negative: npt.NDArray[np.bool_],
        magnitude: npt.NDArray[np.uint64],
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int16]]:
        """Return the places in the table and the signed digits, those that are not zero."""
        window = self._window
        # One digit more where a carry could leave the last one without room for its sign.
        count = (_bit_length(magnitude) + 1) // window + 1
        mask = np.uint64((1 << window) - 1)
        digits = np.empty((count, len(index)), np.int16)
        for k in range(count):
            word, shift = divmod(window * k, 64)
            part = magnitude[:, 3 - word] >> np.uint64(shift)
            if shift > 64 - window and word < 3:
                part = part | magnitude[:, 2 - word] << np.uint64(64 - shift)
            digits[k] = part & mask
        # Digits are from -2^(w-1) to 2^(w-1) - 1 once the sign is in them.
        largest = np.where(negative, np.int16(1 << (window - 1)), np.int16((1 << (window - 1)) - 1))
        for k in range(count - 1):
            carry = digits[k] > largest
            digits[k] -= carry * np.int16(1 << window)
            digits[k + 1] += carry
        digits[:, negative] *= np.int16(-1)
        used = np.nonzero(digits)
        return used[0] * self._count + index[used[1]], digits[used]

    def _add_up(self, places: npt.NDArray[np.intp], digits: npt.NDArray[np.int16]) -> G1Point:
        """Return the sum of digits[i] times the table's point at places[i], in one tile."""
        blst = self._blst
        if len(places) == 1:  # a tile reads two points at least
            places, digits = np.append(places, 0), np.append(digits, np.int16(0))
        addresses = places.astype(np.uint64) * np.uint64(_AFFINE_BYTES)
        addresses += np.uint64(self._table.ctypes.data)
        # A tile at bit 0 reads the lowest `window` bits as a signed number.
        scalars = np.ascontiguousarray(digits, "<i2")
        contiguous = (_pointer * 2)(scalars.ctypes.data, None)
        buckets = np.zeros(self._buckets_bytes, np.uint8)
        total = ctypes.create_string_buffer(_POINT_BYTES)
        blst.blst_p1s_tile_pippenger(
            total,
            addresses.ctypes.data,
            len(addresses),
            contiguous,
            16,
            buckets.ctypes.data,
            0,
            self._window,
        )
        encoded = ctypes.create_string_buffer(_AFFINE_BYTES)
        blst.blst_p1_serialize(encoded, total)
        if encoded.raw[0] & 0x40:
            return G1Point.identity()
        return G1Point.from_xy_bytes_unchecked_be(encoded.raw)


def _bit_length(magnitude: npt.NDArray[np.uint64]) -> int:
    """Return the number of bits of the largest."""
    for word in range(4):
        top = int(magnitude[:, word].max())
        if top:
            return 64 * (3 - word) + top.bit_length()
    return 0
