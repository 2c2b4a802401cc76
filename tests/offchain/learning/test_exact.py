"""The integer solver against rational elimination and numpy."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from offchain.learning.errors import ShapeError
from offchain.learning.exact import BITS, fixed, solve_symmetric


def rational_solution(matrix: list[list[int]], right: list[int]) -> list[Fraction]:
    """Gauss-Jordan elimination over the rationals."""
    rows = [[Fraction(v) for v in (*row, b)] for row, b in zip(matrix, right, strict=True)]
    for j in range(len(rows)):
        rows[j] = [value / rows[j][j] for value in rows[j]]
        for i, row in enumerate(rows):
            if i != j:
                rows[i] = [a - row[j] * b for a, b in zip(row, rows[j], strict=True)]
    return [row[-1] for row in rows]


def lower(matrix: np.ndarray) -> list[list[int]]:
    return [[fixed(int(v)) for v in row[: i + 1]] for i, row in enumerate(matrix.tolist())]


def gram(size: int, seed: int = 0) -> np.ndarray:
    columns = np.random.default_rng(seed).integers(-9, 10, size=(3 * size, size))
    return columns.T @ columns


def test_solve__positive_definite__equals_rational_elimination_to_240_bits():
    matrix, right = gram(8), list(range(-3, 5))
    solved = solve_symmetric(lower(matrix), [[fixed(v) for v in right]])
    exact = rational_solution(matrix.tolist(), right)
    assert solved.dropped == ()
    for value, wanted in zip(solved.columns[0], exact, strict=True):
        assert abs(Fraction(value, 2**BITS) - wanted) < Fraction(1, 2**240)


def test_solve__nearly_singular__still_equals_rational_elimination():
    """Condition about 4e18: beyond float64."""
    matrix = [[10**18, 10**18 - 1], [10**18 - 1, 10**18 - 1]]
    solved = solve_symmetric(lower(np.array(matrix)), [[fixed(1), fixed(2)]])
    for value, wanted in zip(solved.columns[0], rational_solution(matrix, [1, 2]), strict=True):
        assert abs(Fraction(value, 2**BITS) / wanted - 1) < Fraction(1, 2**150)


def test_solve__several_right_hand_sides__each_equals_numpy():
    matrix = gram(12, 1)
    sides = np.random.default_rng(2).integers(-50, 50, size=(3, 12))
    solved = solve_symmetric(lower(matrix), [[fixed(int(v)) for v in side] for side in sides])
    for column, side in zip(solved.columns, sides, strict=True):
        real = [value / 2**BITS for value in column]
        np.testing.assert_allclose(real, np.linalg.solve(matrix, side), rtol=1e-9)


def test_solve__known_case__gives_these_very_bits():
    """Floor everywhere: 1/3 is rounded down, -1/3 away from zero."""
    third = 2**BITS // 3
    assert solve_symmetric([[fixed(3)]], [[fixed(1)], [fixed(-1)]]).columns == (
        (third,),
        (-third - 1,),
    )


def test_solve__dependent_and_constant_columns__are_left_out():
    matrix = gram(3)
    grown = np.zeros((5, 5), dtype=np.int64)
    kept = [0, 2, 4]
    grown[np.ix_(kept, kept)] = matrix
    grown[3] = grown[2]
    grown[:, 3] = grown[:, 2]
    right = [1, 0, 2, 2, 3]
    solved = solve_symmetric(lower(grown), [[fixed(v) for v in right]])
    assert solved.dropped == (1, 3)
    exact = rational_solution(matrix.tolist(), [1, 2, 3])
    values = [Fraction(v, 2**BITS) for v in solved.columns[0]]
    assert values[1] == values[3] == 0
    for position, wanted in zip(kept, exact, strict=True):
        assert abs(values[position] - wanted) < Fraction(1, 2**240)


def test_solve__wrong_lengths__shape_error():
    with pytest.raises(ShapeError, match="row 1"):
        solve_symmetric([[1], [1]], [])
    with pytest.raises(ShapeError, match="right-hand side"):
        solve_symmetric([[fixed(1)]], [[1, 2]])
