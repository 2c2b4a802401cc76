"""The study of methods: what counts as met, and the page that finished runs make."""

from __future__ import annotations

import json

import pytest

from offchain.studies.methods import (
    CENTRAL,
    QUICK,
    ROUNDS,
    SETS,
    STEPS,
    Case,
    findings,
    rounds_to_central,
    within,
)
from offchain.studies.study import Table
from offchain.studies.writing import write_findings


def result(federated: float = 0.94, central: float = 0.94, **changes: object) -> dict[str, object]:
    plain = {
        "metric": "accuracy",
        "federated": federated,
        "central": central,
        "rounds": 3,
        "settled": 3,
        "curve": [0.5, 0.936, federated],
        "matches": True,
        "capacity": 4096,
        "chunks": 2,
        "epsilon": 9.5,
        "seconds": 61.4,
        "distance": None,
    }
    return {**plain, **changes}


@pytest.mark.parametrize(
    ("value", "met"), [(0.9301, True), (0.9499, True), (0.9299, False), (0.9501, False)]
)
def test_within__of_the_known_central_result__decides(value, met):
    assert within(SETS[0], result(value, central=value)) is met


def test_key__selection_not_given__is_no_part_of_it():
    assert "selection" not in SETS[0].key
    assert '"selection": "all"' in STEPS[0].key
    assert len({case.key for case in (*SETS, *ROUNDS, *STEPS)}) == 13


def test_within__no_tolerance__is_not_the_question():
    assert within(ROUNDS[0], result(0.0))


@pytest.mark.parametrize(
    ("curve", "first"),
    [
        ([0.5, 0.936, 0.94], 2),
        ([0.94, 0.5, 0.94], 3),
        ([0.94, 0.941], 1),
        ([0.94, 0.5], None),
        ([None, 0.94], 2),
    ],
)
def test_rounds_to_central__stays_from_there_on(curve, first):
    assert rounds_to_central(result(curve=curve)) == first


def test_sets__are_all_six_with_the_promised_tolerances():
    assert {case.dataset: case.tolerance for case in SETS} == {
        "fault7": 0.01,
        "fault2": 0.005,
        "fault18": 0.015,
        "softsensor": 0.001,
        "petrobras": 0.005,
        "shuttle": 0.002,
    }
    assert CENTRAL.keys() == {case.dataset for case in SETS}
    assert set(QUICK) <= set(SETS)


def test_findings__finished_runs__are_tables_plots_and_a_page(tmp_path):
    cases: tuple[Case, ...] = (*SETS, *ROUNDS, *STEPS)
    runs = {
        case: result(distance=2.5e-7 if case.method in ("ridge", "sgd") else None) for case in cases
    }
    page = write_findings(findings(runs), tmp_path)
    assert "methods beside central training" in page.read_text()
    tables = json.loads((tmp_path / "study.json").read_text())["tables"]
    assert len(tables["sets"]["rows"]) == len(SETS)
    assert tables["sets"]["rows"][0]["slots"] == 8192
    met = [row["set"] for row in tables["sets"]["rows"] if row["met"]]
    assert met == ["fault7", "petrobras"]  # whose results may be 0.94
    assert {row["distance"] for row in tables["exactness"]["rows"]} == {"2.5e-07"}
    assert (tmp_path / "plots" / "difference.png").stat().st_size > 1_000
    assert (tmp_path / "plots" / "rounds.png").stat().st_size > 1_000


def test_findings__quick__leaves_out_what_was_not_run():
    parts = findings({case: result() for case in QUICK}).parts
    assert [part.name for part in parts if isinstance(part, Table)] == ["sets"]
