"""Small whole tasks with fixed updates: what drills, and tests, are played on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from web3 import Web3

from offchain.chain.artifact import Artifact
from offchain.crypto.layout import SlotLayout
from offchain.crypto.randomness import Randomness
from offchain.nodes import simulation
from offchain.nodes.simulation import ETHER, Identities
from offchain.protocol.role import TaskParameters

RATE = 2**40
VALUE_BOUND = 1_000
MOST_SAMPLES = 100
SEED = b"tests of whole tasks: thirty-two"


@dataclass(frozen=True)
class Shape:
    """Sizes of a task."""

    clusters: tuple[int, ...] = (5,)  # devices of each
    capacity: int = 64
    chunks: int = 1
    packing: int = 1
    threshold: int = 3
    clouds: int = 1
    values: int = 5
    noise_rounds: int = 2
    candidates: int = 2
    statistics_rounds: int = 0
    rate: int = RATE
    max_samples: int = MOST_SAMPLES
    model_rule: int = 0
    model_time: int = 0
    silence_fee: int = 0
    max_silences: int = 3

    @property
    def min_qualified(self) -> int:
        """The least that S accepts."""
        return self.threshold + 1

    @property
    def quorum(self) -> int:
        """How many sums reconstruct, and how many devices must attest."""
        return self.threshold + self.packing - 1

    @property
    def layout(self) -> SlotLayout:
        """Of the updates."""
        return SlotLayout(self.capacity, self.packing, self.chunks, self.values)

    @property
    def parameters(self) -> TaskParameters:
        """As Contract S gets them."""
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in ("clusters", "clouds", "values"):
            del own[name]
        return TaskParameters(
            min_qualified=self.min_qualified,
            beacon_delay=2,
            fractional_bits=48,
            min_samples=1,
            anchor_time=2_000,
            cumulative_time=1_000,
            aggregate_time=1_000,
            unbonding_time=86_400,
            device_stake=10**17,
            fog_stake=10**18,
            cloud_stake=10**18,
            reward=10**16,
            **own,
        )


def fixed_update(cluster: int, index: int, values: int = 5) -> tuple[int, ...]:
    """Sample count and values of a device: its own, the same in every round."""
    own = 10 * cluster + index
    return (10 + own, *((-1) ** k * (37 * own + 11 * k + 5) % 200 - 90 for k in range(values)))


class FixedTrainer:
    """A device that always makes the same update, and keeps what statistics it got."""

    def __init__(self, update: Sequence[int]) -> None:
        self._update = np.array(update, dtype=np.int64)
        self.absorbed: list[list[int]] = []

    def update(self, model: Sequence[int], *, updates_model: bool) -> NDArray[np.int64]:
        """Make the update, whatever the model."""
        del model, updates_model
        return self._update

    def absorb(self, statistics: Sequence[int]) -> None:
        """Keep them."""
        self.absorbed.append(list(statistics))


@dataclass(frozen=True)
class World:
    """A deployed Contract S with everybody admitted, before its first round."""

    shape: Shape
    web3: Web3
    abi: Sequence[dict[str, Any]]
    address: bytes
    deployed_at: int
    identities: Identities
    randomness: Randomness

    @classmethod
    def found(cls, web3: Web3, artifact: Artifact, shape: Shape, label: bytes = b"") -> Self:
        """Deploy S and admit everybody; tasks that run by turns need accounts, so labels, apart."""
        randomness = Randomness(SEED).child(label) if label else Randomness(SEED)
        who = simulation.draw_identities(
            randomness.child(b"identities"), shape.clusters, shape.clouds
        )
        simulation.give_ether(web3, who.accounts)
        contract = simulation.deploy(
            web3, artifact, who.authority, shape.parameters, bytes(128 * shape.chunks)
        )
        simulation.admit_all(contract, who, shape.parameters)
        contract.transact(who.authority, "fundPool", value=ETHER)
        return cls(
            shape, web3, artifact.abi, contract.address, contract.deployed_at, who, randomness
        )

    @property
    def stands(self) -> bool:
        """Whether the chain still holds it."""
        return bool(self.web3.eth.get_code(Web3.to_checksum_address(self.address)))

    def trainers(self) -> list[list[FixedTrainer]]:
        """One for each device, by cluster."""
        return [
            [FixedTrainer(fixed_update(cluster, i, self.shape.values)) for i in range(count)]
            for cluster, count in enumerate(self.shape.clusters)
        ]
