"""The model that fogs vote for: from integers to integers, the same in every order."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from offchain.crypto.field import FieldVector
from offchain.crypto.layout import SlotLayout
from offchain.crypto.randomness import Randomness
from offchain.learning.encoding import SIGMA_INT, UpdateEncoding
from offchain.learning.methods import digit_encoding
from offchain.learning.model_solver import ModelSolver
from offchain.learning.models import ModelKind
from offchain.learning.newton import NewtonSums
from offchain.learning.ridge import NormalEquations
from offchain.learning.selection import Within, choose
from offchain.learning.solving import NoSolution
from offchain.learning.tasks import Task
from offchain.learning.training import GradientSum, Hyperparameters
from offchain.nodes.selector import RuleSelector
from offchain.nodes.trainer import learning_task
from tests.offchain.learning.builders import small_dataset, small_model, small_rows

CLIP = 2_000.0
LINEAR = small_model(ModelKind.LINEAR)


def setting(model, method):
    digits = digit_encoding(method, model, 1.0, CLIP, 1, 500)
    encoding = UpdateEncoding(1.0, CLIP, 1, 500)
    return ModelSolver(model, method, 1e-3, encoding, digits), encoding, digits


def total_of(model, method, digits, theta=None, rows=200):
    X, y = small_rows(model, rows)
    start = model.initial() if theta is None else theta
    values = method.update(model, start, X, y, l2=0, rng=np.random.default_rng(0))
    return digits.encode_update(rows, values)


def test_next_model__ridge_through_a_field_vector__is_scikit_learns():
    method = NormalEquations()
    solver, encoding, digits = setting(LINEAR, method)
    layout = SlotLayout.fitting(digits.slots)
    numbers = total_of(LINEAR, method, digits)
    vector = layout.place(numbers, Randomness(bytes(32)))
    made = solver.next_model([0] * (1 + digits.slots), layout.extract(vector), 200)
    theta = encoding.decode_model(made)
    fitted = Ridge(alpha=0.2).fit(*small_rows(LINEAR, 200))
    np.testing.assert_allclose(theta[:-1], fitted.coef_, rtol=1e-6)
    assert theta[-1] == pytest.approx(fitted.intercept_, rel=1e-6)


def test_next_model__known_integers__gives_these_very_integers():
    """One row sum of one feature: (A + M l2 D) theta = b by hand, in units of the encoding."""
    model = small_model(ModelKind.LINEAR, features=1)
    method = NormalEquations()
    solver, encoding, digits = setting(model, method)
    total = digits.encode_update(4, [8.0, 2.0, 4.0, 6.0, 3.0])
    made = solver.next_model([0] * len(total), total.tolist(), 4)
    a, b, c, p, q = (Fraction(v) for v in digits.decode_sum(total.tolist()))
    a += Fraction(1e-3) * 4 / Fraction(digits.step)
    unit = Fraction(encoding.step) / 2**encoding.fraction_bits
    determinant = a * c - b * b
    exact = [(p * c - q * b) / determinant / unit, (a * q - b * p) / determinant / unit]
    assert made == [round(value) for value in exact]


def test_next_model__newton__starts_from_the_model_given():
    model, method = small_model(ModelKind.LOGISTIC), NewtonSums()
    solver, encoding, digits = setting(model, method)
    integers = [0] * model.parameter_count
    decreases = []
    for _ in range(9):
        theta = encoding.decode_model(integers)
        total = total_of(model, method, digits, theta).tolist()
        slots = [0, *integers, *([0] * digits.slots)]
        decreases.append(solver.solution(slots, total, 200).decrease)
        finished = solver.converged(slots, total, 200)
        integers = solver.next_model(slots, total, 200)
    assert finished
    assert decreases[0] > 100 * decreases[3] > 0


def test_next_model__sums_without_solution__says_so():
    solver, _, digits = setting(LINEAR, NormalEquations())
    total = [200, *([0] * 15), *([10**30] * 5), *([0] * digits.slots)]
    with pytest.raises(NoSolution):
        solver.next_model([0] * len(total), total, 200)


def test_spread__integers_of_any_size__are_extracted_again():
    layout = SlotLayout(64, 2, 1, 40)
    numbers = [0, -(2**200), 2**130, 7]
    vector = layout.spread(numbers)
    assert layout.extract(vector) == numbers + [0] * 37
    assert vector.to_ints().count(0) == 64 - 3
    assert layout.spread([]) == FieldVector.zeros(64)


def task_of(kind, method):
    model = small_model(kind)
    values = method.update_length(model)
    parameters = Hyperparameters(method, 1.0, CLIP, 1e-3, 1)
    data = small_dataset(Task.REGRESSION)
    return values, learning_task(data, model, parameters, 1.0, CLIP, 1, 500)


def test_ranked__update_in_digits__shows_the_rule_the_update_and_the_deviation_of_its_mask():
    """A rule sees the first digits in real units: the update to within a first step."""
    seen = []

    class Seeing:
        def select(self, masked, criterion, *, noise_sigma, history=None):
            seen.append((masked, noise_sigma))
            return choose(np.zeros(len(masked)), criterion)

    values, task = task_of(ModelKind.LINEAR, NormalEquations())
    update = np.linspace(-1.0, 1.0, values) * 300
    slots = task.digits.encode_update(50, update)
    selector = RuleSelector(Seeing(), Within(2.5), task)
    assert selector.choose(2, {4: slots, 7: slots}, updates_model=True).kept == (4, 7)
    ((matrix, sigma),) = seen
    np.testing.assert_allclose(matrix, [update] * 2, atol=0.51 * task.digits.first_step)
    assert sigma == pytest.approx(SIGMA_INT * task.digits.first_step)
    assert sigma >= CLIP


def test_ranked__linear_step__is_the_gradient_and_z_times_the_clip_norm():
    _, task = task_of(ModelKind.LINEAR, GradientSum())
    values, step = task.ranked
    assert values == task.model.parameter_count
    assert step * SIGMA_INT == pytest.approx(task.encoding.sigma)
    assert task.solver() is None
