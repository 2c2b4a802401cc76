"""Which of many values of a polynomial are wrong: Reed-Solomon decoding over F_r (Gao, 2002)."""

from collections.abc import Mapping, Sequence

from offchain.crypto import polynomial
from offchain.crypto.errors import DecodingError, LengthError
from offchain.crypto.field import FieldVector
from offchain.crypto.randomness import Randomness


def locate_errors(xs: Sequence[int], ys: Sequence[int], degree_bound: int) -> set[int]:
    """Find the points that do not lie on the polynomial through the others.

    Parameters
    ----------
    xs, ys
        Distinct coordinates and claimed values.
    degree_bound
        The polynomial has degree below this number.

    Returns
    -------
    set of int
        The xs whose values are wrong, at most (len(xs) - degree_bound) // 2 of them.

    Raises
    ------
    LengthError
        If xs and ys differ in length.
    DecodingError
        If there are too few points, equal xs, or more errors than can be located.
    """
    if len(xs) != len(ys):
        raise LengthError("values", len(ys), len(xs))
    if not 1 <= degree_bound <= len(xs):
        raise DecodingError(f"{len(xs)} values, at least {degree_bound} needed")
    if len(set(xs)) != len(xs):
        raise DecodingError("two values have the same coordinate")
    radius = (len(xs) - degree_bound) // 2
    candidate = _gao(xs, ys, degree_bound)
    if candidate is not None:
        wrong = {x for x, y in zip(xs, ys, strict=True) if polynomial.evaluate(candidate, x) != y}
        if len(wrong) <= radius:
            return wrong
    raise DecodingError(f"more than {radius} of {len(xs)} values are wrong")


def _gao(xs: Sequence[int], ys: Sequence[int], degree_bound: int) -> list[int] | None:
    """Return the decoded polynomial, or None where there is none within the radius."""
    previous, current = polynomial.from_roots(xs), polynomial.interpolate(xs, ys)
    previous_factor: list[int] = []
    factor = [1]
    # Partial Euclid: stop at the first remainder of degree below (n + k) / 2.
    while 2 * (len(current) - 1) >= len(xs) + degree_bound:
        quotient, rest = polynomial.divide(previous, current)
        step = polynomial.multiply([-1], polynomial.multiply(quotient, factor))
        previous, current = current, rest
        previous_factor, factor = factor, polynomial.add(previous_factor, step)
    decoded, rest = polynomial.divide(current, factor)
    return decoded if not rest and len(decoded) <= degree_bound else None


def locate_wrong_sums(
    sums: Mapping[int, FieldVector], degree_bound: int, randomness: Randomness
) -> set[int]:
    """Find the wrong vectors among values of a vector polynomial.

    All vectors are folded by powers of one random point that their senders cannot foresee: a wrong
    vector folds to a right value with probability below length / r.

    Parameters
    ----------
    sums
        Vectors of one length, keyed by x coordinate.
    degree_bound
        t + l - 1.

    Raises
    ------
    LengthError
        If the vectors differ in length.
    DecodingError
        As `locate_errors`.
    """
    lengths = {len(vector) for vector in sums.values()}
    if len(lengths) > 1:
        raise LengthError("sum of shares", max(lengths), min(lengths))
    point = randomness.scalar()
    return locate_errors(
        list(sums), [vector.horner(point) for vector in sums.values()], degree_bound
    )
