import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offchain.crypto.errors import LengthError, RangeError, ScalarOverflowError
from offchain.crypto.field import (
    MOST_FACTOR,
    FieldVector,
    R,
    centred,
    inverse,
    parse_field_vector,
    parse_field_vectors,
    parse_scalar,
    scalar_bytes,
)
from offchain.crypto.hashing import keccak256
from offchain.crypto.kernels import lanes
from tests.offchain.crypto.oracles import evaluate
from tests.offchain.crypto.processors import IN_LANES

EDGES = [0, 1, 2, R - 1, R - 2, R // 2, R // 2 + 1, 2**64, 2**128, R - 2**64, R - 2**128, 2**254]
scalars = st.one_of(st.sampled_from(EDGES), st.integers(0, R - 1))
vectors = st.lists(scalars, min_size=1, max_size=40)
fast = settings(max_examples=60, deadline=None)


def random_ints(count, seed):
    source = random.Random(seed)
    return [
        source.choice(EDGES) if source.random() < 0.3 else source.randrange(R) for _ in range(count)
    ]


@given(st.lists(st.tuples(scalars, scalars), min_size=1, max_size=40), scalars)
@fast
def test_arithmetic__any_elements__equals_integer_arithmetic(pairs, factor):
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    u, v = FieldVector.from_ints(a), FieldVector.from_ints(b)
    assert (u + v).to_ints() == [(x + y) % R for x, y in pairs]
    assert (u - v).to_ints() == [(x - y) % R for x, y in pairs]
    assert (-u).to_ints() == [-x % R for x in a]
    assert u.scale(factor).to_ints() == [x * factor % R for x in a]
    assert u.dot(v) == sum(x * y for x, y in pairs) % R
    assert u.horner(factor) == evaluate(a, factor)


@pytest.mark.parametrize("length", [1, 63, 64, 65, 1023, 1024, 1025, 2500])
def test_linear_map__lengths_around_the_column_width__equals_integer_arithmetic(length):
    rows = [random_ints(length, seed) for seed in range(4)]
    matrix = [[1, -1, 2**70, R - 5], [0, 0, 0, 0], [R - 1] * 4, [-(2**130), 3, 0, 2**253]]
    result = FieldVector.linear_map(matrix, [FieldVector.from_ints(row) for row in rows])
    for coefficients, vector in zip(matrix, result, strict=True):
        expected = [
            sum(c * x for c, x in zip(coefficients, column, strict=True)) % R
            for column in zip(*rows, strict=True)
        ]
        assert vector.to_ints() == expected


@pytest.mark.parametrize("count", [1, 4, 5, 63, 4096])
def test_sums_of_products__largest_elements__are_reduced_once_correctly(count):
    largest = FieldVector.from_ints([R - 1] * count)
    assert largest.dot(largest) == count % R
    found = FieldVector.linear_combination([R - 1] * count, largest.split(1))
    assert found.to_ints() == [count % R]
    assert largest.horner(R - 1) == evaluate([R - 1] * count, R - 1)


@pytest.mark.parametrize("count", [1, 2, 3, 300])
def test_sum__largest_elements__reduces_once_correctly(count):
    vector = FieldVector.from_ints([R - 1, 0, 1, R // 2] * 300)
    expected = [count * x % R for x in vector.to_ints()]
    assert FieldVector.sum([vector] * count).to_ints() == expected


@pytest.fixture(
    params=[
        "words",
        IN_LANES,
    ]
)
def way(request, monkeypatch):
    """Both ways to nest and to fold."""
    monkeypatch.setattr(lanes, "available", lambda: request.param == "lanes")


@pytest.mark.parametrize(
    ("length", "size"),
    [
        *[(64, 4), (96, 3), (130, 65), (5, 1), (511, 511), (1024, 512), (513, 513), (4096, 1024)],
        *[(30, 15), (32, 16), (34, 17), (31, 31), (96, 32), (99, 33)],  # around the stretches
        # The same in lanes, with blocks that fill eight of them or not.
        *[(8, 8), (56, 8), (64, 8), (72, 8), (16, 16), (48, 24), (360, 120), (384, 128)],
        *[(408, 136), (8704, 512), (4096, 4096), (4104, 4104)],
    ],
)
def test_horner_blocks__size_divides__evaluates_each_block(way, length, size):
    values = random_ints(length, 7)
    for point in (0, 1, R - 1, random_ints(50, 8)[-1]):
        found = FieldVector.from_ints(values).horner_blocks(point, size)
        assert found == [evaluate(values[i : i + size], point) for i in range(0, length, size)]


@pytest.mark.parametrize("factor", [0, 1, 255, 2**32 - 1, MOST_FACTOR])
def test_nested__same_factors__evaluates_each_slot(way, factor):
    rows = [[R - 1, 0, *random_ints(1100, seed)] for seed in range(40)]  # past the column width
    found = FieldVector.nested([FieldVector.from_ints(row) for row in rows], [[factor] * 39])
    expected = [evaluate(column, factor) for column in zip(*rows, strict=True)]
    assert [vector.to_ints() for vector in found] == [expected]


@pytest.mark.parametrize("length", [1, 7, 8, 9, 15, 16, 100])
@pytest.mark.parametrize("bits", [1, 6, 7, 17, 24, 25, 47, 48])
def test_nested__largest_elements_and_factors__are_reduced_in_time(way, length, bits):
    source, most = random.Random(bits), 2**bits - 1
    for count in (1, 2, 3, 23):
        rows = [random_ints(length, seed) for seed in range(count)]
        rows[0][0] = 0
        for row in rows[1:]:
            row[-1] = R - 1
        factors = [[most] * (count - 1), [source.randint(0, most) for _ in range(count - 1)]]
        found = FieldVector.nested([FieldVector.from_ints(row) for row in rows], factors)
        for line, vector in zip(factors, found, strict=True):
            expected = rows[-1]
            for factor, row in zip(reversed(line), reversed(rows[:-1]), strict=True):
                expected = [(a + factor * b) % R for a, b in zip(row, expected, strict=True)]
            assert vector.to_ints() == expected


@pytest.mark.parametrize("factor", [0, 1, 2, 3, 4, 5, 100])
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_nested__results_around_multiples_of_r__are_canonical(way, factor, more):
    # (factor + more) + factor (r - 1) is factor r + more.
    vectors = [FieldVector.from_ints([element] * 9) for element in (factor + more, -1)]
    if factor + more >= 0:
        assert FieldVector.nested(vectors, [(factor,)])[0].to_ints() == [more % R] * 9


@pytest.mark.parametrize("length", [5, 8])
def test_nested__different_factors__follows_its_definition(way, length):
    a, b, c = (FieldVector.from_ints(random_ints(length, seed)) for seed in range(3))
    found = FieldVector.nested([a, b, c], [(2, 7), (0, 9)])
    assert found == [a + (b + c.scale(7)).scale(2), a]
    assert FieldVector.nested([a], [()]) == [a]


def test_nested__row_or_factor_out_of_bounds__raises():
    vectors = [FieldVector.zeros(2), FieldVector.zeros(2)]
    with pytest.raises(LengthError) as caught:
        FieldVector.nested(vectors, [(1, 2)])
    assert (caught.value.actual, caught.value.expected) == (2, 1)
    for factor in (-1, MOST_FACTOR + 1):
        with pytest.raises(RangeError) as refused:
            FieldVector.nested(vectors, [(factor,)])
        assert refused.value.value == factor


@pytest.mark.parametrize("count", [1, 2, 3, 8, 16])
@pytest.mark.parametrize("length", [0, 1, 5])
def test_newton_form__any_vectors__gives_them_back_at_its_places(count, length):
    vectors = [FieldVector.from_ints(random_ints(length, seed)) for seed in range(count)]
    found = FieldVector.newton_form(vectors)
    assert len(found) == count
    for p, vector in enumerate(vectors):
        total = [0] * length
        for k in reversed(range(count)):  # Horner's rule, with the factor x + k at x = -p
            pairs = zip(total, found[k].to_ints(), strict=True)
            total = [(c + (k - p) * value) % R for value, c in pairs]
        assert total == vector.to_ints()


def test_newton_form__no_vector_or_other_lengths__raises():
    for wrong in ([], [FieldVector.zeros(1), FieldVector.zeros(2)]):
        with pytest.raises(LengthError):
            FieldVector.newton_form(wrong)


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 12, 31])
@pytest.mark.parametrize("size", [5, 8, 16, 24, 136, 512])
def test_horner_blocks__a_point_for_each_block__evaluates_each_there(way, count, size):
    values, points = random_ints(count * size, 3), random_ints(count, 4)
    found = FieldVector.from_ints(values).horner_blocks(points, size)
    blocks = FieldVector.from_ints(values).split(size)
    assert found == [evaluate(b.to_ints(), p) for b, p in zip(blocks, points, strict=True)]
    with pytest.raises(LengthError) as caught:
        FieldVector.from_ints(values).horner_blocks(points[1:], size)
    assert (caught.value.actual, caught.value.expected) == (count - 1, count)


@pytest.mark.parametrize("element", [0, 1, R - 1])
@pytest.mark.parametrize("size", [8, 16, 24, 128, 512, 4096])
def test_horner_blocks__outermost_elements_and_points__are_reduced_in_time(way, element, size):
    points = [R - 1, 0, 1, R - 2, *EDGES[5:8], R - 1, R - 1]
    found = FieldVector.from_ints([element] * (size * len(points))).horner_blocks(points, size)
    assert found == [evaluate([element] * size, point) for point in points]
    assert FieldVector.from_ints([]).horner_blocks(5, size) == []


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 511, 512, 4096, 2**63 + 5, 2**64 - 1])
def test_power__any_exponent__equals_integer_arithmetic(exponent):
    values = [*EDGES, *random_ints(20, 5)]
    found = FieldVector.from_ints(values).power(exponent)
    assert found.to_ints() == [pow(value, exponent, R) for value in values]


