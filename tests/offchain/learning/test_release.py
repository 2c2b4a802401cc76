"""Noise that stays in the released sum: its size, and its accounting."""

from __future__ import annotations

import math

import dp_accounting
import numpy as np
import pytest
from scipy import stats

from offchain.crypto.randomness import Randomness
from offchain.learning.encoding import SIGMA_INT, UpdateEncoding
from offchain.learning.errors import OptionError
from offchain.learning.privacy import encoded_sensitivity, epsilon, released_sensitivity
from offchain.learning.release import REACH, ReleaseNoise, gaussian

ENCODING = UpdateEncoding(2.0, 50.0, 10, 20)


def stream(label=b"test"):
    return Randomness(bytes(32)).child(label).bytes


def test_gaussian__many_values__are_standard_normal():
    values = gaussian(100_001, stream())
    assert len(values) == 100_001
    assert stats.kstest(values, "norm").pvalue > 0.001
    assert abs(np.corrcoef(values[:50_000], values[50_000:100_000])[0, 1]) < 0.02
    assert gaussian(0, stream()).shape == (0,)
    np.testing.assert_array_equal(gaussian(9, stream()), gaussian(9, stream()))
    assert gaussian(9, stream(b"other"))[0] != gaussian(9, stream())[0]


@pytest.mark.parametrize("survivors", [1, 5])
def test_sum__of_the_honest_survivors__carries_the_promised_noise(survivors):
    """M times the clip norm, in real units, from exactly as many devices as are counted on."""
    noise = ReleaseNoise(0.5, survivors, ENCODING.noise_multiplier)
    encoded = ENCODING.encode_update(12, np.zeros(20_000))
    total = sum(noise.add(encoded, stream(b"%d" % device)) for device in range(survivors))
    assert total[0] == 12 * survivors  # counts carry none
    deviation = float(np.std(total[1:])) * ENCODING.step
    assert deviation == pytest.approx(0.5 * ENCODING.clip_norm, rel=0.02)


def test_add__draws_far_out__are_cut_at_the_reach():
    noise = ReleaseNoise(1.0, 1, 1.0)
    # Uniforms next to 0 give the largest radius, 8.6 deviations.
    noisy = noise.add(np.zeros(3, dtype=np.int64), bytes)
    assert noise.reach == math.ceil(REACH * SIGMA_INT)
    assert noisy[1] == noise.reach
    assert np.abs(noisy).max() == noise.reach


def test_accounting__of_released_sums__is_dp_accountings():
    sensitivity = released_sensitivity(ENCODING, 371)
    assert 2.0 < sensitivity < encoded_sensitivity(ENCODING, 371)
    event = dp_accounting.SelfComposedDpEvent(dp_accounting.GaussianDpEvent(8.0 / sensitivity), 6)
    oracle = dp_accounting.pld.PLDAccountant().compose(event).get_epsilon(1e-5)
    assert epsilon(8.0, 6, 1e-5, sensitivity=sensitivity) == pytest.approx(oracle, rel=1e-3)


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        ((0.0, 1, 1.0), "release noise"),
        ((float("nan"), 1, 1.0), "release noise"),
        ((1e9, 1, 1e-3), "release noise"),
        ((1.0, 0, 1.0), "honest survivors"),
    ],
)
def test_release_noise__out_of_bound__option_error(arguments, option):
    with pytest.raises(OptionError, match=option):
        ReleaseNoise(*arguments)
