"""The state of Contract S, rebuilt from its events alone."""

import re
from dataclasses import dataclass, field
from typing import Any

from py_arkworks_bls12381 import G1Point

from tests.contracts.builders import bitmap_digest, domain, eip2537, keccak, tagged, word
from tests.contracts.deployed import (
    ACCUMULATING,
    AGGREGATING,
    ANCHORING,
    CLOUD,
    DEVICE,
    FAILED,
    FOG,
    NO_ROLE,
    NONE,
    SETTLED,
)


@dataclass
class Member:
    role: int = NO_ROLE
    active: bool = False
    slashed: bool = False
    stake: int = 0
    cluster: int = 0
    index: int = 0
    withdrawable_at: int = 0
    key: bytes = b""


@dataclass
class Cluster:
    fog: str
    active: bool = True
    silences: int = 0
    devices: list[str] = field(default_factory=list)
    admitted_in: list[int] = field(default_factory=list)


@dataclass
class Round:
    beacon_block: int
    deadlines: tuple[int, int, int]
    clusters: int
    shares: tuple[int, int, int]
    updates_model: bool
    anchored: int = 0
    submitted: int = 0
    included: int = 0
    cloud: str = ""
    result: bytes = bytes(32)
    paid: int = 0
    signers: dict[int, list[int]] = field(default_factory=dict)
    records: dict[int, bytes] = field(default_factory=dict)


def popcount(words: list[int]) -> int:
    return sum(value.bit_count() for value in words)


