"""The study of attacks: which rule keeps which attackers out, at which share and noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from statistics import mean
from typing import Any, Final

from offchain.learning.selection import DEFAULT_RULE
from offchain.studies.attack_cells import Cell, Summary, summarise
from offchain.studies.attack_plots import across, by_share, heat_map
from offchain.studies.federation import NO_ATTACK
from offchain.studies.grid import FULL, PROMISED, QUICK, STEPS, run_grid
from offchain.studies.protocol_cell import OPTIONS, run_on_protocol
from offchain.studies.results import key_of
from offchain.studies.study import Context, Findings, Table, Text

BOUND: Final = 0.03
"""What the default rule may lose against the undisturbed run."""


def study(context: Context) -> Findings:
    """Run the grid; see `offchain.studies.grid`."""
    blocks = QUICK if context.quick else FULL
    runs = run_grid(blocks, context.results, workers=context.workers, advance=context.advance)
    return findings(summarise(runs), [] if context.quick else on_protocol(context))


def on_protocol(context: Context) -> list[dict[str, Any]]:
    """Run one cell on the full protocol: undisturbed, without a rule, and with the default."""
    jobs = {
        key_of(version=1, protocol=asdict(OPTIONS), rule=rule, attacked=attacked): (rule, attacked)
        for rule, attacked in (("all", False), ("all", True), (DEFAULT_RULE, True))
    }

    def run(job: tuple[str, bool]) -> dict[str, Any]:
        with context.chain() as (web3, artifact):
            return run_on_protocol(web3, artifact, job[0], attacked=job[1])

    return list(context.results.complete(jobs, run, advance=context.advance).values())


def findings(cells: dict[Cell, Summary], protocol: Sequence[dict[str, Any]] = ()) -> Findings:
    """Return page and tables from the cells of a grid, and of runs on the full protocol."""
    splits = list(dict.fromkeys(cell.split for cell in cells if cell.scenario == STEPS.name))
    plots = [heat_map(cells, split) for split in splits]
    plots.append(across(cells))
    plots += [plot for plot in [by_share(cells)] if plot is not None]
    return Findings(
        title="attackers and selection rules",
        lead=(
            "What malicious devices cost, and which selection rule keeps them out, when the fog "
            "sees masked updates only. Fault set of 7 classes."
        ),
        parts=(
            Text("How to read it", _READING),
            Text("What the default rule promises", _promise_text(cells)),
            _promise(cells),
            Text("All attacks and rules", _RULES_TEXT),
            *plots,
            _by_rule(cells),
            *_protocol(protocol),
            Text("Every cell", ""),
            _all(cells),
        ),
    )


_READING: Final = """
Simulated: the learning, the masks and the selection run as in the protocol, in real numbers and
without chain and cryptography, which change neither. An update is trained on the device's rows,
clipped, masked with Gaussian noise of the multiplier times the clip norm, and chosen by the fog
from what it sees: masked updates, and the exact sums of earlier rounds. The mask is not in the
sum, so that it costs no accuracy by itself.

