"""Steps 7 to 9: the attested roots, the aggregate signature, and the reconstruction of the sum."""

from collections.abc import Mapping
from dataclasses import dataclass

from offchain.crypto import attestation
from offchain.crypto import sharing as vss
from offchain.crypto.commitment import Commitment
from offchain.crypto.curve import g1_to_eip2537, parse_g1
from offchain.crypto.decoding import locate_wrong_sums
from offchain.crypto.errors import CryptoError
from offchain.crypto.field import FieldVector, parse_field_vector
from offchain.crypto.hashing import keccak256, tagged, word
from offchain.crypto.merkle import MerkleTree, verify_path
from offchain.crypto.randomness import Randomness
from offchain.errors import VerifogError
from offchain.protocol import messages
from offchain.protocol.chain import Anchor
from offchain.protocol.errors import AttestationMismatch, SumDigestMismatch, WrongPhase
from offchain.protocol.role import ClusterRoster, Task
from offchain.protocol.selected_set import SelectedSet

WORD_BITS = 256


def under(root: bytes, position: int, count: int, leaf: bytes, path: tuple[bytes, ...]) -> bool:
    """Whether a leaf lies under a root at a position."""
    try:
        verify_path(root, position, count, leaf, path)
    except CryptoError:
        return False
    return True


def bitmap(indices: tuple[int, ...], devices: int) -> tuple[int, ...]:
    """The bitmap of S: one word for each 256 devices ever admitted to the cluster."""
    words = [0] * -(-devices // WORD_BITS)
    for index in indices:
        words[index // WORD_BITS] |= 1 << (index % WORD_BITS)
    return tuple(words)


def make_anchor(selection: SelectedSet, qualified: tuple[int, ...], sums_root: bytes) -> Anchor:
    """What a device computes itself: root and sum of the qualified commitments."""
    return Anchor(
        shares_root=selection.root_of(qualified),
        sums_root=sums_root,
        commitments=Commitment.sum([selection.commitments[index] for index in qualified]),
        qualified=qualified,
    )


def anchor_message(task: Task, round_number: int, roster: ClusterRoster, anchor: Anchor) -> bytes:
    """The 32 bytes that devices attest (specification, section 1)."""
    words = bitmap(anchor.qualified, roster.admitted)
    return tagged(
        "verifog anchor v1",
        task.separator,
        word(round_number),
        word(roster.cluster),
        anchor.shares_root,
        anchor.sums_root,
        anchor.commitments.digest,
        keccak256(b"".join(word(entry) for entry in words)),
    )


@dataclass(frozen=True)
class BuiltAnchor:
    """An anchor with the tree of sum digests from which each device gets its path."""

    anchor: Anchor
    message: bytes
    tree: MerkleTree
    positions: Mapping[int, int]

    def proposal(self, round_number: int, cluster: int, index: int) -> messages.AnchorProposal:
        """What one device is asked to attest."""
        position = self.positions[index]
        return messages.AnchorProposal(
            round=round_number,
            cluster=cluster,
            sums_root=self.anchor.sums_root,
            commitments=self.anchor.commitments.to_bytes(),
            position=position,
            count=len(self.positions),
            path=self.tree.path(position),
        )


def build_anchor(
    task: Task,
    roster: ClusterRoster,
    round_number: int,
    selection: SelectedSet,
    qualified: tuple[int, ...],
    digests: Mapping[int, bytes],
) -> BuiltAnchor:
    """Build the roots and the sum of commitments from the digests that came."""
    order = sorted(digests)
    tree = MerkleTree([messages.sum_leaf(index, digests[index]) for index in order])
    anchor = make_anchor(selection, qualified, tree.root)
    return BuiltAnchor(
        anchor,
        anchor_message(task, round_number, roster, anchor),
        tree,
        {index: position for position, index in enumerate(order)},
    )


@dataclass(frozen=True)
class Aggregate:
    """An aggregate BLS signature and who is behind it."""

    signers: tuple[int, ...]
    absent_keys: tuple[bytes, ...]
    signature: bytes | None
    refused: tuple[tuple[int, VerifogError], ...]


def aggregate(
    roster: ClusterRoster,
    message: bytes,
    attestations: Mapping[int, bytes],
    randomness: Randomness,
) -> Aggregate:
    """Check all signatures at once, drop the false ones, and aggregate the others."""
    refused: list[tuple[int, VerifogError]] = []
    parsed: dict[int, tuple[attestation.BlsPublicKey, attestation.BlsSignature]] = {}
    for index in sorted(attestations):
        try:
            signature = attestation.parse_signature(attestations[index])
            parsed[index] = (
                attestation.parse_public_key(roster.members[index].public_key),
                signature,
            )
        except CryptoError as error:
            refused.append((index, AttestationMismatch(f"attestation of device {index}: {error}")))
    order = sorted(parsed)
    bad = attestation.locate_bad_signatures(
        [(parsed[index][0], message, parsed[index][1]) for index in order], randomness
    )
    for place in bad:
        index = order[place]
        refused.append((index, AttestationMismatch(f"attestation of device {index} is false")))
    signers = tuple(index for place, index in enumerate(order) if place not in set(bad))
    absent = tuple(
        g1_to_eip2537(parse_g1(member.public_key))
        for index, member in sorted(roster.members.items())
        if index not in set(signers)
    )
    combined = (
        attestation.aggregate([parsed[index][1] for index in signers]).to_eip2537()
        if signers
        else None
    )
    return Aggregate(signers, absent, combined, tuple(refused))


def check_reveal(
    task: Task, digests: Mapping[int, bytes], index: int, message: messages.Reveal
) -> FieldVector:
    """Check a released sum against the digest that was anchored.

    Raises
    ------
    WrongPhase
        When the device anchored no digest.
    SumDigestMismatch
        When the vector is another one.
    """
    if index not in digests:
        raise WrongPhase(f"reveal: device {index} anchored no digest")
    if keccak256(message.total) != digests[index]:
        raise SumDigestMismatch(f"reveal: the sum of device {index} is not the one anchored")
    layout = task.layout
    return parse_field_vector(message.total, layout.share_length)


@dataclass(frozen=True)
class Reconstruction:
    """The cluster's sum, or None; and whose sums were located as wrong."""

    total: FieldVector | None
    wrong: tuple[int, ...]


def reconstruct(
    task: Task,
    commitments: Commitment,
    reveals: Mapping[int, FieldVector],
    randomness: Randomness,
    *,
    locate: bool,
) -> Reconstruction:
    """Interpolate the sum and check its commitment; locate wrong sums if asked and needed."""
    parameters = task.parameters
    quorum = parameters.quorum
    points = {index + 1: total for index, total in reveals.items()}
    first = dict(sorted(points.items())[:quorum])
    total = vss.reconstruct(task.layout, parameters.threshold, first)
    if task.key.commit(total) == commitments:
        return Reconstruction(total, ())
    if not locate:
        return Reconstruction(None, ())
    try:
        wrong = locate_wrong_sums(points, quorum, randomness)
    except CryptoError:
        return Reconstruction(None, ())
    sound = {x: share for x, share in points.items() if x not in wrong}
    if len(sound) < quorum:
        return Reconstruction(None, ())
    total = vss.reconstruct(task.layout, parameters.threshold, sound)
    if task.key.commit(total) != commitments:
        return Reconstruction(None, ())  # more are wrong than can be located: blame nobody
    return Reconstruction(total, tuple(sorted(x - 1 for x in wrong)))
