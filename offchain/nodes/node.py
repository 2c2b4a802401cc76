"""A node at work: a role with its journal, over a transport and a chain, whose time is its clock.

Everything the role does happens in one thread, one thing after the other; requests to the chain in
another. What follows from an input is carried out once the input is on disk (``DurableRole``).
"""

import asyncio
import contextlib
import contextvars
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from offchain.chain.provider import ProviderDown
from offchain.chain.sender import Sender, Settled
from offchain.chain.translate import Directory
from offchain.chain.watcher import Head, News, Position, Watcher, parse_position
from offchain.nodes.conductor import Conductor
from offchain.nodes.logs import Place
from offchain.protocol.chain import RoundOpened
from offchain.protocol.role import ClusterRoster, Note, Send, Transact
from offchain.store.durable import DurableRole, Released, round_of
from offchain.store.inputs import CommandIn, EventIn, MessageIn, TickIn, effect_digest
from offchain.transport.base import Received, Transport

_LOG = logging.getLogger(__name__)
T = TypeVar("T")
CHAIN: str = "chain"  # the mark of how far the chain was read
STORE_POSITION_EVERY = 64  # blocks without an event


@dataclass
class Counts:
    """What a node has done since it was started."""

    sent: Counter[str] = field(default_factory=Counter)  # messages, by kind
    sent_bytes: int = 0
    received: int = 0
    received_bytes: int = 0
    rejected: Counter[str] = field(default_factory=Counter)  # by reason
    dropped: int = 0  # devices that a fog stopped waiting for
    transactions: Counter[str] = field(default_factory=Counter)  # by function
    gas: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)  # transactions, by function
    handling: float = 0.0  # seconds of the role's own work
    phase_seconds: dict[str, float] = field(default_factory=dict)
    rounds: Counter[str] = field(default_factory=Counter)  # settled, failed


@dataclass
class Chain:
    """What a node has of the chain."""

    watcher: Watcher
    sender: Sender
    poll: float


