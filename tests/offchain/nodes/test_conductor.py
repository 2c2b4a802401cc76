"""When a cloud opens the next round, and why it opens no more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from offchain.chain.watcher import Head
from offchain.nodes.conductor import CloudConductor
from offchain.nodes.simulation import PHASES
from offchain.protocol.chain import ModelVoted, RoundOpened
from offchain.protocol.cloud import Cloud
from tests.offchain.store.small_task import PARAMETERS, WHO, Maker

VOTED = replace(PARAMETERS, model_rule=1, model_time=1000)
OPENED_AT = 1_000_000


class Same:
    """Every model is the last one."""

    def next_model(self, model: Any, total: Any, samples: int) -> list[int]:
        return list(model[1:])

    def converged(self, model: Any, total: Any, samples: int) -> bool:
        return True


@dataclass
class Chain:
    """Contract S, a sender and a transport, as far as a conductor asks them."""

    phase: str = "Settled"
    round: int = 1
    settled: int = 1
    outstanding: int = 0

    def call(self, name: str, *arguments: int) -> Any:
        answers = {
            "phase": PHASES.index(self.phase),
            "currentRound": self.round,
            "settledRounds": self.settled,
            "counts": (1,),
            "noiseRoot": bytes([1]) * 32,
        }
        return answers[name]

    def is_pending(self, kind: type[Any]) -> bool:
        return False


@pytest.fixture
def cloud() -> Cloud:
    maker = Maker.load()
    task = replace(maker.task, parameters=VOTED)
    model = maker.cloud().model
    return Cloud(task, {0: WHO.fogs[0].address}, WHO.clouds[0], model, solver=Same())


def opened(number: int) -> RoundOpened:
    return RoundOpened(
        round=number,
        beacon_block=10,
        anchor_deadline=OPENED_AT + 10,
        cumulative_deadline=OPENED_AT + 20,
        aggregate_deadline=OPENED_AT + 30,
        clusters=1,
        updates_model=True,
        model_digest=bytes(32),
        opened_at=OPENED_AT,
    )


def conductor(chain: Any, most: int | None = None) -> CloudConductor:
    made = CloudConductor(chain, chain, VOTED, 3, most, 600.0, 0, chain)
    made.look(Head(100, OPENED_AT + 40))
    return made


def hear(cloud: Cloud, number: int, *, voted: bool) -> Cloud:
    cloud.observe(opened(number))
    if voted:
        cloud.observe(ModelVoted(number, (0,), b"", bytes(32)))
    return cloud


def test_cloud__model_of_the_round_has_come__opens_the_next(cloud: Cloud) -> None:
    made = conductor(Chain())
    assert made.due(hear(cloud, 1, voted=True)) == "open_round"
    assert made.over == ""


def test_cloud__votes_may_still_come__waits_for_them_until_their_time_is_over(
    cloud: Cloud,
) -> None:
    made = conductor(Chain(settled=4))
    assert made.due(hear(cloud, 1, voted=False)) is None
    assert made.over == ""
    cloud.tick(OPENED_AT + 30 + VOTED.model_time)
    assert made.due(cloud) is None
    assert made.over == "all rounds settled"


def test_cloud__has_not_heard_of_the_round_yet__waits(cloud: Cloud) -> None:
    made = conductor(Chain(round=2, settled=4))
    assert made.due(hear(cloud, 1, voted=True)) is None
    assert made.over == ""


@pytest.mark.parametrize(("settled", "over"), [(3, ""), (4, "all rounds settled")])
def test_cloud__rounds_of_the_task_settled__opens_no_more(
    cloud: Cloud, settled: int, over: str
) -> None:
    made = conductor(Chain(settled=settled))
    assert (made.due(hear(cloud, 1, voted=True)) is None) == bool(over)
    assert made.over == over


@pytest.mark.parametrize(
    ("number", "over"),
    [(1, ""), (2, "privacy budget: it allows 2 rounds, 1 settled")],
)
def test_cloud__budget_of_the_task_spent__opens_no_more(
    cloud: Cloud, number: int, over: str
) -> None:
    made = conductor(Chain(phase="Failed", round=number), most=2)
    assert (made.due(hear(cloud, number, voted=False)) is None) == bool(over)
    assert made.over == over


def test_cloud__model_has_converged__opens_no_more(cloud: Cloud) -> None:
    made = conductor(Chain())
    cloud.converged = True
    assert made.due(hear(cloud, 1, voted=True)) is None
    assert made.over == "converged"
