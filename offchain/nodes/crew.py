"""Worker processes that act for some of the nodes of a simulation.

The interpreter runs one thread at a time, and half of what a device computes is Python. A crew
forks the process once its nodes are made; from then on each worker alone knows the state of its
nodes, and messages and events cross to it as they would over a network. While nothing is under way
to them, workers compute for the nodes that stayed (`Crew.map`).
"""

import multiprocessing
import resource
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal, TypeVar

from offchain.errors import VerifogError
from offchain.protocol.role import Effect, Role

Method = Literal["receive", "observe", "tick"]
Done = tuple[list[Effect], float]
T = TypeVar("T")


class CrewLost(VerifogError):
    """A worker process has ended, or cannot be had on this system."""


@dataclass(frozen=True)
class Order:
    """One thing for a node to do: the method, and its only argument."""

    role: bytes
    method: Method
    argument: Any

    def carry_out(self, role: Role) -> Done:
        """Let the node act; its effects, and the seconds that it took."""
        started = time.perf_counter()
        effects: list[Effect] = getattr(role, self.method)(self.argument)
        return effects, time.perf_counter() - started


@dataclass(frozen=True)
class _Call:
    """Something to compute that is no node's."""

    function: Callable[..., Any]
    arguments: Sequence[tuple[Any, ...]]


@dataclass(frozen=True)
class Usage:
    """What the workers have used: processor seconds, and the sum of their largest resident sets."""

    cpu_seconds: float
    peak_bytes: int


class Crew:
    """Worker processes, each with nodes of its own; to be closed after use.

    Parameters
    ----------
    roles
        The nodes that move to the workers, in turn. Their objects here are left behind as they are.
    workers
        Number of processes.

    Raises
    ------
    CrewLost
        Where processes cannot be forked.
    """

    def __init__(self, roles: Sequence[Role], workers: int) -> None:
        if "fork" not in multiprocessing.get_all_start_methods():
            raise CrewLost("crew: this system cannot fork processes; take threads")
        context = multiprocessing.get_context("fork")
        self._place = {role.address: i % workers for i, role in enumerate(roles)}
        ends: list[Connection] = []
        self._processes = []
        for worker in range(workers):
            here, there = context.Pipe()
            own = {role.address: role for role in roles[worker::workers]}
            process = context.Process(target=_work, args=(there, own), daemon=True)
            process.start()
            there.close()
            ends.append(here)
            self._processes.append(process)
        self._lines = [_Line(end, worker) for worker, end in enumerate(ends)]

    def __contains__(self, address: bytes) -> bool:
        return address in self._place

    def begin(self, order: Order) -> Future[Done]:
        """Let a worker act, once it has done what it was told before.

        The future raises what the node raised, or `CrewLost` when the worker has ended.
        """
        return self._lines[self._place[order.role]].tell(order)

    def map(self, function: Callable[..., T], *arguments: Sequence[Any]) -> Iterator[T]:
        """As the built-in `map`, computed by the workers once they have done what they were told.

        Function and arguments must be such as can be pickled.

        Raises
        ------
        CrewLost
            When a worker has ended.
        """
        items = list(zip(*arguments, strict=True))
        share = len(self._lines)
        told = [
            line.tell(_Call(function, items[worker::share]))
            for worker, line in enumerate(self._lines)
        ]
        found = [iter(future.result()) for future in told]
        return (next(found[i % share]) for i in range(len(items)))

    def usage(self) -> Usage:
        """What the workers have used so far."""
        told = [line.tell("usage") for line in self._lines]
        used = [future.result() for future in told]
        return Usage(sum(cpu for cpu, _ in used), sum(peak for _, peak in used))

    def close(self) -> None:
        """End the workers."""
        for line in self._lines:
            line.close()
        for process in self._processes:
            process.join()


class _Line:
    """The connection to a worker: what it is told, and its answers in the same order."""

    def __init__(self, end: Connection, worker: int) -> None:
        self._end, self._worker = end, worker
        self._waiting: deque[Future[Any]] = deque()
        self._telling = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def tell(self, question: object) -> Future[Any]:
        """Send something; the future holds the answer."""
        future: Future[Any] = Future()
        with self._telling:
            self._waiting.append(future)
            try:
                self._end.send(question)
            except OSError as error:
                self._waiting.remove(future)
                future.set_exception(self._lost(error))
        return future

    def close(self) -> None:
        with suppress(OSError), self._telling:  # it may have ended already
            self._end.send("end")
        self._reader.join()
        self._end.close()

    def _read(self) -> None:
        while True:
            try:
                answer = self._end.recv()
            except (OSError, EOFError) as error:
                with self._telling:
                    while self._waiting:
                        self._waiting.popleft().set_exception(self._lost(error))
                return
            future = self._waiting.popleft()
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    def _lost(self, error: Exception) -> CrewLost:
        return CrewLost(f"crew: worker {self._worker} has ended: {error!r}")


def _work(end: Connection, roles: dict[bytes, Role]) -> None:
    """Answer until told to end. An exception is the answer in its place."""
    while True:
        try:
            question = end.recv()
        except (EOFError, OSError):
            return
        if question == "end":
            return
        try:
            end.send(_answer(question, roles))
        except Exception as error:  # noqa: BLE001 - raised again where it is waited for
            end.send(error)


def _answer(question: object, roles: dict[bytes, Role]) -> Any:
    match question:
        case Order():
            return question.carry_out(roles[question.role])
        case _Call():
            return [question.function(*one) for one in question.arguments]
        case _:
            return _usage()


def _usage() -> tuple[float, int]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak = used.ru_maxrss if sys.platform == "darwin" else 1024 * used.ru_maxrss
    return used.ru_utime + used.ru_stime, peak