@pytest.mark.parametrize("exponent", [-1, 2**64])
def test_power__exponent_out_of_bounds__raises(exponent):
    with pytest.raises(RangeError) as caught:
        FieldVector.zeros(2).power(exponent)
    assert (caught.value.field, caught.value.value) == ("exponent", exponent)


@given(vectors, scalars)
@fast
def test_divide__any_polynomial__quotient_and_remainder_give_it_back(values, point):
    quotient, remainder = FieldVector.from_ints(values).divide(point)
    q = quotient.to_ints()
    assert len(q) == len(values)
    assert q[-1] == 0
    assert remainder == evaluate(values, point)
    back = [(a - point * b) % R for a, b in zip([remainder, *q[:-1]], q, strict=True)]
    assert back == values
    with pytest.raises(LengthError):
        FieldVector.zeros(0).divide(point)


def test_transposed__rows__become_columns():
    rows = [random_ints(3, seed) for seed in range(5)]
    found = FieldVector.transposed([FieldVector.from_ints(row) for row in rows])
    assert [column.to_ints() for column in found] == [list(c) for c in zip(*rows, strict=True)]


def test_horner_blocks__size_does_not_divide__raises():
    with pytest.raises(LengthError) as caught:
        FieldVector.zeros(10).horner_blocks(3, 4)
    assert (caught.value.actual, caught.value.expected) == (10, 12)


