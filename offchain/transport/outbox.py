"""The sending half: keeps every message until its receiver has acknowledged it.

Pure: messages, answers and times go in, frames come out. A message is sent once, in parts. When no
acknowledgement comes, the sender does not send it again but *asks* after it: a receiver that
is away costs a few bytes now and then, and one that lost a part is sent that part only. Questions
back off; after a new connection all are asked at once.
"""

import heapq
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from offchain.transport.base import Kept, Limits, Statistics
from offchain.transport.errors import MessageRefused
from offchain.transport.frames import Ask, Data, Done, Frame, Held, Missing, Shape, message_digest


@dataclass
class _Outgoing:
    data: bytes
    shape: Shape
    until: int | None
    todo: deque[int] = field(default_factory=deque)  # parts still to be handed to the carrier
    counted: bool = False  # whether it stands in the window
    due: float | None = None  # when to ask after it
    asked: bool = False  # whether an answer to a question is awaited
    attempts: int = 0
    missing: int | None = None  # parts that were missing at the last answer


@dataclass
class _Lane:
    """What is on its way to one recipient."""

    messages: OrderedDict[bytes, _Outgoing] = field(default_factory=OrderedDict)
    fresh: deque[bytes] = field(default_factory=deque)  # wait for a place in the window
    sending: deque[bytes] = field(default_factory=deque)
    asking: deque[bytes] = field(default_factory=deque)
    size: int = 0
    in_flight: int = 0


