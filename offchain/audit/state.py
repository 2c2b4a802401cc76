"""What S must hold, rebuilt: members, clusters, rounds, money. Plain data and plain arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from offchain.audit.arithmetic import bitmap_of, encode_points, parse_points
from offchain.audit.history import ModelHistory
from offchain.crypto import curve
from offchain.crypto.curve import G1
from offchain.crypto.hashing import keccak256

MAX_CLUSTERS: Final = 64
MAX_CLOUDS: Final = 256
MAX_DEVICES: Final = 1024
REPORTER_PERCENT: Final = 30
BURNT_PERCENT: Final = 10

Position = tuple[int, int]
"""Block and index of a transaction."""


class Role(IntEnum):
    """As S numbers them."""

    NONE = 0
    DEVICE = 1
    FOG = 2
    CLOUD = 3


class Phase(IntEnum):
    """As S numbers them."""

    NONE = 0
    ANCHORING = 1
    ACCUMULATING = 2
    AGGREGATING = 3
    SETTLED = 4
    FAILED = 5


@dataclass
class Member:
    """An account that S knows.

    Attributes
    ----------
    since, end
        First round that a fog serves, and the first of its successor; 0 without one.
    key
        A device's BLS key, 128 bytes.
    """

    account: bytes
    role: Role = Role.NONE
    stake: int = 0
    slashed: bool = False
    cluster: int = 0
    index: int = 0
    withdrawable_at: int = 0
    since: int = 0
    end: int = 0
    key: bytes = b""

    @property
    def active(self) -> bool:
        """Whether it has a role and has neither left nor been slashed."""
        return self.role is not Role.NONE and self.withdrawable_at == 0


@dataclass
class Cluster:
    """A fog and its devices, in the order of index.

    Attributes
    ----------
    departed
        Who left in which round.
    silences
        Rounds missed in a row.
    fogs
        The fog's predecessors.
    """

    fog: bytes
    active: bool = True
    devices: list[Member] = field(default_factory=list)
    devices_before: int = 0
    admitted_in: int = 0
    departed: dict[int, set[int]] = field(default_factory=dict)
    silences: int = 0
    fogs: list[bytes] = field(default_factory=list)

    @property
    def active_devices(self) -> frozenset[int]:
        """Indices of the active devices."""
        return frozenset(device.index for device in self.devices if device.active)

    def eligible(self, latest: int) -> int:
        """Devices below this index serve in the latest round."""
        return self.devices_before if self.admitted_in == latest else len(self.devices)


@dataclass
class Anchored:
    """A cluster's anchor as S recorded it; ``vector_digest`` once its sum was submitted."""

    message: bytes
    commitments: bytes
    points: tuple[G1, ...]
    qualified: frozenset[int]
    signers: frozenset[int]
    words: int
    vector_digest: bytes | None = None


@dataclass(frozen=True)
class Result:
    """An accepted result and what S did with it."""

    cloud: bytes
    included: frozenset[int]
    commitments: bytes
    vector_digest: bytes
    samples: int
    y: int
    factor: int
    paid: int
    model_before: bytes
    model: bytes

    @property
    def digest(self) -> bytes:
        """What S stores of it."""
        return keccak256(keccak256(self.commitments) + self.vector_digest)


@dataclass
class Round:
    """A round from its opening on."""

    number: int
    opened_at: int
    position: Position
    beacon_block: int
    anchor_deadline: int
    cumulative_deadline: int
    aggregate_deadline: int
    clusters: frozenset[int]
    clouds: int
    shares: Mapping[Role, int]
    updates_model: bool
    model_digest: bytes
    anchored: dict[int, Anchored] = field(default_factory=dict)
    result: Result | None = None
    rejected: list[Result] = field(default_factory=list)
    voted: bytes | None = None
    closed: bool = False
    beacon: bytes | None = None

    @property
    def submitted(self) -> frozenset[int]:
        """Clusters whose sum was submitted."""
        return frozenset(c for c, a in self.anchored.items() if a.vector_digest is not None)

    def phase(self, now: int) -> Phase:
        """Return the phase at a time (specification, section 2.3)."""
        if self.result is not None:
            return Phase.SETTLED
        if now < self.anchor_deadline and self.anchored.keys() != self.clusters:
            return Phase.ANCHORING
        if not self.anchored:
            return Phase.FAILED
        if now < self.cumulative_deadline:
            missing = self.submitted != self.anchored.keys()
            return Phase.ACCUMULATING if missing else Phase.AGGREGATING
        if not self.submitted:
            return Phase.FAILED
        return Phase.AGGREGATING if now < self.aggregate_deadline else Phase.FAILED


@dataclass
class Rewards:
    """What is owed of the rounds of a word of 256: amount, last deadline, returned up to."""

    owed: int = 0
    deadline: int = 0
    returned: int = 0


@dataclass
class Ledger:
    """Where the ether of S belongs, and what came in and went out."""

    stakes: int = 0
    owed: int = 0
    pool: int = 0
    burnt: int = 0
    received: int = 0
    paid: int = 0
    credits: dict[bytes, int] = field(default_factory=dict)
    rewards: dict[int, Rewards] = field(default_factory=dict)
    claimed: dict[bytes, set[int]] = field(default_factory=dict)

    @property
    def held(self) -> int:
        """Sum of the four accounts."""
        return self.stakes + self.owed + self.pool + self.burnt


@dataclass(frozen=True)
class NoiseCase:
    """A seed's noise under computation: who began, how many slots are done, their sum."""

    reporter: bytes
    done: int
    value: int