@given(vectors)
@fast
def test_bytes__any_elements__round_trip(values):
    vector = FieldVector.from_ints(values)
    assert vector.to_bytes() == b"".join(v.to_bytes(32, "big") for v in values)
    assert parse_field_vector(vector.to_bytes(), len(values)) == vector
    assert vector.to_ints() == values
    assert vector.centred() == [v if v <= R // 2 else v - R for v in values]
    assert vector.keccak() == keccak256(vector.to_bytes())


@given(vectors)
@fast
def test_signed_words__any_elements__give_the_smallest_magnitude(values):
    negative, words = FieldVector.from_ints(values).signed_words()
    for value, sign, row in zip(values, negative.tolist(), words.tolist(), strict=True):
        magnitude = sum(w << (64 * (3 - i)) for i, w in enumerate(row))
        assert (-magnitude if sign else magnitude) == centred(value)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=30))
@fast
def test_int64__whole_range__round_trips_except_its_lowest_number(values):
    array = np.array(values, np.int64)
    vector = FieldVector.from_int64(array)
    assert vector.to_ints() == [v % R for v in values]
    if -(2**63) in values:
        with pytest.raises(ScalarOverflowError):
            vector.to_int64()
    else:
        assert vector.to_int64().tolist() == values


def test_to_int64__element_too_big__names_the_position_only():
    with pytest.raises(ScalarOverflowError) as caught:
        FieldVector.from_ints([1, -5, 2**63, R // 3]).to_int64()
    assert caught.value.index == 2
    assert str(2**63) not in str(caught.value)


@pytest.mark.parametrize("value", [0, 1, -1, 2**63 - 1, -(2**63 - 1)])
def test_to_int64__number_that_just_fits__is_given(value):
    found = FieldVector.from_ints([value, -5]).to_int64()
    assert found.tolist() == [value, -5]
    assert found.dtype == np.int64


@pytest.mark.parametrize("place", [0, 3])
@pytest.mark.parametrize(
    "value",
    [
        *(
            sign * (2**power + more)
            for sign in (1, -1)
            for power in (63, 64, 128, 192)
            for more in (0, 1)
        ),
        *(R // 2, R // 2 + 1),
    ],
)
def test_to_int64__number_that_just_does_not_fit__first_place_is_named(value, place):
    elements = [7, -7, 0, 2**63 - 1]
    elements[place:place] = [value]
    with pytest.raises(ScalarOverflowError) as caught:
        FieldVector.from_ints([*elements, 2**200]).to_int64()
    assert (caught.value.field, caught.value.index) == ("vector", place)
    assert FieldVector.from_ints(elements).centred() == [centred(x) for x in elements]


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.int8, ">i8"])
def test_from_int64__any_array_of_integers__is_read_as_numbers(kind):
    values = np.array([3, -4, 0, 100, -128, 127], kind)
    values.setflags(write=False)
    assert FieldVector.from_int64(values).centred() == values.tolist()
    assert FieldVector.from_int64(values[::-2]).centred() == values[::-2].tolist()


def test_int64__no_element__is_an_empty_vector():
    empty = FieldVector.from_int64(np.zeros(0, np.int64))
    assert empty == FieldVector.zeros(0)
    assert empty.to_int64().tolist() == empty.centred() == []


@pytest.mark.parametrize("size", [0, 31, 33, 63, 65, 96])
def test_parse_field_vector__wrong_length__raises(size):
    with pytest.raises(LengthError) as caught:
        parse_field_vector(bytes(size), 2, "share")
    assert (caught.value.field, caught.value.actual, caught.value.expected) == ("share", size, 64)


@pytest.mark.parametrize("value", [R, R + 1, R + 2**64, R + 2**192, 2**255, 2**256 - 1])
def test_parse_field_vector__element_not_below_r__names_its_position(value):
    good = (R - 1).to_bytes(32, "big")
    with pytest.raises(ScalarOverflowError) as caught:
        parse_field_vector(good + value.to_bytes(32, "big") + good, 3, "share")
    assert (caught.value.field, caught.value.index) == ("share", 1)
    assert str(value) not in str(caught.value)


@pytest.mark.parametrize(
    "bad", [{}, {1: "short"}, {0: "large"}, {0: "large", 1: "short", 3: "large"}]
)
def test_parse_field_vectors__good_and_bad_mixed__each_as_by_itself(bad):
    good = (R - 1).to_bytes(32, "big")
    wrong = {"short": good, "large": good + R.to_bytes(32, "big")}
    given = [wrong[bad[i]] if i in bad else good * 2 for i in range(5)]
    found = parse_field_vectors(given, 2, "share")
    for i, data in enumerate(given):
        if i not in bad:
            assert found[i] == parse_field_vector(data, 2)
            continue
        with pytest.raises((LengthError, ScalarOverflowError)) as caught:
            parse_field_vector(data, 2, "share")
        assert (type(found[i]), str(found[i])) == (caught.type, str(caught.value))
    assert parse_field_vectors([], 2) == []


def test_parse_scalar__largest__is_accepted_and_one_more_refused():
    assert parse_scalar(scalar_bytes(R - 1)) == R - 1
    with pytest.raises(ScalarOverflowError):
        parse_scalar(R.to_bytes(32, "big"))
    with pytest.raises(LengthError):
        parse_scalar(bytes(31))


def test_operations__lengths_differ__raise():
    u, v = FieldVector.zeros(3), FieldVector.zeros(4)
    for operation in (lambda: u + v, lambda: u - v, lambda: u.dot(v)):
        with pytest.raises(LengthError) as caught:
            operation()
        assert (caught.value.actual, caught.value.expected) == (4, 3)
    with pytest.raises(LengthError):
        FieldVector.linear_combination([1], [u, u])
    with pytest.raises(LengthError):
        FieldVector.sum([])


def test_slices__within_bounds__join_to_the_whole():
    vector = FieldVector.from_ints(range(12))
    assert FieldVector.concatenate(vector.split(4)) == vector
    assert vector.slice(3, 5).to_ints() == [3, 4]
    assert vector.element(7) == 7
    with pytest.raises(RangeError):
        vector.slice(3, 13)
    with pytest.raises(RangeError):
        vector.slice(5, 3)
    with pytest.raises(LengthError):
        vector.split(5)


def test_inverse__zero__raises():
    assert inverse(-3) * -3 % R == 1
    with pytest.raises(ZeroDivisionError):
        inverse(R)


def test_repr__secret_elements__are_hidden():
    assert repr(FieldVector.from_ints([123456789])) == "FieldVector(length=1)"
    assert "123456789" not in str(FieldVector.from_ints([123456789]))