class Outbox:
    """Messages on their way out.

    Parameters
    ----------
    limits
        Bounds.
    statistics
        Where it counts.
    """

    def __init__(self, limits: Limits, statistics: Statistics) -> None:
        self._limits = limits
        self._statistics = statistics
        self._lanes: dict[bytes, _Lane] = {}
        self._ready: OrderedDict[bytes, None] = OrderedDict()
        self._timers: list[tuple[float, bytes, bytes]] = []

    def __len__(self) -> int:
        return sum(len(lane.messages) for lane in self._lanes.values())

    # ---- in

    def add(
        self, recipient: bytes, data: bytes, until: int | None, now: float, *, ask_first: bool
    ) -> None:
        """Take a message; one that is here already is left as it is.

        Raises
        ------
        MessageRefused
            When it is empty or too large.
        """
        if not 0 < len(data) <= self._limits.message:
            raise MessageRefused(f"message: {len(data)} bytes, from 1 to {self._limits.message}")
        digest = message_digest(data)
        lane = self._lanes.setdefault(recipient, _Lane())
        if digest in lane.messages:
            return
        while lane.messages and lane.size + len(data) > self._limits.outbox:
            self._remove(lane, next(iter(lane.messages)))
            self._statistics.given_up += 1
        shape = Shape(len(data), self._limits.part)
        message = _Outgoing(data, shape, until)
        lane.messages[digest] = message
        lane.size += len(data)
        if ask_first:
            self._wait(recipient, digest, message, now, 0.0)
        else:
            message.todo.extend(range(shape.parts))
            lane.fresh.append(digest)
            self._ready[recipient] = None

    def answer(self, recipient: bytes, answer: Done | Held | Missing) -> None:
        """Take what a recipient says of a message; of one that is not here it is ignored."""
        lane = self._lanes.get(recipient)
        message = lane.messages.get(answer.digest) if lane else None
        if lane is None or message is None:
            return
        if isinstance(answer, Done):
            self._remove(lane, answer.digest)
            self._statistics.sent += 1
            self._ready[recipient] = None
        elif message.asked:  # one answer to a question: none can make us send on and on
            message.asked = False
            if isinstance(answer, Missing):
                self._send_again(recipient, lane, message, answer)

    def forget_before(self, round_number: int) -> None:
        """Give up the messages of use only in rounds before one."""
        for recipient, lane in list(self._lanes.items()):
            old = [
                digest
                for digest, message in lane.messages.items()
                if message.until is not None and message.until < round_number
            ]
            for digest in old:
                self._remove(lane, digest)
            if old:
                self._ready[recipient] = None
            if not lane.messages:
                del self._lanes[recipient]

    def reconnected(self, now: float) -> None:
        """Ask after everything that may have been lost with the connection."""
        for recipient, lane in self._lanes.items():
            for digest, message in lane.messages.items():
                if message.due is not None:
                    message.attempts = 0
                    self._wait(recipient, digest, message, now, 0.0)
        self.wake(now)

    # ---- out

    def next_frame(self, now: float) -> tuple[bytes, Frame] | None:
        """The next frame to publish, recipients taking turns; None when there is none just now."""
        while self._ready:
            recipient, _ = self._ready.popitem(last=False)
            lane = self._lanes.get(recipient)
            frame = self._frame_of(recipient, lane, now) if lane else None
            if frame is not None:
                self._ready[recipient] = None
                return recipient, frame
        return None

    def unsent(self, recipient: bytes, frame: Frame) -> None:
        """Take back a frame that the carrier did not take."""
        lane = self._lanes.get(recipient)
        message = lane.messages.get(frame.digest) if lane else None
        if lane is None or message is None or not isinstance(frame, Data):
            return
        message.todo.appendleft(frame.part)
        message.due = None
        if frame.digest not in lane.sending:
            lane.sending.append(frame.digest)
        self._ready[recipient] = None

    def next_wake(self) -> float | None:
        """When the next question is due."""
        while self._timers:
            due, recipient, digest = self._timers[0]
            lane = self._lanes.get(recipient)
            message = lane.messages.get(digest) if lane else None
            if message is not None and message.due == due:
                return due
            heapq.heappop(self._timers)
        return None

    def wake(self, now: float) -> None:
        """Put the questions that are due in their lanes."""
        while (due := self.next_wake()) is not None and due <= now:
            _, recipient, digest = heapq.heappop(self._timers)
            lane = self._lanes[recipient]
            lane.messages[digest].due = None
            lane.asking.append(digest)
            self._ready[recipient] = None

    # ---- one lane

    def _frame_of(self, recipient: bytes, lane: _Lane, now: float) -> Frame | None:
        while lane.asking:
            digest = lane.asking.popleft()
            message = lane.messages.get(digest)
            if message is not None and not message.todo:
                message.asked = True
                self._statistics.asked += 1
                self._wait(recipient, digest, message, now, self._patience(message))
                return Ask(digest, message.shape)
        self._admit(lane)
        while lane.sending:
            digest = lane.sending[0]
            message = lane.messages.get(digest)
            if message is None or not message.todo:
                lane.sending.popleft()
                continue
            part = message.todo.popleft()
            payload = message.shape.cut(message.data, part)
            self._statistics.sent_bytes += len(payload)
            if not message.todo:
                lane.sending.popleft()
                self._wait(recipient, digest, message, now, self._patience(message))
            return Data(digest, message.shape, part, payload)
        return None

    def _admit(self, lane: _Lane) -> None:
        """Let fresh messages into the window, in their order."""
        while lane.fresh:
            message = lane.messages.get(lane.fresh[0])
            if message is not None:
                size = len(message.data)
                if lane.in_flight and lane.in_flight + size > self._limits.window:
                    return
                message.counted = True
                lane.in_flight += size
                lane.sending.append(lane.fresh[0])
            lane.fresh.popleft()

    def _send_again(
        self, recipient: bytes, lane: _Lane, message: _Outgoing, answer: Missing
    ) -> None:
        parts = answer.parts(message.shape.parts)
        if message.missing is not None and len(parts) < message.missing:
            message.attempts = 0  # it gets on
        message.missing = len(parts)
        if not parts:
            return
        message.todo = deque(parts)
        message.due = None
        (lane.sending if message.counted else lane.fresh).append(answer.digest)
        self._ready[recipient] = None

    def _patience(self, message: _Outgoing) -> float:
        wait = self._limits.resend_first * 2.0 ** min(message.attempts, 16)
        message.attempts += 1
        return min(wait, self._limits.resend_longest)

    def _wait(
        self, recipient: bytes, digest: bytes, message: _Outgoing, now: float, delay: float
    ) -> None:
        message.due = now + delay
        heapq.heappush(self._timers, (message.due, recipient, digest))

    def _remove(self, lane: _Lane, digest: bytes) -> None:
        message = lane.messages.pop(digest)
        lane.size -= len(message.data)
        if message.counted:
            lane.in_flight -= len(message.data)
        _discard(lane.sending, digest)

    def kept(self) -> list[Kept]:
        """Everything that is not acknowledged."""
        return [
            Kept(recipient, message.data, message.until)
            for recipient, lane in self._lanes.items()
            for message in lane.messages.values()
        ]


def _discard(queue: deque[bytes], digest: bytes) -> None:
    if queue and queue[0] == digest:
        queue.popleft()
