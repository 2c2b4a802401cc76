"""The grid of simulated cases: scenarios, attacks, rules, and running what is not yet done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any, Final

from offchain.learning.selection import DEFAULT_RULE
from offchain.learning.training import LocalEpochs
from offchain.studies.federation import KNOWN, NO_ATTACK, NO_RULE, Case, Outcome, Scenario, simulate
from offchain.studies.results import Advance, Results, key_of

_VERSION: Final = 1  # of a run's meaning: raise it when the same case would give other numbers
_UNSEEN: Final = 0.1  # multiplier of runs in which no rule looks at the masked updates

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
    rounds=15,
    clip_norm=1_200.0,
    devices=16,
    clusters=2,
)
"""The defaults of a training run: 16 devices in two clusters, 20 local epochs, 15 rounds."""

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
        matter: those run once.
        """
        for split, seed in product(self.splits, range(self.seeds)):
            yield Job(self.scenario, Case(NO_ATTACK, 0.0, _UNSEEN, split, NO_RULE, seed))
            for multiplier, rule in product(self.multipliers, self.rules):
                yield Job(self.scenario, Case(NO_ATTACK, 0.0, multiplier, split, rule, seed))
        for attack, share, split, seed in product(
            self.attacks, self.shares, self.splits, range(self.seeds)
        ):
            for rule in (NO_RULE, KNOWN):
                yield Job(self.scenario, Case(attack, share, _UNSEEN, split, rule, seed))
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
        return key_of(version=_VERSION, scenario=asdict(self.scenario), case=asdict(self.case))


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run."""

    scenario: str
    case: Case
    outcome: Outcome


MULTIPLIERS: Final = (0.03, 0.1, 0.3, 1.0)
SPLITS: Final = ("even", "dirichlet:0.5")
PROMISED: Final = ("label-flip", "sign-flip", "scale:3", "scale:-3")
"""The attacks for which the default rule is to keep the accuracy."""

_PROMISE: Final = Block(
    STEPS, PROMISED, (0.3,), (0.1, 0.3, 1.0), ("even",), (DEFAULT_RULE,), seeds=6
)

QUICK: Final = (
    _PROMISE,
    Block(STEPS, ATTACKS, (0.3,), (0.1, 0.3, 1.0), ("even",), RULES, seeds=1),
)
"""A minute or two."""

FULL: Final = (
    _PROMISE,
    Block(STEPS, ATTACKS, (0.1, 0.2, 0.3, 0.4), MULTIPLIERS, SPLITS, RULES, seeds=1),
    Block(STEPS, ATTACKS, (0.3,), MULTIPLIERS, SPLITS, RULES, seeds=2),
    Block(PRODUCT, ATTACKS, (0.3,), (0.1, 0.3, 1.0), SPLITS, (DEFAULT_RULE,), seeds=1),
)
"""Ten minutes."""


def run_grid(
    blocks: Iterable[Block], results: Results, *, workers: int, advance: Advance
) -> list[Run]:
    """Run what has no result yet; return all runs of the blocks."""
    jobs = {job.key: job for block in blocks for job in block.jobs()}
    found = results.complete(jobs, _run, workers=workers, advance=advance)
    return [Run(job.scenario.name, job.case, Outcome(**found[key])) for key, job in jobs.items()]


def _run(job: Job) -> dict[str, Any]:
    return asdict(simulate(job.scenario, job.case))