class Replica:
    """Feeds on decoded logs in order; reads nothing else."""

    def __init__(self, contract: Any) -> None:
        self._domain = domain(contract)
        self.members: dict[str, Member] = {}
        self.clusters: list[Cluster] = []
        self.clouds: list[str] = []
        self.rounds: dict[int, Round] = {}
        self.noise_roots: dict[tuple[int, int], bytes] = {}
        self.claimed: dict[tuple[str, int], int] = {}
        self.credits: dict[str, int] = {}
        self.noise_cases: dict[bytes, tuple[str, int, int]] = {}
        self.stakes = self.owed = self.pool = self.burnt = 0
        self.model = self.previous_model = bytes(32)
        self.settled_rounds = 0
        self.provisional = False
        self.unbonding = 0
        self.voted_task = False
        self.rewards: dict[int, int] = {}

    def feed(self, log: Any, timestamp: int) -> None:
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", log.event_name).lower()
        getattr(self, "_on_" + name)(log, timestamp)

    def member(self, account: str) -> Member:
        return self.members.setdefault(str(account), Member())

    # Construction and membership

    def _on_task_created(self, log: Any, _: int) -> None:
        self.model = log.modelDigest
        assert keccak(log.model) == self.model
        self.unbonding = log.unbondingTime
        self.voted_task = log.modelRule == 1

    def _on_stake_deposited(self, log: Any, _: int) -> None:
        self.member(log.account).stake += log.amount
        self.stakes += log.amount

    def _on_stake_withdrawn(self, log: Any, _: int) -> None:
        self.member(log.account).stake -= log.amount
        self.stakes -= log.amount

    def _on_cloud_admitted(self, log: Any, _: int) -> None:
        member = self.member(log.account)
        member.role, member.active, member.index = CLOUD, True, log.index
        self.clouds.append(log.account)

    def _on_fog_admitted(self, log: Any, _: int) -> None:
        member = self.member(log.account)
        member.role, member.active, member.cluster = FOG, True, log.cluster
        self.clusters.append(Cluster(log.account))

    def _on_device_admitted(self, log: Any, _: int) -> None:
        member = self.member(log.account)
        member.role, member.active = DEVICE, True
        member.cluster, member.index, member.key = log.cluster, log.index, log.publicKey
        self.clusters[log.cluster].devices.append(log.account)
        self.clusters[log.cluster].admitted_in.append(len(self.rounds))

    def _on_exit_requested(self, log: Any, _: int) -> None:
        self._deactivate(log.account, log.withdrawableAt)

    def _deactivate(self, account: str, withdrawable_at: int) -> None:
        member = self.member(account)
        member.active, member.withdrawable_at = False, withdrawable_at
        if member.role == FOG:
            self.clusters[member.cluster].active = False
            self.clusters[member.cluster].silences = 0

    # Rounds

    def _on_noise_root_recorded(self, log: Any, _: int) -> None:
        self.noise_roots[log.cluster, log.batch] = log.root

    def _on_model_withdrawn(self, log: Any, _: int) -> None:
        self.model, self.provisional = log.modelDigest, False
        assert log.modelDigest == self.previous_model

    def _on_round_opened(self, log: Any, _: int) -> None:
        last = self.rounds.get(log.round - 1)
        if last and not last.included:
            self.provisional = False
        deadlines = (log.anchorDeadline, log.cumulativeDeadline, log.aggregateDeadline)
        self.rounds[log.round] = Round(
            log.beaconBlock,
            deadlines,
            log.clusters,
            (log.cloudShare, log.fogShare, log.deviceShare),
            log.updatesModel,
        )

    def _on_cluster_anchored(self, log: Any, _: int) -> None:
        round_ = self.rounds[log.round]
        digest = keccak(log.commitments)
        message = tagged(
            "verifog anchor v1",
            self._domain,
            log.round,
            log.cluster,
            log.sharesRoot,
            log.sumsRoot,
            digest,
            bitmap_digest(log.qualified),
        )
        assert message == log.anchorMessage
        round_.anchored |= 1 << log.cluster
        round_.signers[log.cluster] = list(log.signers)
        counts = word(popcount(log.signers)) + word(popcount(log.qualified))
        round_.records[log.cluster] = keccak(message + counts + digest)

    def _on_cumulative_submitted(self, log: Any, _: int) -> None:
        round_ = self.rounds[log.round]
        round_.submitted |= 1 << log.cluster
        record = round_.records[log.cluster]
        round_.records[log.cluster] = keccak(record + log.vectorDigest)

    # Settlement

    def _on_result_accepted(self, log: Any, _: int) -> None:
        round_ = self.rounds[log.round]
        round_.included, round_.cloud = log.included, log.cloud
        round_.result = keccak(keccak(log.commitments) + log.vectorDigest)
        served = [c for c in round_.signers if log.included >> c & 1]
        signers = sum(popcount(round_.signers[c]) for c in served)
        cloud, fog, device = round_.shares
        round_.paid = cloud + len(served) * fog + signers * device
        self.rewards[log.round // 256] = self.rewards.get(log.round // 256, 0) + round_.paid
        self.pool -= round_.paid
        self.owed += round_.paid
        self.settled_rounds += 1
        if round_.updates_model and not self.voted_task:
            self.previous_model, self.provisional = self.model, True
        self.model = log.modelDigest
        assert keccak(log.model) == self.model

    def _on_pool_funded(self, log: Any, _: int) -> None:
        self.pool += log.amount

    def _on_reward_claimed(self, log: Any, _: int) -> None:
        key = (log.account, log.word)
        self.claimed[key] = self.claimed.get(key, 0) | log.rounds
        self.rewards[log.word] -= log.amount
        self.owed -= log.amount

    def _on_credit_paid(self, log: Any, _: int) -> None:
        self.credits[log.account] -= log.amount
        self.owed -= log.amount

    def _on_model_voted(self, log: Any, _: int) -> None:
        self.previous_model, self.provisional = self.model, True
        self.model = log.modelDigest
        assert keccak(log.model) == self.model

    def _on_round_closed(self, log: Any, _: int) -> None:
        round_ = self.rounds[log.round]
        withdrawn = self.provisional and not round_.anchored
        assert log.silent == (0 if withdrawn else round_.clusters & ~round_.submitted)
        for number, cluster in enumerate(self.clusters):
            if round_.submitted >> number & 1:
                cluster.silences = 0
            elif log.silent >> number & 1 and cluster.active:
                cluster.silences += 1

    def _on_silence_charged(self, log: Any, _: int) -> None:
        self.member(log.account).stake -= log.fee
        self.stakes -= log.fee
        self.pool += log.fee

    def _on_cluster_suspended(self, log: Any, _: int) -> None:
        self.clusters[log.cluster].active, self.clusters[log.cluster].silences = False, 0

    def _on_cluster_resumed(self, log: Any, _: int) -> None:
        self.clusters[log.cluster].active = True

    def _on_fog_succeeded(self, log: Any, _: int) -> None:
        member, cluster = self.member(log.account), self.clusters[log.cluster]
        member.role, member.active, member.cluster = FOG, True, log.cluster
        assert cluster.fog == log.predecessor
        cluster.fog, cluster.active, cluster.silences = log.account, True, 0
        self.noise_roots.pop((log.cluster, log.firstRound), None)

    def _on_unclaimed_returned(self, log: Any, _: int) -> None:
        assert self.rewards[log.word] == log.amount
        self.rewards[log.word] = 0
        self.owed -= log.amount
        self.pool += log.amount

    def _on_pool_withdrawn(self, log: Any, _: int) -> None:
        self.pool -= log.amount

    # Disputes

    def _on_result_rejected(self, log: Any, _: int) -> None:
        round_ = self.rounds[log.round]
        self.pool += round_.paid
        self.owed -= round_.paid
        self.rewards[log.round // 256] -= round_.paid
        round_.included, round_.cloud, round_.paid = 0, "", 0
        round_.result = bytes(32)
        self.settled_rounds -= 1
        self.provisional = False
        self.model = log.modelDigest

    def _on_offence_proven(self, log: Any, _: int) -> None:
        """What follows from it has events of its own."""

    def _on_noise_case_advanced(self, log: Any, _: int) -> None:
        self.noise_cases[log.caseId] = (log.reporter, log.done, log.value)

    def _on_slashed(self, log: Any, timestamp: int) -> None:
        member = self.member(log.account)
        taken = log.toReporter + log.burnt + log.toPool
        assert taken == member.stake
        if member.active:
            self._deactivate(log.account, timestamp + self.unbonding)
        member.stake, member.slashed = 0, True
        self.stakes -= taken
        self.owed += log.toReporter
        self.burnt += log.burnt
        self.pool += log.toPool
        self.credits[log.reporter] = self.credits.get(log.reporter, 0) + log.toReporter

    # What follows from it

    def phase(self, now: int) -> int:
        if not self.rounds:
            return NONE
        r = self.rounds[len(self.rounds)]
        anchor, cumulative, aggregate = r.deadlines
        if r.included:
            return SETTLED
        if now < anchor and r.anchored != r.clusters:
            return ANCHORING
        if not r.anchored:
            return FAILED
        if now < cumulative:
            return ACCUMULATING if r.submitted != r.anchored else AGGREGATING
        return AGGREGATING if r.submitted and now < aggregate else FAILED

    def active_devices(self, cluster: int) -> list[str]:
        return [d for d in self.clusters[cluster].devices if self.members[d].active]

    def aggregate_key(self, cluster: int) -> bytes:
        total = G1Point.identity()
        for device in self.active_devices(cluster):
            raw = self.members[device].key
            total = total + G1Point.from_xy_bytes_be(raw[16:64] + raw[80:128])
        return eip2537(total)
