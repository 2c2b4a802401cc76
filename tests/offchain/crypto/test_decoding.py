import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offchain.crypto import polynomial
from offchain.crypto.decoding import locate_errors, locate_wrong_sums
from offchain.crypto.errors import DecodingError, LengthError
from offchain.crypto.field import FieldVector, R
from tests.offchain.crypto.oracles import evaluate, lagrange


def codeword(n, bound, seed):
    source = random.Random(seed)
    coefficients = [source.randrange(R) for _ in range(bound)]
    xs = source.sample(range(1, 1000), n)
    return xs, [evaluate(coefficients, x) for x in xs], source


@pytest.mark.parametrize(("n", "bound"), [(1, 1), (5, 5), (6, 5), (7, 3), (32, 16), (40, 23)])
def test_locate_errors__up_to_the_radius__finds_exactly_those(n, bound):
    for count in range((n - bound) // 2 + 1):
        xs, ys, source = codeword(n, bound, count)
        wrong = set(source.sample(xs, count))
        ys = [source.randrange(R) if x in wrong else y for x, y in zip(xs, ys, strict=True)]
        assert locate_errors(xs, ys, bound) == wrong


@pytest.mark.parametrize(("n", "bound"), [(6, 5), (7, 3), (32, 16)])
def test_locate_errors__beyond_the_radius__raises(n, bound):
    for count in range((n - bound) // 2 + 1, n - bound + 1):
        xs, ys, source = codeword(n, bound, count)
        wrong = set(source.sample(xs, count))
        ys = [source.randrange(R) if x in wrong else y for x, y in zip(xs, ys, strict=True)]
        with pytest.raises(DecodingError, match=f"more than {(n - bound) // 2} of {n}"):
            locate_errors(xs, ys, bound)


def test_locate_errors__zero_polynomial_and_errors_of_one__finds_them():
    ys = [0] * 9
    ys[4] = 1
    assert locate_errors(list(range(1, 10)), ys, 3) == {5}
    assert locate_errors(list(range(1, 10)), [0] * 9, 3) == set()


def test_locate_errors__bad_input__raises():
    with pytest.raises(LengthError):
        locate_errors([1, 2], [1], 1)
    with pytest.raises(DecodingError, match="2 values, at least 3 needed"):
        locate_errors([1, 2], [1, 2], 3)
    with pytest.raises(DecodingError, match="same coordinate"):
        locate_errors([1, 1], [1, 2], 1)


@pytest.mark.parametrize("wrong", [set(), {3}, {1, 8, 9}])
def test_locate_wrong_sums__one_element_altered__is_found(randomness, wrong):
    rows = [randomness.field_vector(40) for _ in range(4)]
    sums = {x: FieldVector.linear_combination([x**k for k in range(4)], rows) for x in range(1, 11)}
    for x in wrong:
        sums[x] = sums[x] + FieldVector.from_ints([0] * 39 + [x])
    assert locate_wrong_sums(sums, 4, randomness) == wrong


def test_locate_wrong_sums__too_many_or_of_other_length__raises(randomness):
    sums = {x: randomness.field_vector(8) for x in range(1, 7)}
    with pytest.raises(DecodingError):
        locate_wrong_sums(sums, 4, randomness)
    with pytest.raises(LengthError):
        locate_wrong_sums({**sums, 3: FieldVector.zeros(7)}, 4, randomness)
    with pytest.raises(DecodingError, match="0 values"):
        locate_wrong_sums({}, 4, randomness)


small = st.lists(st.integers(0, R - 1), max_size=6)


@given(small, small, st.integers(0, R - 1))
@settings(max_examples=60, deadline=None)
def test_polynomials__arithmetic__agrees_with_values(a, b, x):
    values = evaluate(a, x), evaluate(b, x)
    assert evaluate(polynomial.add(a, b), x) == sum(values) % R
    assert evaluate(polynomial.multiply(a, b), x) == values[0] * values[1] % R
    if any(b):
        quotient, rest = polynomial.divide(a, b)
        assert len(rest) < len(polynomial.trim(b))
        assert polynomial.add(polynomial.multiply(quotient, b), rest) == polynomial.trim(a)
    else:
        with pytest.raises(ZeroDivisionError):
            polynomial.divide(a, b)


def test_interpolate__points__goes_through_them():
    xs, ys = [3, -1, 0, 77], [5, 0, R - 1, 12]
    found = polynomial.interpolate(xs, ys)
    assert [evaluate(found, x) for x in xs] == ys
    assert len(polynomial.interpolate([1, 2, 3], [4, 4, 4])) == 1
    with pytest.raises(ZeroDivisionError):
        polynomial.interpolate([1, 1], [2, 3])
    assert evaluate(polynomial.from_roots([4, 5]), 5) == 0


@pytest.mark.parametrize("xs", [(1, 2, 3, 4), (9, 2, 31, 5), (0, -1, -2)])
def test_lagrange_weights__any_place__equals_the_definition(xs):
    values = [11, R - 3, 12345, 7][: len(xs)]
    for at in (0, -3, 10):
        weights, denominator = polynomial.lagrange_weights(xs, at)
        found = sum(w * v for w, v in zip(weights, values, strict=True))
        expected = lagrange(list(zip(xs, values, strict=True)), at)
        assert found * pow(denominator, -1, R) % R == expected


def test_lagrange_weights__neighbouring_integers__are_short_integers():
    weights, denominator = polynomial.lagrange_weights(tuple(range(1, 17)), -7)
    assert denominator == 1
    assert max(abs(w) for w in weights) < 2**40
