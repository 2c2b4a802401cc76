"""The receiving half: puts messages together within bounds, and answers their senders.

Pure: frames and times go in, messages and answers come out. Whatever comes, nothing is raised; what
is dropped is counted by reason:

| reason | what came |
|---|---|
| ``malformed`` | no frame, or one that contradicts itself |
| ``truncated`` | a part shorter or longer than its place in the message |
| ``too-large`` | a part of a message larger than is taken |
| ``inconsistent`` | a part that gives another length, part size or content than one before |
| ``digest`` | a whole message that does not have the digest that names it; all of it is dropped |
| ``over-quota`` | more than one sender, or all, may have under way |
| ``timeout`` | a message of which nothing came any more |
| ``evicted`` | an incomplete message of whoever held most, when all together held too much |
| ``unknown-sender`` | a frame of somebody who is no peer of this node |
"""

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from offchain.transport.base import Limits, Received
from offchain.transport.errors import FrameRefused
from offchain.transport.frames import (
    Ask,
    Data,
    Done,
    Frame,
    Held,
    Missing,
    Shape,
    bitmap_of,
    message_digest,
)


@dataclass
class _Partial:
    shape: Shape
    touched: float
    parts: dict[int, bytes] = field(default_factory=dict)
    size: int = 0


@dataclass
class _Peer:
    partial: OrderedDict[bytes, _Partial] = field(default_factory=OrderedDict)
    held: dict[bytes, int] = field(default_factory=dict)  # complete, by digest: their length
    done: OrderedDict[bytes, None] = field(default_factory=OrderedDict)
    size: int = 0


def everybody(sender: bytes) -> bool:
    """Whoever the connection lets through is a peer."""
    del sender
    return True


class Inbox:
    """Messages on their way in.

    Parameters
    ----------
    limits
        Bounds.
    refused
        Where dropped frames are counted.
    knows
        Whether a sender is a peer of this node at all.
    """

    def __init__(
        self,
        limits: Limits,
        refused: Counter[str],
        knows: Callable[[bytes], bool] = everybody,
    ) -> None:
        self._limits = limits
        self._refused = refused
        self._knows = knows
        self._peers: dict[bytes, _Peer] = {}
        self.size = 0  # bytes held, of all senders

    def take(
        self, sender: bytes, frame: Data | Ask, now: float
    ) -> tuple[Received | None, Frame | None]:
        """Take a frame of a sender.

        Returns
        -------
        (message, answer)
            The message that it completes, if any, and what to tell the sender, if anything.
        """
        try:
            if not self._knows(sender):
                raise FrameRefused("unknown-sender", f"0x{sender.hex()} is no peer of this node")
            peer = self._peers.setdefault(sender, _Peer())
            if isinstance(frame, Ask):
                return None, self._answer(peer, frame)
            return self._add(sender, peer, frame, now)
        except FrameRefused as error:
            self._refused[error.reason] += 1
            return None, None

    def acknowledge(self, message: Received) -> Done:
        """Let go of a message that is safe; the answer to its sender."""
        peer = self._peers.setdefault(message.sender, _Peer())
        self._shrink(peer, peer.held.pop(message.digest, 0))
        peer.done[message.digest] = None
        peer.done.move_to_end(message.digest)
        while len(peer.done) > self._limits.remembered:
            peer.done.popitem(last=False)
        return Done(message.digest)

    def expire(self, now: float) -> None:
        """Drop incomplete messages of which nothing has come for too long."""
        for peer in self._peers.values():
            old = [
                digest
                for digest, partial in peer.partial.items()
                if now - partial.touched >= self._limits.partial_time
            ]
            for digest in old:
                self._drop(peer, digest, "timeout")

    # ---- one message

    def _answer(self, peer: _Peer, ask: Ask) -> Frame:
        if ask.digest in peer.done:
            return Done(ask.digest)
        if ask.digest in peer.held:
            return Held(ask.digest)
        partial = peer.partial.get(ask.digest)
        if partial is None or partial.shape != ask.shape:
            return Missing(ask.digest, b"")
        missing = set(range(partial.shape.parts)) - partial.parts.keys()
        return Missing(ask.digest, bitmap_of(missing, partial.shape.parts))

    def _add(
        self, sender: bytes, peer: _Peer, frame: Data, now: float
    ) -> tuple[Received | None, Frame | None]:
        if frame.digest in peer.done:
            return None, Done(frame.digest)
        if frame.digest in peer.held:
            return None, None
        partial = peer.partial.get(frame.digest)
        if partial is None:
            if len(peer.partial) >= self._limits.partial_messages:
                raise FrameRefused("over-quota", "too many incomplete messages")
            partial = _Partial(frame.shape, now)
        elif partial.shape != frame.shape:
            raise FrameRefused("inconsistent", "another length or part size than before")
        before = partial.parts.get(frame.part)
        if before is not None:
            if before != frame.payload:
                raise FrameRefused("inconsistent", f"part {frame.part} differs from before")
            return None, None
        self._make_room(peer, frame)
        peer.partial[frame.digest] = partial
        partial.parts[frame.part] = frame.payload
        partial.touched = now
        partial.size += len(frame.payload)
        peer.size += len(frame.payload)
        self.size += len(frame.payload)
        if len(partial.parts) < partial.shape.parts:
            return None, None
        return self._complete(sender, peer, frame.digest, partial), None

    def _complete(self, sender: bytes, peer: _Peer, digest: bytes, partial: _Partial) -> Received:
        data = b"".join(partial.parts[part] for part in range(partial.shape.parts))
        if message_digest(data) != digest:
            self._drop(peer, digest, None)
            raise FrameRefused("digest", "the message does not have the digest that names it")
        del peer.partial[digest]
        peer.held[digest] = len(data)
        return Received(sender, data, digest)

    # ---- bounds

    def _make_room(self, peer: _Peer, frame: Data) -> None:
        size = len(frame.payload)
        if peer.size + size > self._limits.sender:
            raise FrameRefused("over-quota", f"{peer.size} bytes of this sender are under way")
        while self.size + size > self._limits.total:
            largest = max(self._peers.values(), key=_incomplete)
            if largest is peer or not largest.partial:
                raise FrameRefused("over-quota", f"{self.size} bytes are under way")
            self._drop(largest, next(iter(largest.partial)), "evicted")

    def _drop(self, peer: _Peer, digest: bytes, reason: str | None) -> None:
        self._shrink(peer, peer.partial.pop(digest).size)
        if reason is not None:
            self._refused[reason] += 1

    def _shrink(self, peer: _Peer, size: int) -> None:
        peer.size -= size
        self.size -= size


def _incomplete(peer: _Peer) -> int:
    return sum(partial.size for partial in peer.partial.values())
