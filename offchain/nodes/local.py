"""All nodes of a task in one process, over an in-process transport and one chain.

Messages cross as bytes and are parsed by their receiver, as over a network. When nothing moves any
more, time goes on to the next deadline that any node keeps: silent parties cost chain time, not
waiting.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from offchain.chain.port import ChainPort, Receipt
from offchain.errors import VerifogError
from offchain.protocol.chain import Event
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
        self.chain = chain
        self.roles = {role.address: role for role in roles}
        self.interceptor = interceptor
        self._observer = observer
        self._queue: deque[Send] = deque()
        self._tick(chain.now())

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
        for role in list(self.roles.values()):
            self._handle(role, "tick", lambda role=role: role.tick(now))  # type: ignore[misc]

    def _deliver(self) -> bool:
        moved = bool(self._queue)
        while self._queue:
            send = self._queue.popleft()
            role = self.roles.get(send.recipient)
            if role is not None:
                self._handle(role, send.kind, lambda: role.receive(send.data))  # noqa: B023
        return moved

    def _poll(self) -> bool:
        events = self.chain.poll()
        for event in events:
            self._observer.happened(event)
            for role in list(self.roles.values()):
                self._handle(role, type(event).__name__, lambda: role.observe(event))  # noqa: B023
        return bool(events)

    def _handle(self, role: Role, kind: str, action: Callable[[], list[Effect]]) -> None:
        started = time.perf_counter()
        effects = action()
        self._observer.handled(role, kind, time.perf_counter() - started)
        self.perform(role, effects)
