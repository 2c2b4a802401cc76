"""The study of privacy: what its attacks find."""

from __future__ import annotations

import dp_accounting
import pytest

from offchain.reporting.style import LIGHT
from offchain.studies import privacy
from offchain.studies.privacy_page import findings_of
from offchain.studies.study import Plot, Table


def test_epsilon__of_the_table__is_dp_accountings():
    event = dp_accounting.SelfComposedDpEvent(dp_accounting.GaussianDpEvent(5.0), 16)
    oracle = dp_accounting.pld.PLDAccountant().compose(event).get_epsilon(privacy.DELTA)
    assert privacy.fog_epsilon(10.0, 16)["epsilon"] == pytest.approx(oracle, rel=1e-3)


def test_inversion__unmasked_succeeds_and_masked_fails():
    assert privacy.invert_masked(0.0, 1, 10)["error"] < 1e-12
    assert privacy.invert_masked(1.0, 1, 10)["error"] > 1.0
    averaged, once = (privacy.invert_masked(0.1, rounds, 10)["error"] for rounds in (16, 1))
    assert averaged < 0.5 * once


def test_membership__few_rows__are_found_and_many_are_not():
    assert privacy.membership(25)["auc"] > 0.7
    assert privacy.membership(1690)["auc"] == pytest.approx(0.5, abs=0.03)


def test_release__noise_in_the_sum__costs_accuracy():
    quiet, loud = privacy.release(0.0, 0), privacy.release(1.0, 0)
    assert quiet["epsilon"] is None
    assert loud["test"] < quiet["test"] - 0.1


def test_findings__small_tables__make_a_page():
    told = {"auc": 0.6, "train": 0.9, "test": 0.8}
    found = findings_of(
        {
            "epsilon": [{"z": 1.0, "rounds": r, "epsilon": 10.0 * r} for r in (1, 2)],
            "inversion": [
                {"z": z, "averaged": n, "error": z} for z in (0.0, 0.1, 1.0) for n in (1, 16)
            ],
            "rows": [{"rows": 1, "error": 0.0}],
            "member": [{"rows": rows, **told} for rows in (25, 50)],
            "release": [
                {"multiplier": m, "epsilon": e, **told}
                for m, e in ((0.0, None), (0.1, 2e4), (1, 5))
            ],
        }
    )
    tables = {part.name: part for part in found.parts if isinstance(part, Table)}
    assert set(tables) == {"epsilon", "inversion", "rows", "membership", "release"}
    assert tables["release"].rows[0][:2] == (0.0, None)
    for part in found.parts:
        if isinstance(part, Plot):
            assert part.draw(LIGHT) is not None
