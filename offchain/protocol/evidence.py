"""Evidence for Contract S, from what a node really received (specification, section 2.5).

Each function returns the calls that a reporter sends. None of them proves anything by itself: S
judges. A report that S would refuse costs its sender gas and harms nobody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from offchain.crypto.candidates import CandidateLeaf
from offchain.crypto.commitment import Commitment, parse_commitment
from offchain.crypto.curve import g1_to_bytes, g1_to_eip2537, parse_g1
from offchain.crypto.field import R
from offchain.crypto.hashing import address_word, tagged
from offchain.crypto.merkle import MerkleTree
from offchain.crypto.noise import noise_vector
from offchain.protocol import messages
from offchain.protocol.aggregation import envelope_signature, vector_digest
from offchain.protocol.anchoring import bitmap
from offchain.protocol.chain import (
    AdvanceNoiseCase,
    Call,
    ClusterAnchored,
    NoiseEvidence,
    ReportFalseAnchor,
    ReportFalseNoise,
    ReportFalseResult,
    ReportFalseShare,
    ReportFalseVector,
    ReportFalseWitness,
    ResultAccepted,
    SignedWitness,
)
from offchain.protocol.errors import EvidenceTooLarge
from offchain.protocol.masking import OpenedCandidate
from offchain.protocol.role import ClusterRoster, Task
from offchain.protocol.selected_set import SelectedSet, coordinate
from offchain.protocol.statements import SignedStatement

SLOTS_A_STEP: Final = 4096  # of a noise case: below 12 million gas
NOTHING: Final = bytes(32)
TRANSACTION_BYTES: Final = 131_072  # that Ethereum's nodes take
_BESIDE_THE_VECTOR: Final = (
    1_024  # of a report: the rest but for the commitments, with its envelope
)
_WORD_BITS: Final = 256
_POINT: Final = 128


def public_key(roster: ClusterRoster, index: int) -> bytes:
    """A device's BLS key as S wants it, 128 bytes; empty once it has left: S reads none then."""
    member = roster.members.get(index)
    return b"" if member is None else g1_to_eip2537(parse_g1(member.public_key))


# ---- dealers


def signed_witness(task: Task, witness: messages.Witness, data: bytes) -> SignedWitness:
    """A dealer's witness as S judges it, from its envelope ``data``."""
    commitment = parse_commitment(witness.commitment, task.layout.chunks)
    return SignedWitness(
        round=witness.round,
        cluster=witness.cluster,
        index=witness.index,
        selection=witness.selection,
        count=witness.count,
        commitments=commitment.to_eip2537(),
        root=witness.root,
        polynomial=b"".join(witness.polynomial),
        opened=int.from_bytes(witness.opened, "big"),
        proof=witness.proof,
        signature=envelope_signature(data),
    )


def false_share(
    task: Task,
    roster: ClusterRoster,
    selected: SelectedSet,
    witness: messages.Witness,
    data: bytes,
    peer: int,
    complaint: messages.Complaint,
) -> ReportFalseShare:
    """Report a share that contradicts its dealer's witness, as its recipient complained of it."""
    return ReportFalseShare(
        witness=signed_witness(task, witness, data),
        x=coordinate(peer),
        position=selected.indices.index(peer),
        share=complaint.share,
        path=complaint.path,
        public_key=public_key(roster, witness.index),
    )


def false_witness(
    task: Task, roster: ClusterRoster, witness: messages.Witness, data: bytes
) -> ReportFalseWitness:
    """Report a witness that contradicts itself."""
    return ReportFalseWitness(
        signed_witness(task, witness, data), public_key(roster, witness.index)
    )


# ---- noise


def noise_case(task: Task, device: bytes, evidence: NoiseEvidence, leaf: CandidateLeaf) -> bytes:
    """The id of a noise case; modulo R it is the challenge."""
    return tagged(
        "verifog noise case v1",
        task.separator,
        address_word(device),
        evidence.root,
        leaf.data,
        evidence.actual,
    )


