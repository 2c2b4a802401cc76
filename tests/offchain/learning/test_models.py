"""Models against finite differences and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression, Ridge

from offchain.learning.errors import LabelError, NotFiniteError, OptionError, ShapeError
from offchain.learning.models import Model, ModelKind, class_counts
from tests.offchain.learning.builders import KINDS, small_model, small_rows


def fitted(model, X, y, l2):
    """The optimum, found by a general minimiser."""
    result = minimize(
        lambda theta: model.loss(theta, X, y, l2),
        model.initial(),
        jac=lambda theta: model.gradient_sum(theta, X, y, l2) / len(X),
        method="L-BFGS-B",
        options={"gtol": 1e-9, "ftol": 1e-15, "maxiter": 5000},
    )
    return result.x


@pytest.mark.parametrize("kind", KINDS)
def test_gradient__random_parameters__equals_finite_differences(kind):
    model = small_model(kind)
    X, y = small_rows(model, 30)
    theta = np.random.default_rng(5).normal(size=model.parameter_count)
    gradient = model.gradient_sum(theta, X, y, 0.3) / len(X)
    for index in range(model.parameter_count):
        ahead, behind = theta.copy(), theta.copy()
        ahead[index] += 1e-6
        behind[index] -= 1e-6
        slope = (model.loss(ahead, X, y, 0.3) - model.loss(behind, X, y, 0.3)) / 2e-6
        assert gradient[index] == pytest.approx(slope, abs=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient__without_l2_term__differs_from_finite_differences(kind):
    model = small_model(kind)
    X, y = small_rows(model, 30)
    theta = np.random.default_rng(5).normal(size=model.parameter_count)
    with_l2 = model.gradient_sum(theta, X, y, 0.3)
    difference = (with_l2 - model.gradient_sum(theta, X, y, 0.0)).reshape(model.outputs, -1)
    weights, _ = model.weights(theta)
    np.testing.assert_allclose(difference[:, :-1], 30 * 0.3 * weights, atol=1e-12)
    np.testing.assert_allclose(difference[:, -1], 0.0, atol=1e-12)


@pytest.mark.parametrize("kind", [ModelKind.LOGISTIC, ModelKind.SOFTMAX])
def test_optimum__classification__equals_scikit_learn(kind):
    model = small_model(kind)
    X, y = small_rows(model, 200)
    theta = fitted(model, X, y, 1 / (0.5 * len(X)))
    oracle = LogisticRegression(C=0.5, tol=1e-10, max_iter=10_000).fit(X, y)
    weights, _ = model.weights(theta)
    np.testing.assert_allclose(weights, oracle.coef_, atol=1e-4)
    fresh, labels = small_rows(model, 300, seed=9)
    np.testing.assert_array_equal(model.predict(theta, fresh), oracle.predict(fresh))
    probabilities = model.probabilities(theta, fresh)
    np.testing.assert_allclose(probabilities, oracle.predict_proba(fresh), atol=1e-4)
    assert model.score(theta, fresh, labels) == oracle.score(fresh, labels)


def test_optimum__linear__equals_scikit_learn():
    model = small_model(ModelKind.LINEAR)
    X, y = small_rows(model, 200)
    theta = fitted(model, X, y, 0.01)
    oracle = Ridge(alpha=0.01 * len(X)).fit(X, y)
    np.testing.assert_allclose(model.weights(theta)[0][0], oracle.coef_, rtol=1e-5)
    assert theta[-1] == pytest.approx(oracle.intercept_, rel=1e-5)
    fresh, targets = small_rows(model, 300, seed=9)
    assert model.score(theta, fresh, targets) == pytest.approx(oracle.score(fresh, targets))


def test_optimum__stronger_l2__differs_from_scikit_learn():
    model = small_model(ModelKind.LINEAR)
    X, y = small_rows(model, 200)
    oracle = Ridge(alpha=0.01 * len(X)).fit(X, y)
    other = model.weights(fitted(model, X, y, 0.1))[0][0]
    assert np.abs(other - oracle.coef_).max() > 1e-2


@pytest.mark.parametrize("kind", [ModelKind.LOGISTIC, ModelKind.SOFTMAX])
def test_loss__huge_scores__stays_finite(kind):
    model = small_model(kind)
    X, y = small_rows(model, 20)
    theta = np.full(model.parameter_count, 1e4) * np.where(
        np.arange(model.parameter_count) % 2, 1, -1
    )
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite(model.loss(theta, X, y))
        assert np.isfinite(model.gradient_sum(theta, X, y)).all()


def test_parameter_count__plant_models__as_documented():
    assert Model(ModelKind.SOFTMAX, 52, 7).parameter_count == 371
    assert Model(ModelKind.LOGISTIC, 52, 2).parameter_count == 53
    assert Model(ModelKind.LINEAR, 33).parameter_count == 34


@pytest.mark.parametrize(
    ("kind", "features", "classes", "option", "value"),
    [
        (ModelKind.SOFTMAX, 0, 7, "features", 0),
        (ModelKind.LINEAR, 3, 2, "classes", 2),
        (ModelKind.LOGISTIC, 3, 3, "classes", 3),
        (ModelKind.SOFTMAX, 3, 1, "classes", 1),
    ],
)
def test_model__unsuited_sizes__option_error(kind, features, classes, option, value):
    with pytest.raises(OptionError) as caught:
        Model(kind, features, classes)
    assert (caught.value.option, caught.value.value) == (option, value)


def test_rows__label_outside_classes__label_error_without_the_label():
    model = small_model(ModelKind.SOFTMAX)
    X, y = small_rows(model, 10)
    y[4] = 77.0
    with pytest.raises(LabelError) as caught:
        model.loss(model.initial(), X, y)
    assert (caught.value.index, caught.value.classes) == (4, 3)
    assert "77" not in str(caught.value)


def test_rows__wrong_shapes_or_not_finite__named_errors():
    model = small_model(ModelKind.LINEAR)
    X, y = small_rows(model, 10)
    with pytest.raises(ShapeError, match=r"X has shape \(10, 3\)"):
        model.loss(model.initial(), X[:, :3], y)
    with pytest.raises(ShapeError, match=r"theta has shape \(4,\)"):
        model.loss(model.initial()[:-1], X, y)
    with pytest.raises(ShapeError, match="at least one row"):
        model.loss(model.initial(), X[:0], y[:0])
    X[3, 1] = np.nan
    with pytest.raises(NotFiniteError, match=r"X\[3\]"):
        model.loss(model.initial(), X, y)
    with pytest.raises(OptionError, match="l2"):
        model.loss(model.initial(), X[4:], y[4:], -1.0)


def test_probabilities__linear__option_error():
    model = small_model(ModelKind.LINEAR)
    X, _ = small_rows(model, 3)
    with pytest.raises(OptionError, match="no class probabilities"):
        model.probabilities(model.initial(), X)


def test_score__constant_target__zero_or_one():
    model = Model(ModelKind.LINEAR, 1)
    X, y = np.zeros((3, 1)), np.full(3, 2.0)
    assert model.score(np.array([0.0, 2.0]), X, y) == 1.0
    assert model.score(np.array([0.0, 1.0]), X, y) == 0.0


def test_class_counts__absent_class__counts_zero():
    np.testing.assert_array_equal(class_counts([0.0, 2.0, 2.0], 4), [1, 0, 2, 0])
