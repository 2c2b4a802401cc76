"""Scalars and vectors of scalars of BLS12-381's scalar field F_r.

A scalar is a plain `int` in [0, R). A vector keeps its canonical encoding, 32 big-endian bytes per
element, so that parsing, hashing, slicing and comparing cost next to nothing; arithmetic goes
through packed integers (`packed.py`) and inner products through exact floating-point matrix
products of 16-bit limbs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from offchain.crypto import limbs, packed
from offchain.crypto.errors import LengthError, RangeError, ScalarOverflowError
from offchain.crypto.hashing import SCALAR_ORDER, Digest, keccak256

R: Final = SCALAR_ORDER
SCALAR_BYTES: Final = 32
_ORDER_WORDS: Final = tuple((R >> (64 * (3 - i))) & (2**64 - 1) for i in range(4))
_HALF_WORDS: Final = tuple(((R // 2 + 1) >> (64 * (3 - i))) & (2**64 - 1) for i in range(4))

_SMALL_BLOCK: Final = 512  # up to which a block is evaluated faster in packed integers

Words = npt.NDArray[np.uint64]


def parse_scalar(data: bytes, field: str = "scalar") -> int:
    """Parse one canonical big-endian scalar.

    Raises
    ------
    LengthError
        If there are not exactly 32 bytes.
    ScalarOverflowError
        If the value is not below `R`.
    """
    if len(data) != SCALAR_BYTES:
        raise LengthError(field, len(data), SCALAR_BYTES)
    value = int.from_bytes(data, "big")
    if value >= R:
        raise ScalarOverflowError(field, 0, "the group order")
    return value


def scalar_bytes(value: int) -> bytes:
    """Encode `value` modulo r as 32 big-endian bytes."""
    return (value % R).to_bytes(SCALAR_BYTES, "big")


def centred(value: int) -> int:
    """Return the representative of `value` modulo r that is nearest to zero."""
    return packed.centred(value)


def inverse(value: int) -> int:
    """Return the inverse of a non-zero scalar.

    Raises
    ------
    ZeroDivisionError
        If `value` is zero modulo r.
    """
    if value % R == 0:
        raise ZeroDivisionError("zero has no inverse in F_r")
    return pow(value, -1, R)


def below(words: Words, bound: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Compare 256-bit numbers, most significant 64-bit word first, with one constant.

    Parameters
    ----------
    words
        Shape (N, 4).
    bound
        Four words.

    Returns
    -------
    ndarray of bool, shape (N,)
        True where the number is less than the bound.
    """
    less = words[:, 3] < np.uint64(bound[3])
    for i in (2, 1, 0):
        limit = np.uint64(bound[i])
        less = (words[:, i] < limit) | ((words[:, i] == limit) & less)
    return np.asarray(less, np.bool_)


def canonical_rows(words: Words) -> npt.NDArray[np.bool_]:
    """Return which rows of shape (N, 4) are numbers below `R`."""
    return below(words, _ORDER_WORDS)


