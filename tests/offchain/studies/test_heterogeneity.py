"""The study of heterogeneity: its page from made-up runs, and that uneven rows cost accuracy."""

from __future__ import annotations

from dataclasses import replace

from offchain.learning.training import LocalEpochs
from offchain.reporting.style import DARK
from offchain.studies.federation import NO_ATTACK, NO_RULE, Case, simulate
from offchain.studies.heterogeneity import DEVICES, METHODS, RULES, SPLITS, findings
from offchain.studies.study import Plot, Table


def test_findings__made_up_runs__make_tables_and_plots():
    rows = [
        {
            "method": method.name,
            "devices": devices,
            "split": split,
            "rule": rule,
            "multiplier": z,
            "accuracy": 0.9,
            "least": 0.8,
            "honest rejected": 1.0,
        }
        for method in METHODS
        for devices in DEVICES
        for split in SPLITS
        for rule, z in RULES
    ]
    found = findings(rows)
    tables = {part.name: part for part in found.parts if isinstance(part, Table)}
    assert len(tables["cells"].rows) == len(rows)
    assert len(tables["accuracy"].rows) == len(rows) // len(RULES)
    assert len(tables["accuracy"].columns) == len(tables["accuracy"].rows[0])
    plots = [part for part in found.parts if isinstance(part, Plot)]
    assert [plot.name for plot in plots] == ["accuracy", "selection"]
    assert all(plot.draw(DARK) is not None for plot in plots)


def test_uneven_rows__few_rounds__cost_accuracy():
    scenario = replace(METHODS[1], devices=8, rounds=10, method=LocalEpochs(5, 0, 2.0))
    even, uneven = (
        simulate(scenario, Case(NO_ATTACK, 0.0, 0.1, split, NO_RULE, 0)).accuracy
        for split in ("even", "dirichlet:0.1")
    )
    assert even > uneven + 0.05
