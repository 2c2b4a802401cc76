"""Symmetric linear systems in integer arithmetic: the same bits on every machine.

Fixed point: the integer x stands for x / 2^256. With a factorisation A = L D L',

    c_ij = a_ij - sum_(k<j) l_ik c_jk,    d_j = c_jj,    l_ij = c_ij / d_j,

every product is shifted and every quotient taken by floor, so that the result is defined to the
bit; 256 bits of fraction leave the error far below anything that the sums resolve. A column whose
pivot d_j is not above 0 depends on those before it (or is constant): its unknown is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from operator import mul
from typing import Final

from offchain.learning.errors import ShapeError

BITS: Final = 256
"""Fraction bits of the fixed point."""


def fixed(value: Fraction | int) -> int:
    """Return floor(value 2^256)."""
    if isinstance(value, int):
        return value << BITS
    return (value.numerator << BITS) // value.denominator


@dataclass(frozen=True, slots=True)
class Solved:
    """Solutions of a system.

    Attributes
    ----------
    columns
        One solution for each right-hand side, in fixed point.
    dropped
        Unknowns set to 0 because their column depends on those before it.
    """

    columns: tuple[tuple[int, ...], ...]
    dropped: tuple[int, ...]


def solve_symmetric(
    lower: Sequence[Sequence[int]], right_hand_sides: Sequence[Sequence[int]]
) -> Solved:
    """Solve A x = b for each right-hand side b.

    Parameters
    ----------
    lower
        Row i holds a_i0 ... a_ii, in fixed point.
    right_hand_sides
        Vectors as long as A, in fixed point, in the same unit.

    Raises
    ------
    ShapeError
        If a row or a vector has another length.
    """
    size = len(lower)
    for i, row in enumerate(lower):
        if len(row) != i + 1:
            raise ShapeError(f"row {i}", (len(row),), f"({i + 1},)")
    for vector in right_hand_sides:
        if len(vector) != size:
            raise ShapeError("right-hand side", (len(vector),), f"({size},)")
    factors: list[list[int]] = []
    pivots: list[int] = []
    for row in lower:
        scaled: list[int] = []  # c_ik of this row i
        for j, pivot in enumerate(pivots):
            known = sum(map(mul, factors[j], scaled)) >> BITS
            scaled.append(row[j] - known if pivot > 0 else 0)
        factor = [
            (c << BITS) // pivot if pivot > 0 else 0
            for c, pivot in zip(scaled, pivots, strict=True)
        ]
        pivots.append(row[-1] - (sum(map(mul, factor, scaled)) >> BITS))
        factors.append(factor)
    columns = tuple(_substitute(factors, pivots, vector) for vector in right_hand_sides)
    return Solved(columns, tuple(j for j, pivot in enumerate(pivots) if pivot <= 0))


def _substitute(
    factors: Sequence[Sequence[int]], pivots: Sequence[int], vector: Sequence[int]
) -> tuple[int, ...]:
    """Solve L z = b, D w = z, L' x = w."""
    z: list[int] = []
    for value, factor in zip(vector, factors, strict=True):
        z.append(value - (sum(map(mul, factor, z)) >> BITS))
    x = [
        (value << BITS) // pivot if pivot > 0 else 0 for value, pivot in zip(z, pivots, strict=True)
    ]
    for j in reversed(range(len(x))):
        for k, entry in enumerate(factors[j]):
            x[k] -= (entry * x[j]) >> BITS
    return tuple(x)
