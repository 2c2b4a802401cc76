"""One face over both transports, and nodes that keep what they get."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from offchain.transport.base import Identity, Limits, Received
from offchain.transport.carrier import Carrier, Listener
from offchain.transport.courier import Courier
from offchain.transport.memory import MemoryHub
from offchain.transport.mqtt import MqttCarrier
from tests.offchain.transport.broker import BrokerProcess, Pki, account, until

# Small parts and short patience, so that small tests split and ask.
LIMITS = Limits(
    message=24 * 1024 * 1024,
    part=64 * 1024,
    sender=32 * 1024 * 1024,
    window=1024 * 1024,
    resend_first=0.1,
    resend_longest=0.4,
)


class Node:
    """A transport whose messages are kept, and as a rule acknowledged at once."""

    def __init__(self, transport: Courier, *, acknowledging: bool = True) -> None:
        self.transport = transport
        self.got: list[Received] = []
        self.acknowledging = acknowledging
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for message in self.transport.received():
            self.got.append(message)
            if self.acknowledging:
                self.transport.acknowledge(message)

    @property
    def data(self) -> list[bytes]:
        return [message.data for message in self.got]

    async def has(self, count: int, seconds: float = 60) -> None:
        await until(lambda: len(self.got) >= count or self._task.done(), seconds)
        if self._task.done():
            self._task.result()

    async def leave(self) -> None:
        await self.transport.close()
        await self._task


Bend = Callable[[Carrier], Carrier]


class Network:
    """Where nodes meet: in memory, or at a broker."""

    name: str

    def carrier(self, limits: Limits) -> Carrier:
        raise NotImplementedError

    def identity(self, number: int) -> Identity:
        raise NotImplementedError

    def kill(self) -> None:
        """The broker dies and loses its queue."""
        raise NotImplementedError

    def restart(self) -> None:
        raise NotImplementedError

    @asynccontextmanager
    async def nodes(self, *numbers: int, **options: Any) -> AsyncIterator[list[Node]]:
        joined: list[Node] = []
        try:
            for number in numbers:
                node = await self.join(number, **options)
                joined.append(node)
            yield joined
        finally:
            for node in joined:
                await node.leave()

    async def join(
        self,
        number: int,
        *,
        limits: Limits = LIMITS,
        bend: Bend = lambda carrier: carrier,
        acknowledging: bool = True,
        **options: Any,
    ) -> Node:
        transport = Courier(bend(self.carrier(limits)), limits, **options)
        await transport.connect(self.identity(number))
        return Node(transport, acknowledging=acknowledging)


class InMemory(Network):
    name = "memory"

    def __init__(self) -> None:
        self._hub = MemoryHub()

    def carrier(self, limits: Limits) -> Carrier:
        return self._hub.carrier()

    def identity(self, number: int) -> Identity:
        return Identity(account(number))

    def kill(self) -> None:
        self._hub.stop()

    def restart(self) -> None:
        self._hub.start()


class OverMqtt(Network):
    name = "mqtt"

    def __init__(self, broker: BrokerProcess, pki: Pki) -> None:
        self.broker = broker
        self.pki = pki

    def carrier(self, limits: Limits) -> Carrier:
        return MqttCarrier(self.broker.address, limits)

    def identity(self, number: int) -> Identity:
        return self.pki.node(number)

    def kill(self) -> None:
        self.broker.kill()

    def restart(self) -> None:
        self.broker.start()


class Bent:
    """A carrier that loses, repeats, delays, reorders, cuts and falsifies what it is given.

    Parameters
    ----------
    carrier
        The one underneath.
    seed
        Of its moods.
    loss, repeat, delay, cut, falsify
        How likely each is for a frame.
    """

    def __init__(
        self,
        carrier: Carrier,
        seed: int,
        *,
        loss: float = 0.0,
        repeat: float = 0.0,
        delay: float = 0.0,
        cut: float = 0.0,
        falsify: float = 0.0,
    ) -> None:
        self._carrier = carrier
        self._random = random.Random(seed)
        self._chances = (loss, repeat, delay, cut, falsify)
        self._delayed: list[tuple[bytes, bytes, bool]] = []

    async def open(self, identity: Identity, listener: Listener) -> None:
        await self._carrier.open(identity, listener)

    async def publish(self, recipient: bytes, frame: bytes, *, lasting: bool) -> None:
        loss, repeat, delay, cut, falsify = self._chances
        chance = self._random.random
        released, self._delayed = self._delayed, []
        if chance() < delay:
            self._delayed.append((recipient, frame, lasting))
        elif chance() >= loss:
            for _ in range(2 if chance() < repeat else 1):
                await self._carrier.publish(
                    recipient, self._bent(frame, cut, falsify), lasting=lasting
                )
        self._random.shuffle(released)
        for one, late, kept in released:
            await self._carrier.publish(one, late, lasting=kept)

    def _bent(self, frame: bytes, cut: float, falsify: float) -> bytes:
        if self._random.random() < cut:
            return frame[: self._random.randrange(len(frame))]
        if self._random.random() < falsify:
            place = self._random.randrange(len(frame))
            return frame[:place] + bytes([frame[place] ^ 1]) + frame[place + 1 :]
        return frame

    async def close(self) -> None:
        await self._carrier.close()
