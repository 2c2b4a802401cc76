"""The test attacks succeed where nothing hides the update, and fail where it is masked."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from offchain.learning.disclosure import advantage, invert_gradient, row_losses
from offchain.learning.errors import OptionError, ShapeError
from offchain.learning.models import ModelKind
from offchain.learning.training import GradientSum, clip
from tests.offchain.learning.builders import KINDS, small_model, small_rows


def distance(found, row):
    return float(np.linalg.norm(found - row) / np.linalg.norm(row))


@pytest.fixture(params=KINDS, ids=lambda kind: kind.value)
def single(request):
    """A model, the one row of a device, and its clipped update of the first round."""
    model = small_model(request.param, features=20)
    X, y = small_rows(model, 1)
    update = GradientSum().update(
        model, model.initial(), X, y, l2=0.1, rng=np.random.default_rng(0)
    )
    return model, X[0], clip(update, 0.5 * float(np.linalg.norm(update)))[0]


def test_invert__one_row_unmasked__recovers_it_exactly(single):
    model, row, update = single
    assert distance(invert_gradient(model, update), row) < 1e-12


def test_invert__one_row_masked__finds_nothing(single):
    model, row, update = single
    sigma = float(np.linalg.norm(update))  # noise multiplier 1
    rng = np.random.default_rng(1)
    found = [
        distance(invert_gradient(model, update + rng.normal(0.0, sigma, update.shape)), row)
        for _ in range(200)
    ]
    # Guessing the mean row, 0, is at distance 1.
    assert np.median(found) > 1.0
    assert np.mean(np.array(found) < 0.5) < 0.02


def test_invert__many_rows__gives_a_mean_and_no_row():
    model = small_model(ModelKind.SOFTMAX, features=20)
    X, y = small_rows(model, 100)
    update = model.gradient_sum(model.initial(), X, y)
    found = invert_gradient(model, update)
    assert min(distance(found, row) for row in X) > 0.5


def test_invert__another_length__shape_error():
    with pytest.raises(ShapeError, match="update"):
        invert_gradient(small_model(ModelKind.SOFTMAX), np.zeros(3))


def test_advantage__any_losses__is_sklearns_area():
    rng = np.random.default_rng(2)
    members, others = rng.integers(0, 9, 50) / 3.0, rng.integers(2, 12, 70) / 3.0
    labels = np.r_[np.ones(50), np.zeros(70)]
    expected = roc_auc_score(labels, -np.r_[members, others])
    assert advantage(members, others) == pytest.approx(expected)
    assert advantage(members, members) == pytest.approx(0.5)
    with pytest.raises(ShapeError):
        advantage(members, members[:0])


def test_row_losses__mean__is_the_models_loss():
    model = small_model(ModelKind.SOFTMAX)
    X, y = small_rows(model, 30)
    theta = np.random.default_rng(3).normal(size=model.parameter_count)
    assert row_losses(model, theta, X, y).mean() == pytest.approx(model.loss(theta, X, y))
    with pytest.raises(OptionError):
        row_losses(small_model(ModelKind.LINEAR), theta, X, y)


def test_membership__overfitted_model__is_told_apart():
    model = small_model(ModelKind.SOFTMAX, features=30)
    X, y = small_rows(model, 30)
    others = small_rows(model, 200, seed=1)
    theta = model.initial()
    for _ in range(300):
        theta = theta - 1.0 / len(X) * model.gradient_sum(theta, X, y)
    found = advantage(row_losses(model, theta, X, y), row_losses(model, theta, *others))
    assert found > 0.8
