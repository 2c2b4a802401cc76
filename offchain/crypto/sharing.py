"""Verifiable packed secret sharing of committed vectors (protocol, sections 5.5, 5.6 and 10).

Block p of the vector u sits at x = -p of a vector polynomial phi of degree below T = t + l - 1;
share i is phi(i). The witness lets everybody who holds one share check it against the commitment:
phi, folded by powers of a challenge rho that depends on the commitment and on all shares, must be
the published scalar polynomial P, and P at 0, -1, ... must fold to u(rho), which an opening proves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
    CryptoError,
    LengthError,
    MerklePathError,
    RangeError,
    ReconstructionError,
    ShareError,
    WitnessError,
)
from offchain.crypto.field import SCALAR_BYTES, FieldVector, inverse, parse_field_vector
from offchain.crypto.hashing import (
    WORD_BYTES,
    Digest,
    address_word,
    challenge,
    parse_digest,
    tagged_each,
    word,
)
from offchain.crypto.layout import SlotLayout
from offchain.crypto.merkle import MerkleTree, check_path, roots_of
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
    polynomial: FieldVector
    opening: Opening

    def to_bytes(self) -> bytes:
        """Return root, coefficients (32 bytes each) and opening (80 bytes)."""
        return self.root + self.polynomial.to_bytes() + self.opening.to_bytes()


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
    values = parse_field_vector(middle, coefficients, "witness polynomial")
    opening = parse_opening(data[-OPENING_BYTES:], "witness opening")
    return ShareWitness(parse_digest(data[:WORD_BYTES]), values, opening)


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
    return share_hashes([x], [share])[0]


def share_hashes(xs: Sequence[int], shares: Sequence[FieldVector]) -> list[Digest]:
    """Return the leaf data of shares of one length."""
    return tagged_each(
        SHARE_TAG, ((word(x), share.to_bytes()) for x, share in zip(xs, shares, strict=True))
    )


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


def _fold_shares(
    layout: SlotLayout, vectors: Sequence[FieldVector], rhos: Sequence[int]
) -> list[int]:
    """Return sum over chunk c and place q of rho^(D c + q) times element (c, q), per vector."""
    chunks = layout.chunks
    points = [rho for rho in rhos for _ in range(chunks)]
    parts = FieldVector.concatenate(vectors).horner_blocks(points, layout.block)
    if chunks == 1:
        return parts
    steps = FieldVector.from_ints(rhos).power(layout.capacity).to_ints()
    return FieldVector.from_ints(parts).horner_blocks(steps, chunks)


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
    newton = FieldVector.newton_form(blocks)
    rows = [[*(x - node for node in nodes), *[x] * (free - 1)] for x in xs]
    shares = dict(zip(xs, FieldVector.nested(newton + random, rows), strict=True))
    tree = MerkleTree(share_hashes(xs, list(shares.values())))
    rho = share_challenge(parameters, commitment, tree.root, context=context, dealer=dealer)
    dealt = blocks + random
    folded = _fold_shares(layout, dealt, [rho] * len(dealt))
    witness_polynomial = polynomial.add(
        polynomial.interpolate(nodes, folded[: layout.packing]),
        polynomial.multiply(polynomial.from_roots(nodes), folded[layout.packing :]),
    )
    padding = [0] * (parameters.needed - len(witness_polynomial))
    coefficients = FieldVector.from_ints([*witness_polynomial, *padding])
    witness = ShareWitness(tree.root, coefficients, key.open_at(vector, rho))
    return Dealing(shares, witness, tree)


def _evaluate_witnesses(
    parameters: SharingParameters, x: int, witnesses: Sequence[ShareWitness]
) -> tuple[FieldVector, list[int]]:
    """Evaluate polynomials P: at 0, -1, ... for the blocks, dealer by dealer, and at x."""
    dealers, steps = len(witnesses), parameters.needed - 1
    columns = FieldVector.transposed([witness.polynomial for witness in witnesses])
    # P(-p): the odd coefficients change sign.
    turned = list(columns)
    turned[1::2] = (-FieldVector.concatenate(columns[1::2])).split(dealers)
    at_blocks = FieldVector.nested(turned, [[p] * steps for p in range(parameters.layout.packing)])
    at_share = FieldVector.nested(columns, [[x] * steps])[0].to_ints()
    return FieldVector.concatenate(FieldVector.transposed(at_blocks)), at_share


@dataclass(frozen=True, slots=True, repr=False)
class ReceivedShare:
    """What a recipient got from one dealer, nothing of it checked yet. Hides itself.

    Attributes
    ----------
    dealer
        Ethereum address, 20 bytes.
    share, path
        The share, and the Merkle path that leads to the witness's root.
    witness, commitment
        Of the dealer's vector.
    """

    dealer: bytes
    share: FieldVector
    path: Sequence[bytes]
    witness: ShareWitness
    commitment: Commitment

    def check_form(self, parameters: SharingParameters, index: int) -> None:
        """Check lengths; errors as in `check_share`."""
        layout, witness = parameters.layout, self.witness
        if len(self.share) != layout.share_length:
            raise LengthError("share", len(self.share), layout.share_length)
        check_path(index, len(parameters.recipients), self.path)
        if len(witness.polynomial) != parameters.needed:
            raise LengthError("witness polynomial", len(witness.polynomial), parameters.needed)
        if self.commitment.chunks != layout.chunks:
            raise LengthError("chunks of the commitment", self.commitment.chunks, layout.chunks)


def check_shares(
    parameters: SharingParameters, x: int, received: Sequence[ReceivedShare], *, context: bytes
) -> list[OpeningClaim | CryptoError]:
    """Check what one recipient got from many dealers.

    Returns
    -------
    list
        For each, the claim or the error that `check_share` returns or raises.

    Raises
    ------
    ShareError
        If `x` is not a recipient.
    LengthError
        If the context or an address has the wrong length.
    """
    if x not in parameters.recipients:
        raise ShareError(f"no recipient has x coordinate {x}")
    index = parameters.recipients.index(x)
    found: dict[int, OpeningClaim | CryptoError] = {}
    for place, one in enumerate(received):
        try:
            one.check_form(parameters, index)
        except CryptoError as error:
            found[place] = error
    rest = [place for place in range(len(received)) if place not in found]
    checked = _check_formed(parameters, x, [received[place] for place in rest], context)
    found.update(zip(rest, checked, strict=True))
    return [found[place] for place in range(len(received))]


def _check_formed(
    parameters: SharingParameters, x: int, received: Sequence[ReceivedShare], context: bytes
) -> list[OpeningClaim | CryptoError]:
    if not received:
        return []
    layout, index = parameters.layout, parameters.recipients.index(x)
    shares, witnesses = [one.share for one in received], [one.witness for one in received]
    leaves = share_hashes([x] * len(shares), shares)
    roots = roots_of(index, leaves, [one.path for one in received])
    rhos = [
        share_challenge(
            parameters, one.commitment, one.witness.root, context=context, dealer=one.dealer
        )
        for one in received
    ]
    at_blocks, at_share = _evaluate_witnesses(parameters, x, witnesses)
    steps = FieldVector.from_ints(rhos).power(layout.block).to_ints()
    opened = at_blocks.horner_blocks(steps, layout.packing)
    folded = _fold_shares(layout, shares, rhos)
    found: list[OpeningClaim | CryptoError] = []
    for i, (one, rho) in enumerate(zip(received, rhos, strict=True)):
        if roots[i] != one.witness.root:
            count = len(parameters.recipients)
            found.append(
                MerklePathError(f"path of leaf {index} of {count} does not lead to the root")
            )
        elif opened[i] != one.witness.opening.value:
            found.append(WitnessError("witness polynomial does not agree with the opened value"))
        elif folded[i] != at_share[i]:
            found.append(ShareError(f"share of recipient {x} contradicts the witness"))
        else:
            found.append(OpeningClaim(one.commitment, rho, one.witness.opening))
    return found


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
) -> OpeningClaim:
    """Check one share and the witness that came with it.

    The share must be under the witness's root, fold by powers of rho to P(x), and
    sum_p rho^(m p) P(-p) must be the value of the opening.

    Returns
    -------
    OpeningClaim
        Still to be checked: hand the claims of all dealers to `locate_bad_openings` together. A
        share is good only if its claim holds too.

    Raises
    ------
    LengthError
        If the share, the path, the polynomial, the commitment, the context or the address has the
        wrong length.
    MerklePathError
        If the share is not the one that the witness binds: no proof against the dealer.
    ShareError
        If the share contradicts P, or `x` is not a recipient.
    WitnessError
        If P contradicts the opened value.
    """
    received = ReceivedShare(dealer, share, path, witness, commitment)
    claim = check_shares(parameters, x, [received], context=context)[0]
    if isinstance(claim, CryptoError):
        raise claim
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