class Node:
    """Runs one role.

    Parameters
    ----------
    durable
        The role with its journal.
    transport
        Connected.
    chain
        Watcher and sender.
    conductor
        What the node begins by itself.
    place
        Where it stands, for the log.
    after
        Called after every input, in the role's thread: keeps models, writes files.
    worker
        The thread of roles; nodes in one process may share it.
    epsilon
        Privacy that a device has spent against its fog.
    """

    def __init__(
        self,
        durable: DurableRole,
        transport: Transport,
        chain: Chain,
        conductor: Conductor,
        place: Place,
        after: Callable[[DurableRole, list[Released]], None],
        worker: ThreadPoolExecutor,
        epsilon: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.durable = durable
        self.epsilon = epsilon
        self.transport = transport
        self.chain = chain
        self.counts = Counts()
        self.place = place
        self.chain_answers = False
        self.head = Head(0, 0)
        self.busy_since = time.monotonic()
        self._conductor = conductor
        self._after = after
        self._worker = worker
        self._turn = asyncio.Lock()
        self._kick = asyncio.Event()
        stored = durable.journal.mark(CHAIN)
        self._position = parse_position(stored) if stored else chain.watcher.start()
        self._stored = self._position.next
        self._phase_since = time.monotonic()

    @property
    def ended(self) -> str:
        """Why a cloud opens no more rounds; empty while it does, and for others."""
        return str(getattr(self._conductor, "over", ""))

    # ---- life

    async def run(self, stop: asyncio.Event) -> None:
        """Work until asked to stop, or until something fails that only a new start can mend."""
        async with self._turn:
            self._perform(self.durable.outstanding, ask_first=True)
            self.durable.outstanding = []
        jobs = [
            asyncio.create_task(work) for work in (self._listen(), self._follow(), _wait_for(stop))
        ]
        done, _ = await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
        for job in jobs:
            job.cancel()
        async with self._turn:  # what is being written is finished first
            await asyncio.gather(*jobs, return_exceptions=True)
        for job in done:
            job.result()

    async def _in_worker(self, work: Callable[[], T]) -> T:
        """Do a role's work in its thread; a cancelled node still waits for it."""
        context = contextvars.copy_context()  # says whose log it is
        future = asyncio.get_running_loop().run_in_executor(self._worker, context.run, work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            with contextlib.suppress(Exception):
                await future
            raise

    # ---- messages

    async def _listen(self) -> None:
        async for first in self.transport.received():
            messages = [first, *self.transport.waiting()]
            await self._take_messages(messages)

    async def _take_messages(self, messages: list[Received]) -> None:
        async with self._turn:
            inputs = [MessageIn(message.data, message.sender) for message in messages]
            released = await self._in_worker(lambda: self._handle(inputs))
            self.counts.received += len(messages)
            self.counts.received_bytes += sum(len(message.data) for message in messages)
            self._perform(released)
            for message in messages:
                self.transport.acknowledge(message)

    # ---- the chain

    async def _follow(self) -> None:
        while True:
            try:
                await self._look()
                self.chain_answers = True
            except ProviderDown as error:
                self.chain_answers = False
                _LOG.error("%s", error)
            self._kick.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.chain.poll):
                    await self._kick.wait()

    async def _look(self) -> None:
        news = await asyncio.to_thread(self.chain.watcher.poll, self._position)
        fresh = news.head.number != self.head.number
        await self._take(news)
        settled = await asyncio.to_thread(self.chain.sender.step, news.head)
        async with self._turn:
            for one in settled:
                self._note_settled(one)
        if fresh or settled:
            await asyncio.to_thread(self._conductor.look, news.head)
            await self._conduct()

    async def _take(self, news: News) -> None:
        if news.position == self._position and news.head.time == self.head.time:
            return
        async with self._turn:
            released = await self._in_worker(lambda: self._handle_news(news))
            self.head = news.head
            self._position = news.position
            for event in news.events:
                if isinstance(event, RoundOpened):
                    self.transport.forget_before(event.round)
                _LOG.info("event %s", type(event).__name__, extra={"event": type(event).__name__})
            self._perform(released)
            if self.durable.checkpoint_due:
                kept = self.transport.kept()
                await self._in_worker(lambda: self.durable.checkpoint(kept))

    def _handle_news(self, news: News) -> list[Released]:
        inputs = [*map(EventIn, news.events), TickIn(news.head.time)]
        marks = None
        if news.events or news.position.next - self._stored >= STORE_POSITION_EVERY:
            marks = {CHAIN: news.position.to_bytes()}
            self._stored = news.position.next
        return self._handle(inputs, marks)

    async def _conduct(self) -> None:
        async with self._turn:
            self._see_phase()
            command = self._conductor.due(self.durable.role)
            if command is not None:
                _LOG.info("begins %s", command)
                self._perform(await self._in_worker(lambda: self._handle([CommandIn(command)])))

    def _see_phase(self) -> None:
        phase, number = getattr(self._conductor, "phase", "None"), self.durable.round
        if phase == self.place.phase and number == self.place.round:
            return
        now = time.monotonic()
        before = self.counts.phase_seconds.get(self.place.phase, 0.0)
        self.counts.phase_seconds[self.place.phase] = before + now - self._phase_since
        self._phase_since = now
        if phase in ("Settled", "Failed"):
            self.counts.rounds[phase] += 1
        self.place.phase, self.place.round = phase, number
        _LOG.info("phase %s", phase)

    def _note_settled(self, one: Settled) -> None:
        if one.error is not None:
            self.counts.refused[one.function] += 1
            _LOG.warning("transaction %s refused: %s", one.function, one.error)
        elif one.gas:
            self.counts.transactions[one.function] += 1
            self.counts.gas[one.function] += one.gas
            _LOG.info(
                "transaction %s mined", one.function, extra={"gas": one.gas, "fee_wei": one.fee}
            )
        if one.final:
            self.durable.finish(one.identity)

    # ---- effects

    def _handle(
        self, inputs: Iterable[Any], marks: dict[str, bytes] | None = None
    ) -> list[Released]:
        started = time.perf_counter()
        released = self.durable.handle(inputs, marks)
        self.counts.handling += time.perf_counter() - started
        self._after(self.durable, released)
        return released

    def _perform(self, released: list[Released], *, ask_first: bool = False) -> None:
        for one in released:
            match one.effect:
                case Send() as send if one.until is None or one.until >= self.durable.round:
                    self.transport.send(
                        send.recipient, send.data, until=one.until, ask_first=ask_first
                    )
                    self.counts.sent[send.kind] += 1
                    self.counts.sent_bytes += len(send.data)
                    if _LOG.isEnabledFor(logging.DEBUG):
                        _LOG.debug("sends %s", send.kind, extra=_telling(send))
                case Transact(call) if one.id is not None:
                    self.chain.sender.submit(one.id, call, self._directory())
                    _LOG.info("transacts %s", type(call).__name__)
                    self._kick.set()
                case Note() as note:
                    self._note(note)
                case _:
                    pass

    def _directory(self) -> Directory:
        """What a call of this node needs to know of its cluster."""
        directory = Directory()
        roster = getattr(self.durable.role, "roster", None)
        if isinstance(roster, ClusterRoster):
            directory.clusters[roster.cluster] = roster
        return directory

    def _note(self, note: Note) -> None:
        if note.kind == "rejected":
            self.counts.rejected[str(note.fields.get("reason"))] += 1
        elif note.kind == "dropped":
            self.counts.dropped += len(note.fields.get("devices", ()))
        level = _NOTE_LEVELS.get(note.kind, logging.INFO)
        detail = ", ".join(f"{name} {value}" for name, value in note.fields.items())
        _LOG.log(level, "%s: %s", note.kind, detail, extra={"note": note.kind})


_NOTE_LEVELS = {
    "rejected": logging.WARNING,
    "sits-out": logging.WARNING,
    "noise-stays": logging.WARNING,
    "cluster-failed": logging.WARNING,
    "noise-failed": logging.WARNING,
    "withheld": logging.ERROR,
    "cannot-aggregate": logging.ERROR,
}


def _telling(send: Send) -> dict[str, object]:
    """What tells in the log which message left: two that differ would show."""
    digest = effect_digest(send).hex()
    return {
        "kind": send.kind,
        "to": send.recipient,
        "of_round": round_of(send.data),
        "digest": digest,
    }


async def _wait_for(stop: asyncio.Event) -> None:
    await stop.wait()


def position_of(durable: DurableRole) -> Position | None:
    """How far a node has read the chain."""
    stored = durable.journal.mark(CHAIN)
    return parse_position(stored) if stored else None
