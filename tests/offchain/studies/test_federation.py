"""The simulation does what the protocol does, and what the default rule promises holds in it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from offchain.learning.datasets import load
from offchain.learning.encoding import UpdateEncoding
from offchain.learning.errors import OptionError, UnknownNameError
from offchain.learning.models import ModelKind
from offchain.learning.partition import DeviceData
from offchain.learning.selection import DEFAULT_RULE
from offchain.learning.training import LocalEpochs, clip
from offchain.studies.federation import KNOWN, NO_ATTACK, NO_RULE, Case, simulate
from offchain.studies.grid import PROMISED, STEPS
from offchain.studies.local_training import LocalTraining, clip_rows
from tests.offchain.learning.builders import small_model, small_rows

BOUND = 0.03
SMALL = replace(STEPS, rounds=12, devices=10)


def case(attack, rule, *, share=0.3, z=0.1, split="even", seed=0):
    return Case(attack, share, z, split, rule, seed)


@pytest.fixture
def parts():
    model = small_model(ModelKind.SOFTMAX)
    return [DeviceData(*small_rows(model, rows, seed)) for seed, rows in enumerate((17, 30, 41))]


@pytest.mark.parametrize("batch", [0, 8])
def test_local_training__side_by_side__equals_each_device_alone(parts, batch):
    model = small_model(ModelKind.SOFTMAX)
    method = LocalEpochs(epochs=1 if batch else 4, batch=batch, rate=0.3)
    theta = np.random.default_rng(1).normal(size=model.parameter_count)
    together = LocalTraining(model, method, parts, 1e-3, np.float64)
    found = together.updates(theta, np.random.default_rng(2))
    rng = np.random.default_rng(2)
    for row, part in zip(found, parts, strict=True):
        alone = method.update(model, theta, part.X, part.y, l2=1e-3, rng=rng)
        np.testing.assert_allclose(row, alone, rtol=1e-9, atol=1e-9)


def test_local_training__momentum_or_another_model__refused(parts):
    model, linear = small_model(ModelKind.SOFTMAX), small_model(ModelKind.LINEAR)
    with pytest.raises(OptionError, match="momentum"):
        LocalTraining(model, LocalEpochs(1, 0, 0.1, momentum=0.5), parts, 0.0)
    with pytest.raises(OptionError, match="softmax"):
        LocalTraining(linear, LocalEpochs(1, 0, 0.1), parts, 0.0)


def test_sum__of_clipped_updates__is_that_of_the_encoded_ones():
    """What the simulation leaves out, the fixed point, changes each term by half a step at most."""
    updates = np.random.default_rng(4).normal(size=(24, 371)) * 20.0
    clipped = clip_rows(updates, 200.0)
    encoding = UpdateEncoding(0.1, 200.0, 1, 400)
    slots = [encoding.encode_update(100, clip(row, 200.0)[0])[1:] for row in updates]
    encoded = np.sum(slots, axis=0) * encoding.step
    np.testing.assert_allclose(clipped.sum(axis=0), encoded, atol=24 * 0.5 * encoding.step)


def test_simulate__same_case__same_outcome_and_another_seed_another():
    first = simulate(SMALL, case("sign-flip", DEFAULT_RULE))
    assert simulate(SMALL, case("sign-flip", DEFAULT_RULE)) == first
    assert simulate(SMALL, case("sign-flip", DEFAULT_RULE, seed=1)) != first


def test_simulate__known_attackers__none_is_kept_and_nobody_else_rejected():
    outcome = simulate(SMALL, case("sign-flip", KNOWN))
    assert (outcome.attackers, outcome.kept_attackers, outcome.rejected_honest) == (3, 0.0, 0.0)
    assert outcome.first_clean == 1


def test_simulate__no_rule__keeps_all_attackers_and_pays_for_it():
    outcome = simulate(SMALL, case("unclipped:-10", NO_RULE))
    clean = simulate(SMALL, case(NO_ATTACK, NO_RULE))
    assert (outcome.kept_attackers, outcome.first_clean) == (3.0, 0)
    assert outcome.accuracy < clean.accuracy - 0.1


def test_simulate__two_clusters_drop_outs_and_late_devices__still_learns():
    scenario = replace(SMALL, clusters=2, drop=0.3, late=0.3, rounds=20)
    outcome = simulate(scenario, case("sign-flip", KNOWN))
    assert outcome.accuracy > 0.85
    assert (outcome.kept_attackers, outcome.rejected_honest) == (0.0, 0.0)


def test_simulate__unknown_names__listed():
    with pytest.raises(UnknownNameError, match="label-flip"):
        simulate(SMALL, case("bribe", NO_RULE))
    with pytest.raises(UnknownNameError, match="evidence"):
        simulate(SMALL, case("sign-flip", "guess"))


@pytest.mark.parametrize("attack", ["label-flip", "scale:-3"])
def test_default_rule__one_cell__is_within_its_bound(attack):
    clean = simulate(STEPS, case(NO_ATTACK, NO_RULE)).accuracy
    assert simulate(STEPS, case(attack, DEFAULT_RULE, z=0.3)).accuracy >= clean - BOUND


@pytest.mark.full
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("z", [0.1, 0.3, 1.0])
@pytest.mark.parametrize("attack", PROMISED)
def test_default_rule__thirty_per_cent_attack__accuracy_within_its_bound(attack, z, seed):
    clean = simulate(STEPS, case(NO_ATTACK, NO_RULE, seed=seed)).accuracy
    found = simulate(STEPS, case(attack, DEFAULT_RULE, z=z, seed=seed))
    assert found.accuracy >= clean - BOUND


@pytest.mark.full
@pytest.mark.parametrize("conditions", [{"drop": 0.2}, {"late": 0.3}], ids=str)
@pytest.mark.parametrize("attack", PROMISED)
def test_default_rule__drop_outs_and_late_joiners__accuracy_within_its_bound(attack, conditions):
    scenario = replace(STEPS, **conditions)
    clean = simulate(scenario, case(NO_ATTACK, NO_RULE)).accuracy
    for z in (0.1, 0.3):
        assert simulate(scenario, case(attack, DEFAULT_RULE, z=z)).accuracy >= clean - BOUND


def test_default_rule__beats_the_papers_rule__where_noise_hides_distance():
    paper = simulate(STEPS, case("sign-flip", "mean-deviation", z=1.0))
    default = simulate(STEPS, case("sign-flip", DEFAULT_RULE, z=1.0))
    assert default.accuracy > paper.accuracy + 0.05
    assert default.kept_attackers < 1.0 < paper.kept_attackers


def test_data__has_seven_classes():
    assert len(load(STEPS.dataset).class_names) == 7
