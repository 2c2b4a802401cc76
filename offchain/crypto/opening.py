"""Checking many openings and many commitments at once, and finding the false ones.

A batch is checked by one random linear combination with 128-bit coefficients that only the
verifier knows: a false claim passes with probability 2^-128. When a batch fails, halves are checked
until the culprits are found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from offchain.crypto import curve
from offchain.crypto.commitment import Commitment, CommitmentKey, Opening
from offchain.crypto.errors import LengthError, OpeningError
from offchain.crypto.field import FieldVector, R
from offchain.crypto.randomness import Randomness
from offchain.crypto.variable_base import sum_products


@dataclass(frozen=True, slots=True)
class OpeningClaim:
    """The claim that a commitment opens to a value at a point.

    Attributes
    ----------
    commitment
        One point per chunk.
    point
        z.
    opening
        Value and proof.
    """

    commitment: Commitment
    point: int
    opening: Opening


def locate(count: int, holds: Callable[[Sequence[int]], bool]) -> list[int]:
    """Find by bisection which of `count` claims fail, in order.

    Parameters
    ----------
    count
        Number of claims.
    holds
        Whether the claims with these indices hold, all together.
    """

    def search(indices: Sequence[int]) -> list[int]:
        if not indices or holds(indices):
            return []
        if len(indices) == 1:
            return list(indices)
        middle = len(indices) // 2
        return search(indices[:middle]) + search(indices[middle:])

    return search(range(count))


def _weights(count: int, randomness: Randomness) -> list[int]:
    """Return random weights for a batch; a single claim is checked as it is."""
    return [randomness.coefficient() for _ in range(count)] if count > 1 else [1] * count


def _holds(key: CommitmentKey, claims: Sequence[OpeningClaim], weights: Sequence[int]) -> bool:
    """Check sum r_i (C_i - [y_i] + z_i pi_i) against tau sum r_i pi_i in one pairing product."""
    points: list[curve.G1] = []
    scalars: list[int] = []
    values = 0
    for claim, weight in zip(claims, weights, strict=True):
        # One chunk needs no power of z.
        step = pow(claim.point, key.capacity, R) if claim.commitment.chunks > 1 else 1
        factor = weight
        for point in claim.commitment.points:
            points.append(point)
            scalars.append(factor)
            factor = factor * step % R
        points.append(claim.opening.proof)
        scalars.append(weight * claim.point % R)
        values += weight * claim.opening.value
    left, right = sum_products(
        ([*points, curve.G1_GENERATOR], [*scalars, -values % R]),
        ([claim.opening.proof for claim in claims], weights),
    )
    one, tau = key.ceremony.g2
    return curve.pairing_product_is_one([(left, one), (-right, tau)], fixed=True)


def verify_opening(
    key: CommitmentKey, commitment: Commitment, point: int, opening: Opening
) -> None:
    """Check one opening.

    Raises
    ------
    OpeningError
        If the commitment does not open to the value at `point`.
    """
    if not _holds(key, [OpeningClaim(commitment, point, opening)], [1]):
        raise OpeningError("opening does not belong to its commitment")


def verify_openings(
    key: CommitmentKey, claims: Sequence[OpeningClaim], randomness: Randomness
) -> None:
    """Check many openings in one pairing check.

    Raises
    ------
    OpeningError
        If one of them is false; `locate_bad_openings` tells which.
    """
    if claims and not _holds(key, claims, _weights(len(claims), randomness)):
        raise OpeningError(f"a batch of {len(claims)} openings does not hold")


def locate_bad_openings(
    key: CommitmentKey, claims: Sequence[OpeningClaim], randomness: Randomness
) -> list[int]:
    """Return the indices of the false openings; one pairing check where there is none."""

    def holds(indices: Sequence[int]) -> bool:
        return _holds(key, [claims[i] for i in indices], _weights(len(indices), randomness))

    return locate(len(claims), holds)


def check_vectors(
    key: CommitmentKey,
    claims: Sequence[tuple[FieldVector, Commitment]],
    randomness: Randomness,
) -> list[int]:
    """Return the indices of the vectors whose commitment is not the expected one.

    One sum of products of length D where all is right.

    Raises
    ------
    LengthError
        If the vectors differ in length, or a commitment in its number of chunks.
    """
    for vector, commitment in claims:
        if len(vector) != key.capacity * commitment.chunks:
            raise LengthError("vector", len(vector), key.capacity * commitment.chunks)

    def holds(indices: Sequence[int]) -> bool:
        weights = _weights(len(indices), randomness)
        vectors = [claims[i][0] for i in indices]
        found = key.commit(FieldVector.linear_combination(weights, vectors))
        for c, point in enumerate(found.points):
            expected = [claims[i][1].points[c] for i in indices]
            if sum_products((expected, weights)) != [point]:
                return False
        return True

    return locate(len(claims), holds)


def verify_relation(key: CommitmentKey, vector: FieldVector, expected: Commitment) -> None:
    """Check one vector against its commitment.

    Raises
    ------
    OpeningError
        If it is not the committed vector.
    """
    if key.commit(vector) != expected:
        raise OpeningError("vector does not have the expected commitment")
