"""Ridge in one round against scikit-learn."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from offchain.learning.baseline import standardise
from offchain.learning.datasets import load
from offchain.learning.errors import OptionError
from offchain.learning.models import Model, ModelKind
from offchain.learning.ridge import NormalEquations
from offchain.learning.solving import NoSolution, Sums
from tests.offchain.learning.builders import small_model, small_rows
from tests.offchain.learning.solved import Federation, parts_of, reals

LINEAR = small_model(ModelKind.LINEAR)


def small_federation(devices: int = 5, clip_norm: float = 2_000.0) -> Federation:
    X, y = small_rows(LINEAR, 200)
    return Federation(NormalEquations(), LINEAR, parts_of(X, y, devices), 1e-3, clip_norm)


def central(X, y, l2, weights=None):
    """scikit-learn's coefficients, intercept last."""
    fitted = Ridge(alpha=l2 * len(X)).fit(X, y, sample_weight=weights)
    return np.append(fitted.coef_, fitted.intercept_)


def distance(found, wanted):
    return np.linalg.norm(found - wanted) / np.linalg.norm(wanted)


@pytest.mark.parametrize("devices", [1, 3, 16])
def test_ridge__one_round__has_scikit_learns_coefficients(devices):
    X, y = small_rows(LINEAR, 200)
    (solution,) = small_federation(devices).run(5)
    np.testing.assert_allclose(reals(solution), central(X, y, 1e-3), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("name", "l2"), [("softsensor", 1e-4), ("petrobras", 1e-3)])
def test_ridge__plant_data__within_1e_4_of_scikit_learn(name, l2):
    """Petrobras: 94 nearly dependent columns, one constant, 4,559 sums of 4 digits."""
    data = standardise(load(name))
    model = Model(ModelKind.LINEAR, data.X_train.shape[1])
    method = NormalEquations()
    parts = parts_of(data.X_train, data.y_train, 16)
    clip_norm = 2 * max(len(y) for _, y in parts) * method.row_norm(model)
    federation = Federation(method, model, parts, l2, clip_norm)
    (solution,) = federation.run(5)
    found = reals(solution)
    assert distance(found, central(data.X_train, data.y_train, l2)) < 1e-4
    if name == "petrobras":
        assert federation.encoding.slots > 4 * 4096


def test_update__of_a_device__is_the_upper_triangle_only():
    X, y = small_rows(LINEAR, 30)
    method = NormalEquations()
    made = method.update(LINEAR, LINEAR.initial(), X, y, l2=0.5, rng=np.random.default_rng(0))
    x = np.column_stack([X, np.ones(30)])
    assert len(made) == method.update_length(LINEAR) == 15 + 5
    np.testing.assert_allclose(made[:5], (x.T @ x)[0])
    np.testing.assert_allclose(made[14], 30)
    np.testing.assert_allclose(made[15:], x.T @ y)


def test_clip__one_device_beyond_it__counts_as_rows_of_less_weight():
    """The bound scales all sums of a device alike: a weighted regression, still of real rows."""
    federation = small_federation(devices=2)
    (X0, y0), (X1, y1) = federation.parts
    method = federation.method
    heavy = (10 * X1, 10 * y1)
    norms = [
        np.linalg.norm(method.update(LINEAR, LINEAR.initial(), X, y, l2=0, rng=None))
        for X, y in ((X0, y0), heavy)
    ]
    clip_norm = float(norms[1] / 2)
    assert norms[0] < clip_norm
    clipped = Federation(method, LINEAR, ((X0, y0), heavy), 1e-3, clip_norm)
    (solution,) = clipped.run(1)
    weights = np.repeat([1.0, 0.5], [len(y0), len(y1)])
    wanted = central(np.vstack([X0, heavy[0]]), np.append(y0, heavy[1]), 1e-3, weights)
    np.testing.assert_allclose(reals(solution), wanted, rtol=1e-6, atol=1e-6)


def test_ridge__constant_column__has_weight_0():
    X, y = small_rows(LINEAR, 100)
    X[:, 2] = 0.0
    federation = Federation(NormalEquations(), LINEAR, parts_of(X, y, 4), 1e-3, 2_000.0)
    (solution,) = federation.run(1)
    assert solution.theta[2] == 0
    np.testing.assert_allclose(reals(solution), central(X, y, 1e-3), rtol=1e-6, atol=1e-7)


def test_ridge__order_of_the_devices__changes_no_bit():
    federation = small_federation()
    turned = Federation(
        federation.method, LINEAR, federation.parts[::-1], federation.l2, federation.clip_norm
    )
    assert federation.run(1) == turned.run(1)


def test_ridge__sums_of_no_rows__no_solution():
    size = NormalEquations().update_length(LINEAR)
    values = [0] * 15 + [1] * 5
    assert len(values) == size
    sums = Sums(values, Fraction(2**60), 1, 1e-30)
    with pytest.raises(NoSolution, match="parameter 0 passes"):
        NormalEquations().solve(LINEAR, [Fraction(0)] * 5, sums)


def test_ridge__no_penalty__option_error():
    with pytest.raises(OptionError, match=r"l2 = 0\.0: must be above 0"):
        NormalEquations().solve(LINEAR, [], Sums([0] * 20, Fraction(1), 1, 0.0))


@pytest.mark.parametrize("kind", [ModelKind.LOGISTIC, ModelKind.SOFTMAX])
def test_ridge__model_of_classes__option_error(kind):
    with pytest.raises(OptionError, match="solves linear models, not"):
        NormalEquations().update_length(small_model(kind))
