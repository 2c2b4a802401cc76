"""What nodes need of a chain, whatever serves it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from offchain.protocol.chain import Call, Event


@dataclass(frozen=True)
class Receipt:
    """What a transaction of a node did."""

    kind: str
    cluster: int | None
    sender: bytes
    gas: int
    error: str | None


class ChainPort(Protocol):
    """The chain as a local run needs it."""

    def execute(self, call: Call, sender: bytes) -> Receipt:
        """Send a transaction and wait for it. A revert is reported in the receipt, not raised."""
        ...

    def poll(self) -> Sequence[Event]:
        """New events, each once, in the order of the chain; draws a due beacon."""
        ...

    def now(self) -> int:
        """Time of the latest block, seconds."""
        ...

    def advance(self, to: int) -> None:
        """Let chain time reach ``to``."""
        ...
