"""Devices' updates, clipping, and federated against central gradients."""

from __future__ import annotations

import numpy as np
import pytest

from offchain.learning.baseline import gradient_descent
from offchain.learning.encoding import UpdateEncoding
from offchain.learning.errors import NotFiniteError, OptionError
from offchain.learning.models import ModelKind
from offchain.learning.training import (
    GradientSum,
    Hyperparameters,
    LocalEpochs,
    Update,
    apply_step,
    clip,
    device_update,
)
from tests.offchain.learning.builders import KINDS, small_model, small_rows

PARTS = (slice(0, 7), slice(7, 50), slice(50, 120))


def updates(model, theta, X, y, l2, clip_norm=1e3):
    rng = np.random.default_rng(0)
    method = GradientSum()
    return [
        device_update(method, model, theta, X[p], y[p], clip_norm=clip_norm, l2=l2, rng=rng)
        for p in PARTS
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_sums__over_devices__equal_central(kind):
    model = small_model(kind)
    X, y = small_rows(model, 120)
    theta = np.random.default_rng(2).normal(size=model.parameter_count)
    parts = updates(model, theta, X, y, 0.1)
    assert not any(part.clipped for part in parts)
    central = model.gradient_sum(theta, X, y, 0.1)
    total = sum(part.values for part in parts)
    np.testing.assert_allclose(total, central, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_sums__one_device_missing__differ_from_central(kind):
    model = small_model(kind)
    X, y = small_rows(model, 120)
    theta = np.random.default_rng(2).normal(size=model.parameter_count)
    total = sum(part.values for part in updates(model, theta, X, y, 0.1)[1:])
    central = model.gradient_sum(theta, X, y, 0.1)
    assert np.abs(total - central).max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_encoded_descent__fine_steps__equals_central_to_1e_6(kind):
    model = small_model(kind)
    X, y = small_rows(model, 120)
    # The rounding is a share of the clip norm, so relative exactness wants a tight one.
    largest = max(np.linalg.norm(u.values) for u in updates(model, model.initial(), X, y, 0.1))
    encoding = UpdateEncoding(0.001, 1.05 * largest, 1, 100)
    theta_int = encoding.encode_model(model.initial())
    for number in range(10):
        theta = encoding.decode_model(theta_int)
        parts = updates(model, theta, X, y, 0.1, encoding.clip_norm)
        assert not any(part.clipped for part in parts)
        summed = np.sum([encoding.encode_update(p.count, p.values) for p in parts], axis=0)
        count, gradient = encoding.decode_sum(summed, len(parts))
        assert count == 120
        central = model.gradient_sum(theta, X, y, 0.1)
        if number == 0:
            assert np.linalg.norm(gradient - central) <= 1e-6 * np.linalg.norm(central)
        theta_int = encoding.apply_step(theta_int, summed, devices=len(parts), rate=0.3)
    theta = gradient_descent(model, X, y, rate=0.3, rounds=10, l2=0.1)
    error = np.linalg.norm(encoding.decode_model(theta_int) - theta)
    assert error <= 1e-6 * np.linalg.norm(theta)


def test_encoded_gradient__coarse_steps__misses_1e_6():
    model = small_model(ModelKind.LINEAR)
    X, y = small_rows(model, 120)
    encoding = UpdateEncoding(10.0, 500.0, 1, 100)
    parts = updates(model, model.initial(), X, y, 0.1, 500.0)
    summed = np.sum([encoding.encode_update(p.count, p.values) for p in parts], axis=0)
    _, gradient = encoding.decode_sum(summed, len(parts))
    central = model.gradient_sum(model.initial(), X, y, 0.1)
    assert np.linalg.norm(gradient - central) > 1e-6 * np.linalg.norm(central)


def test_local_epochs__one_full_batch__equals_a_gradient_step():
    model = small_model(ModelKind.SOFTMAX)
    X, y = small_rows(model, 60)
    theta = np.random.default_rng(2).normal(size=model.parameter_count)
    rng = np.random.default_rng(0)
    local = LocalEpochs(1, 0, 0.2).update(model, theta, X, y, l2=0.1, rng=rng)
    np.testing.assert_allclose(local, 0.2 * model.gradient_sum(theta, X, y, 0.1), atol=1e-12)


def test_local_epochs__several_full_batches__equal_central_descent_of_the_device():
    model = small_model(ModelKind.LOGISTIC)
    X, y = small_rows(model, 60)
    rng = np.random.default_rng(0)
    local = LocalEpochs(5, 0, 0.2).update(model, model.initial(), X, y, l2=0.1, rng=rng)
    after = gradient_descent(model, X, y, rate=0.2, rounds=5, l2=0.1)
    np.testing.assert_allclose(apply_step(model.initial(), local, 60, 1.0), after, atol=1e-12)


def test_local_epochs__same_seed__same_update_other_seed_other():
    model = small_model(ModelKind.LOGISTIC)
    X, y = small_rows(model, 60)
    method = LocalEpochs(2, 16, 0.5, momentum=0.5)

    def update(seed):
        rng = np.random.default_rng(seed)
        return method.update(model, model.initial(), X, y, l2=0.0, rng=rng)

    np.testing.assert_array_equal(update(3), update(3))
    assert not np.array_equal(update(3), update(4))


def test_local_epochs__diverging_rate__not_finite_error():
    model = small_model(ModelKind.LINEAR)
    X, y = small_rows(model, 60)
    method = LocalEpochs(400, 4, 50.0)
    with pytest.raises(NotFiniteError, match="update"):
        method.update(model, model.initial(), X, y, l2=0.0, rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        ((0, 8, 0.1), "epochs"),
        ((1, -1, 0.1), "batch"),
        ((1, 8, 0.0), "local rate"),
        ((1, 8, 0.1, 1.0), "momentum"),
    ],
)
def test_local_epochs__out_of_bounds__option_error(arguments, option):
    with pytest.raises(OptionError) as caught:
        LocalEpochs(*arguments)
    assert caught.value.option == option


def test_clip__within_bound__unchanged():
    values, clipped = clip(np.array([3.0, 4.0]), 5.0)
    np.testing.assert_array_equal(values, [3.0, 4.0])
    assert not clipped


def test_clip__beyond_bound__scaled_to_it():
    values, clipped = clip(np.array([3.0, 4.0]), 1.0)
    np.testing.assert_allclose(values, [0.6, 0.8])
    assert clipped
    huge, clipped = clip(np.array([1e200, 1e200]), 1.0)
    assert clipped
    assert np.linalg.norm(huge) == pytest.approx(1.0)


@pytest.mark.parametrize("bound", [0.0, -1.0, float("inf"), float("nan")])
def test_clip__bad_bound__option_error(bound):
    with pytest.raises(OptionError) as caught:
        clip(np.ones(2), bound)
    assert caught.value.option == "clip norm"


def test_update__repr__shows_no_values():
    assert repr(Update(17, np.array([1.25, 2.5]), clipped=True)) == "Update(length=2)"


def test_hyperparameters__no_rounds__option_error():
    with pytest.raises(OptionError) as caught:
        Hyperparameters(GradientSum(), 1.0, 1.0, 0.0, 0)
    assert caught.value.option == "rounds"
