"""All nodes of a task in one process, over an in-process transport and one chain.

Messages cross as bytes and are parsed by their receiver, as over a network. When nothing moves any
more, time goes on to the next deadline that any node keeps: silent parties cost chain time, not
waiting.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from offchain.chain.port import ChainPort, Receipt
from offchain.crypto.warm import warm_up
from offchain.errors import VerifogError
from offchain.nodes.crew import Crew, Done, Method, Order, Usage
from offchain.protocol.chain import Event
from offchain.protocol.fog import Fog
from offchain.protocol.role import Effect, Note, Role, Send, Transact


class Stalled(VerifogError):
    """Nothing moves, and no node waits for a time."""


class Observer(Protocol):
    """Follows a run: for progress, reports and tests."""

    def handled(self, role: Role, kind: str, seconds: float) -> None:
        """A node handled a message or an event in so many seconds."""
        ...

    def sent(self, role: Role, send: Send) -> None:
        """A node sent a message."""
        ...

    def noted(self, role: Role, note: Note) -> None:
        """A node noted something."""
        ...

    def transacted(self, role: Role, receipt: Receipt) -> None:
        """A node's transaction was mined or refused."""
        ...

    def happened(self, event: Event) -> None:
        """Contract S said something."""
        ...


Interceptor = Callable[[Role, Send], Iterable[Send]]


def deliver_all(role: Role, send: Send) -> Iterable[Send]:
    """The interceptor of an undisturbed network."""
    del role
    return (send,)


