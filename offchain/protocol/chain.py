"""What the roles see of Contract S and ask of it: events in, calls out, as plain data."""

from dataclasses import dataclass

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


@dataclass(frozen=True)
class ResultRejected:
    """A false result was reported: the model is the one before, another cloud may aggregate."""

    round: int
    model_digest: bytes


@dataclass(frozen=True)
class MemberRemoved:
    """A member left or was slashed."""

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
    | MemberRemoved
    | MemberAdmitted
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
class ReportFalseResult:
    """Report a result that the cloud signed and that differs from what S accepted."""

    round: int
    commitment_digest: bytes
    vector_digest: bytes
    signature: bytes


Call = (
    OpenRound
    | RecordNoiseRoot
    | SubmitAnchor
    | SubmitCumulative
    | SubmitAggregate
    | ReportFalseResult
)
