"""The transport: inbox and outbox over any carrier."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final

from offchain.transport.base import Identity, Kept, Limits, Received, Statistics
from offchain.transport.carrier import Carrier, stop
from offchain.transport.errors import CarrierDown, FrameRefused, TransportError
from offchain.transport.frames import Ask, Data, Frame, encode, parse
from offchain.transport.inbox import Inbox, everybody
from offchain.transport.outbox import Outbox

_LOG = logging.getLogger(__name__)
_ANSWERS_KEPT: Final = 65536
_PAUSE: Final = 0.05


class Courier:
    """Implements ``Transport``. All methods are called on the event loop that connected it.

    Parameters
    ----------
    carrier
        What moves the frames.
    limits
        Bounds.
    knows
        Whether an account is a peer of this node. Frames of others are dropped at once.
    clock
        Seconds, never going back.
    """

    def __init__(
        self,
        carrier: Carrier,
        limits: Limits | None = None,
        knows: Callable[[bytes], bool] = everybody,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.statistics = Statistics()
        self._limits = limits or Limits()
        self._carrier = carrier
        self._clock = clock
        self._inbox = Inbox(self._limits, self.statistics.refused, knows)
        self._outbox = Outbox(self._limits, self.statistics)
        self._answers: deque[tuple[bytes, Frame]] = deque(maxlen=_ANSWERS_KEPT)
        self._arrived: deque[Received] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(self._limits.publishers)
        self._failure: BaseException | None = None
        self._closed = False
        self._up = asyncio.Event()
        self._work = asyncio.Event()  # there may be a frame to publish
        self._sooner = asyncio.Event()  # the next question may be due sooner
        self._news = asyncio.Event()  # a message has come, or the transport is closed
        self._settled = asyncio.Event()  # a message was acknowledged or given up

    # ---- the interface

    async def connect(self, identity: Identity) -> None:
        await self._carrier.open(identity, self)
        self._start(self._dispatch())
        self._start(self._keep_time())

    def send(
        self, recipient: bytes, data: bytes, *, until: int | None = None, ask_first: bool = False
    ) -> None:
        self._outbox.add(recipient, data, until, self._clock(), ask_first=ask_first)
        self._sooner.set()
        self._work.set()

    def forget_before(self, round_number: int) -> None:
        self._outbox.forget_before(round_number)
        self._settled.set()
        self._work.set()

    async def received(self) -> AsyncIterator[Received]:
        while True:
            for message in self.waiting():
                yield message
            if self._closed:
                return
            self._news.clear()
            if not self._arrived:
                await self._news.wait()

    def waiting(self) -> list[Received]:
        if self._failure is not None:
            raise TransportError(f"transport: {self._failure!r}") from self._failure
        taken = list(self._arrived)
        self._arrived.clear()
        self.statistics.received += len(taken)
        self.statistics.received_bytes += sum(len(message.data) for message in taken)
        return taken

    def acknowledge(self, message: Received) -> None:
        self._answers.append((message.sender, self._inbox.acknowledge(message)))
        self._work.set()

    def kept(self) -> list[Kept]:
        return self._outbox.kept()

    @property
    def outstanding(self) -> int:
        return len(self._outbox)

    @property
    def connected(self) -> bool:
        """Whether the connection is there just now."""
        return self._up.is_set()

    async def drain(self, timeout: float) -> bool:
        until = self._clock() + timeout
        while self._outbox or self._answers:
            self._settled.clear()
            left = until - self._clock()
            if left <= 0 or not await _wait(self._settled, left):
                return not self._outbox
        return True

    async def close(self) -> None:
        self._closed = True
        await stop(self._tasks)
        await self._carrier.close()
        self._news.set()

    # ---- what the carrier tells

    def frame(self, sender: bytes, frame: bytes) -> None:
        """A frame has come."""
        try:
            parsed = parse(frame, self._limits.message)
        except FrameRefused as error:
            self.statistics.refused[error.reason] += 1
            return
        if not isinstance(parsed, Data | Ask):
            self._outbox.answer(sender, parsed)
            self._settled.set()
            self._work.set()
            return
        message, answer = self._inbox.take(sender, parsed, self._clock())
        if answer is not None:
            self._answers.append((sender, answer))
            self._work.set()
        if message is not None:
            self._arrived.append(message)
            self._news.set()

    def up(self) -> None:
        """The connection is there."""
        self.statistics.connections += 1
        self._up.set()
        self._outbox.reconnected(self._clock())
        self._sooner.set()
        self._work.set()

    def down(self) -> None:
        """The connection is gone."""
        self._up.clear()

    # ---- at work

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
            _LOG.error("transport: stopped by a fault of its own", exc_info=self._failure)
            self._news.set()

    async def _dispatch(self) -> None:
        while True:
            await self._room.acquire()
            await self._up.wait()
            item = self._answers.popleft() if self._answers else None
            item = item or self._outbox.next_frame(self._clock())
            if item is None:
                self._room.release()
                self._work.clear()
                await self._work.wait()
            else:
                self._start(self._publish(*item))

    async def _publish(self, recipient: bytes, frame: Frame) -> None:
        try:
            await self._carrier.publish(recipient, encode(frame), lasting=isinstance(frame, Data))
        except CarrierDown:
            self._outbox.unsent(recipient, frame)
            self._work.set()
            await asyncio.sleep(_PAUSE)  # the carrier may not yet know that it is down
        finally:
            self._room.release()
            self._sooner.set()
            self._settled.set()

    async def _keep_time(self) -> None:
        longest = self._limits.partial_time / 4
        while True:
            now = self._clock()
            self._inbox.expire(now)
            wake = None
            if self._up.is_set():
                self._outbox.wake(now)
                self._work.set()
                wake = self._outbox.next_wake()
            self._sooner.clear()
            await _wait(self._sooner, longest if wake is None else min(wake - now, longest))


async def _wait(event: asyncio.Event, timeout: float) -> bool:
    """Wait for an event; False when time ran out."""
    try:
        async with asyncio.timeout(timeout):
            await event.wait()
    except TimeoutError:
        return False
    return True
