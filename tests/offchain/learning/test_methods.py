"""Methods by name and what follows from their bounds."""

from __future__ import annotations

import numpy as np
import pytest

from offchain.learning.baseline import gradient_descent, simulate, standardise
from offchain.learning.datasets import load
from offchain.learning.errors import OptionError, UnknownNameError
from offchain.learning.methods import (
    METHOD_NAMES,
    digit_encoding,
    method_parameters,
    require_solving,
    update_slots,
)
from offchain.learning.models import ModelKind
from offchain.learning.partition import Dirichlet, partition
from offchain.learning.training import GradientSum, device_update
from tests.offchain.learning.builders import KINDS, small_model

SETS = {"sgd": "fault7", "ridge": "petrobras", "newton": "fault2"}


@pytest.mark.parametrize(("name", "dataset"), SETS.items())
def test_clip_norm__even_split__clips_nobody(name, dataset):
    data = load(dataset)
    model, rows = data.model(), standardise(data)
    parameters = method_parameters(name, model, len(data.X_train), -(-len(data.X_train) // 16))
    split = np.random.default_rng(0).permutation(len(data.X_train))
    for part in np.array_split(split, 16):
        made = device_update(
            parameters.method,
            model,
            model.initial(),
            rows.X_train[part],
            rows.y_train[part],
            clip_norm=parameters.clip_norm,
            l2=parameters.l2,
            rng=np.random.default_rng(0),
        )
        assert not made.clipped


@pytest.mark.parametrize("dataset", ["fault7", "fault2", "softsensor"])
def test_sgd__default_rate__lowers_the_objective_in_every_round(dataset):
    data = load(dataset)
    model, rows = data.model(), standardise(data)
    parameters = method_parameters("sgd", model, len(data.X_train), 200)
    losses = [
        model.loss(
            gradient_descent(
                model, rows.X_train, rows.y_train, rate=parameters.rate, rounds=r, l2=parameters.l2
            ),
            rows.X_train,
            rows.y_train,
            parameters.l2,
        )
        for r in range(0, 12, 3)
    ]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]


def test_sgd__over_devices__is_central_gradient_descent():
    data = load("fault2")
    model, rows = data.model(), standardise(data)
    parameters = method_parameters("sgd", model, len(data.X_train), 1000)
    assert len(partition(data, 6, Dirichlet(0.5), rng=np.random.default_rng(3))) == 6
    made = simulate(data, parameters, devices=6, split=Dirichlet(0.5), seed=3, rounds=5)
    assert sum(r.clipped for r in made.rounds) == 0
    central = gradient_descent(
        model, rows.X_train, rows.y_train, rate=parameters.rate, rounds=5, l2=parameters.l2
    )
    np.testing.assert_allclose(made.theta, central, atol=1e-6 * np.linalg.norm(central))


def test_newton__penalty__is_that_of_scikit_learn_with_c_1():
    assert method_parameters("newton", small_model(ModelKind.LOGISTIC), 250, 10).l2 == 1 / 250


@pytest.mark.parametrize("kind", KINDS)
def test_update_slots__linear_step__are_the_parameters(kind):
    model = small_model(kind)
    assert update_slots(GradientSum(), model, 1.0) == model.parameter_count
    assert digit_encoding(GradientSum(), model, 1.0, 1.0, 1, 1) is None
    with pytest.raises(OptionError, match="takes linear steps"):
        require_solving(GradientSum())


def test_update_slots__clip_norm_and_samples__change_nothing():
    model = small_model(ModelKind.LINEAR)
    method = require_solving(method_parameters("ridge", model, 100, 10).method)
    slots = [digit_encoding(method, model, 1.0, clip, 1, 50).slots for clip in (1e-3, 1e6)]
    assert slots == [update_slots(method, model, 1.0)] * 2


def test_method__unknown_or_without_rows__is_refused():
    model = small_model(ModelKind.LINEAR)
    with pytest.raises(UnknownNameError, match="local, newton, ridge, sgd"):
        method_parameters("guess", model, 1, 1)
    with pytest.raises(OptionError, match="total_rows"):
        method_parameters("ridge", model, 0, 1)
    assert set(SETS) | {"local"} == set(METHOD_NAMES)
