"""Values in digits: exact sums, the norm that the noise multiplier speaks of, refused inputs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from offchain.learning.digits import DigitEncoding
from offchain.learning.encoding import SIGMA_INT
from offchain.learning.errors import NotFiniteError, OptionError, RangeError, ShapeError

VALUES = 50


def encoding(digits: int = 3, noise: float = 1.0, values: int = VALUES) -> DigitEncoding:
    return DigitEncoding(noise, 8.0, 10, 50, values, digits)


def of_norm(values: np.ndarray, norm: float) -> np.ndarray:
    return values * (norm / np.linalg.norm(values))


@pytest.mark.parametrize("digits", [1, 2, 3, 4])
def test_sum__of_devices__decodes_within_half_a_step_each(digits):
    made, rng = encoding(digits), np.random.default_rng(0)
    rows = [of_norm(rng.normal(size=VALUES), 7.0) for _ in range(9)]
    encoded = [made.encode_update(20, row) for row in rows]
    total = np.sum(encoded, axis=0).tolist()
    assert total[0] == 180
    decoded = np.array([float(v) for v in made.decode_sum(total)]) * made.step
    np.testing.assert_allclose(decoded, np.sum(rows, axis=0), atol=9 * 0.5001 * made.step)


@pytest.mark.parametrize(
    ("digits", "noise"),
    [(1, 0.1), (2, 0.1), (3, 0.1), (1, 1.0), (2, 1.0), (4, 1.0), (1, 10.0), (2, 10.0), (4, 10.0)],
)
def test_encoded__any_update_of_the_clip_norm__is_no_longer_than_the_noise_multiplier_says(
    digits, noise
):
    """The mask's deviation is SIGMA_INT: the vector it hides must not pass SIGMA_INT / z."""
    made, rng = encoding(digits, noise), np.random.default_rng(1)
    worst = np.full(VALUES, 8.0 / math.sqrt(VALUES))
    halves = [made.step * (made.base // 2) * (made.base + 1), made.step * (made.base // 2)]
    alone = np.zeros(VALUES)
    alone[3] = -8.0
    updates = [worst, -worst, alone, *(of_norm(rng.normal(size=VALUES), 8.0) for _ in range(50))]
    updates += [np.full(VALUES, half) for half in halves if half * math.sqrt(VALUES) <= 8.0]
    norms = [np.linalg.norm(made.encode_update(10, update)[1:]) for update in updates]
    assert max(norms) <= SIGMA_INT / noise
    assert max(norms) > 0.5 * SIGMA_INT / noise / math.sqrt(digits)  # and does not waste it


@pytest.mark.parametrize("digits", [2, 3])
def test_encoded__each_further_digit__is_within_half_a_base(digits):
    made, rng = encoding(digits), np.random.default_rng(2)
    slots = made.encode_update(10, of_norm(rng.normal(size=VALUES), 8.0))
    assert len(slots) == 1 + made.slots == 1 + digits * VALUES
    assert np.abs(slots[1 + VALUES :]).max() <= made.base / 2
    assert np.abs(slots[1 + VALUES :]).max() > made.base / 4


def test_first_digits__alone__are_the_update_to_one_first_step():
    made, rng = encoding(3), np.random.default_rng(3)
    update = of_norm(rng.normal(size=VALUES), 8.0)
    first = made.encode_update(10, update)[1 : 1 + VALUES] * made.first_step
    np.testing.assert_allclose(first, update, atol=0.51 * made.first_step)


def test_fitting__resolution_wanted__takes_the_fewest_digits():
    made = DigitEncoding.fitting(1.0, 8.0, 10, 50, VALUES, 2.0**32)
    fewer = encoding(made.digits - 1)
    assert fewer.resolution < 2.0**32 <= made.resolution


def test_fitting__noise_leaves_no_room__option_error():
    with pytest.raises(OptionError) as caught:
        DigitEncoding.fitting(900.0, 8.0, 10, 50, VALUES, 2.0**32)
    assert caught.value.option == "noise multiplier"
    assert "leaves no room for 50 values" in caught.value.bound


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("noise", 0.0),
        ("noise", math.inf),
        ("digits", 0),
        ("digits", 6),
        ("digits", 9),
        ("values", 0),
    ],
)
def test_encoding__parameter_out_of_bound__option_error(field, value):
    with pytest.raises(OptionError):
        encoding(**{field: value})


@pytest.mark.parametrize(
    ("count", "update", "field"),
    [
        (9, np.zeros(VALUES), "count"),
        (51, np.zeros(VALUES), "count"),
        (10, np.full(VALUES, 8.001 / math.sqrt(VALUES)), "update"),
    ],
)
def test_encode__out_of_range__range_error_without_the_value(count, update, field):
    with pytest.raises(RangeError) as caught:
        encoding().encode_update(count, update)
    assert caught.value.field == field
    assert "8.001" not in str(caught.value)


def test_encode__wrong_length_or_not_finite__error():
    with pytest.raises(ShapeError):
        encoding().encode_update(10, np.zeros(VALUES - 1))
    with pytest.raises(NotFiniteError):
        encoding().encode_update(10, np.full(VALUES, np.nan))


def test_decode__sum_too_short__shape_error():
    made = encoding()
    assert made.decode_sum([0] * (1 + made.slots)) == [0] * VALUES
    with pytest.raises(ShapeError):
        made.decode_sum([0] * made.slots)
