"""A small task without a chain: its nodes, and tapes of what each took and did in whole rounds."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from offchain.crypto.commitment import Commitment, CommitmentKey, parse_commitment_eip2537
from offchain.crypto.field import FieldVector
from offchain.crypto.hashing import keccak256
from offchain.crypto.layout import SlotLayout
from offchain.crypto.randomness import Randomness
from offchain.nodes.simulation import draw_identities
from offchain.protocol.anchoring import anchor_message
from offchain.protocol.chain import (
    BeaconDrawn,
    Call,
    ClusterAnchored,
    CumulativeSubmitted,
    Event,
    ModelVoted,
    NoiseRootRecorded,
    OpenRound,
    RecordNoiseRoot,
    ResultAccepted,
    RoundOpened,
    SubmitAggregate,
    SubmitAnchor,
    SubmitCumulative,
    SubmitModel,
)
from offchain.protocol.cloud import Cloud
from offchain.protocol.device import Device, Trainer
from offchain.protocol.eip712 import Domain
from offchain.protocol.errors import NotSelected
from offchain.protocol.fog import Fog
from offchain.protocol.role import (
    ClusterRoster,
    Effect,
    Member,
    Role,
    Send,
    Task,
    TaskParameters,
    Transact,
)
from offchain.protocol.selecting import Chosen, Selector
from offchain.store.inputs import CommandIn, EventIn, Input, MessageIn, TickIn, apply
from offchain.store.recorded import Asides, RecordedSelector, RecordedTrainer

DEVICES = 4
RATE = 2**40
SEED = b"tests of the store, thirty-two b"
PARAMETERS = TaskParameters(
    capacity=64,
    packing=1,
    chunks=1,
    threshold=2,
    min_qualified=2,
    noise_rounds=2,
    candidates=2,
    beacon_delay=2,
    fractional_bits=48,
    statistics_rounds=1,
    rate=RATE,
    min_samples=1,
    max_samples=1000,
    anchor_time=2000,
    cumulative_time=1000,
    aggregate_time=1000,
    unbonding_time=86_400,
    device_stake=1,
    fog_stake=1,
    cloud_stake=1,
    reward=1,
)
WHO = draw_identities(Randomness(SEED), [DEVICES])


class SomeTrainer:
    """Makes updates that depend on the model and on what it has absorbed."""

    def __init__(self, index: int, twist: int = 0) -> None:
        self._index = index
        self._twist = twist
        self._absorbed = 0
        self.calls = 0

    def update(self, model: Sequence[int], *, updates_model: bool) -> np.ndarray[Any, Any]:
        self.calls += 1
        value = (sum(model) + 7 * self._index + self._absorbed + self._twist) % 100
        return np.array([10 + self._index, value, -value, 3, 1, self._index], dtype=np.int64)

    def absorb(self, statistics: Sequence[int]) -> None:
        self._absorbed += sum(statistics) % 1000


class LearningSelector:
    """Leaves a device out in some rounds, depending on all it has seen: a rule that learns."""

    def __init__(self, twist: int = 0) -> None:
        self.seen = twist

    def choose(
        self, round_number: int, masked: Mapping[int, Any], *, updates_model: bool
    ) -> Chosen:
        self.seen += int(sum(int(slots[1]) for slots in masked.values()))
        order = sorted(masked)
        if not updates_model or len(order) < DEVICES:
            return Chosen(tuple(order))
        out = order[self.seen % DEVICES]
        why = NotSelected(f"it is the turn of device {out}")
        return Chosen(tuple(i for i in order if i != out), ((out, why),))

    def learn(self, round_number: int, total: Sequence[int]) -> None:
        self.seen += round_number + int(sum(total))

    def picture(self) -> bytes:
        return str(self.seen).encode()

    def restore(self, state: bytes) -> None:
        self.seen = int(state)


class Adding:
    """The next model: the model plus the sum."""

    def next_model(self, model: Sequence[int], total: Sequence[int], samples: int) -> Sequence[int]:
        return [m + t for m, t in zip(model[1:], total[1:], strict=True)]

    def converged(self, model: Sequence[int], total: Sequence[int], samples: int) -> bool:
        return False


@dataclass(frozen=True)
class Maker:
    """Builds the nodes of the task anew, always the same."""

    task: Task

    @staticmethod
    def load(*, voted: bool = False) -> Maker:
        """The task; ``voted``: one whose fogs vote for the model."""
        layout = SlotLayout(64, 1, 1, 5)
        key = CommitmentKey.load(64)
        parameters = replace(PARAMETERS, model_rule=1, model_time=500) if voted else PARAMETERS
        return Maker(Task(parameters, Domain(31337, bytes(range(20))), layout, key, 1_000))

    def solver(self) -> Adding | None:
        """What fog and cloud find the model with, if they vote."""
        return Adding() if self.task.parameters.model_rule else None

    def roster(self) -> ClusterRoster:
        members = {
            index: Member(
                index,
                keys.signing.address,
                keys.attestation.public_key.to_bytes(),
                keys.sealing.public_key.data,
            )
            for index, keys in enumerate(WHO.devices[0])
        }
        return ClusterRoster(0, WHO.fogs[0].address, members, DEVICES)

    def device(
        self,
        index: int,
        asides: Asides | None = None,
        *,
        trainer: Trainer | None = None,
        seed: bytes = SEED,
    ) -> Device:
        inner = trainer or SomeTrainer(index)
        own = RecordedTrainer(inner, asides) if asides is not None else inner
        randomness = Randomness(seed).child(b"device %d" % index)
        return Device(self.task, self.roster(), index, WHO.devices[0][index], own, randomness)

    def fog(self, asides: Asides | None = None, *, selector: Selector | None = None) -> Fog:
        inner = selector or LearningSelector()
        own = RecordedSelector(inner, asides) if asides is not None else inner
        model = FieldVector.zeros(self.task.layout.length)
        randomness = Randomness(SEED).child(b"fog")
        clouds = {WHO.clouds[0].address}
        given = (self.task, self.roster(), clouds, WHO.fogs[0], model, own, randomness)
        return Fog(*given, {0: WHO.fogs[0].address}, self.solver())

    def cloud(self) -> Cloud:
        model = FieldVector.zeros(self.task.layout.length)
        fogs = {0: WHO.fogs[0].address}
        return Cloud(self.task, fogs, WHO.clouds[0], model, solver=self.solver())

    def role(self, name: str, asides: Asides | None = None) -> Role:
        """A node by its name: ``cloud``, ``fog``, ``device 0`` and so on."""
        if name == "cloud":
            return self.cloud()
        return self.fog(asides) if name == "fog" else self.device(int(name[-1]), asides)


@dataclass
class PretendContract:
    """What Contract S would say to honest nodes."""

    task: Task
    roster: ClusterRoster
    now: int = 1_000_000
    round: int = 0
    settled: int = 0
    events: deque[Event] = field(default_factory=deque)
    _sums: dict[int, Commitment] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.model = self.task.key.commit(FieldVector.zeros(self.task.layout.length))

    def execute(self, call: Call, sender: bytes) -> None:
        match call:
            case OpenRound():
                self._open()
            case RecordNoiseRoot():
                self.events.append(NoiseRootRecorded(call.cluster, call.batch, call.root))
            case SubmitAnchor():
                anchor = call.anchor
                message = anchor_message(self.task, call.round, self.roster, anchor)
                points = anchor.commitments.to_eip2537()
                held = (call.round, call.cluster, message, points, call.signers, anchor.qualified)
                self.events.append(ClusterAnchored(*held))
            case SubmitCumulative():
                digest = call.anchor.commitments.digest
                self.events.append(
                    CumulativeSubmitted(call.round, call.cluster, digest, call.vector_digest)
                )
            case SubmitAggregate():
                self._accept(call, sender)
            case SubmitModel():
                self.model = call.model
                held = (call.round, (0,), call.model.to_eip2537(), call.model.digest)
                self.events.append(ModelVoted(*held))
            case _:
                raise AssertionError(call)

    def _open(self) -> None:
        self.round += 1
        self.events.append(
            RoundOpened(
                round=self.round,
                beacon_block=10 * self.round,
                anchor_deadline=self.now + PARAMETERS.anchor_time,
                cumulative_deadline=self.now + 3000,
                aggregate_deadline=self.now + 4000,
                clusters=1,
                updates_model=self.settled >= PARAMETERS.statistics_rounds,
                model_digest=self.model.digest,
                opened_at=self.now,
            )
        )
        self.events.append(BeaconDrawn(self.round, keccak256(b"beacon %d" % self.round)))

    def _accept(self, call: SubmitAggregate, sender: bytes) -> None:
        total = Commitment.sum([parse_commitment_eip2537(c.commitments, 1) for c in call.clusters])
        linear = (
            self.settled >= PARAMETERS.statistics_rounds and not self.task.parameters.model_rule
        )
        factor = RATE // call.samples if linear else 0
        if factor:
            self.model -= total.scale(factor)
        self.settled += 1
        self.events.append(
            ResultAccepted(
                round=call.round,
                cloud=sender,
                included=tuple(c.cluster for c in call.clusters),
                commitment_digest=total.digest,
                vector_digest=call.vector_digest,
                samples=call.samples,
                factor=factor,
                model_digest=self.model.digest,
            )
        )


@dataclass(frozen=True)
class Step:
    """An input of a node and what followed."""

    item: Input
    effects: list[Effect]


Tape = list[Step]


class Play:
    """All nodes, round by round, with a tape for each."""

    def __init__(self, maker: Maker) -> None:
        names = ["cloud", "fog", *(f"device {i}" for i in range(DEVICES))]
        self.roles = {name: maker.role(name) for name in names}
        self.by_address = {role.address: name for name, role in self.roles.items()}
        self.contract = PretendContract(maker.task, maker.roster())
        self.tapes: defaultdict[str, Tape] = defaultdict(list)
        self.queue: deque[tuple[str, bytes, bytes]] = deque()
        self.lost: Callable[[str, Send], bool] = lambda name, send: False

    def put(self, name: str, item: Input) -> None:
        role = self.roles[name]
        effects = apply(role, item)
        self.tapes[name].append(Step(item, effects))
        for effect in effects:
            if isinstance(effect, Send) and not self.lost(name, effect):
                self.queue.append((self.by_address[effect.recipient], effect.data, role.address))
            elif isinstance(effect, Transact):
                self.contract.execute(effect.call, role.address)

    def settle(self) -> None:
        """Go on until nothing moves."""
        while self.queue or self.contract.events:
            while self.queue:
                name, data, sender = self.queue.popleft()
                self.put(name, MessageIn(data, sender))
            if self.contract.events:
                event = self.contract.events.popleft()
                for name in self.roles:
                    self.put(name, EventIn(event))

    def tick_all(self, seconds: int) -> None:
        self.contract.now += seconds
        for name in self.roles:
            self.put(name, TickIn(self.contract.now))

    def round(self, disturb: Callable[[], None] = lambda: None) -> None:
        self.tick_all(10)
        fog = self.roles["fog"]
        assert isinstance(fog, Fog)
        if fog.needs_noise(self.contract.round + 1):
            self.put("fog", CommandIn("call_noise"))
            self.settle()
        before = self.contract.settled
        self.tick_all(5)
        self.put("cloud", CommandIn("open_round"))
        disturb()
        self.settle()
        for _ in range(200):
            if self.contract.settled > before:
                return
            self.tick_all(50)
            self.settle()
        raise AssertionError("the round does not settle")


def play(maker: Maker, rounds: int) -> Play:
    """Some rounds: one of statistics, then of training; in round 3 a device falls silent."""
    whole = Play(maker)
    for number in range(1, rounds + 1):
        whole.lost = lambda name, send, n=number: (  # type: ignore[misc]
            n == 3 and name == "device 3" and send.kind == "MaskedPacket"
        )
        whole.round(lambda: _strays(whole))
    return whole


def _strays(whole: Play) -> None:
    """What changes nothing: garbage, and a message that came long ago."""
    for name in whole.roles:
        whole.put(name, MessageIn(b"garbage", WHO.fogs[0].address))
        earlier = [step.item for step in whole.tapes[name] if isinstance(step.item, MessageIn)]
        if len(earlier) > 5:
            whole.put(name, earlier[1])
