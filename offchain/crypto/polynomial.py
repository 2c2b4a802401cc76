"""Small polynomials over F_r: lists of coefficients, lowest power first, no trailing zero."""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from math import lcm, prod

from offchain.crypto.field import R, inverse


def evaluate(coefficients: Sequence[int], x: int) -> int:
    """Return the value at x."""
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * x + coefficient) % R
    return value


def trim(coefficients: Sequence[int]) -> list[int]:
    """Drop leading zeros, at the high end."""
    out = list(coefficients)
    while out and out[-1] == 0:
        out.pop()
    return out


def add(a: Sequence[int], b: Sequence[int]) -> list[int]:
    """Return a + b."""
    size = max(len(a), len(b))
    padded_a = [*a, *[0] * (size - len(a))]
    padded_b = [*b, *[0] * (size - len(b))]
    return trim([(x + y) % R for x, y in zip(padded_a, padded_b, strict=True)])


def multiply(a: Sequence[int], b: Sequence[int]) -> list[int]:
    """Return a * b."""
    if not a or not b:
        return []
    out = [0] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            out[i + j] += x * y
    return trim([value % R for value in out])


def divide(a: Sequence[int], b: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return quotient and remainder of a by b.

    Raises
    ------
    ZeroDivisionError
        If b is the zero polynomial.
    """
    divisor, rest = trim(b), trim(a)
    if not divisor:
        raise ZeroDivisionError("division by the zero polynomial")
    lead = inverse(divisor[-1])
    quotient = [0] * max(len(rest) - len(divisor) + 1, 0)
    while len(rest) >= len(divisor):
        shift = len(rest) - len(divisor)
        factor = rest[-1] * lead % R
        quotient[shift] = factor
        for i, value in enumerate(divisor):
            rest[shift + i] = (rest[shift + i] - factor * value) % R
        rest = trim(rest)
    return trim(quotient), rest


def from_roots(roots: Sequence[int]) -> list[int]:
    """Return the product of (X - root)."""
    out = [1]
    for root in roots:
        out = multiply(out, [-root % R, 1])
    return out


def interpolate(xs: Sequence[int], ys: Sequence[int]) -> list[int]:
    """Return the polynomial of least degree through the points (distinct xs); Newton's form.

    Raises
    ------
    ZeroDivisionError
        If two xs are equal modulo r.
    """
    differences = [y % R for y in ys]
    for order in range(1, len(xs)):
        for i in range(len(xs) - 1, order - 1, -1):
            gap = inverse(xs[i] - xs[i - order])
            differences[i] = (differences[i] - differences[i - 1]) * gap % R
    out: list[int] = []
    for x, difference in zip(reversed(xs), reversed(differences), strict=True):
        out = add(multiply(out, [-x % R, 1]), [difference])
    return out


@lru_cache(maxsize=512)
def lagrange_weights(xs: tuple[int, ...], at: int) -> tuple[tuple[int, ...], int]:
    """Return how a value at one integer follows from values at distinct integers.

    Returns
    -------
    weights : tuple of int
        Integers, short ones for neighbouring xs.
    denominator : int
        f(at) = sum_i weights[i] f(xs[i]) / denominator for every f of degree below len(xs).
    """
    fractions = [
        Fraction(prod(at - b for b in xs if b != a), prod(a - b for b in xs if b != a)) for a in xs
    ]
    denominator = lcm(*(fraction.denominator for fraction in fractions))
    return tuple(int(fraction * denominator) for fraction in fractions), denominator
