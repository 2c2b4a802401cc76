"""Scalars and vectors of scalars of BLS12-381's scalar field F_r.

A scalar is a plain `int` in [0, R). A vector keeps its canonical encoding, 32 big-endian bytes per
element, so that parsing, hashing, slicing and comparing cost next to nothing; arithmetic is that of
the kernels (`kernels/scalars.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import factorial
from typing import Final

import numpy as np
import numpy.typing as npt

from offchain.crypto.errors import CryptoError, LengthError, RangeError, ScalarOverflowError
from offchain.crypto.hashing import SCALAR_ORDER, Digest, keccak256
from offchain.crypto.kernels import lane_scalars, lanes, scalars

R: Final = SCALAR_ORDER
SCALAR_BYTES: Final = 32
_ORDER_WORDS: Final = tuple((R >> (64 * (3 - i))) & (2**64 - 1) for i in range(4))
_HALF_WORDS: Final = tuple(((R // 2 + 1) >> (64 * (3 - i))) & (2**64 - 1) for i in range(4))
MOST_FACTOR: Final = (1 << scalars.MOST_FACTOR_BITS) - 1

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
    value %= R
    return value - R if value > R // 2 else value


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
        words = np.array(values, np.int64, order="C").view(np.uint64)
        out = _rows(len(words))
        scalars.from_int64(words, out)
        return FieldVector(out.tobytes())

    @staticmethod
    def concatenate(vectors: Sequence[FieldVector]) -> FieldVector:
        """Join vectors end to end."""
        return FieldVector(b"".join([v.data for v in vectors]))

    @staticmethod
    def transposed(vectors: Sequence[FieldVector]) -> list[FieldVector]:
        """Return the first elements of all vectors as a vector, then the second ones, and so on.

        Raises
        ------
        LengthError
            If the lengths differ or there is no vector.
        """
        _same_lengths(vectors)
        rows = _joined(vectors).reshape(len(vectors), len(vectors[0]), 4)
        return [FieldVector(column.tobytes()) for column in rows.transpose(1, 0, 2)]

    @staticmethod
    def sum(vectors: Sequence[FieldVector]) -> FieldVector:
        """Add one or more vectors of one length.

        Raises
        ------
        LengthError
            If the lengths differ or there is no vector.
        """
        _same_lengths(vectors)
        out = _rows(len(vectors[0]))
        scalars.sum_vectors(_joined(vectors), len(out), out)
        return FieldVector(out.tobytes())

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
        length = len(vectors[0])
        out = _rows(len(matrix) * length)
        factors = FieldVector.from_ints(entry for row in matrix for entry in row)
        if length:
            scalars.linear_map(factors.elements(), _joined(vectors), length, out)
        return _cut(out, len(matrix))

    @staticmethod
    def nested(vectors: Sequence[FieldVector], rows: Sequence[Sequence[int]]) -> list[FieldVector]:
        """Return v_0 + f_0 (v_1 + f_1 (v_2 + ...)) for every row f of small factors.

        Raises
        ------
        LengthError
            If the vectors differ in length, or a row has not one factor fewer than there are
            vectors.
        RangeError
            If a factor is not from 0 to `MOST_FACTOR`.
        """
        _same_lengths(vectors)
        for row in rows:
            if len(row) != len(vectors) - 1:
                raise LengthError("factors", len(row), len(vectors) - 1)
        for factor in set[int]().union(*rows):
            if not 0 <= factor <= MOST_FACTOR:
                raise RangeError("factor", factor, 0, MOST_FACTOR)
        length = len(vectors[0])
        out = _rows(len(rows) * length)
        factors = np.array(rows, np.uint64).reshape(len(rows), len(vectors) - 1)
        bits = int(factors.max(initial=0)).bit_length()
        in_lanes = length >= lanes.LANES and lanes.available()
        compute = lane_scalars.nested if in_lanes else scalars.nested
        if length:
            compute(_joined(vectors), length, factors, bits, out)
        return _cut(out, len(rows))

    @staticmethod
    def newton_form(vectors: Sequence[FieldVector]) -> list[FieldVector]:
        """Return the c in c_0 + x (c_1 + (x + 1) (c_2 + ...)), which is vector p at x = -p.

        Raises
        ------
        LengthError
            If the lengths differ or there is no vector.
        """
        _same_lengths(vectors)
        count, length = len(vectors), len(vectors[0])
        out = _rows(count * length)
        factors = _inverse_factorials(count).elements()
        scalars.divided_differences(_joined(vectors), length, factors, out)
        return _cut(out, count)

    def __add__(self, other: FieldVector) -> FieldVector:
        return FieldVector.sum((self, other))

    def __sub__(self, other: FieldVector) -> FieldVector:
        _same_lengths((self, other))
        out = _rows(len(self))
        scalars.subtract(self.elements(), other.elements(), out)
        return FieldVector(out.tobytes())

    def __neg__(self) -> FieldVector:
        return FieldVector.zeros(len(self)) - self

    def scale(self, factor: int) -> FieldVector:
        """Multiply every element by an integer modulo r."""
        return FieldVector.linear_combination((factor,), (self,))

    def power(self, exponent: int) -> FieldVector:
        """Raise every element to a power from 0 to 2^64 - 1.

        Raises
        ------
        RangeError
            If the exponent is not in that range.
        """
        if not 0 <= exponent < 1 << 64:
            raise RangeError("exponent", exponent, 0, (1 << 64) - 1)
        out = _rows(len(self))
        scalars.power(self.elements(), np.uint64(exponent), out)
        return FieldVector(out.tobytes())

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

    def elements(self, most: int | None = None) -> Words:
        """Return the encoding as kernels take it, four words each, shape (N, 4); a view.

        Raises
        ------
        RangeError
            If there are more than `most`.
        """
        if most is not None and len(self) > most:
            raise RangeError("length", len(self), 0, most)
        return np.frombuffer(self.data, np.uint64).reshape(-1, 4)

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
            whole: list[int] = self.to_int64().tolist()
            return whole
        except ScalarOverflowError:
            return [centred(value) for value in self.to_ints()]

    def to_int64(self) -> npt.NDArray[np.int64]:
        """Return the elements as signed 64-bit integers, shape (N,).

        Raises
        ------
        ScalarOverflowError
            If an element does not fit; names its position, not its value.
        """
        out = np.empty(len(self), np.uint64)
        wrong = scalars.to_int64(self.elements(), out)
        if wrong >= 0:
            raise ScalarOverflowError("vector", wrong, "2^63 in magnitude")
        return out.view(np.int64)

    def dot(self, other: FieldVector) -> int:
        """Return sum_j self_j * other_j.

        Raises
        ------
        LengthError
            If the lengths differ.
        """
        if len(self) != len(other):
            raise LengthError("vector", len(other), len(self))
        out = _rows(1)
        scalars.dot(self.elements(), other.elements(), out)
        return int.from_bytes(out.tobytes(), "big")

    def horner(self, point: int) -> int:
        """Return sum_j self_j * point^j."""
        return self.horner_blocks(point, len(self))[0] if len(self) else 0

    def horner_blocks(self, points: int | Sequence[int], size: int) -> list[int]:
        """Evaluate each part of `size` consecutive elements as a polynomial.

        Parameters
        ----------
        points
            One for all parts, or one for each.

        Returns
        -------
        list of int
            sum_q self_{b*size+q} * points_b^q for every part b.

        Raises
        ------
        LengthError
            If `size` does not divide the length, or there is another number of points.
        """
        if size < 1 or len(self) % size:
            raise LengthError("vector", len(self), -(-len(self) // max(size, 1)) * size)
        out = _rows(len(self) // size)
        if isinstance(points, int):
            where = _element(points)
        else:
            if len(points) != len(out):
                raise LengthError("points", len(points), len(out))
            where = FieldVector.from_ints(points).elements()
        in_lanes = size % lanes.LANES == 0 and lanes.available()
        compute = lane_scalars.horner_blocks if in_lanes else scalars.horner_blocks
        compute(self.elements(), size, where, out)
        return FieldVector(out.tobytes()).to_ints()

    def divide(self, point: int) -> tuple[FieldVector, int]:
        """Divide sum_j self_j X^j by X - point.

        Returns
        -------
        quotient : FieldVector
            As long as this vector; its last element is zero.
        remainder : int
            The value at `point`.

        Raises
        ------
        LengthError
            If the vector is empty.
        """
        if not len(self):
            raise LengthError("vector", 0, 1)
        out = _rows(len(self))
        scalars.divide(self.elements(), _element(point), out)
        data = out.tobytes()
        quotient = FieldVector(data[SCALAR_BYTES:] + bytes(SCALAR_BYTES))
        return quotient, int.from_bytes(data[:SCALAR_BYTES], "big")

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
    wrong = scalars.first_not_canonical(vector.elements())
    if wrong >= 0:
        raise ScalarOverflowError(field, wrong, "the group order")
    return vector


def parse_field_vectors(
    encodings: Sequence[bytes], length: int, field: str = "vector"
) -> list[FieldVector | CryptoError]:
    """Parse many: for each, the vector or the error that `parse_field_vector` raises."""
    if all(len(data) == SCALAR_BYTES * length for data in encodings):
        joined = np.frombuffer(b"".join(encodings), np.uint64).reshape(-1, 4)
        if scalars.first_not_canonical(joined) < 0:
            return [FieldVector(bytes(data)) for data in encodings]
    found: list[FieldVector | CryptoError] = []
    for data in encodings:
        try:
            found.append(parse_field_vector(data, length, field))
        except CryptoError as error:
            found.append(error)
    return found


@lru_cache(maxsize=16)
def _inverse_factorials(count: int) -> FieldVector:
    return FieldVector.from_ints([inverse(factorial(k)) for k in range(count)])


def _same_lengths(vectors: Sequence[FieldVector]) -> None:
    if not vectors:
        raise LengthError("vectors", 0, 1)
    length = len(vectors[0])
    for vector in vectors:
        if len(vector) != length:
            raise LengthError("vector", len(vector), length)


def _rows(count: int) -> Words:
    return np.empty((count, 4), np.uint64)


def _element(value: int) -> Words:
    return np.frombuffer(scalar_bytes(value), np.uint64).reshape(1, 4)


def _joined(vectors: Sequence[FieldVector]) -> Words:
    return FieldVector.concatenate(vectors).elements()


def _cut(rows: Words, parts: int) -> list[FieldVector]:
    """Cut what a kernel wrote into vectors of one length."""
    return [FieldVector(part.tobytes()) for part in rows.reshape(parts, -1)]
