"""`ridge`: linear regression in one round, from the sums of x x' and x y.

With every row's x ending in a 1 for the intercept, A = sum x x' (its upper triangle only) and
b = sum x y, the minimum of (1/2M) sum (y - x'theta)^2 + (l2/2) |w|^2 is the solution of

    (A + M l2 D) theta = b,        D = identity without the intercept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from offchain.learning.arrays import Floats
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


@dataclass(frozen=True, slots=True)
class NormalEquations:
    """The sums of x x' and x y of a device's rows; the solution is the model."""

    name: ClassVar[str] = "ridge"
    linear_step: ClassVar[bool] = False
    resolution: ClassVar[float] = 2.0**32

    def update_length(self, model: Model) -> int:
        """Return d (d + 1) / 2 + d, with d = features + 1.

        Raises
        ------
        OptionError
            For a model that is not linear.
        """
        if model.kind is not ModelKind.LINEAR:
            raise OptionError("method", self.name, f"solves linear models, not {model.kind.value}")
        return triangle(model.parameter_count) + model.parameter_count

    def row_norm(self, model: Model) -> float:
        """Return d + 1: the mean of |x|^2 + y^2 of standardised rows bounds that of the sums."""
        return float(model.parameter_count + 1)

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
        """Return [upper triangle of A..., b...]; neither the model nor `rng` matters."""
        del theta, l2, rng
        self.update_length(model)
        rows, target = model.parse_rows(X, y)
        x = with_ones(rows)
        return np.concatenate([upper(x.T @ x), x.T @ target])

    def solve(self, model: Model, theta: Sequence[Fraction], sums: Sums) -> Solution:
        """Return the minimum, whatever theta was."""
        del theta
        require_penalty(sums)
        size = model.parameter_count
        entries, right = sums.values[: triangle(size)], sums.values[triangle(size) :][:size]
        diagonal = [sums.penalty if penalised(model, i) else Fraction(0) for i in range(size)]
        solved = solve_symmetric(
            fixed_rows(lower_rows(entries, size), diagonal), [[fixed(value) for value in right]]
        )
        return Solution(checked(solutions(solved)[0]), None, solved.dropped)

    def converged(self, solution: Solution) -> bool:
        """Return True: a second round could only repeat the first."""
        del solution
        return True
