"""What moves frames: the part of a transport that differs between a process and a broker.

A carrier may lose, repeat and reorder frames. It vouches for who sent each.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Final, Protocol

from offchain.transport.base import Identity

_PATIENCE: Final = 1.0


async def stop(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended.

    Cancelling is repeated: ``asyncio.wait_for`` of Python 3.11, in libraries too, can swallow it
    when what it waits for comes at the same moment.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_PATIENCE)


class Listener(Protocol):
    """Who is told what a carrier does. Called on the event loop."""

    def frame(self, sender: bytes, frame: bytes) -> None:
        """A frame has come. Never raises."""
        ...

    def up(self) -> None:
        """The connection is there, for the first time or again."""
        ...

    def down(self) -> None:
        """The connection is gone."""
        ...


class Carrier(Protocol):
    """Moves frames between accounts."""

    async def open(self, identity: Identity, listener: Listener) -> None:
        """Connect. Later losses of the connection mend themselves.

        Raises
        ------
        TransportError
            When the first connection cannot be made.
        """
        ...

    async def publish(self, recipient: bytes, frame: bytes, *, lasting: bool) -> None:
        """Hand on a frame; ``lasting`` ones are kept for a recipient that is away.

        Raises
        ------
        CarrierDown
            When there is no connection.
        """
        ...

    async def close(self) -> None:
        """Disconnect."""
        ...
