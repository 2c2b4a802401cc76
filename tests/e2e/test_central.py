"""Without attack or drop-out the devices together compute the central gradient, and so its model.

The reference is the gradient of `offchain.learning` over all rows at once, and gradient descent.
"""

from collections.abc import Callable

import numpy as np
import pytest

from offchain.learning.models import ModelKind
from tests.e2e.builders import Shape, World
from tests.e2e.learning import L2, RATE, ROWS, learning, shape

NOISE = 0.001
RELATIVE = 1e-6


@pytest.mark.parametrize("clusters", [1, 2, 5])
@pytest.mark.parametrize("kind", list(ModelKind), ids=lambda kind: kind.value)
def test_gradient__of_the_clusters__equals_the_central_one_and_so_does_the_model(
    found: Callable[[Shape], World], kind: ModelKind, clusters: int
) -> None:
    devices = (3,) * clusters  # S wants t + 1 in a sum
    made = learning(kind, sum(devices), NOISE)
    run = found(shape(devices)).run(made.trainers(devices), value_bound=made.value_bound)
    assert run.round().settled  # the statistics round
    X, y = made.standardised(run)
    central = made.model.initial()
    # Several rounds with two clusters: the model goes on to follow.
    for number in (2, 3, 4) if clusters == 2 else (2,):
        before = made.theta(run)
        outcome = run.round()
        assert outcome.result is not None
        assert outcome.result.included == tuple(range(clusters))
        expected = made.model.gradient_sum(before, X, y, L2)
        difference = np.linalg.norm(made.gradient(run, number) - expected)
        assert difference <= RELATIVE * np.linalg.norm(expected)
        central = central - RATE / ROWS * made.model.gradient_sum(central, X, y, L2)
        assert np.linalg.norm(made.theta(run) - central) <= RELATIVE * np.linalg.norm(central)
    assert run.refusals == {}


def test_gradient__under_a_mask_that_hides__differs_by_the_rounding_of_updates_alone(
    found: Callable[[Shape], World],
) -> None:
    devices = (3, 3)
    made = learning(ModelKind.SOFTMAX, sum(devices), noise_multiplier=1.0)
    run = found(shape(devices)).run(made.trainers(devices), value_bound=made.value_bound)
    assert run.round().settled  # the statistics round
    X, y = made.standardised(run)
    before = made.theta(run)
    assert run.round().settled
    difference = made.gradient(run, 2) - made.model.gradient_sum(before, X, y, L2)
    half_steps = sum(devices) * made.task.encoding.step / 2  # each device rounds once
    assert np.abs(difference).max() <= half_steps * (1 + 1e-9)
    assert np.abs(difference).max() > 0.0  # or there was nothing to bound
