"""A fog's selector: it remembers over rounds and over restarts."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from offchain.learning.models import ModelKind
from offchain.learning.selection import Evidence, Within, choose, selection_rule
from offchain.learning.selection_memory import MemoryUnreadable
from offchain.nodes.selector import RuleSelector
from tests.e2e.learning import learning

DEVICES = 10
BAD = (1, 4, 8)


class Cluster:
    """Devices that pull one way, three that pull the other, in protocol integers."""

    def __init__(self, selector: RuleSelector, task: object) -> None:
        self.selector, self.task = selector, task
        self.rng = np.random.default_rng(7)
        self.way = np.ones(task.model.parameter_count) / np.sqrt(task.model.parameter_count)

    def vectors(self, *, bad: tuple[int, ...] = BAD) -> dict[int, np.ndarray]:
        """Masked updates: count, values, and a slot that is no part of the update."""
        encoding = self.task.encoding
        made = {}
        for index in range(DEVICES):
            update = (-0.5 if index in bad else 0.5) * encoding.clip_norm * self.way
            noise = self.rng.normal(0.0, encoding.sigma, len(update))
            slots = np.round((update + noise) / encoding.step).astype(np.int64)
            made[index] = np.array([100, *slots, 12345], dtype=np.int64)
        return made

    def sum_of(self, kept: tuple[int, ...]) -> list[int]:
        good = sum(-0.5 if i in BAD else 0.5 for i in kept) * self.task.encoding.clip_norm
        return [100 * len(kept), *np.round(good * self.way / self.task.encoding.step), 7]

    def round(self, number: int) -> tuple[int, ...]:
        kept = self.selector.choose(number, self.vectors(), updates_model=True).kept
        self.selector.learn(number, self.sum_of(kept))
        return kept


@pytest.fixture
def task() -> object:
    return learning(ModelKind.SOFTMAX, DEVICES, 0.3).task


def selector(task: object, rule: str = "evidence") -> RuleSelector:
    found = selection_rule(rule)
    return RuleSelector(found, found.default_criterion, task)


def test_selector__flippers__are_out_after_some_rounds_and_the_reason_is_said(task) -> None:
    cluster = Cluster(selector(task), task)
    rounds = [cluster.round(number) for number in range(2, 8)]
    assert rounds[0] == tuple(range(DEVICES))
    assert rounds[-1] == tuple(i for i in range(DEVICES) if i not in BAD)
    chosen = cluster.selector.choose(8, cluster.vectors(), updates_model=True)
    assert [index for index, _ in chosen.refused] == list(BAD)
    assert all(error.code == "not-selected" for _, error in chosen.refused)
    assert "score" in str(chosen.refused[0][1])


def test_selector__statistics_round__keeps_all_and_learns_nothing(task) -> None:
    made = selector(task)
    before = made.picture()
    vectors = Cluster(made, task).vectors()
    assert made.choose(1, vectors, updates_model=False).kept == tuple(range(DEVICES))
    made.learn(1, [1] * 50)
    assert made.picture() == before


def test_selector__sums_never_come__no_direction_is_known_and_nobody_is_out(task) -> None:
    cluster = Cluster(selector(task), task)
    for number in range(2, 8):
        chosen = cluster.selector.choose(number, cluster.vectors(), updates_model=True)
        cluster.selector.learn(number - 1, cluster.sum_of(chosen.kept))  # not of this round
    assert len(chosen.kept) >= DEVICES - 1


def test_selector__restarted__goes_on_from_its_evidence(task) -> None:
    cluster = Cluster(selector(task), task)
    for number in range(2, 7):
        cluster.round(number)
    vectors = cluster.vectors()
    again = selector(task)
    again.restore(cluster.selector.picture())
    expected = cluster.selector.choose(7, vectors, updates_model=True)
    found = again.choose(7, vectors, updates_model=True)
    assert found.kept == expected.kept == tuple(i for i in range(DEVICES) if i not in BAD)
    assert list(map(str, found.refused)) == list(map(str, expected.refused))
    # A fog that lost its state has to learn anew, and can.
    fresh = Cluster(selector(task), task)
    assert len(fresh.selector.choose(7, vectors, updates_model=True).kept) == DEVICES
    for number in range(8, 13):
        kept = fresh.round(number)
    assert not set(kept) & set(BAD)


def test_selector__foreign_state__is_refused(task) -> None:
    with pytest.raises(MemoryUnreadable):
        RuleSelector(Evidence(), Evidence().default_criterion, task).restore(b"other")


@dataclass(frozen=True)
class Scores:
    """A rule that gives known scores."""

    scores: tuple[float, ...]
    name: str = "scores"
    default_criterion: Within = field(default=Within(2.0))

    def select(self, masked, criterion, *, noise_sigma, history=None):
        return choose(np.array(self.scores), criterion)


@pytest.mark.parametrize(
    ("least", "kept"),
    [
        (3, (0, 1, 2)),
        (4, (0, 1, 2, 5)),  # the least conspicuous of the doubtful
        (5, (0, 1, 2, 4, 5)),
        (6, (0, 1, 2)),  # the last one is beyond doubt: the cluster sits out
    ],
)
def test_selector__too_few_kept__lets_the_doubtful_in_again(task, least, kept) -> None:
    rule = Scores((0.0, 0.5, 1.0, 4.1, 4.0, 2.1))
    made = RuleSelector(rule, rule.default_criterion, task, least)
    vectors = {i: v for i, v in Cluster(made, task).vectors().items() if i < 6}
    chosen = made.choose(2, vectors, updates_model=True)
    assert chosen.kept == kept
    assert tuple(index for index, _ in chosen.refused) == tuple(
        i for i in range(6) if i not in kept
    )
