"""The study of heterogeneity: what unevenly spread rows cost, and what selection makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from statistics import mean
from typing import Any, Final

from offchain.learning.selection import DEFAULT_RULE
from offchain.learning.training import LocalEpochs
from offchain.reporting.canvas import Figure, add_legend, grid_figure, new_figure, set_title
from offchain.reporting.style import CYCLE, Theme
from offchain.studies.federation import NO_ATTACK, NO_RULE, Case, Scenario, simulate
from offchain.studies.grid import PRODUCT, STEPS
from offchain.studies.results import key_of
from offchain.studies.study import Context, Findings, Plot, Table, Text

SPLITS: Final = ("even", "dirichlet:1", "dirichlet:0.5", "dirichlet:0.2", "dirichlet:0.1")
METHODS: Final = (
    replace(PRODUCT, name="20 local epochs, 15 rounds", clusters=1),
    replace(STEPS, name="5 local steps, 40 rounds"),
    replace(STEPS, name="1 step, 40 rounds", method=LocalEpochs(epochs=1, batch=0, rate=2.0)),
)
DEVICES: Final = (8, 16, 32)
RULES: Final = ((NO_RULE, 0.1), (DEFAULT_RULE, 0.1), (DEFAULT_RULE, 1.0))
"""Rules with noise multipliers."""

_VERSION: Final = 1
_READING: Final = """
Nobody attacks. Rows are spread over devices evenly, or class by class with Dirichlet shares: the
smaller the parameter, the fewer classes a device has, and the more devices differ in size. A clip
norm that suits even devices cuts the updates of the largest. Simulated, as the study of attacks.
"""
_RULE_TEXT: Final = """
Selection sees devices that differ, and cannot know why. What it costs where nobody attacks, and how
many honest devices it leaves out late in the run.
"""
Row = dict[str, Any]


def study(context: Context) -> Findings:
    """Train on splits from even to wild, with and without the default rule."""
    seeds = 1 if context.quick else 3
    devices = DEVICES[1:2] if context.quick else DEVICES
    jobs = {
        key_of(version=_VERSION, scenario=asdict(scenario), case=asdict(case)): (scenario, case)
        for method in METHODS
        for scenario in (replace(method, devices=count) for count in devices)
        for split in SPLITS
        for rule, z in RULES
        for case in (Case(NO_ATTACK, 0.0, z, split, rule, seed) for seed in range(seeds))
    }
    found = context.results.complete(jobs, _run, workers=context.workers, advance=context.advance)
    groups: dict[tuple[str, int, str, str, float], list[Row]] = {}
    for (scenario, case), result in zip(jobs.values(), found.values(), strict=True):
        key = scenario.name, scenario.devices, case.split, case.rule, case.multiplier
        groups.setdefault(key, []).append(result)
    return findings([_row(key, runs) for key, runs in groups.items()])


def _run(job: tuple[Scenario, Case]) -> Row:
    return asdict(simulate(*job))


def _row(key: tuple[str, int, str, str, float], runs: Sequence[Row]) -> Row:
    names = ("method", "devices", "split", "rule", "multiplier")
    return {
        **dict(zip(names, key, strict=True)),
        "accuracy": mean(run["accuracy"] for run in runs),
        "least": min(run["accuracy"] for run in runs),
        "honest rejected": mean(run["rejected_honest"] for run in runs),
    }


def findings(rows: Sequence[Row]) -> Findings:
    """Return the page."""
    columns = tuple(rows[0])
    cells = tuple(tuple(row[column] for column in columns) for row in rows)
    plain = tuple(
        tuple(row[c] for c in columns if c not in ("rule", "multiplier", "honest rejected"))
        for row in rows
        if row["rule"] == NO_RULE
    )
    return Findings(
        title="unevenly spread rows",
        lead="What it costs that devices hold different classes. Fault set of 7 classes.",
        parts=(
            Text("How to read it", _READING),
            _accuracy(rows),
            Table(
                "accuracy",
                "Without selection; least over the seeds.",
                ("method", "devices", "split", "accuracy", "least"),
                plain,
            ),
            Text("What selection makes of it", _RULE_TEXT),
            _selection(rows),
            Table("cells", "All cells.", columns, cells, shown=False),
        ),
    )


def _accuracy(rows: Sequence[Row]) -> Plot:
    devices = list(dict.fromkeys(row["devices"] for row in rows))

    def draw(theme: Theme) -> Figure:
        figure, axes = grid_figure(
            theme, [1.0] * len(devices), width=11.0, height=3.4, share_y=True
        )
        for one, count in zip(axes, devices, strict=True):
            for colour, method in zip(CYCLE, METHODS, strict=False):
                ys = [_value(rows, method.name, count, split, NO_RULE, 0.1) for split in SPLITS]
                one.plot(range(len(SPLITS)), ys, color=colour, marker="o", label=method.name)
            one.set_title(f"{count} devices", fontsize=10, fontweight="bold", color=theme.ink)
            one.set_xticks(range(len(SPLITS)), _labels(), fontsize=8)
            one.set_xlabel("split (Dirichlet parameter)")
        axes[0].set_ylabel("test accuracy")
        add_legend(axes[-1], theme)
        return figure

    return Plot("accuracy", "Test accuracy without selection, by split and method.", draw)


def _selection(rows: Sequence[Row]) -> Plot:
    devices = 16

    def draw(theme: Theme) -> Figure:
        figure, (upper, lower) = new_figure(theme, 2, height=6.4)
        bars = [(m, rule, z) for m in METHODS for rule, z in RULES if rule != NO_RULE]
        width = 0.8 / len(bars)
        for place, (method, rule, z) in enumerate(bars):
            at = [x + (place - (len(bars) - 1) / 2) * width for x in range(len(SPLITS))]
            found = [_row_of(rows, method.name, devices, split, rule, z) for split in SPLITS]
            plain = [_value(rows, method.name, devices, split, NO_RULE, 0.1) for split in SPLITS]
            cost = [row["accuracy"] - value for row, value in zip(found, plain, strict=True)]
            label = f"{method.name}, z = {z:g}"
            upper.bar(at, cost, width, color=CYCLE[place], label=label)
            lower.bar(at, [row["honest rejected"] for row in found], width, color=CYCLE[place])
        upper.set_ylabel("change of accuracy")
        lower.set_ylabel("honest devices rejected")
        for one in (upper, lower):
            one.set_xticks(range(len(SPLITS)), _labels())
        lower.set_xlabel("split (Dirichlet parameter)")
        set_title(upper, theme, f"{DEFAULT_RULE}, nobody attacking, {devices} devices")
        set_title(lower, theme, "Honest devices rejected, late in the run")
        add_legend(upper, theme)
        return figure

    return Plot("selection", "What the default rule costs where nobody attacks.", draw)


def _labels() -> list[str]:
    return [split.removeprefix("dirichlet:") for split in SPLITS]


def _row_of(rows: Sequence[Row], method: str, devices: int, split: str, rule: str, z: float) -> Row:
    wanted = method, devices, split, rule, z
    names = ("method", "devices", "split", "rule", "multiplier")
    return next(row for row in rows if tuple(row[name] for name in names) == wanted)


def _value(
    rows: Sequence[Row], method: str, devices: int, split: str, rule: str, z: float
) -> float:
    return float(_row_of(rows, method, devices, split, rule, z)["accuracy"])
