"""Methods whose devices send sums of a system of equations, and whose model is its solution.

Clipping such an update scales everything in it alike, as if the device's rows counted that much
less: what is solved stays a weighted least-squares (or Newton) system of real rows. The penalty
stays that of all rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Protocol, runtime_checkable

import numpy as np

from offchain.learning.arrays import Floats, Integers
from offchain.learning.errors import LearningError, OptionError
from offchain.learning.exact import BITS, Solved, fixed
from offchain.learning.models import Model
from offchain.learning.training import Method

MOST_PARAMETER: Final = 2**40
"""Largest absolute parameter of a model that is accepted, on standardised columns."""


class NoSolution(LearningError):
    """The sums of a round give no usable model; the model stays as it is."""


@dataclass(frozen=True, slots=True)
class Sums:
    """What a round released, as everybody can read it.

    Attributes
    ----------
    values
        Sum of the updates, in units of `unit`.
    unit
        Real size of one step of the encoding.
    count
        Number of rows M behind it, as Contract S has accepted it.
    l2
        Regularisation of the objective.
    """

    values: Sequence[int]
    unit: Fraction
    count: int
    l2: float

    @property
    def penalty(self) -> Fraction:
        """M l2 in units of `unit`."""
        return Fraction(self.l2) * self.count / self.unit


@dataclass(frozen=True, slots=True)
class Solution:
    """The next model.

    Attributes
    ----------
    theta
        Parameters, exact, length d.
    decrease
        What the step takes off the mean objective, by its quadratic model; None where the solution
        is final.
    dropped
        Parameters that the sums do not determine: held at 0 (ridge) or where they are (newton).
    """

    theta: tuple[Fraction, ...]
    decrease: float | None
    dropped: tuple[int, ...]


@runtime_checkable
class SolvingMethod(Method, Protocol):
    """A method that is no linear step: all fogs solve, and vote for the same model."""

    @property
    def resolution(self) -> float:
        """Least number of steps from 0 to the clip norm that its sums need."""

    def row_norm(self, model: Model) -> float:
        """Norm that one standardised row adds to an update, on average; bounds the clip norm."""

    def solve(self, model: Model, theta: Sequence[Fraction], sums: Sums) -> Solution:
        """Return the next model from the sums of a round.

        Raises
        ------
        NoSolution
            If the sums have none, or one beyond all bounds.
        """

    def converged(self, solution: Solution) -> bool:
        """Whether a further round would change nothing that matters."""


def with_ones(X: Floats) -> Floats:
    """Return the rows with a column of ones for the intercept, behind the features."""
    return np.column_stack([X, np.ones(len(X))])


def upper(matrix: Floats) -> Floats:
    """Return the entries on and above the diagonal, row by row: n (n + 1) / 2 of them."""
    return np.asarray(matrix[np.triu_indices(len(matrix))])


def triangle(size: int) -> int:
    """Return the number of entries of a symmetric matrix that say all: size (size + 1) / 2."""
    return size * (size + 1) // 2


def lower_rows(entries: Sequence[int], size: int) -> list[list[int]]:
    """Turn the entries of `upper` into rows of the lower triangle, as integers."""
    positions: Integers = np.zeros((size, size), dtype=np.int64)
    positions[np.triu_indices(size)] = np.arange(triangle(size))
    return [[entries[int(positions[j, i])] for j in range(i + 1)] for i in range(size)]


def penalised(model: Model, index: int) -> bool:
    """Whether a parameter is a weight; intercepts are not penalised."""
    return index % (model.features + 1) != model.features


def require_penalty(sums: Sums) -> None:
    """Raise `OptionError` unless l2 is above 0: else dependent columns leave the model open."""
    if not sums.l2 > 0:
        raise OptionError("l2", sums.l2, "must be above 0 for a method that solves")


def checked(values: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """Return parameters that are within bounds.

    Raises
    ------
    NoSolution
        Naming the first one that is not.
    """
    for index, value in enumerate(values):
        if abs(value) > MOST_PARAMETER:
            raise NoSolution(f"parameter {index} passes {MOST_PARAMETER}: the sums are singular")
    return tuple(values)


def real(value: int) -> Fraction:
    """Return what a fixed-point integer stands for."""
    return Fraction(value, 1 << BITS)


def fixed_rows(lower: Sequence[Sequence[int]], diagonal: Sequence[Fraction]) -> list[list[int]]:
    """Return a lower triangle in fixed point, with a diagonal added."""
    rows = [[fixed(value) for value in row] for row in lower]
    for row, more in zip(rows, diagonal, strict=True):
        row[-1] += fixed(more)
    return rows


def solutions(solved: Solved) -> list[list[Fraction]]:
    """Return the solutions as real numbers."""
    return [[real(value) for value in column] for column in solved.columns]
