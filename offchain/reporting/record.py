"""What a run was, as plain frozen data: the types of ``report.json`` (``docs/report.md``).

Byte strings stand as ``0x`` and hexadecimal digits, so that a record is its own JSON. Devices are
named by cluster and index, as Contract S names them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta

REPORT_VERSION: Final = 1

Hex: TypeAlias = Annotated[str, Meta(pattern="^0x([0-9a-f]{2})*$")]
Natural: TypeAlias = Annotated[int, Meta(ge=0)]
Option: TypeAlias = str | int | float | bool | None


def hex_of(data: bytes) -> Hex:
    """Return bytes as ``0x`` and hexadecimal digits."""
    return "0x" + data.hex()


class RoundKind(StrEnum):
    """Whether a round updates the model."""

    STATISTICS = "statistics"
    TRAINING = "training"


class RoundStatus(StrEnum):
    """How a round ended."""

    SETTLED = "settled"
    FAILED = "failed"


@dataclass(frozen=True)
class Metric:
    """A number with its name (``accuracy``, ``R2``)."""

    name: str
    value: float


@dataclass(frozen=True)
class TaskRecord:
    """What was learnt.

    Attributes
    ----------
    dataset, origin
        Name of the data set, and in words where it comes from and whether it is simulated.
    model, features, classes, parameters
        Kind of model; numbers of columns, of classes (0 for regression) and of model parameters.
    train_rows, test_rows
        Rows over all devices, and rows the metric is measured on.
    """

    dataset: str
    origin: str
    model: str
    features: Natural
    classes: Natural
    parameters: Natural
    train_rows: Natural
    test_rows: Natural


@dataclass(frozen=True)
class ClusterRecord:
    """A cluster at the start of the run: its fog's address and its number of devices."""

    cluster: Natural
    fog: Hex
    devices: Natural


@dataclass(frozen=True)
class RunHead:
    """What is known before the first round.

    Attributes
    ----------
    started
        UTC, ISO 8601.
    options
        Every option of the run by name. Plain values; nothing secret.
    contract, chain_id, domain_separator
        Contract S (20 bytes), its chain, and its EIP-712 domain separator (32 bytes).
    rounds_planned
        How many rounds are to be run, statistics rounds included.
    """

    started: str
    task: TaskRecord
    options: dict[str, Option]
    contract: Hex
    chain_id: Natural
    domain_separator: Hex
    clusters: tuple[ClusterRecord, ...]
    rounds_planned: Natural

    @property
    def devices(self) -> int:
        """Number of devices admitted at the start."""
        return sum(cluster.devices for cluster in self.clusters)


@dataclass(frozen=True)
class ClusterDevices:
    """Devices of one cluster, by index, rising."""

    cluster: Natural
    devices: tuple[Natural, ...]


@dataclass(frozen=True)
class Rejection:
    """A message or update that was refused.

    Attributes
    ----------
    cluster, device
        Who it came from, where known: a forged message has no known sender.
    by
        Role of the party that refused.
    reason
        Code of the failed check (specification, section 3.1).
    detail
        Message of the first such refusal.
    count
        How often this party's role refused this sender for this reason.
    """

    cluster: Natural | None
    device: Natural | None
    by: str
    reason: str
    detail: str
    count: Natural


@dataclass(frozen=True)
class Dropout:
    """A device that did not answer in time, with the step at which its fog went on without it."""

    cluster: Natural
    device: Natural
    step: str


@dataclass(frozen=True)
class RoundNote:
    """Something else that was noted: a cluster that failed, a rejected result, a removed member."""

    kind: str
    cluster: Natural | None
    device: Natural | None
    detail: str


@dataclass(frozen=True)
class GasRecord:
    """A transaction: its kind, its cluster if it has one, the gas it used, the sender's role.

    ``error`` is the contract's answer if it was refused.
    """

    kind: str
    cluster: Natural | None
    gas: Natural
    sender: str
    error: str | None = None


@dataclass(frozen=True)
class Traffic:
    """Messages sent and their bytes, envelopes included."""

    messages: Natural = 0
    bytes: Natural = 0


@dataclass(frozen=True)
class Counts:
    """Distinct devices of a round.

    Attributes
    ----------
    devices
        Admitted and active when the round began.
    selected
        Kept by the selection rule of their fog.
    qualified
        Whose update is in an anchored sum.
    attested
        That signed an anchor which Contract S took.
    rejected
        Named in a refusal by a fog, those that the rule left out among them.
    dropped
        That fell silent before the anchor.
    """

    devices: Natural
    selected: Natural
    qualified: Natural
    attested: Natural
    rejected: Natural
    dropped: Natural


