"""The noise sampler of Contract S, and committed seeds (protocol, section 4).

Slot j of a seed's noise comes from SHA-256(seed || j): four 64-bit words, each turned by one table
into a discrete Gaussian x of standard deviation 32, make (x0 + 8 x1) + 64 (x2 + 8 x3). Blinding
slots are 64 bytes of SHA-256 modulo r. Only integers: Solidity gives the same numbers.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from math import sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from offchain.crypto.errors import LengthError
from offchain.crypto.field import FieldVector
from offchain.crypto.hashing import Digest, tagged
from offchain.crypto.kernels import sampler
from offchain.crypto.layout import SlotLayout
from offchain.crypto.randomness import Randomness

SEED_BYTES: Final = 32
TABLE_DEVIATION: Final = 32
SIGMA_INT: Final = TABLE_DEVIATION * sqrt(65) * sqrt(4097)
TABLE_FIRST: Final = -320
TABLE_THRESHOLDS: Final = 640
_SEED_TAG: Final = "verifog noise seed v1"
_PREFIX_BITS: Final = 16


class NoiseSeed:
    """The 32 secret bytes that a device's noise comes from.

    Raises
    ------
    LengthError
        If there are not exactly 32 bytes.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        if len(value) != SEED_BYTES:
            raise LengthError("noise seed", len(value), SEED_BYTES)
        self._value = bytes(value)

    @staticmethod
    def draw(randomness: Randomness) -> NoiseSeed:
        """Return a fresh seed."""
        return NoiseSeed(randomness.bytes(SEED_BYTES))

    def reveal(self) -> bytes:
        """Return the secret bytes, to be sent or stored on purpose."""
        return self._value

    @property
    def seed_hash(self) -> Digest:
        """What a device commits to."""
        return tagged(_SEED_TAG, self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NoiseSeed) and other._value == self._value

    def __hash__(self) -> int:
        return hash((NoiseSeed, self._value))

    def __repr__(self) -> str:
        return "NoiseSeed(<hidden>)"


@lru_cache(maxsize=1)
def thresholds() -> npt.NDArray[np.uint64]:
    """Return the table, shape (640,), made by tools/generate_noise_table.py."""
    raw = files("offchain.crypto").joinpath("noise_table.bin").read_bytes()
    if len(raw) != 8 * TABLE_THRESHOLDS:
        raise LengthError("noise table", len(raw), 8 * TABLE_THRESHOLDS)
    return np.frombuffer(raw, ">u8").astype(np.uint64)


@lru_cache(maxsize=1)
def _prefix_table() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """For every value of a word's first 16 bits: its x, and whether later bits decide."""
    low = np.arange(1 << _PREFIX_BITS, dtype=np.uint64) << np.uint64(64 - _PREFIX_BITS)
    high = low | np.uint64((1 << (64 - _PREFIX_BITS)) - 1)
    table = thresholds()
    first = np.searchsorted(table, low, side="right")
    last = np.searchsorted(table, high, side="right")
    return first.astype(np.int64) + TABLE_FIRST, first != last


def invert(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Turn uniform 64-bit words, shape (N,), into discrete Gaussians of standard deviation 32.

    x = -320 + (number of thresholds <= w); a table over the first 16 bits answers nearly always.
    """
    out = np.empty(len(words), np.int64)
    sampler.invert(words, *_prefix_table(), thresholds(), TABLE_FIRST, out)
    return out


@lru_cache(maxsize=8)
def _slot_names(layout: SlotLayout) -> tuple[npt.NDArray[np.uint32], tuple[bytes, ...]]:
    """Return the indices of the data slots, and those of the blinding slots, encoded."""
    mask = layout.blinding_mask
    blinding = tuple(j.to_bytes(4, "big") for j in np.flatnonzero(mask).tolist())
    return np.flatnonzero(~mask).astype(np.uint32), blinding


def noise_values(seed: NoiseSeed, layout: SlotLayout) -> npt.NDArray[np.int64]:
    """Return the noise of the data slots in order, shape (C * (D - 3 l),)."""
    names = _slot_names(layout)[0]
    words = np.empty((len(names), 4), np.uint64)
    sampler.digests(np.frombuffer(seed.reveal(), ">u4").astype(np.uint32), names, words)
    x = invert(words.reshape(-1)).reshape(-1, 4)
    return np.asarray((x[:, 0] + 8 * x[:, 1]) + 64 * (x[:, 2] + 8 * x[:, 3]), np.int64)


def blinding_values(seed: NoiseSeed, layout: SlotLayout) -> FieldVector:
    """Return the elements of the blinding slots in order."""
    secret = seed.reveal()
    return FieldVector.from_ints(
        int.from_bytes(
            sha256(secret + b"\x01" + name).digest() + sha256(secret + b"\x02" + name).digest(),
            "big",
        )
        for name in _slot_names(layout)[1]
    )


def noise_vector(seed: NoiseSeed, layout: SlotLayout) -> FieldVector:
    """Return the whole noise vector of a seed, C * D elements."""
    plain = layout.without_blinding(noise_values(seed, layout))
    return layout.with_blinding(plain, blinding_values(seed, layout))
