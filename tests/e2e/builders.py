"""Small whole tasks in a few lines: the nodes, the contract, and ways to interfere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from web3 import Web3

from offchain.chain.artifact import Artifact
from offchain.chain.contract import ContractS
from offchain.crypto.field import FieldVector
from offchain.crypto.layout import SlotLayout
from offchain.crypto.randomness import Randomness
from offchain.nodes import simulation
from offchain.nodes.local import Interceptor
from offchain.nodes.simulation import Identities, RoundOutcome, Simulation
from offchain.protocol.device import Device, Trainer
from offchain.protocol.messages import Message, parse_envelope, seal_envelope
from offchain.protocol.role import Role, Send, TaskParameters
from offchain.protocol.selecting import KeepAll, Selector
from tests.e2e.wire import Change, Recorder, Rule, TamperedChain, Wire

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
    min_qualified: int = 2
    rate: int = RATE
    max_samples: int = MOST_SAMPLES

    @property
    def quorum(self) -> int:
        return self.threshold + self.packing - 1

    @property
    def layout(self) -> SlotLayout:
        return SlotLayout(self.capacity, self.packing, self.chunks, self.values)

    @property
    def parameters(self) -> TaskParameters:
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in ("clusters", "clouds", "values"):
            del own[name]
        return TaskParameters(
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

    def update(self, model: Sequence[int], *, updates_model: bool) -> np.ndarray[Any, Any]:
        return self._update

    def absorb(self, statistics: Sequence[int]) -> None:
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

    @staticmethod
    def found(web3: Web3, artifact: Artifact, shape: Shape) -> World:
        """Deploy S and admit everybody."""
        randomness = Randomness(SEED)
        who = simulation.draw_identities(
            randomness.child(b"identities"), shape.clusters, shape.clouds
        )
        simulation.give_ether(web3, who.accounts)
        contract = simulation.deploy(
            web3, artifact, who.authority, shape.parameters, bytes(128 * shape.chunks)
        )
        simulation.admit_all(contract, who, shape.parameters)
        contract.transact(who.authority, "fundPool", value=10**18)
        return World(
            shape, web3, artifact.abi, contract.address, contract.deployed_at, who, randomness
        )

    @property
    def stands(self) -> bool:
        """Whether the chain still holds it."""
        return bool(self.web3.eth.get_code(Web3.to_checksum_address(self.address)))

    def run(
        self,
        trainers: Sequence[Sequence[Trainer]] | None = None,
        selector: Callable[[], Selector] = KeepAll,
        value_bound: int = VALUE_BOUND,
    ) -> Run:
        """Start all nodes; only one run at a time can use a world."""
        return Run(self, trainers or self.trainers(), selector, value_bound)

    def trainers(self) -> list[list[FixedTrainer]]:
        return [
            [FixedTrainer(fixed_update(cluster, i, self.shape.values)) for i in range(count)]
            for cluster, count in enumerate(self.shape.clusters)
        ]


class Run:
    """All nodes of a task, what they did, and ways to interfere."""

    started: ClassVar[list[Run]] = []  # those of the test in hand

    def __init__(
        self,
        world: World,
        trainers: Sequence[Sequence[Trainer]],
        selector: Callable[[], Selector],
        value_bound: int,
    ) -> None:
        shape = world.shape
        self.shape = shape
        self.trainers = trainers
        self.record = Recorder()
        self.wire = Wire()
        self.contract = ContractS(world.web3, world.address, world.abi, world.deployed_at)
        interceptor: Interceptor = self.wire
        self.sim = Simulation(
            self.contract,
            world.identities,
            trainers,
            selector,
            shape.parameters,
            shape.layout,
            value_bound,
            world.randomness.child(b"nodes"),
            self.record,
            interceptor,
        )
        self.network = self.sim.network
        self.task = self.sim.task
        self.domain = self.task.separator
        self.devices, self.fogs, self.clouds = self.sim.devices, self.sim.fogs, self.sim.clouds
        self._tampered: TamperedChain | None = None
        self._before = FieldVector.zeros(shape.layout.length)
        Run.started.append(self)

    # ---- going on

    def round(self) -> RoundOutcome:
        """Run the next round to its end."""
        outcome = self.sim.run_round()
        held = [
            holder.model_of(outcome.opened.model_digest) for holder in (*self.fogs, *self.clouds)
        ]
        self._before = next((model for model in held if model is not None), self._before)
        return outcome

    def deliver(self, recipient: Role, *data: bytes, sender: Role | None = None) -> None:
        """Hand bytes to a node, as if from the network, and carry out what it does."""
        for one in data:
            self.network.perform(recipient, recipient.receive(one))

    # ---- interfering

    def signed(
        self, signer: Role, message: Message, *, key: Any = None, domain: Any = None
    ) -> bytes:
        """An envelope signed by a node, or by another key, or for another domain."""
        return seal_envelope(domain or self.domain, key or signer._signing_key, message)

    def opened(self, send: Send) -> Any:
        """The message in an envelope."""
        return parse_envelope(self.domain, send.data)[1]

    def on(self, sender: Role, kind: type, react: Rule, *, to: Role | None = None) -> None:
        """Let ``react(sender, send)`` decide what passes in place of a message."""

        def rule(role: Role, send: Send) -> Iterable[Send]:
            meant = role is sender and send.kind == kind.__name__
            if not meant or (to is not None and send.recipient != to.address):
                return [send]
            return react(role, send)

        self.wire.rules.append(rule)

    def alter(
        self,
        sender: Role,
        kind: type,
        change: Change,
        *,
        to: Role | None = None,
        add: bool = False,
        **signing: Any,
    ) -> None:
        """Replace a message by ``change(message)``, signed anew; ``add`` keeps the first too.

        ``change`` returns a message, ready bytes, a list of those, or None for silence.
        """

        def react(role: Role, send: Send) -> Iterable[Send]:
            made = change(self.opened(send))
            if made is None:
                made = []
            made = made if isinstance(made, list) else [made]
            data = [m if isinstance(m, bytes) else self.signed(role, m, **signing) for m in made]
            changed = [Send(send.recipient, send.kind, one) for one in data]
            return [send, *changed] if add else changed

        self.on(sender, kind, react, to=to)

    def insert(
        self,
        when: tuple[Role, type],
        recipient: Role,
        make: Callable[[], bytes],
        *,
        after: bool = False,
    ) -> None:
        """Hand ``make()`` to ``recipient`` just before (or after) the first such message."""
        done: list[bool] = []

        def react(role: Role, send: Send) -> Iterable[Send]:
            if done:
                return [send]
            done.append(True)
            extra = Send(recipient.address, "inserted", make())
            return [send, extra] if after else [extra, send]

        self.on(*when, react)

    def silence(self, role: Role, *kinds: type) -> None:
        """Let a node send nothing, or nothing of these kinds."""
        names = {kind.__name__ for kind in kinds}

        def rule(sender: Role, send: Send) -> Iterable[Send]:
            return [] if sender is role and (not names or send.kind in names) else [send]

        self.wire.rules.append(rule)

    def alter_call(self, kind: type, change: Change, *, sender: Role | None = None) -> None:
        """Replace a transaction by ``change(call)``; None withholds it."""
        if self._tampered is None:
            self._tampered = TamperedChain(self.network.chain)
            self.network.chain = self._tampered
        self._tampered.rules.append((kind, sender.address if sender else None, change))

    def restore(self) -> None:
        """Stop interfering."""
        self.wire.rules.clear()
        if self._tampered is not None:
            self._tampered.rules.clear()

    # ---- what came of it

    @cached_property
    def parties(self) -> dict[str, Role]:
        """Every node by a short name: ``device 0.3``, ``fog 0``, ``cloud 0``."""
        named: dict[str, Role] = {}
        for cluster, members in enumerate(self.devices):
            named |= {f"device {cluster}.{i}": device for i, device in enumerate(members)}
        named |= {f"fog {i}": fog for i, fog in enumerate(self.fogs)}
        return named | {f"cloud {i}": cloud for i, cloud in enumerate(self.clouds)}

    @property
    def refusals(self) -> dict[str, dict[str, int]]:
        """How often each node refused something, by code; nodes that did not are left out."""
        return {name: dict(role.rejected) for name, role in self.parties.items() if role.rejected}

    @property
    def reverts(self) -> list[str]:
        """Why transactions failed, in order."""
        return [receipt.error for receipt in self.record.receipts if receipt.error]

    @property
    def phase(self) -> str:
        return simulation.PHASES[int(self.contract.call("phase"))]

    @property
    def committed(self) -> bytes:
        """Digest of the commitment to the model that S holds."""
        return bytes(self.contract.call("modelDigest"))

    @property
    def state(self) -> dict[str, Any]:
        """What S counts in the latest round and in all, the model's digest, and the pool."""
        number = self.contract.call("currentRound")
        latest = self.contract.call("round", number) if number else [0] * 8
        clusters, anchored, submitted = latest[5:8]
        return {
            "round": number,
            "settled": self.contract.call("settledRounds"),
            "phase": self.phase,
            "clusters": clusters,
            "anchored": anchored,
            "submitted": submitted,
            "model": self.committed,
            "pool": self.contract.call("accounting")[2],
        }

    def sent(self, sender: Role, kind: type) -> list[Any]:
        """What a node sent of a kind, before anybody interfered."""
        name = kind.__name__
        return [
            self.opened(s) for role, s in self.record.sends if role is sender and s.kind == name
        ]

    def notes(self, kind: str) -> list[dict[str, Any]]:
        return [note.fields for _, note in self.record.notes if note.kind == kind]

    def update_of(self, device: Device) -> FieldVector:
        """A device's whole update vector of this round, random slots included."""
        state = device._round
        assert state is not None
        assert state.update is not None
        return state.update.vector

    def candidate_of(self, device: Device) -> int:
        """The noise candidate that masks a device's update in this round."""
        state = device._round
        assert state is not None
        assert state.update is not None
        return state.update.candidate

    def model_without(self, *left_out: Role) -> FieldVector:
        """What the round just run makes of the model when these devices, or fogs, are left out."""
        included = [
            (cluster, index)
            for cluster, members in enumerate(self.devices)
            for index, device in enumerate(members)
            if device not in left_out and self.fogs[cluster] not in left_out
        ]
        total = FieldVector.sum([self.update_of(self.devices[c][i]) for c, i in included])
        samples = sum(fixed_update(c, i)[0] for c, i in included)
        return self._before - total.scale(self.shape.rate // samples)

    def digest_without(self, *left_out: Role) -> bytes:
        """The digest of the commitment to `model_without`."""
        return self.task.key.commit(self.model_without(*left_out)).digest

    def model_slots(self) -> list[int]:
        """Data slots of the model that S holds, as integers, count slot first."""
        return self.shape.layout.extract(self.sim.model)