@dataclass(frozen=True)
class Seconds:
    """Time spent in a round.

    Attributes
    ----------
    total
        Wall-clock time from the round's beginning to its end.
    by_phase
        Computing time of all parties together, by phase (``phases.PHASES``); ``chain`` is the time
        that transactions and event queries took.
    by_role
        Computing time by role, all parties of the role together.
    slowest
        The largest computing time of one party of the role.
    """

    total: float
    by_phase: dict[str, float]
    by_role: dict[str, float]
    slowest: dict[str, float]


@dataclass(frozen=True)
class PrivacySpent:
    """(epsilon, delta) of one device against its fog, over all rounds so far.

    ``epsilon`` is None where there is no finite bound.
    """

    epsilon: float | None
    delta: float


@dataclass(frozen=True)
class RoundRecord:
    """One round.

    Attributes
    ----------
    why
        Of a failed round.
    loss
        Training loss over all rows after the round, measured by the driver for the report; no
        party of the protocol knows it.
    metric
        On the test rows after the round.
    samples
        Sample total that Contract S accepted.
    included
        Clusters in the accepted result.
    bytes_by_role, messages
        Bytes sent by role; messages and bytes by kind of message.
    """

    round: Natural
    kind: RoundKind
    status: RoundStatus
    why: str | None
    loss: float | None
    metric: Metric | None
    samples: Natural | None
    counts: Counts
    selected: tuple[ClusterDevices, ...]
    qualified: tuple[ClusterDevices, ...]
    rejected: tuple[Rejection, ...]
    dropped: tuple[Dropout, ...]
    included: tuple[Natural, ...]
    notes: tuple[RoundNote, ...]
    seconds: Seconds
    bytes_by_role: dict[str, Natural]
    messages: dict[str, Traffic]
    gas: tuple[GasRecord, ...]
    privacy: PrivacySpent | None

    @property
    def gas_total(self) -> int:
        """Gas of all its transactions."""
        return sum(entry.gas for entry in self.gas)


@dataclass(frozen=True)
class Totals:
    """Sums over all rounds. A device-round is one device in one round.

    Attributes
    ----------
    gas, gas_by_kind
        Of the rounds' transactions, claims of rewards apart.
    gas_outside_by_kind
        Of deployment, admissions, claims and all else that belongs to no round.
    gas_per_device_round, bytes_per_device_round
        ``gas`` over device-rounds; bytes that devices sent over device-rounds.
    """

    rounds: Natural
    settled: Natural
    failed: Natural
    seconds: float
    seconds_by_phase: dict[str, float]
    gas: Natural
    gas_by_kind: dict[str, Natural]
    gas_outside_by_kind: dict[str, Natural]
    gas_per_device_round: float
    bytes: Natural
    bytes_by_role: dict[str, Natural]
    bytes_per_device_round: float


@dataclass(frozen=True)
class PrivacyRecord:
    """The mask in force, and what it is worth.

    Attributes
    ----------
    noise_multiplier, clip_norm
        z and C; the mask's deviation is z C.
    spent
        After the last round.
    statement
        What the figure covers and what it does not.
    rounds_most, rounds_least
        Rounds in which a device sent a masked vector: of the device that sent most, and least.
        ``spent`` is that of the former.
    max_epsilon
        Budget of each device, None for none.
    sensitivity
        Distance of two encoded updates at most, in clip norms: what epsilon was computed with.
    release_noise, release_survivors
        Deviation of the noise left in released sums over the clip norm, and how many honest
        devices make it up; None for none.
    released
        What the released sums, counts left out, tell of one device to cloud and public.
    """

    noise_multiplier: float
    clip_norm: float
    spent: PrivacySpent
    statement: str
    rounds_most: int = 0
    rounds_least: int = 0
    max_epsilon: float | None = None
    sensitivity: float = 2.0
    release_noise: float | None = None
    release_survivors: int | None = None
    released: PrivacySpent | None = None


@dataclass(frozen=True)
class ModelRecord:
    """The model at the end.

    Attributes
    ----------
    commitment
        One compressed point (48 bytes) per chunk, of the model in ``model.json``.
    digest
        Its commitment digest, recomputed from the points.
    on_chain_digest
        The digest that Contract S holds.
    matches
        Whether the two are equal.
    """

    commitment: tuple[Hex, ...]
    digest: Hex
    on_chain_digest: Hex
    matches: bool


@dataclass(frozen=True)
class Comparison:
    """The federated result beside that of a central model on the same rows.

    Attributes
    ----------
    central_description
        The central estimator as called.
    """

    federated: Metric
    central: Metric
    central_description: str


@dataclass(frozen=True)
class RunRecord:
    """A whole run. ``interrupted`` says that it ended before its last planned round.

    ``stopped`` is why it ended by itself before that, None if it did not.
    """

    head: RunHead
    rounds: tuple[RoundRecord, ...]
    outside: tuple[GasRecord, ...]
    totals: Totals
    privacy: PrivacyRecord | None
    model: ModelRecord | None
    comparison: Comparison | None
    interrupted: bool = False
    stopped: str | None = None
    version: Literal[1] = field(default=REPORT_VERSION)
