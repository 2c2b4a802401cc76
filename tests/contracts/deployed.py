"""A deployed task with its members, and the steps of a round on it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from py_arkworks_bls12381 import G1Point

from tests.contracts.builders import (
    Aggregate,
    ClusterRound,
    Device,
    commit,
    encode_commitment,
    random_vector,
)

# Members of enum Phase.
NONE, ANCHORING, ACCUMULATING, AGGREGATING, SETTLED, FAILED = range(6)
# Members of enum Role.
NO_ROLE, DEVICE, FOG, CLOUD = range(4)

PARAMETERS: dict[str, int] = {
    "capacity": 64,
    "packing": 2,
    "chunks": 1,
    "threshold": 2,
    "minQualified": 3,
    "noiseRounds": 8,
    "candidates": 4,
    "beaconDelay": 2,
    "fractionalBits": 32,
    "statisticsRounds": 0,
    "rate": 1 << 31,
    "minSamples": 10,
    "maxSamples": 100,
    "anchorTime": 1000,
    "cumulativeTime": 500,
    "aggregateTime": 300,
    "unbondingTime": 10_000,
    "deviceStake": 10**15,
    "fogStake": 10**17,
    "cloudStake": 10**18,
    "reward": 10**16 + 7,
    "modelRule": 0,
    "modelTime": 0,
    "cloudPercent": 10,
    "fogPercent": 20,
    "silenceFee": 10**13,
    "maxSilences": 255,
    "claimTime": 20_000,
}


def initial_model(parameters: dict[str, int]) -> list[G1Point]:
    slots = parameters["capacity"] * parameters["chunks"]
    return commit(random_vector("model", slots, 0), parameters["capacity"])


@dataclass
class Task:
    """Contract S and everybody who uses it. Ape accounts for all but devices."""

    contract: Any
    chain: Any
    authority: Any
    parameters: dict[str, int]
    model: list[G1Point]
    clouds: list[Any] = field(default_factory=list)
    fogs: list[Any] = field(default_factory=list)
    devices: list[list[Device]] = field(default_factory=list)
    anybody: Any = None  # without a role

    # Membership

    def stake(self, account: Any, amount: int, payer: Any = None) -> Any:
        return self.contract.depositStake(account, sender=payer or self.authority, value=amount)

    def add_cloud(self, account: Any) -> None:
        self.stake(account, self.parameters["cloudStake"])
        self.contract.admitCloud(account, sender=self.authority)
        self.clouds.append(account)

    def add_fog(self, account: Any) -> int:
        self.stake(account, self.parameters["fogStake"])
        self.contract.admitFog(account, sender=self.authority)
        self.fogs.append(account)
        self.devices.append([])
        return len(self.fogs) - 1

    def add_devices(self, cluster: int, devices: Sequence[Device], batch: int = 32) -> list[Any]:
        for device in devices:
            self.stake(device.address, self.parameters["deviceStake"])
        receipts = [
            self.contract.admitDevices(
                cluster,
                [device.admission(self.contract) for device in devices[start : start + batch]],
                sender=self.authority,
            )
            for start in range(0, len(devices), batch)
        ]
        self.devices[cluster].extend(devices)
        return receipts

    # Time

    def at(self, timestamp: int) -> None:
        """Mine a block at that absolute time: views see it, the next transaction comes after."""
        self.chain.mine(timestamp=timestamp)

    @property
    def round(self) -> Any:
        return self.contract.round(self.contract.currentRound())

    # Rounds

    def open_round(self) -> int:
        self.contract.openRound(sender=self.authority)
        return int(self.contract.currentRound())

    def record_noise_roots(self) -> None:
        for cluster, fog in enumerate(self.fogs):
            self.contract.recordNoiseRoot(cluster, b"\1" * 32, sender=fog)

    def cluster_round(
        self,
        cluster: int,
        round_: int | None = None,
        qualified: Iterable[int] | None = None,
        signers: Iterable[int] | None = None,
        samples: int = 150,
        **changes: Any,
    ) -> ClusterRound:
        """An honest cluster's round: everybody qualified and present unless said otherwise."""
        devices = tuple(self.devices[cluster])
        everybody = range(len(devices))
        signed = tuple(everybody if signers is None else signers)
        round_ = int(self.contract.currentRound()) if round_ is None else round_
        slots = self.parameters["capacity"] * self.parameters["chunks"]
        fields = {
            "round": round_,
            "cluster": cluster,
            "devices": devices,
            "qualified": tuple(everybody if qualified is None else qualified),
            "signers": signed,
            "absent": tuple(i for i in everybody if i not in signed),
            "vector": random_vector(f"{round_}/{cluster}", slots, samples),
            "capacity": self.parameters["capacity"],
            **changes,
        }
        return ClusterRound(**fields)

    def anchor(self, part: ClusterRound, **changes: Any) -> Any:
        arguments = part.anchor_arguments(self.contract, **changes)
        return self.contract.anchor(*arguments, sender=self.fogs[part.cluster])

    def submit_cumulative(self, part: ClusterRound, **changes: Any) -> Any:
        arguments = part.cumulative_arguments(self.contract, **changes)
        return self.contract.submitCumulative(*arguments, sender=self.fogs[part.cluster])

    def submit_aggregate(self, result: Aggregate, cloud: int = 0, **changes: Any) -> Any:
        arguments = result.arguments(self.contract, self.model, **changes)
        return self.contract.submitAggregate(*arguments, sender=self.clouds[cloud])

    def bring_to_aggregating(self, clusters: Iterable[int], **changes: Any) -> Aggregate:
        """Anchor and submit these clusters in the open round; return their sum, still to submit."""
        parts = tuple(self.cluster_round(cluster, **changes) for cluster in clusters)
        for part in parts:
            self.anchor(part)
        for part in parts:
            self.submit_cumulative(part)
        return Aggregate(parts)

    def settle_round(self, cloud: int = 0, **changes: Any) -> Aggregate:
        """Play a whole round with all clusters and keep the model it leads to."""
        self.open_round()
        result = self.bring_to_aggregating(range(len(self.fogs)), **changes)
        self.settle(result, cloud)
        return result

    def settle(self, result: Aggregate, cloud: int = 0) -> Any:
        """Submit the result and keep the model it leads to; return the receipt."""
        receipt = self.submit_aggregate(result, cloud)
        event = receipt.decode_logs(self.contract.ResultAccepted)[0]
        if self.round.updatesModel:
            self.model = result.updated(self.model, event.factor)
        return receipt

    def encoded_model(self) -> bytes:
        return encode_commitment(self.model)
