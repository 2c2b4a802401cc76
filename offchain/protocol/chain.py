"""What the roles see of Contract S and ask of it: events in, calls out, as plain data."""

from dataclasses import dataclass
from enum import IntEnum

from offchain.crypto.commitment import Commitment


@dataclass(frozen=True)
class RoundOpened:
    """A round is open. Deadlines are seconds of chain time."""

    round: int
    beacon_block: int
    anchor_deadline: int
    cumulative_deadline: int
    aggregate_deadline: int
    clusters: int
    updates_model: bool
    model_digest: bytes
    opened_at: int
    serving: tuple[int, ...] = ()  # the clusters that take part


@dataclass(frozen=True)
class BeaconDrawn:
    """The block that S fixed for the beacon of a round is there."""

    round: int
    beacon: bytes


@dataclass(frozen=True)
class NoiseRootRecorded:
    """S holds a cluster's noise root for the batch of rounds that begins with ``batch``."""

    cluster: int
    batch: int
    root: bytes


@dataclass(frozen=True)
class ClusterAnchored:
    """S has verified a cluster's aggregate attestation."""

    round: int
    cluster: int
    anchor_message: bytes
    commitments: bytes  # C points of 128 bytes (EIP-2537)
    signers: tuple[int, ...]
    qualified: tuple[int, ...]
    shares_root: bytes = b""
    sums_root: bytes = b""
    words: int = 0  # of the bitmap of the qualified


@dataclass(frozen=True)
class CumulativeSubmitted:
    """S has verified that the fog holds its cluster's sum."""

    round: int
    cluster: int
    commitment_digest: bytes
    vector_digest: bytes


@dataclass(frozen=True)
class ResultAccepted:
    """S has accepted the sum of the included clusters and updated the model's commitment."""

    round: int
    cloud: bytes
    included: tuple[int, ...]
    commitment_digest: bytes
    vector_digest: bytes
    samples: int
    factor: int
    model_digest: bytes
    commitments: bytes = b""  # C points of 128 bytes (EIP-2537)
    y: int = 0
    proof: bytes = b""


@dataclass(frozen=True)
class ResultRejected:
    """A false result was reported: the model is the one before, another cloud may aggregate."""

    round: int
    model_digest: bytes


@dataclass(frozen=True)
class ModelVoted:
    """Two thirds of the fogs voted for this model: S holds it now (C points of 128 bytes)."""

    round: int
    voters: tuple[int, ...]
    model: bytes
    model_digest: bytes


@dataclass(frozen=True)
class MemberRemoved:
    """A member left or was slashed."""

    account: bytes


@dataclass(frozen=True)
class FogAdmitted:
    """A fog joined: it leads a cluster of its own."""

    cluster: int
    account: bytes


@dataclass(frozen=True)
class CloudAdmitted:
    """A cloud joined."""

    account: bytes


@dataclass(frozen=True)
class MemberAdmitted:
    """A device joined a cluster: it takes part from the next round on."""

    cluster: int
    index: int
    account: bytes
    public_key: bytes
    sealing_key: bytes


Event = (
    RoundOpened
    | BeaconDrawn
    | NoiseRootRecorded
    | ClusterAnchored
    | CumulativeSubmitted
    | ResultAccepted
    | ResultRejected
    | ModelVoted
    | MemberRemoved
    | MemberAdmitted
    | FogAdmitted
    | CloudAdmitted
)


@dataclass(frozen=True)
class Anchor:
    """What the devices of a cluster attest (specification, section 2.3)."""

    shares_root: bytes
    sums_root: bytes
    commitments: Commitment
    qualified: tuple[int, ...]


@dataclass(frozen=True)
class OpenRound:
    """Open the next round."""


@dataclass(frozen=True)
class RecordNoiseRoot:
    """Record a cluster's noise root for the batch that begins with the next round."""

    cluster: int
    batch: int
    root: bytes


@dataclass(frozen=True)
class SubmitAnchor:
    """Anchor a cluster's round with the aggregate BLS signature (256 bytes, EIP-2537)."""

    round: int
    cluster: int
    batch: int
    anchor: Anchor
    signers: tuple[int, ...]
    absent_keys: tuple[bytes, ...]
    signature: bytes


@dataclass(frozen=True)
class SubmitCumulative:
    """Record the digest of a cluster's sum, with an opening at the challenge of S."""

    round: int
    cluster: int
    anchor: Anchor
    signer_count: int
    vector_digest: bytes
    y: int
    proof: bytes