@dataclass(frozen=True)
class NoiseRoot:
    """A recorded noise root and where it was recorded."""

    root: bytes
    position: Position


@dataclass
class State:
    """Everything that S must hold.

    Attributes
    ----------
    task
        Task parameters by the names of S.
    model, previous_model
        The preimages of the model's digests, 128 bytes a chunk; the previous is the one before the
        last result that updated the model, None before that.
    provisional
        Whether the model is a result on which nobody had anchored when the latest round was opened.
    """

    chain_id: int
    contract: bytes
    domain: bytes
    authority: bytes
    noise_sampler: bytes
    verifier: bytes
    judge: bytes
    extension: bytes
    task: Mapping[str, int]
    model: bytes
    models: ModelHistory
    created_in: int = 0
    previous_model: bytes | None = None
    provisional: bool = False
    settled_rounds: int = 0
    members: dict[bytes, Member] = field(default_factory=dict)
    clouds: list[bytes] = field(default_factory=list)
    clusters: list[Cluster] = field(default_factory=list)
    key_hashes: dict[bytes, Member] = field(default_factory=dict)
    noise: dict[tuple[int, int], NoiseRoot] = field(default_factory=dict)
    noise_cases: dict[bytes, NoiseCase] = field(default_factory=dict)
    rounds: dict[int, Round] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)

    @property
    def tools(self) -> tuple[bytes, ...]:
        """The contracts that S works with."""
        return (self.verifier, self.noise_sampler, self.judge, self.extension)

    @property
    def latest(self) -> int:
        """Number of the latest round."""
        return len(self.rounds)

    @property
    def current(self) -> Round | None:
        """The latest round."""
        return self.rounds.get(self.latest)

    @property
    def model_digest(self) -> bytes:
        """Digest of the committed model."""
        return keccak256(self.model)

    @property
    def budgets(self) -> tuple[int, int, int]:
        """What a round pays to its cloud, to all its fogs, to all its devices."""
        reward = self.task["reward"]
        cloud = reward * self.task["cloudPercent"] // 100
        fogs = reward * self.task["fogPercent"] // 100
        return cloud, fogs, reward - cloud - fogs

    def fog_of(self, number: int, round_: int) -> bytes:
        """Return whose cluster it was in a round."""
        cluster = self.clusters[number]
        fogs = (cluster.fog, *reversed(cluster.fogs))
        return next(fog for fog in fogs if self.member(fog).since <= round_)

    @property
    def quorum(self) -> int:
        """How many devices must attest, t + l - 1."""
        return self.task["threshold"] + self.task["packing"] - 1

    @property
    def active_clusters(self) -> frozenset[int]:
        """Clusters whose fog is active."""
        return frozenset(c for c, cluster in enumerate(self.clusters) if cluster.active)

    @property
    def active_device_count(self) -> int:
        """Active devices of active clusters."""
        return sum(len(self.clusters[c].active_devices) for c in self.active_clusters)

    def member(self, account: bytes) -> Member:
        """Return an account's entry, a new one if S does not know it yet."""
        return self.members.setdefault(account, Member(account))

    def cluster(self, number: int) -> Cluster | None:
        """Return a cluster, if there is one of that number."""
        return self.clusters[number] if number < len(self.clusters) else None

    def phase(self, now: int) -> Phase:
        """Return the phase of the latest round at a time."""
        return self.current.phase(now) if self.current else Phase.NONE

    def rejectable(self, round_: Round, now: int) -> bool:
        """Whether a settled round can still go back to Aggregating."""
        latest = round_.number == self.latest
        return latest and round_.result is not None and now < round_.aggregate_deadline

    def aggregate_key(self, cluster: Cluster) -> bytes:
        """Return the sum of the active devices' keys, 128 bytes."""
        keys = [parse_points(d.key, 1) or () for d in cluster.devices if d.active]
        return encode_points([curve.sum_g1([point for key in keys for point in key])])

    def deactivate(self, member: Member, now: int) -> None:
        """Take a member out of the active set and start its unbonding."""
        member.withdrawable_at = now + self.task["unbondingTime"]
        if member.role is Role.FOG:
            cluster = self.clusters[member.cluster]
            if cluster.active:
                cluster.active, cluster.silences = False, 0
        elif member.role is Role.DEVICE:
            departed = self.clusters[member.cluster].departed
            departed.setdefault(self.latest, set()).add(member.index)

    def signer_words(self, round_: int, cluster: int) -> tuple[int, ...]:
        """Return the signers of a cluster's round as S tells them now.

        Of a round before the latest S keeps them only if the cluster's sum was submitted.
        """
        entry = self.rounds.get(round_)
        anchored = entry.anchored.get(cluster) if entry else None
        kept = anchored and (round_ == self.latest or anchored.vector_digest is not None)
        signers = anchored.signers if anchored and kept else frozenset()
        return bitmap_of(signers, len(self.clusters[cluster].devices))

    def earned(self, account: bytes, round_: Round) -> bool:
        """Whether an account served a settled round as cloud, fog or signer."""
        member, result = self.members.get(account), round_.result
        if member is None or result is None:
            return False
        if member.role is Role.CLOUD:
            return result.cloud == account
        if member.role is Role.NONE or member.cluster not in result.included:
            return False
        if member.role is Role.FOG:
            return member.since <= round_.number and (not member.end or round_.number < member.end)
        anchored = round_.anchored.get(member.cluster)
        return anchored is not None and member.index in anchored.signers
