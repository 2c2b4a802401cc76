"""Selection rules on masked updates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from offchain.learning.errors import NotFiniteError, OptionError, ShapeError, UnknownNameError
from offchain.learning.selection import (
    History,
    KeepAll,
    KeepBest,
    MeanDeviation,
    Within,
    choose,
    register,
    rule_names,
    selection_rule,
)


@pytest.fixture
def masked():
    """Nine honest rows and, at index 4, one far away."""
    matrix = np.random.default_rng(0).normal(size=(10, 50))
    matrix[4] += 20.0
    return matrix


def test_mean_deviation__outlier__is_ranked_last_with_a_reason(masked):
    selection = MeanDeviation().select(masked, KeepBest(9), noise_sigma=1.0)
    assert selection.kept == (0, 1, 2, 3, 5, 6, 7, 8, 9)
    (rejected,) = selection.rejected
    assert (rejected.index, rejected.score) == (4, selection.scores[4])
    assert rejected.reason == "rank 10 of 10, the best 9 are kept"


def test_mean_deviation__threshold__rejects_beyond_it(masked):
    selection = MeanDeviation().select(masked, Within(2.0), noise_sigma=1.0)
    assert [rejection.index for rejection in selection.rejected] == [4]
    assert "at most 2 allowed" in selection.rejected[0].reason
    everyone = MeanDeviation().select(masked, Within(3.0), noise_sigma=1.0)
    assert len(everyone.kept) == 10


def test_mean_deviation__scores__are_the_formula(masked):
    scores = MeanDeviation().select(masked, KeepBest(9), noise_sigma=0.0).scores
    standard = (masked - masked.mean(axis=0)) / masked.std(axis=0)
    np.testing.assert_allclose(scores, np.sqrt(np.square(standard).mean(axis=1)))
    assert np.square(scores).mean() == pytest.approx(1.0)
    huge = MeanDeviation().select(masked * 1e200, KeepBest(9), noise_sigma=0.0).scores
    np.testing.assert_allclose(huge, scores)


def test_mean_deviation__no_outlier__rejects_by_count_only():
    matrix = np.random.default_rng(1).normal(size=(10, 50))
    assert MeanDeviation().select(matrix, Within(2.0), noise_sigma=1.0).rejected == ()
    assert len(MeanDeviation().select(matrix, KeepBest(7), noise_sigma=1.0).rejected) == 3


def test_mean_deviation__identical_rows__ties_go_to_the_lower_index():
    selection = MeanDeviation().select(np.full((4, 3), 0.1), KeepBest(2), noise_sigma=0.0)
    assert selection.kept == (0, 1)
    np.testing.assert_array_equal(selection.scores, 0.0)


def test_choose__ties__are_deterministic():
    assert choose(np.array([2.0, 1.0, 2.0, 1.0]), KeepBest(3)).kept == (0, 1, 3)


def test_all__outlier__keeps_every_row(masked):
    selection = KeepAll().select(masked, KeepBest(1), noise_sigma=1.0)
    assert selection.kept == tuple(range(10))
    assert selection.rejected == ()


@pytest.mark.parametrize("rule", [KeepAll(), MeanDeviation()])
def test_select__bad_input__named_errors(rule, masked):
    with pytest.raises(ShapeError, match="at least one row"):
        rule.select(masked[:0], KeepBest(1), noise_sigma=1.0)
    with pytest.raises(OptionError, match="noise sigma"):
        rule.select(masked, KeepBest(1), noise_sigma=-1.0)
    with pytest.raises(ShapeError, match=r"history\.devices"):
        rule.select(masked, KeepBest(1), noise_sigma=1.0, history=History(("a",)))
    masked[7, 3] = np.nan
    with pytest.raises(NotFiniteError, match=r"masked\[7\]"):
        rule.select(masked, KeepBest(1), noise_sigma=1.0)


@pytest.mark.parametrize(
    ("criterion", "value", "option"),
    [(KeepBest, 0, "keep"), (Within, 0.0, "deviations"), (Within, float("nan"), "deviations")],
)
def test_criterion__out_of_bounds__option_error(criterion, value, option):
    with pytest.raises(OptionError) as caught:
        criterion(value)
    assert caught.value.option == option


def test_registry__known_names__give_their_rules():
    assert {"all", "mean-deviation"} <= set(rule_names())
    assert isinstance(selection_rule("mean-deviation"), MeanDeviation)


def test_registry__unknown_name__lists_the_known():
    with pytest.raises(UnknownNameError) as caught:
        selection_rule("best")
    assert caught.value.known == rule_names()
    assert "mean-deviation" in str(caught.value)


def test_registry__plug_in__is_found_once(monkeypatch):
    monkeypatch.setattr("offchain.learning.selection._RULES", {})

    @dataclass(frozen=True)
    class First(KeepAll):
        name: str = "first"

    register(First())
    assert rule_names() == ("first",)
    with pytest.raises(OptionError, match="already registered"):
        register(First())