def false_noise(
    task: Task,
    roster: ClusterRoster,
    index: int,
    device: bytes,
    root: SignedStatement,
    false: OpenedCandidate,
) -> tuple[Call, ...]:
    """Report committed noise that is not its seed's: the steps of the case, then the report.

    Parameters
    ----------
    root
        The device's signed noise root.
    """
    noise = noise_vector(false.seed, task.layout)
    actual = task.key.commit(noise)
    evidence = NoiseEvidence(
        batch=false.batch,
        cluster=roster.cluster,
        index=index,
        root=root.words[-32:],
        signature=root.signature,
        place=false.leaf.round_in_epoch,
        candidate=false.leaf.candidate,
        seed=false.seed.reveal(),
        claimed=false.leaf.commitment.digest,
        position=false.leaf.round_in_epoch * task.parameters.candidates + false.leaf.candidate,
        path=false.path,
        actual=actual.digest,
    )
    case = noise_case(task, device, evidence, false.leaf)
    opening = task.key.open_at(noise, int.from_bytes(case, "big") % R)
    steps = -(-task.layout.length // SLOTS_A_STEP)
    return (
        *(AdvanceNoiseCase(evidence, SLOTS_A_STEP) for _ in range(steps)),
        ReportFalseNoise(
            evidence, actual.to_eip2537(), g1_to_bytes(opening.proof), public_key(roster, index)
        ),
    )


# ---- anchors


@dataclass(frozen=True)
class QualifiedLeaf:
    """A leaf of the root R of an anchor."""

    index: int
    account: bytes
    commitment: Commitment

    @property
    def data(self) -> bytes:
        """The 32 bytes of leaf data."""
        return messages.selected_leaf(self.index, self.account, self.commitment.digest)

    def packed(self) -> bytes:
        """Index, account, and the coordinates of the points without their zero bytes."""
        points = self.commitment.to_eip2537()
        coordinates = b"".join(points[i + 16 : i + 64] for i in range(0, len(points), _POINT // 2))
        return self.index.to_bytes(2, "big") + self.account + coordinates


def false_anchor(
    anchored: ClusterAnchored,
    leaves: Sequence[QualifiedLeaf],
    accounts: Mapping[int, bytes],
    vector_digest: bytes = NOTHING,
) -> ReportFalseAnchor | None:
    """Report an anchor that is not what its own root says. For audits too: anybody may send it.

    Parameters
    ----------
    leaves
        In the order in which they lie under the root.
    accounts
        Of the devices ever admitted to the cluster, by index.
    vector_digest
        Of the cluster's sum, once S holds it.

    Returns
    -------
    ReportFalseAnchor or None
        None when the leaves are not those of the root, or the anchor is what they say.
    """
    if not leaves or MerkleTree([leaf.data for leaf in leaves]).root != anchored.shares_root:
        return None
    qualified = tuple(leaf.index for leaf in leaves) == anchored.qualified and all(
        accounts.get(leaf.index) == leaf.account for leaf in leaves
    )
    total = Commitment.sum([leaf.commitment for leaf in leaves])
    if qualified and total.to_eip2537() == anchored.commitments:
        return None
    return ReportFalseAnchor(
        round=anchored.round,
        cluster=anchored.cluster,
        shares_root=anchored.shares_root,
        sums_root=anchored.sums_root,
        commitments=anchored.commitments,
        qualified=bitmap(anchored.qualified, _WORD_BITS * anchored.words),
        signer_count=len(anchored.signers),
        vector_digest=vector_digest,
        leaves=b"".join(leaf.packed() for leaf in leaves),
    )


def anchor_evidence(
    anchored: ClusterAnchored,
    selected: SelectedSet,
    vector_digest: bytes = NOTHING,
    *candidates: tuple[int, ...],
) -> ReportFalseAnchor | None:
    """What a device that knows the selection can report of its cluster's anchor.

    Parameters
    ----------
    candidates
        Sets of indices that the root may be over, beside the one that S holds as qualified.
    """
    for indices in (anchored.qualified, *candidates):
        if not set(indices) <= selected.commitments.keys():
            continue
        leaves = [
            QualifiedLeaf(i, selected.accounts[i], selected.commitments[i]) for i in sorted(indices)
        ]
        report = false_anchor(anchored, leaves, selected.accounts, vector_digest)
        if report is not None:
            return report
    return None


# ---- results


def false_result(
    accepted: ResultAccepted, result: messages.Result, data: bytes
) -> ReportFalseResult | ReportFalseVector:
    """Report a result that is not the committed vector that S accepted, from its envelope ``data``.

    Raises
    ------
    EvidenceTooLarge
        When the bytes that S took the digest of fit no transaction.
    """
    digest = vector_digest(result.total)
    given = (result.commitment_digest, digest)
    if given != (accepted.commitment_digest, accepted.vector_digest):
        return ReportFalseResult(result.round, *given, envelope_signature(data))
    bound = TRANSACTION_BYTES - _BESIDE_THE_VECTOR - len(accepted.commitments)
    if len(result.total) > bound:
        raise EvidenceTooLarge(
            f"vector of round {result.round}: {len(result.total)} bytes, "
            f"at most {bound} fit the transaction of a report"
        )
    return ReportFalseVector(
        result.round, result.total, accepted.commitments, accepted.y, accepted.proof
    )
