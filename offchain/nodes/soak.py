"""A long run of a cluster: whether memory and disk of its processes stay bounded."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from offchain.nodes.cluster import Cluster, ClusterOptions
from offchain.nodes.status import memory

CHAIN: Final = "chain"  # anvil keeps all its history: shown, not judged
BROKER: Final = "broker"
MOST_GROWTH: Final = 10  # percent
WINDOW: Final = 10  # rounds: a journal grows within a round and shrinks with the next
PAGE_ROOM: Final = 64 * 1024  # bytes: what the pages of a database come to
_MEGABYTE: Final = 10**6
_KILOBYTE: Final = 10**3


def soak_options(dataset: str, devices: int, fogs: int, rounds: int) -> ClusterOptions:
    """A cluster for so many rounds, the first of which settles statistics, without pauses.

    Every device is taken: in small clusters one that is refused ends its cluster's round.
    """
    task = {"dataset": dataset, "devices": devices, "fogs": fogs, "rounds": rounds - 1}
    times = {"anchor_time": 600, "cumulative_time": 300, "aggregate_time": 300}
    return ClusterOptions({**task, "secrets": "seed", "selection": "all"}, times, block_time=0)


@dataclass(frozen=True)
class Sample:
    """Bytes of every process when a round had settled: in memory, and of its state on disk."""

    round: int
    memory: dict[str, int]
    disk: dict[str, int]


@dataclass(frozen=True)
class Verdict:
    """How a process grew.

    Attributes
    ----------
    memory_base, memory_last
        Bytes resident after the base round and after the last.
    disk_base, disk_last
        Most bytes of its state folder in the rounds before the middle one, and before the last.
    judged
        Whether it must stay in its bounds.
    """

    name: str
    memory_base: int
    memory_last: int
    disk_base: int
    disk_last: int
    judged: bool

    @property
    def growth(self) -> float:
        """Of memory, as a part of the base."""
        return self.memory_last / self.memory_base - 1

    @property
    def failures(self) -> list[str]:
        """What is out of its bounds."""
        if not self.judged:
            return []
        found = []
        if 100 * self.memory_last > (100 + MOST_GROWTH) * self.memory_base:
            grew = f"memory grew by {self.growth:.1%}, at most {MOST_GROWTH}%"
            found.append(f"{self.name}: {grew}")
        most = self.disk_base * (100 + MOST_GROWTH) // 100 + PAGE_ROOM
        if self.disk_last > most:
            found.append(f"{self.name}: {self.disk_last} bytes of state, at most {most}")
        return found


@dataclass
class Soak:
    """Takes a sample whenever a round has settled.

    Parameters
    ----------
    rounds
        How many the run has.
    """

    rounds: int
    samples: list[Sample] = field(default_factory=list)

    def __call__(self, cluster: Cluster) -> None:
        """Look whether a round more has settled."""
        settled = cluster.settled
        if settled > (self.samples[-1].round if self.samples else 0):
            self.samples.append(take_sample(cluster, settled))


def take_sample(cluster: Cluster, number: int) -> Sample:
    """Measure every process of a cluster now."""
    others = {BROKER: cluster.broker, CHAIN: cluster.chain.process}
    started = {**cluster.nodes, **{name: one for name, one in others.items() if one is not None}}
    disk = {
        name: sum(size_of(cluster.office.kit(one) / "state") for one in cluster.names_in(name))
        for name in cluster.nodes
    }
    disk[BROKER] = size_of(cluster.folder / "broker", "mosquitto.db*")
    used = {name: memory(one.pid) for name, one in started.items() if one.running}
    return Sample(number, used, disk)


def size_of(folder: Path, pattern: str = "*") -> int:
    """Bytes of the files of a folder; one that has just gone counts nothing."""
    total = 0
    for path in folder.glob(pattern):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total


def verdicts(samples: Sequence[Sample], base: int) -> list[Verdict]:
    """Compare the last round with the base round (memory), and with the middle one (disk).

    Parameters
    ----------
    samples
        In the order of rounds; the first from the base round on, and the last, are compared.
    base
        Round with which memory is compared.
    """
    last = samples[-1]
    first = next(sample for sample in samples if sample.round >= base)
    middle = last.round // 2

    def largest(name: str, until: int) -> int:
        near = (s for s in samples if until - WINDOW < s.round <= until)
        return max((s.disk.get(name, 0) for s in near), default=0)

    return [
        Verdict(
            name,
            first.memory[name],
            last.memory[name],
            largest(name, middle),
            largest(name, last.round),
            name != CHAIN,
        )
        for name in last.memory
        if name in first.memory
    ]


def failures(found: Iterable[Verdict]) -> list[str]:
    """Everything that is out of its bounds."""
    return [failure for one in found for failure in one.failures]


def soak_table(found: Sequence[Verdict], base: int, last: int) -> Table:
    """A line for each process."""
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    middle = last // 2
    made.add_column("process")
    for name in (
        f"MB, round {base}",
        f"MB, round {last}",
        "growth",
        f"state kB, to round {middle}",
        f"to round {last}",
    ):
        made.add_column(name, justify="right")
    for one in found:
        made.add_row(
            one.name,
            f"{one.memory_base / _MEGABYTE:.1f}",
            f"{one.memory_last / _MEGABYTE:.1f}",
            f"{one.growth:+.1%}" + ("" if one.judged else " (not judged)"),
            f"{one.disk_base / _KILOBYTE:.0f}",
            f"{one.disk_last / _KILOBYTE:.0f}",
        )
    return made


def as_json(samples: Sequence[Sample], found: Sequence[Verdict]) -> dict[str, Any]:
    """All samples and verdicts."""
    return {
        "samples": [vars(sample) for sample in samples],
        "failures": failures(found),
        "growth": {one.name: round(one.growth, 4) for one in found},
    }
