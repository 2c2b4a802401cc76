"""Bulk randomness: a ChaCha20 key stream from one 32-byte seed.

Production seeds come from the operating system; tests pass a fixed seed and get the same run.
"""

from __future__ import annotations

import os
from typing import Final, TypeAlias

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from offchain.crypto.errors import LengthError, RangeError
from offchain.crypto.field import SCALAR_BYTES, FieldVector
from offchain.crypto.hashing import keccak256, tagged
from offchain.crypto.kernels import scalars

SEED_BYTES: Final = 32
_Bytes: TypeAlias = bytes  # inside the class the name stands for the method
_CHILD_TAG: Final = "verifog randomness child v1"


class Randomness:
    """A deterministic stream of uniform bytes and scalars. Not safe for use by two threads at once.

    Parameters
    ----------
    seed
        32 bytes. Whoever knows them knows the whole stream.

    Raises
    ------
    LengthError
        If the seed is not 32 bytes long.
    """

    __slots__ = ("_seed", "_stream")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise LengthError("randomness seed", len(seed), SEED_BYTES)
        self._seed = bytes(seed)
        self._stream = Cipher(algorithms.ChaCha20(self._seed, bytes(16)), mode=None).encryptor()

    @staticmethod
    def from_os() -> Randomness:
        """Return a stream seeded by the operating system."""
        return Randomness(os.urandom(SEED_BYTES))

    def __repr__(self) -> str:
        return "Randomness(<hidden>)"

    def __reduce__(self) -> str:
        raise TypeError("a stream of randomness is never serialised")

    def bytes(self, count: int) -> _Bytes:
        """Return the next `count` bytes.

        Raises
        ------
        RangeError
            If `count` is negative.
        """
        if count < 0:
            raise RangeError("count of random bytes", count, 0, 2**31)
        return self._stream.update(bytes(count))

    def below(self, bound: int) -> int:
        """Return a uniform integer in [0, bound), by rejection.

        Raises
        ------
        RangeError
            If `bound` is less than 1.
        """
        if bound < 1:
            raise RangeError("bound", bound, 1, 2**256)
        bits = (bound - 1).bit_length()
        while True:
            value = int.from_bytes(self.bytes(-(-bits // 8)), "big") & ((1 << bits) - 1)
            if value < bound:
                return value

    def scalar(self) -> int:
        """Return a uniform scalar in [0, R)."""
        return int.from_bytes(self.field_vector(1).data, "big")

    def coefficient(self) -> int:
        """Return a uniform non-zero 128-bit integer, for random linear combinations."""
        return 1 + self.below((1 << 128) - 1)

    def field_vector(self, length: int) -> FieldVector:
        """Return `length` independent uniform scalars.

        255-bit candidates are rejected unless below r (nine of ten are kept).

        Raises
        ------
        RangeError
            If `length` is negative.
        """
        if length < 0:
            raise RangeError("length", length, 0, 2**31)
        parts = []
        missing = length
        while missing:
            raw = self.bytes(SCALAR_BYTES * (missing + missing // 8 + 4))
            candidates = np.frombuffer(raw, np.uint8).reshape(-1, SCALAR_BYTES).copy()
            candidates[:, 0] &= 0x7F
            room = np.empty((missing, 4), np.uint64)
            kept = scalars.keep_canonical(candidates.view(np.uint64), room)
            parts.append(room[:kept].tobytes())
            missing -= kept
        return FieldVector(b"".join(parts))

    def child(self, label: _Bytes) -> Randomness:
        """Return an independent stream; the same label always gives the same stream."""
        return Randomness(self.child_seed(label))

    def child_seed(self, label: _Bytes) -> _Bytes:
        """Return the seed of a child, 32 bytes, to be handed to whom that stream belongs."""
        return tagged(_CHILD_TAG, self._seed, keccak256(label))
