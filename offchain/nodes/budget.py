"""A device's privacy budget: it counts what it sends, and refuses the round that would pass it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from offchain.errors import VerifogError
from offchain.learning.arrays import require_positive
from offchain.learning.encoding import UpdateEncoding
from offchain.learning.errors import OptionError
from offchain.learning.privacy import encoded_sensitivity, epsilon, rounds_within
from offchain.protocol.device import Trainer
from offchain.store.recorded import Keeper

LEAST_ROUNDS: Final = 2  # that a budget must allow: statistics, and one of training


class BudgetSpent(VerifogError):
    """Another round would pass a device's privacy budget.

    Attributes
    ----------
    rounds
        In which it has sent a masked vector.
    """

    def __init__(self, rounds: int, spent: float, following: float, most: float) -> None:
        self.rounds = rounds
        super().__init__(
            f"privacy budget: epsilon {spent:.4g} after {rounds} rounds, another round would make "
            f"it {following:.4g}, at most {most:g} is allowed"
        )


@dataclass(frozen=True)
class Accountant:
    """The cost of rounds for one device against its fog.

    Attributes
    ----------
    noise_multiplier, delta, sensitivity
        As for ``offchain.learning.privacy.epsilon``.
    max_epsilon
        Budget, None for none.

    Raises
    ------
    OptionError
        If one is out of its bound.
    """

    noise_multiplier: float
    delta: float
    sensitivity: float
    max_epsilon: float | None = None

    def __post_init__(self) -> None:
        if self.max_epsilon is not None:
            require_positive("max epsilon", self.max_epsilon)

    def epsilon(self, rounds: int) -> float:
        """Epsilon after so many rounds in which a masked vector was sent."""
        return epsilon(self.noise_multiplier, rounds, self.delta, sensitivity=self.sensitivity)

    def rounds(self) -> int | None:
        """How many rounds the budget allows; None without a budget."""
        if self.max_epsilon is None:
            return None
        return rounds_within(
            self.noise_multiplier, self.max_epsilon, self.delta, sensitivity=self.sensitivity
        )

    def refusal(self, rounds: int) -> BudgetSpent:
        """Why there is no round after so many."""
        most = self.max_epsilon or 0.0
        return BudgetSpent(rounds, self.epsilon(rounds), self.epsilon(rounds + 1), most)


def accountant(
    encoding: UpdateEncoding, data_slots: int, delta: float, max_epsilon: float | None
) -> Accountant:
    """What rounds cost a device whose updates are encoded so."""
    sensitivity = encoded_sensitivity(encoding, data_slots)
    return Accountant(encoding.noise_multiplier, delta, sensitivity, max_epsilon)


def require_rounds(name: str, accountant: Accountant) -> None:
    """Check that a budget allows the statistics round and one of training.

    Raises
    ------
    OptionError
        Naming the option so, with the least that does.
    """
    rounds = accountant.rounds()
    if rounds is not None and rounds < LEAST_ROUNDS:
        raise OptionError(
            name,
            accountant.max_epsilon,
            f"at least {accountant.epsilon(LEAST_ROUNDS):.4g}, for the statistics and a round "
            f"at noise multiplier {accountant.noise_multiplier:g}",
        )


def tighter(first: Accountant, second: Accountant) -> Accountant:
    """The one whose budget ends sooner; the first where neither does."""
    one, two = first.rounds(), second.rounds()
    return second if two is not None and (one is None or two < one) else first


class BudgetedTrainer:
    """Implements ``Trainer`` over another one; counts its updates and stops at the budget.

    An update counts once it is made, whether it arrives or not: what was sent cannot be unsent.
    In a node it stands before the ``RecordedTrainer``, so that a replay counts again.

    Parameters
    ----------
    trainer
        What trains.
    accountant
        What rounds cost.

    Attributes
    ----------
    spent
        Updates made.
    """

    def __init__(self, trainer: Trainer, accountant: Accountant) -> None:
        self._trainer = trainer
        self._accountant = accountant
        self._most = accountant.rounds()
        self.spent = 0

    @property
    def affordable(self) -> bool:
        """Whether the budget allows another round."""
        return self._most is None or self.spent < self._most

    def update(self, model: Sequence[int], *, updates_model: bool) -> NDArray[np.int64]:
        """Make the update, as the trainer does.

        Raises
        ------
        BudgetSpent
            When another round would pass the budget.
        """
        if not self.affordable:
            raise self._accountant.refusal(self.spent)
        update = self._trainer.update(model, updates_model=updates_model)
        self.spent += 1
        return update

    def absorb(self, statistics: Sequence[int]) -> None:
        """Take the result of a statistics round, as the trainer does."""
        self._trainer.absorb(statistics)

    def picture(self) -> bytes:
        """The count, and what the trainer keeps."""
        inner = self._trainer.picture() if isinstance(self._trainer, Keeper) else b""
        return json.dumps([self.spent, inner.hex()]).encode()

    def restore(self, state: bytes) -> None:
        """Take up count and trainer's state."""
        self.spent, inner = json.loads(state)
        if isinstance(self._trainer, Keeper):
            self._trainer.restore(bytes.fromhex(inner))
