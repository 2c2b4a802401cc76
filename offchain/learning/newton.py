"""`newton`: logistic and softmax regression by Newton steps from summed gradients and Hessians.

With x ending in a 1 and p_i the model's probabilities of row i, a step solves

    (H + M l2 D) delta = g + M l2 D theta,        theta' = theta - delta,

where g = sum (p_i - e_i) x_i and H is, for d parameters in all,

- logistic: sum p (1 - p) x x', exact;
- softmax with d (d + 1) / 2 <= 8,192: sum (diag(p) - p p') (x) x x', exact;
- other softmax models: Boehning's bound (1992) 1/2 (I - 1 1'/K) (x) sum x x', which is no smaller
  than the Hessian anywhere. Every step then lowers the objective, but many more are needed.
  Gradient and theta sum to 0 over the classes, so that one system in A = sum x x' serves them all:
  (A/2 + M l2 D) delta_k = g_k + M l2 D theta_k.

The softmax objective does not change when all intercepts do alike; the exact system gets M/K on
every pair of intercepts, which leaves their sum where it is and nothing else changed.

*Stopping.* delta'(g + M l2 D theta) / 2M is what the quadratic model takes off the mean objective.
Below `tolerance` the steps have converged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt

from offchain.learning.arrays import Floats, require_positive
from offchain.learning.errors import OptionError
from offchain.learning.exact import fixed, solve_symmetric
from offchain.learning.models import Model, ModelKind
from offchain.learning.solving import (
    Solution,
    Sums,
    checked,
    fixed_rows,
    lower_rows,
    penalised,
    require_penalty,
    solutions,
    triangle,
    upper,
    with_ones,
)

MOST_HESSIAN_VALUES: Final = 8_192
"""Largest exact Hessian of a softmax model: more would take over four chunks in two digits."""


@dataclass(frozen=True, slots=True)
class NewtonSums:
    """The gradient and the Hessian (or its bound) of a device's rows.

    Parameters
    ----------
    tolerance
        Expected decrease of the mean objective below which training stops, above 0.
    """

    name: ClassVar[str] = "newton"
    linear_step: ClassVar[bool] = False
    resolution: ClassVar[float] = 2.0**20
    tolerance: float = 1e-6

    def __post_init__(self) -> None:
        require_positive("tolerance", self.tolerance)

    def bounded(self, model: Model) -> bool:
        """Whether the Hessian is replaced by its bound."""
        return (
            model.kind is ModelKind.SOFTMAX
            and triangle(model.parameter_count) > MOST_HESSIAN_VALUES
        )

    def update_length(self, model: Model) -> int:
        """Return d for the gradient, and the Hessian's or the bound's upper triangle.

        Raises
        ------
        OptionError
            For a linear model, which `ridge` solves in one round.
        """
        if model.kind is ModelKind.LINEAR:
            raise OptionError("method", self.name, "is for classes; a linear model takes ridge")
        size = model.features + 1 if self.bounded(model) else model.parameter_count
        return model.parameter_count + triangle(size)

    def row_norm(self, model: Model) -> float:
        """Return a bound of the norm of (g, H) for a row with |x|^2 = features + 1."""
        square = model.features + 1.0
        if model.kind is ModelKind.LOGISTIC:
            return math.hypot(math.sqrt(square), square / 4)
        curvature = square if self.bounded(model) else square / 2
        return math.hypot(math.sqrt(2 * square), curvature)

    def update(
        self,
        model: Model,
        theta: Floats,
        X: Floats,
        y: npt.ArrayLike,
        *,
        l2: float,
        rng: np.random.Generator,
    ) -> Floats:
        """Return [g..., upper triangle...]; the penalty is added where the system is solved."""
        del l2, rng
        self.update_length(model)
        rows, target = model.parse_rows(X, y)
        gradient = model.gradient_of_parsed(theta, rows, target, 0.0)
        x = with_ones(rows)
        if self.bounded(model):
            return np.concatenate([gradient, upper(x.T @ x)])
        p = model.probabilities(theta, rows)
        if model.kind is ModelKind.LOGISTIC:
            return np.concatenate([gradient, upper((x.T * (p[:, 0] * p[:, 1])) @ x)])
        return np.concatenate([gradient, upper(_softmax_hessian(x, p))])

    def solve(self, model: Model, theta: Sequence[Fraction], sums: Sums) -> Solution:
        """Return the model after one step from theta."""
        require_penalty(sums)
        size, penalty = model.parameter_count, sums.penalty
        scaled = [penalty * value for value in theta]
        gradient = [
            value + (more if penalised(model, i) else 0)
            for i, (value, more) in enumerate(zip(sums.values[:size], scaled, strict=True))
        ]
        step, dropped = (self._bound_step if self.bounded(model) else self._step)(
            model, gradient, sums
        )
        product = sum((d * Fraction(g) for d, g in zip(step, gradient, strict=True)), Fraction(0))
        decrease = float(product * sums.unit / (2 * sums.count))
        moved = [value - delta for value, delta in zip(theta, step, strict=True)]
        return Solution(checked(moved), decrease, dropped)

    def converged(self, solution: Solution) -> bool:
        """Return whether the step was expected to gain less than the tolerance."""
        return solution.decrease is not None and abs(solution.decrease) < self.tolerance

    def _step(
        self, model: Model, gradient: Sequence[Fraction | int], sums: Sums
    ) -> tuple[list[Fraction], tuple[int, ...]]:
        size = model.parameter_count
        entries = sums.values[size : size + triangle(size)]
        diagonal = [sums.penalty if penalised(model, i) else Fraction(0) for i in range(size)]
        lower = fixed_rows(lower_rows(entries, size), diagonal)
        if model.kind is ModelKind.SOFTMAX:
            intercepts = range(model.features, size, model.features + 1)
            tie = fixed(Fraction(sums.count, model.classes) / sums.unit)
            for i in intercepts:
                for j in intercepts[: intercepts.index(i) + 1]:
                    lower[i][j] += tie
        solved = solve_symmetric(lower, [[fixed(Fraction(value)) for value in gradient]])
        return solutions(solved)[0], solved.dropped

    def _bound_step(
        self, model: Model, gradient: Sequence[Fraction | int], sums: Sums
    ) -> tuple[list[Fraction], tuple[int, ...]]:
        width, classes = model.features + 1, model.classes
        first = model.parameter_count
        entries = sums.values[first : first + triangle(width)]
        # Twice the system, so that A stays whole: (A + 2 M l2 D) delta_k = 2 g_k.
        diagonal = [2 * sums.penalty if penalised(model, i) else Fraction(0) for i in range(width)]
        mean = [
            Fraction(sum((Fraction(g) for g in gradient[i::width]), Fraction(0)), classes)
            for i in range(width)
        ]
        sides = [
            [fixed(2 * (gradient[k * width + i] - mean[i])) for i in range(width)]
            for k in range(classes)
        ]
        solved = solve_symmetric(fixed_rows(lower_rows(entries, width), diagonal), sides)
        step = [value for column in solutions(solved) for value in column]
        dropped = tuple(k * width + i for k in range(classes) for i in solved.dropped)
        return step, dropped


def _softmax_hessian(x: Floats, p: Floats) -> Floats:
    """Return sum (diag(p) - p p') (x) x x', shape (classes width, classes width)."""
    classes, width = p.shape[1], x.shape[1]
    hessian = np.empty((classes, width, classes, width))
    for k in range(classes):
        for j in range(k, classes):
            weight = p[:, k] * ((1.0 if j == k else 0.0) - p[:, j])
            block = (x.T * weight) @ x
            hessian[k, :, j, :] = block
            hessian[j, :, k, :] = block.T
    return hessian.reshape(classes * width, classes * width)
