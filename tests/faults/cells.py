"""Faults for a running cluster: when something is done to whom, and what came of it."""

from __future__ import annotations

import json
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from offchain.nodes.cluster import Cluster
from offchain.nodes.processes import Started, start_broker, wait_until

PATIENCE = 240.0
KILLS = {
    "cloud-0": (
        "transacts OpenRound",
        "event RoundOpened",
        "event ClusterAnchored",
        "transacts SubmitAggregate",
        "sends Result",
    ),
    "fog-0": (
        "sends ModelOffer",
        "sends Selection",
        "sends Delivery",
        "sends Qualified",
        "sends AnchorProposal",
        "transacts SubmitAnchor",
        "event ClusterAnchored",
        "transacts SubmitCumulative",
        "sends ClusterSum",
        "event ResultAccepted",
    ),
    "device-0-1": (
        "event RoundOpened",
        "sends MaskedPacket",
        "sends Deal",
        "sends ShareReport",
        "sends SumDigest",
        "sends Attestation",
        "sends Reveal",
    ),
}


class Log:
    """What a node has said since a moment."""

    def __init__(self, node: Started) -> None:
        self._node = node
        self._start = node.log.stat().st_size if node.log.exists() else 0

    def lines(self) -> list[str]:
        with self._node.log.open("rb") as file:
            file.seek(self._start)
            return file.read().decode(errors="replace").splitlines()

    def said(self, message: str) -> bool:
        return any(_message(line).startswith(message) for line in self.lines())


def _message(line: str) -> str:
    try:
        return str(json.loads(line).get("message", ""))
    except ValueError:
        return line


@dataclass(frozen=True)
class Outcome:
    """A line of the table."""

    role: str
    moment: str
    fault: str
    round: int
    settled: bool
    seconds: float


@dataclass
class Trial:
    """Does faults to a running cluster, one after the other."""

    cluster: Cluster
    outcomes: list[Outcome] = field(default_factory=list)

    def next_round(self, name: str, moment: str, fault: str, act: Callable[[], None]) -> Outcome:
        """Wait for a moment of a node in a fresh round, act, and see how the round ends."""
        node = self.cluster.nodes[name]
        began, settled = time.monotonic(), self.cluster.settled
        log = Log(node)
        wait_until(lambda: log.said(moment), f"{name}: {moment}", PATIENCE)
        number = int(self.cluster.contract.call("currentRound"))
        act()
        wait_until(lambda: self.cluster.settled > settled, f"{name}: {moment}: {fault}", PATIENCE)
        seconds = time.monotonic() - began
        held = int(self.cluster.contract.call("currentRound")) == number
        made = Outcome(name.split("-", maxsplit=1)[0], moment, fault, number, held, seconds)
        self.outcomes.append(made)
        return made

    # ---- faults

    def kill(self, name: str) -> None:
        """As a power cut, and start again."""
        self.cluster.nodes[name].kill()
        self.cluster.nodes[name].start()

    def lose_queue(self) -> None:
        """The broker dies with all that it holds for those who are away."""
        broker = self.cluster.broker
        assert broker is not None
        broker.kill()
        (self.cluster.folder / "broker" / "mosquitto.db").unlink(missing_ok=True)
        start_broker(broker)

    def stall_provider(self, seconds: float) -> None:
        """The provider takes requests and does not answer."""
        chain = self.cluster.chain.process
        assert chain is not None
        chain.signal(signal.SIGSTOP)
        self.pause(seconds)
        chain.signal(signal.SIGCONT)

    def cut_off(self, name: str, seconds: float) -> None:
        """A node stands still, as with its line cut, and comes back."""
        self.cluster.nodes[name].signal(signal.SIGSTOP)
        self.pause(seconds)
        self.cluster.nodes[name].signal(signal.SIGCONT)

    def reorganise(self, blocks: int) -> None:
        """Other blocks take the place of the newest; their transactions are gone with them."""
        self.cluster.chain.request("anvil_reorg", blocks, [])

    @staticmethod
    def pause(seconds: float) -> None:
        """Let a fault last for so long."""
        began = time.monotonic()
        wait_until(lambda: time.monotonic() - began > seconds, "pause", seconds + PATIENCE)

    def fill_disk(self, name: str) -> None:
        """From now on no file of the node grows: it ends by itself, and starts on a sound disk."""
        node = self.cluster.nodes[name]
        size = max(path.stat().st_size for path in (node.log, *self._state(name).iterdir()))
        _, hard = resource.prlimit(node.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(node.pid, resource.RLIMIT_FSIZE, (min(size, 4096), hard))
        wait_until(lambda: not node.running, f"{name}: full disk", PATIENCE)
        node.start()

    def second_instance(self, name: str) -> str:
        """Start a node twice; what the second says."""
        node = self.cluster.nodes[name]
        second = Started(node.command, node.log.with_name("second.log"), node.environment)
        second.start()
        wait_until(lambda: not second.running, f"{name}: second instance")
        assert node.running
        return second.said()

    def _state(self, name: str) -> Path:
        return self.cluster.office.kit(name) / "state"

    def show(self) -> None:
        """Print the table."""
        table = Table(title="what was done to whom, and what came of it")
        for column in ("role", "moment", "fault", "round", "outcome", "seconds"):
            table.add_column(column)
        for one in self.outcomes:
            end = "settled" if one.settled else "failed, next settled"
            seconds = f"{one.seconds:.1f}"
            table.add_row(one.role, one.moment, one.fault, str(one.round), end, seconds)
        Console(width=100).print(table)