@dataclass(frozen=True, slots=True, repr=False)
class FieldVector:
    """An immutable vector in F_r^N.

    Attributes
    ----------
    data
        Canonical encoding, 32 big-endian bytes per element. Build a vector from outside bytes with
        `parse_field_vector`, never with the constructor, which checks nothing.
    """

    data: bytes

    def __repr__(self) -> str:
        return f"FieldVector(length={len(self)})"

    def __len__(self) -> int:
        return len(self.data) // SCALAR_BYTES

    @staticmethod
    def zeros(length: int) -> FieldVector:
        """Return the zero vector."""
        return FieldVector(bytes(SCALAR_BYTES * length))

    @staticmethod
    def from_ints(values: Iterable[int]) -> FieldVector:
        """Build a vector from integers of any size and sign, reduced modulo r."""
        return FieldVector(b"".join([(v % R).to_bytes(SCALAR_BYTES, "big") for v in values]))

    @staticmethod
    def from_int64(values: npt.NDArray[np.int64]) -> FieldVector:
        """Build a vector from signed 64-bit integers, shape (N,); negative x becomes r - |x|."""
        negative = values < 0
        raw = values.astype(np.int64).view(np.uint64)
        magnitude = np.where(negative, np.uint64(0) - raw, raw)
        words = np.zeros((len(values), 4), ">u8")
        # |x| is at most 2^63, below the lowest word of r: the subtraction never borrows.
        words[negative] = _ORDER_WORDS
        words[:, 3] = np.where(negative, np.uint64(_ORDER_WORDS[3]) - magnitude, magnitude)
        return FieldVector(words.tobytes())

    @staticmethod
    def concatenate(vectors: Sequence[FieldVector]) -> FieldVector:
        """Join vectors end to end."""
        return FieldVector(b"".join([v.data for v in vectors]))

    @staticmethod
    def sum(vectors: Sequence[FieldVector]) -> FieldVector:
        """Add one or more vectors of one length.

        Raises
        ------
        LengthError
            If the lengths differ or there is no vector.
        """
        _same_lengths(vectors)
        return FieldVector(packed.sum_vectors([v.data for v in vectors]))

    @staticmethod
    def linear_combination(
        coefficients: Sequence[int], vectors: Sequence[FieldVector]
    ) -> FieldVector:
        """Return sum_i coefficients[i] * vectors[i].

        Raises
        ------
        LengthError
            If the lengths differ or there is no vector.
        """
        return FieldVector.linear_map([coefficients], vectors)[0]

    @staticmethod
    def linear_map(
        matrix: Sequence[Sequence[int]], vectors: Sequence[FieldVector]
    ) -> list[FieldVector]:
        """Return one linear combination of the vectors for each row of the matrix.

        Raises
        ------
        LengthError
            If the lengths differ or there is no vector.
        """
        _same_lengths(vectors)
        for row in matrix:
            if len(row) != len(vectors):
                raise LengthError("coefficients", len(row), len(vectors))
        return [FieldVector(d) for d in packed.linear_map(matrix, [v.data for v in vectors])]

    @staticmethod
    def nested(vectors: Sequence[FieldVector], rows: Sequence[Sequence[int]]) -> list[FieldVector]:
        """Return v_0 + f_0 (v_1 + f_1 (v_2 + ...)) for every row f of small factors.

        Raises
        ------
        LengthError
            If the vectors differ in length, or a row has not one factor fewer than there are
            vectors.
        RangeError
            If a factor is not from 0 to 2^64 - 1.
        """
        _same_lengths(vectors)
        for row in rows:
            if len(row) != len(vectors) - 1:
                raise LengthError("factors", len(row), len(vectors) - 1)
            for factor in row:
                if not 0 <= factor < 1 << 64:
                    raise RangeError("factor", factor, 0, (1 << 64) - 1)
        return [FieldVector(d) for d in packed.nested([v.data for v in vectors], rows)]

    def __add__(self, other: FieldVector) -> FieldVector:
        return FieldVector.sum((self, other))

    def __sub__(self, other: FieldVector) -> FieldVector:
        return FieldVector.linear_combination((1, -1), (self, other))

    def __neg__(self) -> FieldVector:
        return self.scale(-1)

    def scale(self, factor: int) -> FieldVector:
        """Multiply every element by an integer modulo r."""
        return FieldVector.linear_combination((factor,), (self,))

    def slice(self, start: int, stop: int) -> FieldVector:
        """Return elements `start` up to but without `stop`.

        Raises
        ------
        RangeError
            If the bounds are not within the vector.
        """
        if not 0 <= stop <= len(self):
            raise RangeError("stop", stop, 0, len(self))
        if not 0 <= start <= stop:
            raise RangeError("start", start, 0, stop)
        return FieldVector(self.data[SCALAR_BYTES * start : SCALAR_BYTES * stop])

    def split(self, size: int) -> list[FieldVector]:
        """Cut the vector into consecutive parts of `size` elements.

        Raises
        ------
        LengthError
            If `size` does not divide the length.
        """
        if size < 1 or len(self) % size:
            raise LengthError("vector to split", len(self), -(-len(self) // max(size, 1)) * size)
        step = SCALAR_BYTES * size
        return [FieldVector(self.data[i : i + step]) for i in range(0, len(self.data), step)]

    def element(self, index: int) -> int:
        """Return one element as a scalar."""
        return int.from_bytes(self.slice(index, index + 1).data, "big")

    def to_bytes(self) -> bytes:
        """Return the canonical encoding, 32 big-endian bytes per element."""
        return self.data

    def to_ints(self) -> list[int]:
        """Return the elements as scalars in [0, R)."""
        from_bytes = int.from_bytes
        return [from_bytes(item, "big") for item in np.frombuffer(self.data, "V32").tolist()]

    def words(self) -> Words:
        """Return the elements as native 64-bit words, shape (N, 4), most significant first."""
        return np.frombuffer(self.data, ">u8").reshape(-1, 4).astype(np.uint64)

    def signed_words(self) -> tuple[npt.NDArray[np.bool_], Words]:
        """Split every element into a sign and the smallest magnitude.

        Returns
        -------
        negative : ndarray of bool, shape (N,)
            True where the representative nearest to zero is negative.
        magnitude : ndarray of uint64, shape (N, 4)
            Its absolute value, most significant word first.
        """
        words = self.words()
        negative = ~below(words, _HALF_WORDS)
        if negative.any():
            part = words[negative]
            borrow = np.zeros(len(part), np.uint64)
            for i in (3, 2, 1, 0):
                order = np.uint64(_ORDER_WORDS[i])
                difference = order - part[:, i] - borrow
                borrow = ((part[:, i] > order) | ((part[:, i] == order) & (borrow > 0))).astype(
                    np.uint64
                )
                part[:, i] = difference
            words[negative] = part
        return negative, words

    def centred(self) -> list[int]:
        """Return the elements as signed integers nearest to zero."""
        try:
            return [int(value) for value in self.to_int64().tolist()]
        except ScalarOverflowError:
            return [packed.centred(value) for value in self.to_ints()]

    def to_int64(self) -> npt.NDArray[np.int64]:
        """Return the elements as signed 64-bit integers, shape (N,).

        Raises
        ------
        ScalarOverflowError
            If an element does not fit; names its position, not its value.
        """
        negative, words = self.signed_words()
        big = words[:, :3].any(axis=1) | (words[:, 3] >= np.uint64(1 << 63))
        if big.any():
            raise ScalarOverflowError("vector", int(np.argmax(big)), "2^63 in magnitude")
        values = words[:, 3].astype(np.int64)
        return np.where(negative, -values, values)

    def dot(self, other: FieldVector) -> int:
        """Return sum_j self_j * other_j.

        Raises
        ------
        LengthError
            If the lengths differ.
        """
        if len(self) != len(other):
            raise LengthError("vector", len(other), len(self))
        return limbs.dot(self.data, other.data)

    def horner(self, point: int) -> int:
        """Return sum_j self_j * point^j."""
        return self.horner_blocks(point, len(self))[0] if len(self) else 0

    def horner_blocks(self, point: int, size: int) -> list[int]:
        """Evaluate each part of `size` consecutive elements as a polynomial at one point.

        Returns
        -------
        list of int
            sum_q self_{b*size+q} * point^q for every part b.

        Raises
        ------
        LengthError
            If `size` does not divide the length.
        """
        if size < 1 or len(self) % size:
            raise LengthError("vector", len(self), -(-len(self) // max(size, 1)) * size)
        evaluate = packed.horner_blocks if size <= _SMALL_BLOCK else limbs.horner_blocks
        return evaluate(self.data, point % R, size)

    def keccak(self) -> Digest:
        """Return Keccak-256 of the canonical encoding."""
        return keccak256(self.data)


def parse_field_vector(data: bytes, length: int, field: str = "vector") -> FieldVector:
    """Parse untrusted bytes as a vector of exactly `length` canonical elements.

    Raises
    ------
    LengthError
        If there are not exactly 32 * length bytes.
    ScalarOverflowError
        If an element is not below `R`; names its position, not its value.
    """
    if len(data) != SCALAR_BYTES * length:
        raise LengthError(field, len(data), SCALAR_BYTES * length)
    vector = FieldVector(bytes(data))
    good = canonical_rows(vector.words())
    if not good.all():
        raise ScalarOverflowError(field, int(np.argmin(good)), "the group order")
    return vector


def _same_lengths(vectors: Sequence[FieldVector]) -> None:
    if not vectors:
        raise LengthError("vectors", 0, 1)
    for vector in vectors:
        if len(vector) != len(vectors[0]):
            raise LengthError("vector", len(vector), len(vectors[0]))
