"""The cells of the grid of attacks: runs that differ by their seeds only, put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from offchain.studies.federation import KNOWN, NO_ATTACK, NO_RULE
from offchain.studies.grid import ATTACKS, RULES, STEPS, Run


@dataclass(frozen=True, order=True)
class Cell:
    """What runs with different seeds have in common. `multiplier` is None where no mask is seen."""

    scenario: str
    split: str
    attack: str
    share: float
    rule: str
    multiplier: float | None


@dataclass(frozen=True)
class Summary:
    """Means over seeds.

    Attributes
    ----------
    accuracy, undisturbed
        With the attack, and of the runs without attack and selection, same seeds.
    change, worst
        accuracy - undisturbed, mean and least.
    triggered
        Share of rows that a backdoor's trigger turns.
    attackers, kept, rejected
        Attackers; attackers kept and honest devices rejected, late in the run.
    """

    seeds: int
    accuracy: float
    undisturbed: float
    change: float
    worst: float
    triggered: float
    attackers: int
    kept: float
    rejected: float


def summarise(runs: Sequence[Run]) -> dict[Cell, Summary]:
    """Put the seeds of each cell together."""
    clean = {
        (run.scenario, run.case.split, run.case.seed): run.outcome.accuracy
        for run in runs
        if run.case.attack == NO_ATTACK and run.case.rule == NO_RULE
    }
    groups: dict[Cell, list[Run]] = {}
    for run in runs:
        case = run.case
        seen = None if case.rule in (NO_RULE, KNOWN) else case.multiplier
        cell = Cell(run.scenario, case.split, case.attack, case.share, case.rule, seen)
        groups.setdefault(cell, []).append(run)
    return {cell: _summary(group, clean) for cell, group in sorted(groups.items(), key=_place)}


def _place(item: tuple[Cell, list[Run]]) -> tuple[object, ...]:
    cell = item[0]
    return (
        cell.scenario != STEPS.name,
        cell.scenario,
        cell.split != "even",
        cell.split,
        cell.share,
        (NO_ATTACK, *ATTACKS).index(cell.attack),
        (NO_RULE, KNOWN, *RULES).index(cell.rule),
        cell.multiplier or 0.0,
    )


def _summary(runs: Sequence[Run], clean: dict[tuple[str, str, int], float]) -> Summary:
    outcomes = [run.outcome for run in runs]
    undisturbed = [clean[run.scenario, run.case.split, run.case.seed] for run in runs]
    changes = [o.accuracy - c for o, c in zip(outcomes, undisturbed, strict=True)]
    return Summary(
        seeds=len(runs),
        accuracy=mean(o.accuracy for o in outcomes),
        undisturbed=mean(undisturbed),
        change=mean(changes),
        worst=min(changes),
        triggered=mean(o.triggered for o in outcomes),
        attackers=outcomes[0].attackers,
        kept=mean(o.kept_attackers for o in outcomes),
        rejected=mean(o.rejected_honest for o in outcomes),
    )
