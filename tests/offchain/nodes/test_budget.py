"""What a device counts, and that it stops before its budget is passed."""

import dp_accounting
import numpy as np
import pytest

from offchain.learning.errors import OptionError
from offchain.nodes.budget import (
    Accountant,
    BudgetedTrainer,
    BudgetSpent,
    require_rounds,
    tighter,
)
from offchain.protocol.device import Trainer
from offchain.store.recorded import Asides, RecordedTrainer

Z, DELTA, SENSITIVITY = 2.0, 1e-5, 2.0


class Plain:
    """Makes the same update always; fails when told to."""

    failing = False

    def update(self, model, *, updates_model):
        if self.failing:
            raise OptionError("update", 0, "told to fail")
        return np.array([1, 2], dtype=np.int64)

    def absorb(self, statistics):
        pass


def oracle(rounds: int) -> float:
    """dp-accounting itself, with its own composition."""
    event = dp_accounting.SelfComposedDpEvent(
        dp_accounting.GaussianDpEvent(Z / SENSITIVITY), rounds
    )
    return dp_accounting.pld.PLDAccountant().compose(event).get_epsilon(DELTA)


def accountant(max_epsilon: float | None = None) -> Accountant:
    return Accountant(Z, DELTA, SENSITIVITY, max_epsilon)


def send(trainer: Trainer, times: int = 1) -> None:
    for _ in range(times):
        trainer.update([0], updates_model=True)


@pytest.mark.parametrize("rounds", [1, 2, 7])
def test_epsilon__of_rounds_sent__is_dp_accountings(rounds: int) -> None:
    trainer = BudgetedTrainer(Plain(), accountant())
    send(trainer, rounds)
    assert accountant().epsilon(trainer.spent) == pytest.approx(oracle(rounds), rel=1e-3)


@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_budget__of_some_rounds__allows_just_those_and_refuses_the_next(rounds: int) -> None:
    budget = 0.5 * (oracle(rounds) + oracle(rounds + 1))
    trainer = BudgetedTrainer(Plain(), accountant(budget))
    send(trainer, rounds)
    assert not trainer.affordable
    with pytest.raises(BudgetSpent) as refused:
        send(trainer)
    assert trainer.spent == refused.value.rounds == rounds
    text = str(refused.value)
    assert f"epsilon {accountant().epsilon(rounds):.4g} after {rounds} rounds" in text
    assert f"make it {accountant().epsilon(rounds + 1):.4g}, at most {budget:g} is allowed" in text
    assert accountant().epsilon(rounds) <= budget < accountant().epsilon(rounds + 1)


def test_budget__none__never_refuses() -> None:
    trainer = BudgetedTrainer(Plain(), accountant())
    send(trainer, 50)
    assert trainer.affordable


def test_budget__update_that_failed_before_it_was_made__costs_nothing() -> None:
    plain = Plain()
    trainer = BudgetedTrainer(plain, accountant())
    plain.failing = True
    with pytest.raises(OptionError):
        send(trainer)
    assert trainer.spent == 0


def test_budget__after_a_restart__counts_on() -> None:
    made = BudgetedTrainer(RecordedTrainer(Plain(), Asides()), accountant(oracle(3) * 1.01))
    send(made, 3)
    made.absorb([1, 2])
    again = BudgetedTrainer(RecordedTrainer(Plain(), Asides()), accountant(oracle(3) * 1.01))
    again.restore(made.picture())
    assert again.spent == 3
    assert again.picture() == made.picture()
    with pytest.raises(BudgetSpent):
        send(again)


@pytest.mark.parametrize("budget", [0.0, -1.0, float("nan")])
def test_accountant__budget_out_of_bound__option_error(budget: float) -> None:
    with pytest.raises(OptionError, match="max epsilon"):
        accountant(budget)


def test_tighter__of_two_budgets__is_the_one_that_ends_sooner() -> None:
    none, small, large = accountant(), accountant(oracle(2) + 0.01), accountant(oracle(6) + 0.01)
    assert tighter(small, large) is tighter(large, small) is small
    assert tighter(none, large) is tighter(large, none) is large
    assert tighter(none, accountant()) is none


def test_require_rounds__less_than_statistics_and_one_round__is_refused_with_the_least() -> None:
    require_rounds("budget", accountant(oracle(2) + 0.01))
    require_rounds("budget", accountant())
    with pytest.raises(OptionError, match=f"budget = {oracle(1)!r}: at least {oracle(2):.4g}, for"):
        require_rounds("budget", accountant(oracle(1)))