Change is test accuracy less that of the same run without attackers and without selection. Even if
exactly the attackers were left out (“known”), a change remains: their rows are missing. Scenario
steps: 24 devices, one cluster, 5 local steps a round, 40 rounds. Scenario product: the
defaults of a training run, 16 devices in two clusters, 20 local epochs of mini-batches, 15 rounds.
"""
_PROTOCOL: Final = """
Twelve devices, four of which flip the sign of their updates, noise multiplier 0.3, eight rounds:
with commitments, committed noise, shares, anchors and a chain. What the simulation says happens.
"""
_RULES_TEXT: Final = """
Each field: change of accuracy, at 30% attackers. The ranking rules (mean-deviation,
trimmed-distance, multi-krum, trend) are told to keep 70%, a luxury; median-mad and evidence are
told nothing.
"""


def _protocol(rows: Sequence[dict[str, Any]]) -> list[Text | Table]:
    if not rows:
        return []
    columns = tuple(rows[0])
    caption = "Kept and rejected: attackers in the sum and honest devices left out, last round."
    table = Table("protocol", caption, columns, tuple(tuple(r[c] for c in columns) for r in rows))
    return [Text("One cell on the full protocol", _PROTOCOL), table]


def _promised(cells: dict[Cell, Summary]) -> list[tuple[Cell, Summary]]:
    return [
        (cell, summary)
        for cell, summary in cells.items()
        if (cell.scenario, cell.split, cell.rule) == (STEPS.name, "even", DEFAULT_RULE)
        and cell.share == 0.3
        and cell.attack in PROMISED
        and cell.multiplier in (0.1, 0.3, 1.0)
    ]


def _promise_text(cells: dict[Cell, Summary]) -> str:
    rows = _promised(cells)
    lost = max(-summary.worst for _, summary in rows)
    return (
        f"With {DEFAULT_RULE}, at 30% attackers and even splits, label flipping, sign flipping and "
        f"updates scaled by 3 or -3 may cost {BOUND:g}. The most that any run lost: {lost:.3f}."
    )


def _promise(cells: dict[Cell, Summary]) -> Table:
    return Table(
        "default-rule",
        "Attackers kept and honest devices rejected: mean over the last quarter of the rounds.",
        (
            "attack",
            "multiplier",
            "seeds",
            "undisturbed",
            "accuracy",
            "change",
            "worst change",
            f"within {BOUND:g}",
            "attackers kept",
            "honest rejected",
        ),
        tuple(
            (
                cell.attack,
                cell.multiplier,
                s.seeds,
                s.undisturbed,
                s.accuracy,
                s.change,
                s.worst,
                s.worst >= -BOUND,
                s.kept,
                s.rejected,
            )
            for cell, s in _promised(cells)
        ),
    )


def _by_rule(cells: dict[Cell, Summary]) -> Table:
    """Mean and worst change over attacks, and what a rule costs where nobody attacks."""
    rows = []
    keys = dict.fromkeys(
        (c.split, c.rule, c.multiplier)
        for c in cells
        if c.scenario == STEPS.name and c.share == 0.3
    )
    for split, rule, multiplier in keys:
        attacked = [
            s
            for c, s in cells.items()
            if c.scenario == STEPS.name
            and (c.split, c.rule, c.multiplier, c.share) == (split, rule, multiplier, 0.3)
        ]
        quiet = cells.get(Cell(STEPS.name, split, NO_ATTACK, 0.0, rule, multiplier))
        rows.append(
            (
                split,
                rule,
                multiplier,
                mean(s.change for s in attacked),
                min(s.change for s in attacked),
                quiet.change if quiet else None,
                quiet.rejected if quiet else None,
            )
        )
    return Table(
        "rules",
        "Over all attacks at 30% attackers; and with no attacker at all.",
        (
            "split",
            "rule",
            "multiplier",
            "mean change",
            "worst attack",
            "change, no attack",
            "honest rejected, no attack",
        ),
        tuple(rows),
    )


def _all(cells: dict[Cell, Summary]) -> Table:
    return Table(
        "cells",
        "All cells of the grid.",
        (
            "scenario",
            "split",
            "attack",
            "share",
            "rule",
            "multiplier",
            "seeds",
            "accuracy",
            "undisturbed",
            "change",
            "worst_change",
            "triggered",
            "attackers",
            "attackers_kept",
            "honest_rejected",
        ),
        tuple(
            (
                c.scenario,
                c.split,
                c.attack,
                c.share,
                c.rule,
                c.multiplier,
                s.seeds,
                s.accuracy,
                s.undisturbed,
                s.change,
                s.worst,
                s.triggered,
                s.attackers,
                s.kept,
                s.rejected,
            )
            for c, s in cells.items()
        ),
        shown=False,
    )