@dataclass(frozen=True)
class IncludedCluster:
    """The preimage of one included cluster's record."""

    cluster: int
    anchor_message: bytes
    signer_count: int
    qualified_count: int
    commitments: bytes
    vector_digest: bytes


@dataclass(frozen=True)
class SubmitAggregate:
    """Submit the sum of the included clusters with openings at 0 and at the challenge of S."""

    round: int
    clusters: tuple[IncludedCluster, ...]
    model: Commitment
    vector_digest: bytes
    samples: int
    count_proof: bytes
    y: int
    proof: bytes


@dataclass(frozen=True)
class SubmitModel:
    """Submit the model of a settled round with the fogs' votes: cluster and signature of each."""

    round: int
    model: Commitment
    votes: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True)
class ReportFalseResult:
    """Report a result that the cloud signed and that differs from what S accepted."""

    round: int
    commitment_digest: bytes
    vector_digest: bytes
    signature: bytes


@dataclass(frozen=True)
class ReportFalseVector:
    """Report an accepted digest whose preimage is not the committed vector, with its opening."""

    round: int
    vector: bytes
    commitments: bytes
    y: int
    proof: bytes


class Statement(IntEnum):
    """Messages of which nobody may sign two that differ for one round; numbered as in S."""

    NOISE_ROOT = 0
    MASKED_PACKET = 1
    WITNESS = 2
    SELECTION = 3
    QUALIFIED = 4
    MODEL_VOTE = 5


@dataclass(frozen=True)
class SignedWitness:
    """A dealer's witness with what its message names by digests; points in EIP-2537's form."""

    round: int
    cluster: int
    index: int
    selection: bytes
    count: int
    commitments: bytes
    root: bytes
    polynomial: bytes
    opened: int
    proof: bytes
    signature: bytes


@dataclass(frozen=True)
class ReportFalseShare:
    """Report a share that contradicts its dealer's witness; ``public_key``: the dealer's."""

    witness: SignedWitness
    x: int
    position: int
    share: bytes
    path: tuple[bytes, ...]
    public_key: bytes

    @property
    def cluster(self) -> int:
        """The dealer's cluster."""
        return self.witness.cluster


@dataclass(frozen=True)
class ReportFalseWitness:
    """Report a witness that contradicts itself or whose opening is false."""

    witness: SignedWitness
    public_key: bytes

    @property
    def cluster(self) -> int:
        """The dealer's cluster."""
        return self.witness.cluster


@dataclass(frozen=True)
class ReportEquivocation:
    """Report two signed statements that contradict each other: words of the structs, signatures."""

    kind: Statement
    cluster: int
    first: bytes
    first_signature: bytes
    second: bytes
    second_signature: bytes
    public_key: bytes  # of a device; empty for a fog


@dataclass(frozen=True)
class ReportFalseAnchor:
    """Report an anchor that is not what the leaves of its root R say.

    Attributes
    ----------
    qualified
        Words of the bitmap, as anchored.
    vector_digest
        Of the cluster's sum if S holds that, else 32 zero bytes.
    leaves
        Packed as S reads them.
    """

    round: int
    cluster: int
    shares_root: bytes
    sums_root: bytes
    commitments: bytes
    qualified: tuple[int, ...]
    signer_count: int
    vector_digest: bytes
    leaves: bytes


@dataclass(frozen=True)
class NoiseEvidence:
    """A device's signed noise root, a leaf under it, the revealed seed, and what it gives."""

    batch: int
    cluster: int
    index: int
    root: bytes
    signature: bytes
    place: int
    candidate: int
    seed: bytes
    claimed: bytes
    position: int
    path: tuple[bytes, ...]
    actual: bytes


@dataclass(frozen=True)
class AdvanceNoiseCase:
    """Let S compute so many more slots of a seed's noise."""

    evidence: NoiseEvidence
    slots: int

    @property
    def cluster(self) -> int:
        """The device's cluster."""
        return self.evidence.cluster


@dataclass(frozen=True)
class ReportFalseNoise:
    """Report noise that is not its seed's, once S has computed all of it."""

    evidence: NoiseEvidence
    commitments: bytes
    proof: bytes
    public_key: bytes

    @property
    def cluster(self) -> int:
        """The device's cluster."""
        return self.evidence.cluster


Call = (
    OpenRound
    | RecordNoiseRoot
    | SubmitAnchor
    | SubmitCumulative
    | SubmitAggregate
    | SubmitModel
    | ReportFalseResult
    | ReportFalseVector
    | ReportFalseShare
    | ReportFalseWitness
    | ReportEquivocation
    | ReportFalseAnchor
    | AdvanceNoiseCase
    | ReportFalseNoise
)
