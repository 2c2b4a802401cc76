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
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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
        self._ends: list[Connection] = []
        self._processes = []
        for worker in range(workers):
            here, there = context.Pipe()
            own = {role.address: role for role in roles[worker::workers]}
            process = context.Process(target=_work, args=(there, own), daemon=True)
            process.start()
            there.close()
            self._ends.append(here)
            self._processes.append(process)
        self._threads = ThreadPoolExecutor(workers)
        self._busy = [threading.Lock() for _ in self._ends]

    def __contains__(self, address: bytes) -> bool:
        return address in self._place

    def hand_out(self, orders: Sequence[Order]) -> list[Future[list[Done]]]:
        """Let the workers begin; what comes back goes to `collect`."""
        shares: list[list[Order]] = [[] for _ in self._ends]
        for order in orders:
            shares[self._place[order.role]].append(order)
        return [
            self._threads.submit(self._exchange, worker, share)
            for worker, share in enumerate(shares)
        ]

    def collect(self, orders: Sequence[Order], handed: Sequence[Future[list[Done]]]) -> list[Done]:
        """Wait for the workers; what came of each order.

        Raises
        ------
        CrewLost
            When a worker has ended.
        """
        answers = [iter(future.result()) for future in handed]
        return [next(answers[self._place[order.role]]) for order in orders]

    def map(self, function: Callable[..., T], *arguments: Sequence[Any]) -> Iterator[T]:
        """As the built-in `map`, computed by the workers once they have done what they were told.

        Function and arguments must be such as can be pickled.

        Raises
        ------
        CrewLost
            When a worker has ended.
        """
        items = list(zip(*arguments, strict=True))
        workers = range(len(self._ends))
        parts = [_Call(function, items[worker :: len(workers)]) for worker in workers]
        found = [iter(part) for part in self._threads.map(self._ask, workers, parts)]
        return (next(found[i % len(workers)]) for i in range(len(items)))

    def usage(self) -> Usage:
        """What the workers have used so far."""
        used = [self._ask(worker, "usage") for worker in range(len(self._ends))]
        return Usage(sum(cpu for cpu, _ in used), sum(peak for _, peak in used))

    def close(self) -> None:
        """End the workers."""
        for end in self._ends:
            with suppress(OSError):  # it has ended already
                end.send("end")
            end.close()
        for process in self._processes:
            process.join()
        self._threads.shutdown()

    def _exchange(self, worker: int, share: Iterable[Order]) -> list[Done]:
        # One by one: a worker begins with the first while the others are on their way.
        done: list[Done] = self._ask(worker, *share, "done")
        return done

    def _ask(self, worker: int, *questions: object) -> Any:
        """What a worker answers to the last of some things that it is told."""
        end = self._ends[worker]
        try:
            with self._busy[worker]:
                for question in questions:
                    end.send(question)
                answer = end.recv()
        except (OSError, EOFError) as error:
            raise CrewLost(f"crew: worker {worker} has ended: {error!r}") from None
        if isinstance(answer, Exception):
            raise answer
        return answer


def _work(end: Connection, roles: dict[bytes, Role]) -> None:
    """Carry out orders until told to end. An exception is the answer in their place."""
    done: list[Done] = []
    failure: Exception | None = None
    while True:
        try:
            order = end.recv()
        except (EOFError, OSError):
            return
        if order == "end":
            return
        if order == "usage":
            end.send(_usage())
        elif isinstance(order, _Call):
            end.send(_compute(order))
        elif order == "done":
            end.send(failure or done)
            done, failure = [], None
        elif failure is None:
            try:
                done.append(order.carry_out(roles[order.role]))
            except Exception as error:  # noqa: BLE001 - raised again where it is waited for
                failure = error


def _compute(call: _Call) -> list[Any] | Exception:
    try:
        return [call.function(*one) for one in call.arguments]
    except Exception as error:  # noqa: BLE001 - raised again where it is waited for
        return error


def _usage() -> tuple[float, int]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak = used.ru_maxrss if sys.platform == "darwin" else 1024 * used.ru_maxrss
    return used.ru_utime + used.ru_stime, peak
