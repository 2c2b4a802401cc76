"""Whole rounds of nodes with journals over a transport, with nodes and broker killed on the way.

The loop of ``WiredNode`` is what a node program does: take what has come in one go, store it, let
the effects go, acknowledge.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from offchain.protocol.chain import Event, RoundOpened
from offchain.protocol.cloud import Cloud
from offchain.protocol.fog import Fog
from offchain.protocol.role import Send, Transact
from offchain.store.durable import DurableRole, Released
from offchain.store.inputs import EventIn, MessageIn
from offchain.store.journal import EffectId
from offchain.store.recorded import Asides
from offchain.store.state import State
from offchain.transport.base import Identity
from offchain.transport.courier import Courier
from tests.offchain.store.conftest import OWNER, UNLOCK
from tests.offchain.store.small_task import DEVICES, Maker, PretendContract, play
from tests.offchain.transport.broker import run, until
from tests.offchain.transport.networks import LIMITS, Network, OverMqtt

NAMES = ("cloud", "fog", *(f"device {i}" for i in range(DEVICES)))


class World:
    """The pretended chain with its log, and all nodes."""

    def __init__(self, maker: Maker, network: Network, folder: Path) -> None:
        self.maker, self.network, self.folder = maker, network, folder
        self.contract = PretendContract(maker.task, maker.roster())
        self.log: list[Event] = []
        self.executed: set[tuple[bytes, EffectId | None]] = set()
        self.nodes: dict[str, WiredNode] = {}

    def execute(self, released: Released, sender: bytes) -> None:
        """As a chain does with a transaction that is sent again: it counts once."""
        assert isinstance(released.effect, Transact)
        if (sender, released.id) not in self.executed:
            self.executed.add((sender, released.id))
            self.contract.execute(released.effect.call, sender)
            self.log += self.contract.events
            self.contract.events.clear()
        for node in self.nodes.values():
            node.wake.set()

    async def start(self, name: str) -> WiredNode:
        node = WiredNode(self, name)
        await node.transport.connect(self.identity(node.durable.address))
        node.begin()
        self.nodes[name] = node
        return node

    def identity(self, account: bytes) -> Identity:
        if isinstance(self.network, OverMqtt):
            return self.network.pki.of(account)
        return Identity(account)

    async def kill(self, name: str) -> None:
        await self.nodes.pop(name).end()

    async def run_round(self) -> None:
        settled = self.contract.settled
        fog, cloud = self.nodes["fog"], self.nodes["cloud"]
        assert isinstance(fog.durable.role, Fog)
        assert isinstance(cloud.durable.role, Cloud)
        if fog.durable.role.needs_noise(self.contract.round + 1):
            recorded = len(self.log)
            fog.perform(fog.durable.command("call_noise"))
            await until(lambda: len(self.log) > recorded)
        cloud.perform(cloud.durable.command("open_round"))
        await until(lambda: self.contract.settled > settled)
        await until(lambda: all(node.is_quiet() for node in self.nodes.values()))


class WiredNode:
    """A role with journal and transport."""

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        folder = world.folder / name
        opened = State.open if folder.exists() else State.create
        self._state = opened(folder, OWNER, UNLOCK)
        asides = Asides()
        self.durable = DurableRole(
            lambda: world.maker.role(name, asides), self._state.journal, asides
        )
        self.transport = Courier(world.network.carrier(LIMITS), LIMITS)
        self.wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self) -> None:
        self.perform(self.durable.outstanding, ask_first=True)
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._follow())]
        self.wake.set()

    async def _listen(self) -> None:
        async for first in self.transport.received():
            messages = [first, *self.transport.waiting()]
            self.perform(self.durable.handle(MessageIn(m.data, m.sender) for m in messages))
            for message in messages:
                self.transport.acknowledge(message)

    async def _follow(self) -> None:
        while True:
            await self.wake.wait()
            self.wake.clear()
            while not self.is_current():
                seen = self._seen()
                event = self._world.log[seen]
                mark = {"chain": b"%d" % (seen + 1)}
                self.perform(self.durable.handle([EventIn(event)], mark))
                if isinstance(event, RoundOpened):
                    self.transport.forget_before(event.round)
                if self.durable.checkpoint_due:
                    self.durable.checkpoint(self.transport.kept())

    def _seen(self) -> int:
        return int(self.durable.journal.mark("chain") or 0)

    def is_current(self) -> bool:
        return self._seen() == len(self._world.log)

    def is_quiet(self) -> bool:
        return self.is_current() and self.transport.outstanding == 0

    def perform(self, released: list[Released], *, ask_first: bool = False) -> None:
        for one in released:
            if isinstance(one.effect, Send):
                self.transport.send(
                    one.effect.recipient, one.effect.data, until=one.until, ask_first=ask_first
                )
            elif isinstance(one.effect, Transact) and one.id is not None:
                self._world.execute(one, self.durable.address)
                self.durable.finish(one.id)

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.transport.close()
        self._state.close()


@pytest.fixture(scope="module")
def maker() -> Maker:
    return Maker.load()


@pytest.fixture(scope="module")
def undisturbed(maker: Maker) -> bytes:
    """Commitment to the model after three rounds in one process."""
    whole = play(maker, 2)
    whole.round()
    return whole.contract.model.digest


@pytest.mark.parametrize("trouble", ["none", "nodes killed", "broker killed"])
def test_rounds__over_a_transport__end_with_the_same_model_whatever_is_killed(
    maker: Maker, undisturbed: bytes, network: Network, tmp_path: Path, trouble: str
) -> None:
    async def scenario() -> None:
        world = World(maker, network, tmp_path)
        for name in NAMES:
            await world.start(name)
        for _ in range(3):
            disturbing = asyncio.create_task(disturb(world, trouble))
            await world.run_round()
            await disturbing
        assert world.contract.model.digest == undisturbed
        for name in list(world.nodes):
            assert world.nodes[name].durable.counts == {}, name
            await world.kill(name)

    run(scenario())


async def disturb(world: World, trouble: str) -> None:
    """Kill something in the middle of the round, and bring it back."""
    if trouble == "none":
        return
    sent = world.nodes["fog"].transport.statistics.sent
    await until(lambda: world.nodes["fog"].transport.statistics.sent >= sent + 2 * DEVICES + 1)
    if trouble == "broker killed":
        world.network.kill()
        await until(lambda: not any(node.transport.connected for node in world.nodes.values()))
        world.network.restart()
        return
    for name in ("device 1", "fog", "cloud"):
        await world.kill(name)
    for name in ("cloud", "device 1", "fog"):
        await world.start(name)
