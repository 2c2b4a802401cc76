"""Newton steps from sums against scikit-learn and against differences of the gradient."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from offchain.learning import newton
from offchain.learning.baseline import central_baseline, standardise
from offchain.learning.datasets import load
from offchain.learning.errors import OptionError
from offchain.learning.models import Model, ModelKind
from offchain.learning.newton import NewtonSums
from tests.offchain.learning.builders import small_model, small_rows
from tests.offchain.learning.solved import Federation, parts_of, reals

ROWS = 300
KINDS = (ModelKind.LOGISTIC, ModelKind.SOFTMAX)


def small_federation(kind: ModelKind, devices: int = 4, l2: float = 1 / ROWS) -> Federation:
    model = small_model(kind)
    X, y = small_rows(model, ROWS)
    return Federation(NewtonSums(), model, parts_of(X, y, devices), l2, 2_000.0)


def fitted(X, y):
    estimator = LogisticRegression(C=1.0, max_iter=10_000, tol=1e-10).fit(X, y)
    return np.column_stack([estimator.coef_, estimator.intercept_])


@pytest.mark.parametrize("kind", KINDS)
def test_newton__made_up_rows__converges_to_scikit_learns_coefficients(kind):
    federation = small_federation(kind)
    done = federation.run(12)
    assert federation.method.converged(done[-1])
    assert len(done) < 10
    wanted = fitted(*small_rows(federation.model, ROWS))
    found = reals(done[-1]).reshape(wanted.shape)
    # Softmax: intercepts matter up to a common shift only.
    shift = np.zeros_like(wanted)
    if kind is ModelKind.SOFTMAX:
        shift[:, -1] = wanted[:, -1].mean() - found[:, -1].mean()
    np.testing.assert_allclose(found + shift, wanted, atol=2e-4 * np.abs(wanted).max())


def test_newton__fault2__has_the_central_accuracy_within_8_rounds():
    dataset = load("fault2")
    data, model, method = standardise(dataset), dataset.model(), NewtonSums()
    parts = parts_of(data.X_train, data.y_train, 16)
    clip_norm = 2 * max(len(y) for _, y in parts) * method.row_norm(model)
    l2 = 1 / len(data.X_train)
    theta = reals(Federation(method, model, parts, l2, clip_norm).run(8)[-1])
    score = model.score(theta, data.X_test, data.y_test)
    assert score == pytest.approx(central_baseline(dataset).test_score, abs=0.005)


@pytest.mark.parametrize("kind", KINDS)
def test_hessian__of_a_device__is_the_derivative_of_its_gradient(kind):
    model = small_model(kind)
    X, y = small_rows(model, 40)
    d = model.parameter_count
    theta = np.random.default_rng(4).normal(size=d)
    made = NewtonSums().update(model, theta, X, y, l2=9.0, rng=np.random.default_rng(0))
    assert len(made) == NewtonSums().update_length(model) == d + d * (d + 1) // 2
    np.testing.assert_allclose(made[:d], model.gradient_sum(theta, X, y))
    differences = np.array(
        [
            model.gradient_sum(theta + e, X, y) - model.gradient_sum(theta - e, X, y)
            for e in 1e-6 * np.eye(d)
        ]
    )
    np.testing.assert_allclose(made[d:], (differences / 2e-6)[np.triu_indices(d)], atol=1e-4)


def test_bound__hessian_too_large__lowers_the_objective_in_every_round(monkeypatch):
    monkeypatch.setattr(newton, "MOST_HESSIAN_VALUES", 20)
    federation = small_federation(ModelKind.SOFTMAX)
    model = federation.model
    assert federation.method.bounded(model)
    assert federation.method.update_length(model) == 15 + 15
    X, y = small_rows(model, ROWS)
    losses = [
        model.loss(theta, X, y, federation.l2)
        for theta in (model.initial(), *map(reals, federation.run(40)))
    ]
    assert losses == sorted(losses, reverse=True)
    exact = fitted(X, y).ravel()
    assert losses[-1] == pytest.approx(model.loss(exact, X, y, federation.l2), abs=2e-3)


def test_bound__next_to_the_hessian__is_larger_in_every_direction():
    model = small_model(ModelKind.SOFTMAX)
    X, _ = small_rows(model, 30)
    p = model.probabilities(np.random.default_rng(5).normal(size=15), X)
    x = np.column_stack([X, np.ones(30)])
    bound = np.kron(0.5 * (np.eye(3) - np.ones((3, 3)) / 3), x.T @ x)
    assert np.linalg.eigvalsh(bound - newton._softmax_hessian(x, p)).min() > -1e-9


def test_newton__softmax__leaves_the_sum_of_the_intercepts():
    done = small_federation(ModelKind.SOFTMAX).run(12)
    assert abs(reals(done[-1])[4::5].sum()) < 1e-3


def test_newton__constant_column__keeps_weight_0():
    model = small_model(ModelKind.LOGISTIC)
    X, y = small_rows(model, ROWS)
    X[:, 1] = 0.0
    federation = Federation(NewtonSums(), model, parts_of(X, y, 3), 1e-3, 2_000.0)
    assert federation.run(8)[-1].theta[1] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_newton__noise_multiplier__changes_nothing_but_the_resolution(kind):
    plain = small_federation(kind)
    noisy = Federation(plain.method, plain.model, plain.parts, plain.l2, 2_000.0, noise=20.0)
    assert noisy.encoding.slots >= plain.encoding.slots
    found, wanted = reals(noisy.run(12)[-1]), reals(plain.run(12)[-1])
    np.testing.assert_allclose(found, wanted, atol=1e-3 * np.abs(wanted).max())


def test_converged__tolerance__decides():
    done = small_federation(ModelKind.LOGISTIC).run(12)
    last = done[-1]
    assert NewtonSums(tolerance=1.0).converged(done[0])
    assert not NewtonSums(tolerance=1e-300).converged(last)
    assert last.decrease == pytest.approx(0, abs=1e-6)


def test_newton__linear_model__option_error():
    with pytest.raises(OptionError, match="a linear model takes ridge"):
        NewtonSums().update_length(small_model(ModelKind.LINEAR))


def test_newton__tolerance_0__option_error():
    with pytest.raises(OptionError, match="tolerance"):
        NewtonSums(tolerance=0.0)


@pytest.mark.parametrize(
    ("model", "bounded"),
    [
        (Model(ModelKind.LOGISTIC, 156, 2), False),
        (Model(ModelKind.SOFTMAX, 9, 7), False),
        (Model(ModelKind.SOFTMAX, 52, 7), True),
    ],
    ids=["logistic", "small softmax", "fault7"],
)
def test_bounded__by_size_of_the_hessian(model, bounded):
    assert NewtonSums().bounded(model) is bounded


def test_solve__theta_is_a_fraction__moves_from_there():
    federation = small_federation(ModelKind.LOGISTIC)
    start = tuple(Fraction(i, 7) for i in range(5))
    moved = federation.round(start)
    model, (X, y) = federation.model, small_rows(federation.model, ROWS)
    before, after = ([float(t) for t in theta] for theta in (start, moved.theta))
    drop = model.loss(np.array(before), X, y, 1 / ROWS) - model.loss(
        np.array(after), X, y, 1 / ROWS
    )
    assert drop > 0
    assert moved.decrease > 0
