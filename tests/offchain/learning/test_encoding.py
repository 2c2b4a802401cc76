"""Fixed point: round trips, exactness, ranges."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from offchain.learning.encoding import SIGMA_INT, UpdateEncoding
from offchain.learning.errors import NotFiniteError, OptionError, RangeError, ShapeError

ENCODING = UpdateEncoding(0.1, 8.0, 10, 50)


def test_step__noise_of_the_protocol__has_sigma():
    assert pytest.approx(16_513.2, abs=0.5) == SIGMA_INT
    assert ENCODING.step * SIGMA_INT == pytest.approx(ENCODING.sigma)
    assert ENCODING.value_bound == math.ceil(SIGMA_INT / 0.1)


def test_update__sum_of_three__decodes_within_rounding():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 6))
    encoded = [ENCODING.encode_update(10 + i, row) for i, row in enumerate(values)]
    assert encoded[0].dtype == np.int64
    count, total = ENCODING.decode_sum(np.sum(encoded, axis=0), 3)
    assert count == 33
    np.testing.assert_allclose(total, values.sum(axis=0), atol=1.5 * ENCODING.step)


def test_update__at_the_clip_norm__fits_and_beyond__range_error_without_the_value():
    ENCODING.encode_update(10, [0.0, -8.0])
    with pytest.raises(RangeError) as caught:
        ENCODING.encode_update(10, [0.0, -8.001, 9.0])
    bound = f"integers must be within +-{ENCODING.value_bound}"
    assert (caught.value.field, caught.value.index, caught.value.bound) == ("update", 1, bound)
    assert "8.001" not in str(caught.value)


@pytest.mark.parametrize("count", [9, 51, 0, -3])
def test_update__count_outside_public_range__range_error_without_the_count(count):
    with pytest.raises(RangeError) as caught:
        ENCODING.encode_update(count, [0.0])
    assert str(caught.value) == "count[0] is out of range: must be from 10 to 50"


def test_update__not_finite__error_names_index():
    with pytest.raises(NotFiniteError) as caught:
        ENCODING.encode_update(10, [0.0, np.inf])
    assert (caught.value.field, caught.value.index) == ("update", 1)


def test_sum__beyond_what_devices_can_add__range_error():
    bound = ENCODING.value_bound
    assert ENCODING.decode_sum([20, 2 * bound], 2)[0] == 20
    with pytest.raises(RangeError, match=r"sum\[0\]"):
        ENCODING.decode_sum([20, 2 * bound + 1], 2)
    with pytest.raises(RangeError, match=r"count\[0\].*from 20 to 100"):
        ENCODING.decode_sum([19, 0], 2)
    with pytest.raises(ShapeError):
        ENCODING.decode_sum([], 2)
    with pytest.raises(OptionError, match="devices"):
        ENCODING.decode_sum([20, 0], 0)


def test_masked__large_noise__decodes_without_range_check():
    decoded = ENCODING.decode_masked([5, 10 * ENCODING.value_bound])
    np.testing.assert_allclose(decoded, [10 * ENCODING.value_bound * ENCODING.step])
    with pytest.raises(ShapeError):
        ENCODING.decode_masked([])


def test_model__round_trip__to_float_precision():
    theta = np.array([0.0, 1.0, -3.25e3, 1e-9])
    integers = ENCODING.encode_model(theta)
    assert max(abs(value) for value in integers) > 2**63
    np.testing.assert_allclose(ENCODING.decode_model(integers), theta, rtol=1e-12, atol=1e-18)


def test_step__on_integers__is_the_floor_of_the_exact_rate():
    k = ENCODING.encode_rate(0.3, 33)
    assert k == math.floor(Fraction(0.3) * 2**48 / 33)
    stepped = ENCODING.apply_step((7, -5), [33, 100, -200], devices=3, rate=0.3)
    assert stepped == (7 - 100 * k, -5 + 200 * k)


def test_step__against_real_numbers__agrees():
    theta, update = np.array([0.5, -0.25]), np.array([1.0, 2.0])
    integers = ENCODING.apply_step(
        ENCODING.encode_model(theta), ENCODING.encode_update(20, update), devices=1, rate=1.0
    )
    expected = theta - update / 20
    np.testing.assert_allclose(ENCODING.decode_model(integers), expected, atol=ENCODING.step / 20)


def test_step__wrong_length__shape_error():
    with pytest.raises(ShapeError) as caught:
        ENCODING.apply_step((7, -5), [33, 100], devices=3, rate=0.3)
    assert caught.value.expected == "(3,)"


def test_rate__vanishing__option_error():
    with pytest.raises(OptionError) as caught:
        ENCODING.encode_rate(1e-16, 50)
    assert caught.value.option == "rate"
    with pytest.raises(OptionError, match="total count"):
        ENCODING.encode_rate(1.0, 0)


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        ((0.0, 1.0, 1, 2), "noise multiplier"),
        ((float("nan"), 1.0, 1, 2), "noise multiplier"),
        ((1e-9, 1.0, 1, 2), "noise multiplier"),
        ((0.1, -1.0, 1, 2), "clip norm"),
        ((0.1, 1.0, 0, 2), "min samples"),
        ((0.1, 1.0, 3, 2), "max samples"),
        ((0.1, 1.0, 1, 2**31), "max samples"),
        ((0.1, 1.0, 1, 2, 0), "fraction bits"),
    ],
)
def test_encoding__out_of_bounds__option_error(arguments, option):
    with pytest.raises(OptionError) as caught:
        UpdateEncoding(*arguments)
    assert caught.value.option == option
