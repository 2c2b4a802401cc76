"""Privacy accounting against dp-accounting called directly."""

from __future__ import annotations

import math

import dp_accounting
import pytest

from offchain.learning.encoding import SIGMA_INT, UpdateEncoding
from offchain.learning.errors import OptionError
from offchain.learning.privacy import encoded_sensitivity, epsilon, rounds_within


def composed(multiplier: float, rounds: int) -> dp_accounting.DpEvent:
    """Rounds of the Gaussian mechanism; replacing an update moves it by 2 C."""
    return dp_accounting.SelfComposedDpEvent(
        dp_accounting.GaussianDpEvent(multiplier / 2.0), rounds
    )


@pytest.mark.parametrize(("multiplier", "rounds"), [(10.0, 30), (20.0, 5), (3.0, 1)])
def test_epsilon__moderate__equals_the_pld_accountant(multiplier, rounds):
    accountant = dp_accounting.pld.PLDAccountant().compose(composed(multiplier, rounds))
    assert epsilon(multiplier, rounds, 1e-5) == pytest.approx(
        accountant.get_epsilon(1e-5), rel=1e-3
    )


@pytest.mark.parametrize("multiplier", [0.1, 0.3, 1.0, 3.0, 10.0])
def test_epsilon__thirty_rounds__at_most_and_near_the_rdp_accountant(multiplier):
    accountant = dp_accounting.rdp.RdpAccountant().compose(composed(multiplier, 30))
    spent, bound = epsilon(multiplier, 30, 1e-5), accountant.get_epsilon(1e-5)
    assert 0.7 * bound < spent <= bound


def test_epsilon__sensitivity_of_one_clip_norm__is_half_the_noise():
    assert epsilon(2.0, 4, 1e-5) == pytest.approx(epsilon(1.0, 4, 1e-5, sensitivity=1.0))
    assert epsilon(2.0, 4, 1e-5) > epsilon(2.0, 4, 1e-5, sensitivity=1.0)


def test_epsilon__more_rounds_or_less_noise__grows():
    assert epsilon(1.0, 0, 1e-5) == 0.0
    spent = [epsilon(1.0, rounds, 1e-5) for rounds in (1, 2, 10, 30)]
    assert spent == sorted(spent)
    assert epsilon(0.3, 30, 1e-5) > epsilon(1.0, 30, 1e-5)


def test_rounds_within__budget__is_the_last_round_that_fits():
    rounds = rounds_within(10.0, 3.0, 1e-5)
    assert epsilon(10.0, rounds, 1e-5) <= 3.0 < epsilon(10.0, rounds + 1, 1e-5)
    assert rounds_within(0.1, 3.0, 1e-5) == 0


def test_encoded_sensitivity__count_and_rounding__add_a_little():
    fixed = UpdateEncoding(0.1, 5.0, 100, 100)
    assert encoded_sensitivity(fixed, 0) == 2.0
    assert encoded_sensitivity(fixed, 371) == pytest.approx(2.0 + math.sqrt(371) * 0.1 / SIGMA_INT)
    open_count = UpdateEncoding(10.0, 5.0, 1, 4096)
    expected = math.hypot(2.0, 4095 * 10.0 / SIGMA_INT)
    assert encoded_sensitivity(open_count, 0) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        ((0.0, 1, 1e-5), "noise multiplier"),
        ((1.0, -1, 1e-5), "rounds"),
        ((1.0, 1, 0.0), "delta"),
        ((1.0, 1, 1.0), "delta"),
    ],
)
def test_epsilon__out_of_bounds__option_error(arguments, option):
    with pytest.raises(OptionError) as caught:
        epsilon(*arguments)
    assert caught.value.option == option


def test_rounds_within__no_budget__option_error():
    with pytest.raises(OptionError) as caught:
        rounds_within(1.0, 0.0, 1e-5)
    assert caught.value.option == "max epsilon"
