"""Joins a selection rule to the protocol: a fog's selector, with what it remembers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from offchain.learning.selection import (
    Criterion,
    History,
    PastRound,
    Selection,
    SelectionRule,
    Within,
)
from offchain.learning.selection_memory import Remembered, decode_memory, encode_memory
from offchain.nodes.trainer import LearningTask
from offchain.protocol.errors import NotSelected
from offchain.protocol.selecting import Chosen

DOUBTFUL = 2.0  # times the allowed deviations


class RuleSelector:
    """Applies a selection rule of ``offchain.learning`` to masked integers.

    It hands the rule what came before: the masked updates of the last round it chose in, and the
    exact sum that this round released, if it did. A device's name is its index, which Contract S
    gives once only.

    Parameters
    ----------
    rule, criterion
        What to apply.
    task
        Units of the integers.
    least
        How many devices a round needs. Where fewer are kept, the doubtful ones are let in again:
        those within twice the allowed deviations, the least conspicuous first. If even they are
        too few the cluster sits the round out.
    """

    def __init__(
        self, rule: SelectionRule, criterion: Criterion, task: LearningTask, least: int = 1
    ) -> None:
        self._least = least
        self._rule = rule
        self._criterion = criterion
        self._task = task
        self._known = Remembered()

    def choose(
        self, round_number: int, masked: Mapping[int, NDArray[np.int64]], *, updates_model: bool
    ) -> Chosen:
        """Judge the masked updates; keep what the rule keeps.

        Statistics are not judged: they are no updates of a model.
        """
        order = sorted(masked)
        if not order or not updates_model:
            return Chosen(tuple(order))
        matrix = np.array([self._values(masked[i]) for i in order])
        names = tuple(str(index) for index in order)
        history = History(
            names, self._known.last, self._known.memory, self._task.encoding.clip_norm
        )
        _, step = self._task.ranked
        outcome = self._rule.select(
            matrix, self._criterion, noise_sigma=step * self._task.seen_deviation, history=history
        )
        kept = self._with_doubtful(outcome)
        self._known = Remembered(round_number, PastRound(names, matrix, kept, None), outcome.memory)
        return Chosen(
            tuple(order[row] for row in kept),
            tuple(
                (order[rejection.index], NotSelected(rejection.reason))
                for rejection in outcome.rejected
                if rejection.index not in kept
            ),
        )

    def _with_doubtful(self, outcome: Selection) -> tuple[int, ...]:
        missing = self._least - len(outcome.kept)
        if missing <= 0 or not isinstance(self._criterion, Within):
            return outcome.kept
        limit = DOUBTFUL * self._criterion.deviations
        doubtful = sorted((r.score, r.index) for r in outcome.rejected if r.score <= limit)
        if len(doubtful) < missing:
            return outcome.kept
        return tuple(sorted((*outcome.kept, *(index for _, index in doubtful[:missing]))))

    def learn(self, round_number: int, total: Sequence[int]) -> None:
        """Take the sum of a round; without effect unless it is the last one it chose in."""
        last = self._known.last
        if last is None or round_number != self._known.round:
            return
        self._known = replace(self._known, last=replace(last, aggregate=self._values(total)))

    def picture(self) -> bytes:
        """What it remembers, for a fog that starts again."""
        return encode_memory(self._known)

    def restore(self, state: bytes) -> None:
        """Take up what it remembered.

        Raises
        ------
        MemoryUnreadable
            If the bytes are something else.
        """
        self._known = decode_memory(state)

    def _values(self, slots: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float64]:
        values, step = self._task.ranked
        return np.asarray(slots[1 : 1 + values], dtype=np.float64) * step
