"""In one process: a hub that behaves as a broker does, without a network."""

import asyncio
from collections import defaultdict, deque

from offchain.transport.base import Identity
from offchain.transport.carrier import Listener
from offchain.transport.errors import BrokerUnreachable, CarrierDown


class MemoryHub:
    """Hands frames from carrier to carrier; keeps lasting ones for accounts that are away."""

    def __init__(self) -> None:
        self._listeners: dict[bytes, Listener] = {}
        self._kept: defaultdict[bytes, deque[tuple[bytes, bytes]]] = defaultdict(deque)
        self.running = True

    def carrier(self) -> "MemoryCarrier":
        """A carrier over this hub."""
        return MemoryCarrier(self)

    def join(self, account: bytes, listener: Listener) -> None:
        """Connect an account; another connection of the same account ends."""
        if not self.running:
            raise BrokerUnreachable("hub: not running")
        before = self._listeners.get(account)
        self._listeners[account] = listener
        if before is not None:
            before.down()
        listener.up()
        kept = self._kept.pop(account, deque())
        for sender, frame in kept:
            self.hand(account, sender, frame, lasting=True)

    def leave(self, account: bytes, listener: Listener) -> None:
        """Disconnect an account."""
        if self._listeners.get(account) is listener:
            del self._listeners[account]

    def hand(self, recipient: bytes, sender: bytes, frame: bytes, *, lasting: bool) -> None:
        """Hand on a frame."""
        listener = self._listeners.get(recipient)
        if listener is not None:
            asyncio.get_running_loop().call_soon(listener.frame, sender, frame)
        elif lasting:
            self._kept[recipient].append((sender, frame))

    def stop(self) -> None:
        """As when a broker is killed: connections end, what it kept is lost."""
        self.running = False
        self._kept.clear()
        for listener in self._listeners.values():
            listener.down()

    def start(self) -> None:
        """Run again; who was connected is so again."""
        self.running = True
        for listener in list(self._listeners.values()):
            listener.up()


class MemoryCarrier:
    """Implements ``Carrier`` over a hub."""

    def __init__(self, hub: MemoryHub) -> None:
        self._hub = hub
        self._account = b""
        self._listener: Listener | None = None

    async def open(self, identity: Identity, listener: Listener) -> None:
        self._account, self._listener = identity.account, listener
        self._hub.join(identity.account, listener)

    async def publish(self, recipient: bytes, frame: bytes, *, lasting: bool) -> None:
        await asyncio.sleep(0)  # a network lets others go on
        if not self._hub.running:
            raise CarrierDown("hub: not running")
        self._hub.hand(recipient, self._account, frame, lasting=lasting)

    async def close(self) -> None:
        if self._listener is not None:
            self._hub.leave(self._account, self._listener)
