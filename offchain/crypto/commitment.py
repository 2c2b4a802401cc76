"""KZG commitments to vectors over F_r (protocol, sections 2 and 10).

A vector of C chunks of D elements is u(X) = sum_c X^(D c) u_c(X); its commitment is one point
[u_c(tau)] per chunk. Adding vectors adds commitments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import itemgetter
from typing import Final

import numpy as np
import numpy.typing as npt
from py_arkworks_bls12381 import G1Point, Scalar

from offchain.crypto import curve
from offchain.crypto.ceremony import POWERS_IN_G1, Ceremony, default_ceremony
from offchain.crypto.curve import G1, G1_BYTES
from offchain.crypto.errors import CryptoError, LengthError, RangeError
from offchain.crypto.field import SCALAR_BYTES, FieldVector, R, parse_scalar, scalar_bytes
from offchain.crypto.hashing import Digest, keccak256
from offchain.crypto.native import FixedBase

OPENING_BYTES: Final = SCALAR_BYTES + G1_BYTES
_SEPARATE_LONG_BELOW: Final = 1 / 8  # share of long scalars up to which they get their own sum


@dataclass(frozen=True)
class Commitment:
    """Commitment to a vector of `len(points)` chunks.

    Attributes
    ----------
    points
        One point of G1 per chunk.
    """

    points: tuple[G1, ...]

    @property
    def chunks(self) -> int:
        """Number of chunks."""
        return len(self.points)

    def to_bytes(self) -> bytes:
        """Return the compressed points, 48 bytes each."""
        return b"".join([curve.g1_to_bytes(point) for point in self.points])

    def to_eip2537(self) -> bytes:
        """Return the points as the precompiles of EIP-2537 take them, 128 bytes each."""
        return b"".join([curve.g1_to_eip2537(point) for point in self.points])

    @cached_property
    def digest(self) -> Digest:
        """Keccak-256 of `to_eip2537()`: what Contract S stores."""
        return keccak256(self.to_eip2537())

    def _check_chunks(self, other: Commitment) -> None:
        if other.chunks != self.chunks:
            raise LengthError("chunks of the commitment", other.chunks, self.chunks)

    def __add__(self, other: Commitment) -> Commitment:
        self._check_chunks(other)
        return Commitment(tuple(a + b for a, b in zip(self.points, other.points, strict=True)))

    def __sub__(self, other: Commitment) -> Commitment:
        self._check_chunks(other)
        return Commitment(tuple(a - b for a, b in zip(self.points, other.points, strict=True)))

    def scale(self, factor: int) -> Commitment:
        """Return the commitment to `factor` times the vector."""
        return Commitment(tuple(curve.multiply_g1(point, factor) for point in self.points))

    @staticmethod
    def sum(commitments: Sequence[Commitment]) -> Commitment:
        """Add one or more commitments.

        Raises
        ------
        LengthError
            If there is none, or their numbers of chunks differ.
        """
        if not commitments:
            raise LengthError("commitments", 0, 1)
        total = commitments[0]
        for commitment in commitments[1:]:
            total = total + commitment
        return total


def parse_commitment(
    data: bytes, chunks: int, *, infinity: bool = False, field: str = "commitment"
) -> Commitment:
    """Parse a commitment of exactly `chunks` points, 48 bytes each.

    Raises
    ------
    LengthError, NonCanonicalError, InfinityError, NotOnCurveError, NotInSubgroupError
        As `parse_g1`. Set `infinity` only where a vector may be zero, as a fresh model.
    """
    return parse_commitments([data], chunks, infinity=infinity, field=field)[0]


def parse_commitments(
    encodings: Sequence[bytes], chunks: int, *, infinity: bool = False, field: str = "commitment"
) -> list[Commitment]:
    """Parse commitments of `chunks` points each; raises the first error of `parse_commitment`."""
    for data in encodings:
        if len(data) != G1_BYTES * chunks:
            raise LengthError(field, len(data), G1_BYTES * chunks)
    joined = b"".join(encodings)
    parts = [joined[i : i + G1_BYTES] for i in range(0, len(joined), G1_BYTES)]
    points = curve.parse_g1_each(parts, infinity=infinity, field=field)
    good = []
    for point in points:
        if isinstance(point, CryptoError):
            raise point
        good.append(point)
    return [Commitment(tuple(good[i : i + chunks])) for i in range(0, len(good), chunks)]


def parse_commitment_eip2537(
    data: bytes, chunks: int, *, infinity: bool = False, field: str = "commitment"
) -> Commitment:
    """Parse a commitment from 128 bytes per chunk; errors as in `parse_commitment`."""
    size = curve.G1_EIP2537_BYTES
    if len(data) != size * chunks:
        raise LengthError(field, len(data), size * chunks)
    return Commitment(
        tuple(
            curve.parse_g1_eip2537(data[i : i + size], infinity=infinity, field=field)
            for i in range(0, len(data), size)
        )
    )


@dataclass(frozen=True, slots=True)
class Opening:
    """The value of a committed polynomial at one point, with its proof.

    Attributes
    ----------
    value
        y = u(z).
    proof
        [(sum_c z^(D c) u_c(X) - y) / (X - z)] at tau; infinity for a constant polynomial.
    """

    value: int
    proof: G1

    def to_bytes(self) -> bytes:
        """Return value (32 bytes) and compressed proof (48 bytes)."""
        return scalar_bytes(self.value) + curve.g1_to_bytes(self.proof)


def parse_opening(data: bytes, field: str = "opening") -> Opening:
    """Parse an opening from 80 bytes.

    Raises
    ------
    LengthError, ScalarOverflowError, NonCanonicalError, NotOnCurveError, NotInSubgroupError
        One for each way to be wrong.
    """
    opening = parse_openings([data], field)[0]
    if isinstance(opening, CryptoError):
        raise opening
    return opening


def parse_openings(
    encodings: Sequence[bytes], field: str = "opening"
) -> list[Opening | CryptoError]:
    """Parse many openings: for each, the opening or the error that `parse_opening` raises."""
    proofs = curve.parse_g1_each(
        [data[SCALAR_BYTES:] for data in encodings], infinity=True, field=f"{field} proof"
    )
    found: list[Opening | CryptoError] = []
    for data, proof in zip(encodings, proofs, strict=True):
        try:
            if len(data) != OPENING_BYTES:
                raise LengthError(field, len(data), OPENING_BYTES)
            value = parse_scalar(data[:SCALAR_BYTES], f"{field} value")
            found.append(proof if isinstance(proof, CryptoError) else Opening(value, proof))
        except CryptoError as error:
            found.append(error)
    return found


@dataclass(frozen=True, slots=True, repr=False)
class CommitmentKey:
    """The powers of tau that commit to chunks of `capacity` elements.

    Attributes
    ----------
    capacity
        D, elements per chunk, 1 to 4096.
    ceremony
        Where the powers come from.
    """

    capacity: int
    ceremony: Ceremony
    _base: FixedBase | None  # None where blst cannot be reached
    _signed_powers: tuple[G1, ...]  # in its place: the powers, then their negatives

    @staticmethod
    def load(capacity: int, ceremony: Ceremony | None = None) -> CommitmentKey:
        """Return the key for one capacity.

        Raises
        ------
        RangeError
            If the capacity is not between 1 and 4096.
        CeremonyError
            If the ceremony cannot be loaded.
        """
        if not 1 <= capacity <= POWERS_IN_G1:
            raise RangeError("capacity", capacity, 1, POWERS_IN_G1)
        if ceremony is None:
            return _default_key(capacity)
        return CommitmentKey._over(capacity, ceremony)

    @staticmethod
    def _over(capacity: int, ceremony: Ceremony) -> CommitmentKey:
        base = FixedBase.build(ceremony.g1[:capacity])
        if base is None:
            return CommitmentKey.portable(capacity, ceremony)
        return CommitmentKey(capacity, ceremony, base, ())

    @staticmethod
    def portable(capacity: int, ceremony: Ceremony | None = None) -> CommitmentKey:
        """Return a key that goes through py-arkworks only; its commitments are the same."""
        ceremony = ceremony or default_ceremony()
        plain = ceremony.g1[:capacity]
        return CommitmentKey(capacity, ceremony, None, plain + tuple(-point for point in plain))

    def __repr__(self) -> str:
        return f"CommitmentKey(capacity={self.capacity})"

    def commit(self, vector: FieldVector) -> Commitment:
        """Commit to a vector whose length is a multiple of the capacity.

        Fastest where most elements are small in magnitude, of either sign; right for all.

        Raises
        ------
        LengthError
            If the vector is empty or not a whole number of chunks.
        """
        return Commitment(tuple(self._commit_chunk(chunk) for chunk in self._chunks(vector)))

    def fold(self, vector: FieldVector, point: int) -> FieldVector:
        """Return sum_c point^(D c) u_c, the one chunk whose value at `point` is u(point)."""
        chunks = self._chunks(vector)
        if len(chunks) == 1:
            return chunks[0]
        step = pow(point, self.capacity, R)
        return FieldVector.linear_combination([pow(step, c, R) for c in range(len(chunks))], chunks)

    def open_at(self, vector: FieldVector, point: int) -> Opening:
        """Open the commitment to `vector` at `point`; it opens sum_c z^(D c) COM(u_c).

        Raises
        ------
        LengthError
            If the vector is empty or not a whole number of chunks.
        """
        quotient, value = self.fold(vector, point).divide(point)
        return Opening(value, self._commit_chunk(quotient))

    def _chunks(self, vector: FieldVector) -> list[FieldVector]:
        if not len(vector):
            raise LengthError("vector", 0, self.capacity)
        return vector.split(self.capacity)

    def _commit_chunk(self, chunk: FieldVector) -> G1:
        if self._base is not None:
            return self._base.sum(chunk)
        negative, words = chunk.signed_words()
        long = words[:, :2].any(axis=1)
        index = np.arange(len(words)) + len(words) * negative
        encoded = words.astype(">u8").view("V32").reshape(-1)
        used = words.any(axis=1)
        if 0 < np.count_nonzero(long) <= _SEPARATE_LONG_BELOW * np.count_nonzero(used):
            # A few long scalars would make every window of the sum costly: sum them apart.
            short = used & ~long
            return self._sum(index[short], encoded[short]) + self._sum(index[long], encoded[long])
        return self._sum(index[used], encoded[used])

    def _sum(self, index: npt.NDArray[np.int64], encoded: npt.NDArray[np.void]) -> G1:
        if len(index) < 2:
            points = [self._signed_powers[i] for i in index.tolist()]
        else:
            points = list(itemgetter(*index.tolist())(self._signed_powers))
        scalars = list(map(Scalar.from_be_bytes, encoded.tolist()))
        return G1Point.multiexp_unchecked(points, scalars)


@lru_cache(maxsize=4)
def _default_key(capacity: int) -> CommitmentKey:
    """Return the key of Ethereum's ceremony; the table behind it is made once a process."""
    return CommitmentKey.load(capacity, default_ceremony())
