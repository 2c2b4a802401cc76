"""What moves frames: the part of a transport that differs between a process and a broker.

A carrier may lose, repeat and reorder frames. It vouches for who sent each.
"""

from typing import Protocol

from offchain.transport.base import Identity


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
