"""Verifiable packed secret sharing of committed vectors (protocol, sections 5.5, 5.6 and 10).

Block p of the vector u sits at x = -p of a vector polynomial phi of degree below T = t + l - 1;
share i is phi(i). The witness lets everybody who holds one share check it against the commitment:
phi, folded by powers of a challenge rho that depends on the commitment and on all shares, must be
the published scalar polynomial P, and P at 0, -1, ... must fold to u(rho), which an opening proves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import comb, factorial
from typing import Final

from offchain.crypto import polynomial
from offchain.crypto.commitment import (
    OPENING_BYTES,
    Commitment,
    CommitmentKey,
    Opening,
    parse_opening,
)
from offchain.crypto.errors import (
    LengthError,
    RangeError,
    ReconstructionError,
    ShareError,
    WitnessError,
)
from offchain.crypto.field import SCALAR_BYTES, FieldVector, R, inverse, parse_field_vector
from offchain.crypto.hashing import (
    WORD_BYTES,
    Digest,
    address_word,
    challenge,
    parse_digest,
    tagged,
    word,
)
from offchain.crypto.layout import SlotLayout
from offchain.crypto.merkle import MerkleTree, verify_path
from offchain.crypto.opening import OpeningClaim
from offchain.crypto.randomness import Randomness

SHARE_TAG: Final = "verifog share v1"
CHALLENGE_TAG: Final = "verifog share challenge v1"
MAX_RECIPIENT: Final = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class SharingParameters:
    """What dealer and recipients agree on.

    Attributes
    ----------
    layout
        Shape of the vectors.
    threshold
        t: fewer shares than this reveal nothing. At least 2.
    recipients
        Their x coordinates, distinct and positive, in the order of the leaves.

    Raises
    ------
    RangeError
        If the threshold, a coordinate or the number of recipients is out of range.
    ShareError
        If two recipients have one coordinate.
    """

    layout: SlotLayout
    threshold: int
    recipients: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 2 <= self.threshold <= MAX_RECIPIENT:
            raise RangeError("threshold", self.threshold, 2, MAX_RECIPIENT)
        if not self.needed <= len(self.recipients) <= MAX_RECIPIENT:
            raise RangeError("recipients", len(self.recipients), self.needed, MAX_RECIPIENT)
        for x in self.recipients:
            if not 1 <= x <= MAX_RECIPIENT:
                raise RangeError("recipient", x, 1, MAX_RECIPIENT)
        if len(set(self.recipients)) != len(self.recipients):
            raise ShareError("two recipients have the same x coordinate")

    @property
    def needed(self) -> int:
        """T = t + l - 1, the number of shares that reconstruct."""
        return self.threshold + self.layout.packing - 1


MOST_PACKING: Final = 16
PACKED_FROM: Final = 16


def recommended(devices: int) -> tuple[int, int]:
    """Return packing l and threshold t for clusters of so many devices.

    Below 16 devices: plain sharing, and a majority reconstructs. From 16 on two thirds of the
    devices reconstruct, so that a third may fall silent; l is the greatest power of two up to a
    third of the devices, and 16 at most: it makes shares l times shorter, and leaves t above a
    third, so that a third of the devices learn nothing even together with their fog.

    Raises
    ------
    RangeError
        If there are fewer than 3 devices.
    """
    if devices < 3:
        raise RangeError("devices", devices, 3, MAX_RECIPIENT)
    if devices < PACKED_FROM:
        return 1, devices // 2 + 1
    packing = min(1 << ((devices // 3).bit_length() - 1), MOST_PACKING)
    return packing, -(-2 * devices // 3) - packing + 1


@dataclass(frozen=True, slots=True)
class ShareWitness:
    """What a dealer publishes to its recipients.

    Attributes
    ----------
    root
        Merkle root of the share hashes, in the order of the recipients.
    polynomial
        P, T coefficients, lowest power first.
    opening
        Of the commitment at rho.
    """

    root: Digest
    polynomial: tuple[int, ...]
    opening: Opening

    def to_bytes(self) -> bytes:
        """Return root, coefficients (32 bytes each) and opening (80 bytes)."""
        coefficients = FieldVector.from_ints(self.polynomial).to_bytes()
        return self.root + coefficients + self.opening.to_bytes()


def parse_witness(data: bytes, coefficients: int) -> ShareWitness:
    """Parse a witness with a known number of coefficients.

    Raises
    ------
    LengthError, ScalarOverflowError, NonCanonicalError, NotOnCurveError, NotInSubgroupError
        One for each way to be wrong.
    """
    size = WORD_BYTES + SCALAR_BYTES * coefficients + OPENING_BYTES
    if len(data) != size:
        raise LengthError("witness", len(data), size)
    middle = data[WORD_BYTES:-OPENING_BYTES]
    values = parse_field_vector(middle, coefficients, "witness polynomial").to_ints()
    opening = parse_opening(data[-OPENING_BYTES:], "witness opening")
    return ShareWitness(parse_digest(data[:WORD_BYTES]), tuple(values), opening)


@dataclass(frozen=True, slots=True, repr=False)
class Dealing:
    """Everything that a dealer makes of one vector. Holds secrets: every share.

    Attributes
    ----------
    shares
        One vector of C * m elements per recipient.
    witness
        The public part.
    """

    shares: dict[int, FieldVector]
    witness: ShareWitness
    _tree: MerkleTree = field(compare=False)

    def __repr__(self) -> str:
        return f"Dealing(recipients={len(self.shares)}, <hidden>)"

    def path(self, x: int) -> tuple[Digest, ...]:
        """Return the Merkle path that goes with the share of recipient `x`.

        Raises
        ------
        ShareError
            If there is no such recipient.
        """
        if x not in self.shares:
            raise ShareError(f"no recipient has x coordinate {x}")
        return self._tree.path(list(self.shares).index(x))


def share_hash(x: int, share: FieldVector) -> Digest:
    """Return the leaf data of one share."""
    return tagged(SHARE_TAG, word(x), share.to_bytes())


def share_challenge(
    parameters: SharingParameters,
    commitment: Commitment,
    root: Digest,
    *,
    context: bytes,
    dealer: bytes,
) -> int:
    """Return rho = H(context, dealer, COM(u), root, n, t, l).

    Parameters
    ----------
    context
        32 bytes that bind chain, contract, round and cluster.
    dealer
        Ethereum address, 20 bytes.

    Raises
    ------
    LengthError
        If the context or the address has the wrong length.
    """
    return challenge(
        CHALLENGE_TAG,
        parse_digest(context, "context"),
        address_word(dealer),
        commitment.digest,
        root,
        word(len(parameters.recipients)),
        word(parameters.threshold),
        word(parameters.layout.packing),
    )


def _fold_shares(layout: SlotLayout, vectors: Sequence[FieldVector], rho: int) -> list[int]:
    """Return sum over chunk c and place q of rho^(D c + q) times element (c, q), per vector."""
    parts = FieldVector.concatenate(vectors).horner_blocks(rho, layout.block)
    step = pow(rho, layout.capacity, R)
    chunks = layout.chunks
    return [
        polynomial.evaluate(parts[i * chunks : (i + 1) * chunks], step) for i in range(len(vectors))
    ]


@lru_cache(maxsize=16)
def _newton_matrix(packing: int) -> tuple[tuple[int, ...], ...]:
    """Return how the divided differences at 0, -1, ... follow from the values there.

    c_k = sum_p (-1)^p binomial(k, p) / k! f(-p).
    """
    return tuple(
        tuple((-1) ** p * comb(k, p) * inverse(factorial(k)) % R for p in range(packing))
        for k in range(packing)
    )


def deal(
    key: CommitmentKey,
    parameters: SharingParameters,
    vector: FieldVector,
    commitment: Commitment,
    *,
    context: bytes,
    dealer: bytes,
    randomness: Randomness,
) -> Dealing:
    """Share a vector whose commitment is `commitment`.

    phi(x) = B(x) + Z(x) S(x): B of degree below l takes block p at -p, Z is the product of (x + p),
    S is uniformly random of degree below t - 1.

    Raises
    ------
    LengthError
        If the vector does not have the layout's length, or context or dealer theirs.
    """
    layout, xs = parameters.layout, parameters.recipients
    nodes = tuple(-p for p in range(layout.packing))
    free = parameters.threshold - 1
    blocks = layout.blocks(vector)
    random = randomness.field_vector(free * layout.share_length).split(layout.share_length)
    # phi(x) = c_0 + x (c_1 + (x + 1) (c_2 + ... + (x + l - 1) S(x))): Newton's form.
    newton = FieldVector.linear_map(_newton_matrix(layout.packing), blocks)
    rows = [[*(x - node for node in nodes), *[x] * (free - 1)] for x in xs]
    shares = dict(zip(xs, FieldVector.nested(newton + random, rows), strict=True))
    tree = MerkleTree([share_hash(x, share) for x, share in shares.items()])
    rho = share_challenge(parameters, commitment, tree.root, context=context, dealer=dealer)
    folded = _fold_shares(layout, blocks + random, rho)
    witness_polynomial = polynomial.add(
        polynomial.interpolate(nodes, folded[: layout.packing]),
        polynomial.multiply(polynomial.from_roots(nodes), folded[layout.packing :]),
    )
    padding = [0] * (parameters.needed - len(witness_polynomial))
    witness = ShareWitness(tree.root, (*witness_polynomial, *padding), key.open_at(vector, rho))
    return Dealing(shares, witness, tree)


@dataclass(frozen=True, slots=True)
class WitnessValues:
    """Values of a witness polynomial P.

    Attributes
    ----------
    blocks
        P(0), P(-1), ..., one for each block.
    share
        P(x) of one recipient.
    """

    blocks: tuple[int, ...]
    share: int


def evaluate_witnesses(
    parameters: SharingParameters, x: int, witnesses: Sequence[ShareWitness]
) -> list[WitnessValues]:
    """Evaluate the polynomials of many dealers for one recipient, all in packed integers.

    Raises
    ------
    LengthError
        If a polynomial does not have T coefficients.
    """
    for witness in witnesses:
        _check_degree(parameters, witness)
    if not witnesses:
        return []
    columns = list(zip(*(witness.polynomial for witness in witnesses), strict=True))
    plain = [FieldVector.from_ints(column) for column in columns]
    # P(-p): the odd coefficients change sign.
    turned = [vector if k % 2 == 0 else -vector for k, vector in enumerate(plain)]
    steps, blocks = parameters.needed - 1, parameters.layout.packing
    at_blocks = FieldVector.nested(turned, [[p] * steps for p in range(blocks)])
    at_share = FieldVector.nested(plain, [[x] * steps])[0].to_ints()
    values = zip(*(vector.to_ints() for vector in at_blocks), strict=True)
    return [WitnessValues(one, share) for one, share in zip(values, at_share, strict=True)]


def _check_degree(parameters: SharingParameters, witness: ShareWitness) -> None:
    if len(witness.polynomial) != parameters.needed:
        raise LengthError("witness polynomial", len(witness.polynomial), parameters.needed)


def check_witness(
    parameters: SharingParameters,
    witness: ShareWitness,
    commitment: Commitment,
    *,
    context: bytes,
    dealer: bytes,
    values: WitnessValues | None = None,
) -> OpeningClaim:
    """Check that P folds to the opened value.

    Parameters
    ----------
    values
        From `evaluate_witnesses`, where there are many to check.

    Returns
    -------
    OpeningClaim
        Still to be checked: hand the claims of all dealers to `locate_bad_openings` together.

    Raises
    ------
    LengthError
        If the polynomial does not have T coefficients, or the commitment C points.
    WitnessError
        If sum_p rho^(m p) P(-p) is not the value of the opening.
    """
    layout = parameters.layout
    _check_degree(parameters, witness)
    if commitment.chunks != layout.chunks:
        raise LengthError("chunks of the commitment", commitment.chunks, layout.chunks)
    rho = share_challenge(parameters, commitment, witness.root, context=context, dealer=dealer)
    blocks: Sequence[int] = (
        values.blocks
        if values is not None
        else [polynomial.evaluate(witness.polynomial, -p) for p in range(layout.packing)]
    )
    if polynomial.evaluate(blocks, pow(rho, layout.block, R)) != witness.opening.value:
        raise WitnessError("witness polynomial does not agree with the opened value")
    return OpeningClaim(commitment, rho, witness.opening)


def check_share(
    parameters: SharingParameters,
    x: int,
    share: FieldVector,
    path: Sequence[bytes],
    witness: ShareWitness,
    commitment: Commitment,
    *,
    context: bytes,
    dealer: bytes,
    values: WitnessValues | None = None,
) -> OpeningClaim:
    """Check one share and the witness that came with it.

    Parameters
    ----------
    values
        From `evaluate_witnesses` for this witness and this recipient, where there are many.

    Returns
    -------
    OpeningClaim
        As `check_witness`: a share is good only if this claim holds too.

    Raises
    ------
    LengthError
        If the share or the path has the wrong length.
    MerklePathError
        If the share is not the one that the witness binds: no proof against the dealer.
    ShareError
        If the share contradicts P, or `x` is not a recipient.
    WitnessError
        If P contradicts the opened value.
    """
    if x not in parameters.recipients:
        raise ShareError(f"no recipient has x coordinate {x}")
    if len(share) != parameters.layout.share_length:
        raise LengthError("share", len(share), parameters.layout.share_length)
    index, count = parameters.recipients.index(x), len(parameters.recipients)
    verify_path(witness.root, index, count, share_hash(x, share), path)
    claim = check_witness(
        parameters, witness, commitment, context=context, dealer=dealer, values=values
    )
    folded = _fold_shares(parameters.layout, [share], claim.point)[0]
    value = polynomial.evaluate(witness.polynomial, x) if values is None else values.share
    if folded != value:
        raise ShareError(f"share of recipient {x} contradicts the witness")
    return claim


def reconstruct(
    layout: SlotLayout, threshold: int, shares: Mapping[int, FieldVector]
) -> FieldVector:
    """Return the vector from at least t + l - 1 shares (or sums of shares), keyed by x.

    Uses the t + l - 1 smallest coordinates; the caller checks the result's commitment.

    Raises
    ------
    ReconstructionError
        If there are too few shares.
    LengthError
        If a share has the wrong length.
    """
    needed = threshold + layout.packing - 1
    if len(shares) < needed:
        raise ReconstructionError(f"{len(shares)} shares, {needed} needed")
    xs = tuple(sorted(shares))[:needed]
    chosen = [shares[x] for x in xs]
    for share in chosen:
        if len(share) != layout.share_length:
            raise LengthError("share", len(share), layout.share_length)
    rows = [polynomial.lagrange_weights(xs, -p) for p in range(layout.packing)]
    blocks = FieldVector.linear_map([weights for weights, _ in rows], chosen)
    return layout.join_blocks(
        [
            block if denominator == 1 else block.scale(inverse(denominator))
            for block, (_, denominator) in zip(blocks, rows, strict=True)
        ]
    )
