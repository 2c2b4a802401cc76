"""The default training parameters reach the central result in the simulator."""

from __future__ import annotations

import pytest

from offchain.learning.baseline import simulate
from offchain.learning.datasets import load
from offchain.learning.defaults import DEFAULTS, defaults, own_data_defaults
from offchain.learning.errors import OptionError, UnknownNameError
from offchain.learning.models import ModelKind
from offchain.learning.partition import Dirichlet, Even

BARS = {
    ("fault7", ModelKind.SOFTMAX): 0.935,
    ("fault2", ModelKind.LOGISTIC): 0.974,
    ("softsensor", ModelKind.LINEAR): 0.947,
    ("fault18", ModelKind.SOFTMAX): 0.699,
    ("petrobras", ModelKind.LINEAR): 0.931,
    ("shuttle", ModelKind.LOGISTIC): 0.995,
}


@pytest.mark.parametrize(("name", "kind"), list(BARS))
def test_defaults__sixteen_devices_even__reach_the_central_result_hardly_clipped(name, kind):
    simulation = simulate(
        load(name),
        defaults(name, kind),
        devices=16,
        split=Even(),
        seed=7,
        noise_multiplier=1.0,
        rounds=10 if name == "fault18" else None,
    )
    assert simulation.rounds[-1].score >= BARS[name, kind]
    # fault7 clips the first round's updates: a small clip norm keeps the mask small too.
    assert sum(r.clipped for r in simulation.rounds[1:]) == 0
    assert simulation.rounds[0].clipped == (16 if name == "fault7" else 0)
    assert simulation.rounds[-1].loss < simulation.rounds[0].loss


@pytest.mark.full
@pytest.mark.parametrize("devices", [8, 16, 32])
@pytest.mark.parametrize("split", [Even(), Dirichlet(0.5)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_defaults__fault7_any_split__stays_near_the_central_result(devices, split, seed):
    parameters = defaults("fault7", ModelKind.SOFTMAX)
    simulation = simulate(
        load("fault7"), parameters, devices=devices, split=split, seed=seed, rounds=30
    )
    assert simulation.rounds[-1].score >= (0.935 if split == Even() else 0.925)


def test_defaults__one_round__does_not_reach_the_bar():
    parameters = defaults("fault7", ModelKind.SOFTMAX)
    simulation = simulate(load("fault7"), parameters, devices=16, split=Even(), seed=7, rounds=1)
    assert simulation.rounds[-1].score < 0.9


def test_simulate__coarse_encoding__stays_near_the_plain_run():
    parameters, dataset = defaults("fault7", ModelKind.SOFTMAX), load("fault7")
    plain, encoded = (
        simulate(
            dataset,
            parameters,
            devices=16,
            split=Even(),
            seed=3,
            rounds=2,
            noise_multiplier=multiplier,
        ).rounds[-1]
        for multiplier in (None, 3.0)
    )
    assert encoded.score == pytest.approx(plain.score, abs=0.01)
    assert encoded.score != plain.score or encoded.loss != plain.loss


def test_defaults__every_bar__is_in_the_table():
    assert set(DEFAULTS) == set(BARS)


def test_defaults__unknown_pair__lists_the_known():
    with pytest.raises(UnknownNameError) as caught:
        defaults("fault7", ModelKind.LINEAR)
    assert "fault7/softmax" in caught.value.known


@pytest.mark.parametrize(("name", "bar"), [("fault7", 0.93), ("petrobras", 0.926)])
def test_own_data_defaults__sets_they_were_not_tuned_for__come_near_unclipped(name, bar):
    dataset = load(name)
    parameters = own_data_defaults(dataset.model(), len(dataset.X_train) // 16)
    simulation = simulate(dataset, parameters, devices=16, split=Even(), seed=0, score_every=20)
    assert simulation.rounds[-1].score >= bar
    assert simulation.rounds[-1].clipped == 0


def test_own_data_defaults__no_rows__option_error():
    with pytest.raises(OptionError, match="rows = 0"):
        own_data_defaults(load("fault7").model(), 0)
