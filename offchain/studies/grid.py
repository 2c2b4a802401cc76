"""Running a grid of cases: presets, results kept as they come, and resuming."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from offchain.errors import VerifogError
from offchain.learning.arrays import require_at_least
from offchain.learning.training import LocalEpochs
from offchain.studies.federation import KNOWN, NO_ATTACK, NO_RULE, Case, Outcome, Scenario, simulate

RUNS_FILE: Final = "runs.jsonl"
_VERSION: Final = 1  # of a run's meaning: raise it when the same case would give other numbers

STEPS: Final = Scenario(
    name="steps",
    dataset="fault7",
    method=LocalEpochs(epochs=5, batch=0, rate=2.0),
    rounds=40,
    clip_norm=200.0,
    devices=24,
)
"""24 devices in one cluster, 5 local steps on all rows a round, 40 rounds."""

PRODUCT: Final = Scenario(
    name="product",
    dataset="fault7",
    method=LocalEpochs(epochs=20, batch=32, rate=1.0),
    rounds=20,
    clip_norm=800.0,
    devices=16,
    clusters=2,
)
"""16 devices in two clusters, 20 local epochs of mini-batches a round, 20 rounds."""

SCENARIOS: Final = {scenario.name: scenario for scenario in (STEPS, PRODUCT)}

ATTACKS: Final = (
    "label-flip",
    "sign-flip",
    "scale:3",
    "scale:-3",
    "gaussian",
    "constant",
    "little-is-enough",
    "backdoor",
    "turncoat:10",
    "unclipped:-10",
)
RULES: Final = (
    "mean-deviation",
    "median-mad",
    "trimmed-distance",
    "multi-krum",
    "trend",
    "evidence",
)


class RunsUnreadable(VerifogError):
    """The file of earlier runs cannot be read.

    Attributes
    ----------
    path, line
        Where.
    """

    def __init__(self, path: Path, line: int) -> None:
        self.path, self.line = path, line
        super().__init__(
            f"{path}: line {line} is no run of this study; choose another folder, or --fresh"
        )


@dataclass(frozen=True, slots=True)
class Block:
    """All combinations of these values in one scenario."""

    scenario: Scenario
    attacks: tuple[str, ...]
    shares: tuple[float, ...]
    multipliers: tuple[float, ...]
    splits: tuple[str, ...]
    rules: tuple[str, ...]
    seeds: int

    def jobs(self) -> Iterator[Job]:
        """Return the runs: with every rule, with none, with the attackers known, undisturbed.

        The mask cancels from the sum, so that where no rule looks at it the multiplier does not
        matter: those run once, with the first.
        """
        first = self.multipliers[0]
        for split, seed in product(self.splits, range(self.seeds)):
            yield Job(self.scenario, Case(NO_ATTACK, 0.0, first, split, NO_RULE, seed))
            for multiplier, rule in product(self.multipliers, self.rules):
                yield Job(self.scenario, Case(NO_ATTACK, 0.0, multiplier, split, rule, seed))
        for attack, share, split, seed in product(
            self.attacks, self.shares, self.splits, range(self.seeds)
        ):
            for rule in (NO_RULE, KNOWN):
                yield Job(self.scenario, Case(attack, share, first, split, rule, seed))
            for multiplier, rule in product(self.multipliers, self.rules):
                yield Job(self.scenario, Case(attack, share, multiplier, split, rule, seed))


@dataclass(frozen=True, slots=True)
class Job:
    """One run to do."""

    scenario: Scenario
    case: Case

    @property
    def key(self) -> str:
        """What identifies the run in the file of results: all that determines its numbers."""
        what = {"version": _VERSION, "scenario": asdict(self.scenario), "case": asdict(self.case)}
        return json.dumps(what, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run."""

    scenario: str
    case: Case
    outcome: Outcome


QUICK: Final = (
    Block(
        STEPS,
        ATTACKS,
        shares=(0.3,),
        multipliers=(0.1, 0.3, 1.0),
        splits=("even",),
        rules=RULES,
        seeds=2,
    ),
)
"""A few minutes."""

FULL: Final = (
    Block(
        STEPS,
        ATTACKS,
        shares=(0.1, 0.2, 0.3, 0.4),
        multipliers=(0.03, 0.1, 0.3, 1.0, 3.0),
        splits=("even", "dirichlet:0.5"),
        rules=RULES,
        seeds=4,
    ),
    Block(
        PRODUCT,
        ATTACKS,
        shares=(0.3,),
        multipliers=(0.1, 0.3, 1.0),
        splits=("even", "dirichlet:0.5"),
        rules=("mean-deviation", "trend", "evidence"),
        seeds=4,
    ),
)
"""Well over half an hour."""


def run_grid(
    blocks: Iterable[Block],
    folder: Path,
    *,
    workers: int = 1,
    advance: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[Run]:
    """Run what is not yet in the folder's file of runs; return all runs of the blocks.

    Every run is written as soon as it is done: an interrupted grid goes on where it stopped.

    Parameters
    ----------
    folder
        Exists; `runs.jsonl` in it is read and appended to.
    workers
        Processes; 1 runs in this one.
    advance
        Called with (runs there are, runs there will be).

    Raises
    ------
    RunsUnreadable
        If the file holds something else.
    OptionError
        If there is less than one worker.
    """
    require_at_least("workers", workers, 1)
    jobs = {job.key: job for block in blocks for job in block.jobs()}
    path = folder / RUNS_FILE
    done = {key: outcome for key, outcome in _read(path).items() if key in jobs}
    todo = [job for key, job in jobs.items() if key not in done]
    advance(len(done), len(jobs))
    with path.open("a", encoding="utf-8") as file:
        for job, outcome in _outcomes(todo, workers):
            done[job.key] = outcome
            file.write(json.dumps({"key": job.key, "outcome": asdict(outcome)}) + "\n")
            file.flush()
            advance(len(done), len(jobs))
    return [Run(job.scenario.name, job.case, done[key]) for key, job in jobs.items()]


def _outcomes(jobs: Sequence[Job], workers: int) -> Iterator[tuple[Job, Outcome]]:
    if workers == 1:
        for job in jobs:
            yield job, _run(job)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(_run, job): job for job in jobs}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _run(job: Job) -> Outcome:
    return simulate(job.scenario, job.case)


def _read(path: Path) -> dict[str, Outcome]:
    """Return the outcomes in a file; a last line cut short by an interrupt is dropped."""
    if not path.exists():
        return {}
    text = path.read_text(encoding="utf-8")
    whole, _, rest = text.rpartition("\n")
    if rest:
        path.write_text(whole + "\n" if whole else "", encoding="utf-8")
    runs = {}
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            entry = json.loads(line)
            runs[str(entry["key"])] = Outcome(**entry["outcome"])
        except (ValueError, KeyError, TypeError):
            raise RunsUnreadable(path, number) from None
    return runs
