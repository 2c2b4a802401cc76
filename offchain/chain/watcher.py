"""Follows Contract S block by block: confirmed events in order, beacons, and what a reorg changes.

How far the chain was read is a *position*, which a node stores with what followed from it. It holds
the hashes of the latest blocks that events came from: when one of them is gone, the events since
are read again. If they are the same, only in other blocks, nothing was lost; if not, the node's
state rests on what never was, and has to be built anew from the events.
"""

import hashlib
import json
import logging
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from web3.exceptions import BlockNotFound

from offchain.chain.contract import ContractS
from offchain.chain.errors import ChainError
from offchain.chain.local import read_beacon
from offchain.chain.translate import protocol_event
from offchain.protocol.chain import BeaconDrawn, Event, RoundOpened

_LOG = logging.getLogger(__name__)
REMEMBERED: Final = 128  # blocks with events that a position remembers
RANGE: Final = 2_000  # blocks asked for at once: what public providers allow


class ChainReorganised(ChainError):
    """Events that a node has acted on are gone."""


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """A block that events were read up to, digests of its events, the beacon awaited after it."""

    number: int
    hash: bytes
    events: tuple[bytes, ...]
    awaiting: tuple[int, int] | None


class Position(msgspec.Struct, frozen=True, array_like=True):
    """How far the chain was read.

    Attributes
    ----------
    next
        The first block that was not read.
    awaiting
        Round and block of a beacon that is not there yet.
    seen
        The latest blocks, oldest first.
    again
        Digests of events that were acted on and, after a reorganisation, have to come again.
    """

    next: int
    awaiting: tuple[int, int] | None = None
    seen: tuple[Seen, ...] = ()
    again: tuple[bytes, ...] = ()

    def to_bytes(self) -> bytes:
        """As stored."""
        return msgspec.msgpack.encode(self)


def parse_position(data: bytes) -> Position:
    """A stored position."""
    return msgspec.msgpack.decode(data, type=Position)


@dataclass(frozen=True)
class Head:
    """The newest block."""

    number: int
    time: int
    hash: bytes = b""


@dataclass(frozen=True)
class News:
    """What has happened since a position.

    Attributes
    ----------
    events
        In their order.
    position
        After them.
    head
        The newest block; its time is the chain's.
    """

    events: tuple[Event, ...]
    position: Position
    head: Head


@dataclass
class Watcher:
    """Reads the chain for a node. Blocking; one thread at a time.

    Parameters
    ----------
    contract
        Contract S.
    confirmations
        Blocks on top of an event before it counts.
    """

    contract: ContractS
    confirmations: int = 0
    reorganisations: int = 0

    def start(self) -> Position:
        """Before the first event of S."""
        return Position(self.contract.deployed_at)

    def head(self) -> Head:
        """The newest block."""
        block = self.contract.web3.eth.get_block("latest")
        return Head(int(block["number"]), int(block["timestamp"]), bytes(block["hash"]))

    def poll(self, position: Position) -> News:
        """What has happened since a position, as far as it is confirmed.

        Raises
        ------
        ChainReorganised
            When events before the position are gone.
        """
        head = self.head()
        position = self._still_there(position, head)
        last = min(head.number - self.confirmations, position.next + RANGE - 1)
        if last < position.next:
            return News((), position, head)
        read = self._read(position, last)
        digests = [_digest(event) for _, event in read]
        expected = position.again[: len(read)]
        if tuple(digests[: len(expected)]) != expected:
            raise ChainReorganised(f"chain: events since block {position.next} are not what was")
        fresh = tuple(event for _, event in read[len(expected) :])
        awaiting, seen = position.awaiting, list(position.seen)
        for number in sorted({last, *(block for block, _ in read)}):
            here = [place for place, (block, _) in enumerate(read) if block == number]
            for place in here:
                awaiting = _after(awaiting, read[place][1])
            events = tuple(digests[place] for place in here)
            seen.append(Seen(number, self._hash(number) or b"", events, awaiting))
        again = position.again[len(expected) :]
        return News(fresh, Position(last + 1, awaiting, tuple(seen[-REMEMBERED:]), again), head)

    def _read(self, position: Position, last: int) -> list[tuple[int, Event]]:
        """Events with their blocks, from a position to a block; beacons where they belong."""
        read: list[tuple[int, Event]] = []
        awaiting = position.awaiting
        for log in self._logs(position.next, last):
            number = int(log["blockNumber"])
            if awaiting is not None and awaiting[1] < number:
                read.append(self._beacon(awaiting))
                awaiting = None
            event = self._event(log)
            if event is not None:
                read.append((number, event))
                awaiting = _after(awaiting, event)
        if awaiting is not None and awaiting[1] <= last:
            read.append(self._beacon(awaiting))
        return read

    def _beacon(self, awaiting: tuple[int, int]) -> tuple[int, Event]:
        number, block = awaiting
        return block, BeaconDrawn(number, read_beacon(self.contract, number, block))

    def _logs(self, first: int, last: int) -> list[Any]:
        logs: list[Any] = []
        while first <= last:
            until = min(last, first + RANGE - 1)
            logs += self.contract.events(first, until)
            first = until + 1
        return logs

    def _event(self, log: Any) -> Event | None:
        opened_at = 0
        if log["event"] == "RoundOpened":
            opened_at = int(self.contract.web3.eth.get_block(log["blockNumber"])["timestamp"])
        return protocol_event(log, opened_at)

    # ---- reorganisations

    def _hash(self, number: int) -> bytes | None:
        try:
            return bytes(self.contract.web3.eth.get_block(number)["hash"])
        except BlockNotFound:
            return None

    def _still_there(self, position: Position, head: Head) -> Position:
        """The position; after a reorganisation the one at the last block that is still there."""
        if not position.seen:
            return position
        last = position.seen[-1]
        if head.hash == last.hash:
            return position
        if head.number > last.number and self._hash(last.number) == last.hash:
            return position
        kept = len(position.seen)
        while kept and self._hash(position.seen[kept - 1].number) != position.seen[kept - 1].hash:
            kept -= 1
        gone = tuple(digest for seen in position.seen[kept:] for digest in seen.events)
        if not kept:
            raise ChainReorganised("chain: it has another history than the one followed")
        common = position.seen[kept - 1]
        if common.number + 1 == position.next:
            return position
        self.reorganisations += 1
        _LOG.warning(
            "chain: reorganised after block %d; %d events have to come again",
            common.number,
            len(gone),
        )
        # What still had to come again lies after what is gone now.
        again = gone + position.again
        return Position(common.number + 1, common.awaiting, position.seen[:kept], again)


def _after(awaiting: tuple[int, int] | None, event: Event) -> tuple[int, int] | None:
    """The beacon that is awaited after an event."""
    match event:
        case RoundOpened():
            return event.round, event.beacon_block
        case BeaconDrawn():
            return None
    return awaiting


def _digest(event: Event) -> bytes:
    built = msgspec.to_builtins(event)
    text = type(event).__name__ + json.dumps(built, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