class LocalNetwork:
    """Runs state machines against each other.

    Parameters
    ----------
    chain
        Where transactions go and events come from.
    roles
        The nodes, by account.
    observer
        Follows the run.
    interceptor
        Stands between sender and receiver: may drop, alter or add messages (tests, ``--drop``).
    """

    def __init__(
        self,
        chain: ChainPort,
        roles: Iterable[Role],
        observer: Observer,
        interceptor: Interceptor = deliver_all,
    ) -> None:
        self._hands: _Hands | None = None
        self._crew: Crew | None = None
        self.chain = chain
        self.roles = {role.address: role for role in roles}
        self.interceptor = interceptor
        self._observer = observer
        self._queue: deque[Send] = deque()
        self._tick(chain.now())

    def work_on(self, workers: int) -> None:
        """Let nodes handle what is under way at once on so many threads.

        What they do then is carried out in the order in which one thread would: the course of a
        run does not depend on their number. An interceptor must not look into the nodes.
        """
        self._hands = _Hands(workers) if workers > 1 else None

    def hire(self, workers: int, roles: Sequence[Role]) -> None:
        """Let so many processes act for some of the nodes from now on; `dismiss` ends them.

        The course of a run does not depend on it. The nodes must keep no deadline of their own
        (devices keep none), and nobody here may look into them any more. The workers also recompute
        the noise that is opened to the fogs that stay.
        """
        warm_up()  # once, not by each process
        self._crew = Crew(roles, workers)
        self._hands = self._hands or _Hands(1)  # for the nodes that stay
        for role in self.roles.values():
            if isinstance(role, Fog):
                role.spread = self._crew.map

    def dismiss(self) -> None:
        """End the worker processes. Their nodes' state is gone with them."""
        if self._crew is not None:
            self._crew.close()

    def usage(self) -> Usage:
        """What the worker processes have used; nothing where there are none."""
        return self._crew.usage() if self._crew else Usage(0.0, 0)

    def perform(self, role: Role, effects: Iterable[Effect]) -> None:
        """Carry out the effects of a node."""
        for effect in effects:
            match effect:
                case Send():
                    self._observer.sent(role, effect)
                    self._queue.extend(self.interceptor(role, effect))
                case Transact():
                    receipt = self.chain.execute(effect.call, role.address)
                    self._observer.transacted(role, receipt)
                case Note():
                    self._observer.noted(role, effect)

    def run_until(
        self, done: Callable[[], bool], deadlines: Callable[[], Iterable[int]] = tuple
    ) -> None:
        """Deliver messages, events and time until ``done``.

        Parameters
        ----------
        done
            Asked whenever nothing is under way.
        deadlines
            Times at which something may change that no node waits for, such as those of S.

        Raises
        ------
        Stalled
            When nothing moves, no node waits for a time, and ``done`` is still false.
        """
        while True:
            if self._deliver() or self._poll():
                continue
            if done():
                return
            now = self.chain.now()
            wakes = [wake for role in self.roles.values() if (wake := role.next_wake()) is not None]
            wakes += [deadline for deadline in deadlines() if deadline > now]
            if not wakes:
                raise Stalled("run: no node has anything to do, and none waits for a deadline")
            target = max(min(wakes), now + 1)
            self.chain.advance(target)
            self._tick(target)

    def advance(self, to: int) -> None:
        """Let time reach ``to`` for the chain and all nodes."""
        if to > self.chain.now():
            self.chain.advance(to)
        self._tick(max(to, self.chain.now()))

    def _tick(self, now: int) -> None:
        self._handle(_Task(role, "tick", "tick", now) for role in self._all())

    def _deliver(self) -> bool:
        moved = bool(self._queue)
        if self._hands is None:
            while self._queue:
                self._handle(self._next())
            return moved
        # What follows from a message goes on its way while others are still being handled; it is
        # carried out in the order of their going.
        under_way: deque[tuple[_Task, Future[Done]]] = deque()
        while self._queue or under_way:
            while self._queue:
                under_way += [(task, self._begin(task)) for task in self._next()]
            if under_way:
                task, future = under_way.popleft()
                self._finish(task, *future.result())
        return moved

    def _next(self) -> list["_Task"]:
        """The next message as a task, if anybody is there to take it."""
        send = self._queue.popleft()
        role = self.roles.get(send.recipient)
        return [] if role is None else [_Task(role, send.kind, "receive", send.data)]

    def _poll(self) -> bool:
        events = self.chain.poll()
        for event in events:
            self._observer.happened(event)
            kind = type(event).__name__
            self._handle(_Task(role, kind, "observe", event) for role in self._all())
        return bool(events)

    def _all(self) -> list[Role]:
        return list(self.roles.values())

    def _handle(self, tasks: Iterable["_Task"]) -> None:
        """Let nodes act, each in its own order, and carry out what follows, in the order given."""
        if self._hands is None:
            for task in tasks:
                self._finish(task, *task.order.carry_out(task.role))
            return
        begun = [(task, self._begin(task)) for task in tasks]
        for task, future in begun:
            self._finish(task, *future.result())

    def _begin(self, task: "_Task") -> Future[Done]:
        """Let a node act as soon as it has done what it was told before."""
        if self._crew is not None and task.role.address in self._crew:
            return self._crew.begin(task.order)
        assert self._hands is not None  # noqa: S101 - there are hands wherever something is begun
        return self._hands.begin(task)

    def _finish(self, task: "_Task", effects: list[Effect], seconds: float) -> None:
        self._observer.handled(task.role, task.kind, seconds)
        self.perform(task.role, effects)


class _Hands:
    """Threads that let nodes act: each node does one thing after the other."""

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers)
        self._lock = threading.Lock()
        self._lines: dict[bytes, deque[tuple[_Task, Future[Done]]]] = {}

    def begin(self, task: "_Task") -> Future[Done]:
        future: Future[Done] = Future()
        address = task.role.address
        with self._lock:
            line = self._lines.setdefault(address, deque())
            line.append((task, future))
            if len(line) == 1:
                self._pool.submit(self._act, line)
        return future

    def _act(self, line: "deque[tuple[_Task, Future[Done]]]") -> None:
        task, future = line[0]
        try:
            future.set_result(task.order.carry_out(task.role))
        except Exception as error:  # noqa: BLE001 - raised again where it is waited for
            future.set_exception(error)
        with self._lock:
            line.popleft()
            if line:  # behind what others have to do
                self._pool.submit(self._act, line)


@dataclass(frozen=True)
class _Task:
    role: Role
    kind: str
    method: Method
    argument: Any

    @property
    def order(self) -> Order:
        return Order(self.role.address, self.method, self.argument)
