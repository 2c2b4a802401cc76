"""The phase of a round and what may be done in it: the table of section 2.3, cell by cell."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ape
import pytest

from tests.contracts.builders import RESULT_TYPE, Aggregate, Device, sign_typed, vector_bytes
from tests.contracts.deployed import (
    ACCUMULATING,
    AGGREGATING,
    ANCHORING,
    FAILED,
    NONE,
    PARAMETERS,
    SETTLED,
    Task,
)

NAMES = ["None", "Anchoring", "Accumulating", "Aggregating", "Settled", "Failed"]
EVERY = {NONE, ANCHORING, ACCUMULATING, AGGREGATING, SETTLED, FAILED}


class Scene:
    """A task whose latest round is in one phase, and one call of each kind that fits it."""

    def __init__(self, task: Task, phase: int) -> None:
        self.task = task
        self.contract = task.contract
        self.phase = phase
        self.parts = tuple(task.cluster_round(cluster) for cluster in (0, 1))
        if phase != NONE:
            task.open_round()
            self.parts = tuple(task.cluster_round(cluster) for cluster in (0, 1))
            getattr(self, f"_to_{NAMES[phase].lower()}")()
        assert self.contract.phase() == phase

    def _to_anchoring(self) -> None:
        self.task.anchor(self.parts[0])

    def _to_accumulating(self) -> None:
        self._to_anchoring()
        self.task.anchor(self.parts[1])

    def _to_aggregating(self) -> None:
        self._to_accumulating()
        for part in self.parts:
            self.task.submit_cumulative(part)

    def _to_settled(self) -> None:
        self._to_aggregating()
        self.task.submit_aggregate(Aggregate(self.parts))

    def _to_failed(self) -> None:
        self.task.at(self.task.round.anchorDeadline)

    # The calls

    def open_round(self) -> None:
        self.contract.openRound(sender=self.task.authority)

    def record_noise_root(self) -> None:
        cluster = self.task.add_fog(self.task.authority)
        self.contract.recordNoiseRoot(cluster, b"\2" * 32, sender=self.task.authority)

    def anchor(self) -> None:
        self.task.anchor(self.parts[1])

    def submit_cumulative(self) -> None:
        # In Accumulating the first cluster's turn, in Anchoring too: the second has not anchored.
        self.task.submit_cumulative(self.parts[0])

    def submit_aggregate(self) -> None:
        self.task.submit_aggregate(Aggregate(self.parts))

    def report_false_result(self) -> None:
        message = {
            "round": self.parts[0].round,
            "commitmentDigest": b"\1" * 32,
            "vectorDigest": b"\2" * 32,
        }
        cloud = self.task.clouds[0]
        signature = sign_typed(cloud.private_key, self.contract, RESULT_TYPE, message)
        self.contract.reportFalseResult(*message.values(), signature, sender=self.task.authority)

    def report_false_vector(self) -> None:
        result = Aggregate(self.parts)
        self.contract.reportFalseVector(
            self.parts[0].round,
            vector_bytes(result.vector),
            result.commitments,
            0,
            bytes(48),
            sender=self.task.authority,
        )

    def deposit(self) -> None:
        self.task.stake(self.task.authority, 1)

    def fund_pool(self) -> None:
        self.contract.fundPool(sender=self.task.authority, value=1)

    def admit_cloud(self) -> None:
        self.task.add_cloud(self.task.authority)

    def admit_fog(self) -> None:
        self.task.add_fog(self.task.authority)

    def admit_devices(self) -> None:
        self.task.add_devices(0, [Device.numbered(990)])

    def exit(self) -> None:
        self.contract.requestExit(b"", sender=self.task.clouds[1])

    def withdraw(self) -> None:
        self.task.stake(self.task.authority, 1)
        self.contract.withdrawStake(self.task.authority, sender=self.task.authority)


CELLS: dict[str, set[int]] = {
    "open_round": {NONE, SETTLED, FAILED},
    "record_noise_root": EVERY,
    "anchor": {ANCHORING},
    "submit_cumulative": {ANCHORING, ACCUMULATING},
    "submit_aggregate": {AGGREGATING},
    "deposit": EVERY,
    "fund_pool": EVERY,
    "admit_cloud": EVERY,
    "admit_fog": EVERY,
    "admit_devices": EVERY,
    "exit": EVERY,
    "withdraw": EVERY,
}


@contextmanager
def undone(task: Task) -> Iterator[None]:
    """Whatever happens inside has not happened afterwards, on the chain and in `task`."""
    clouds, fogs, devices = list(task.clouds), list(task.fogs), [list(d) for d in task.devices]
    with task.chain.isolate():
        yield
    task.clouds, task.fogs, task.devices = clouds, fogs, devices


@pytest.mark.parametrize("phase", sorted(EVERY), ids=NAMES)
def test_calls__in_phase__only_where_the_table_says_so(task: Task, phase: int) -> None:
    scene = Scene(task, phase)
    for call, phases in CELLS.items():
        with undone(task):
            if phase in phases:
                getattr(scene, call)()
                continue
            with ape.reverts(task.contract.WrongPhase, phase=phase):
                getattr(scene, call)()
    if phase != SETTLED:
        for call in ("report_false_result", "report_false_vector"):
            with ape.reverts(task.contract.RoundNotSettled, round=scene.parts[0].round):
                getattr(scene, call)()


def test_report__round_settled__judged(task: Task) -> None:
    Scene(task, SETTLED).report_false_result()
    assert task.contract.member(task.clouds[0]).slashed


@pytest.mark.parametrize("phase", sorted(EVERY), ids=NAMES)
def test_claim__of_an_earlier_round__in_every_phase(task: Task, phase: int) -> None:
    if phase == NONE:
        # No round, nothing to claim; the phase is not what refuses it.
        with ape.reverts(task.contract.NothingToClaim, account=task.fogs[0]):
            task.contract.claim(task.fogs[0], [], sender=task.authority)
        return
    task.settle_round()
    Scene(task, phase)
    task.contract.claim(task.fogs[0], [1], sender=task.authority)
    assert task.contract.claimedRounds(task.fogs[0], 0) == 0b10


# Deadlines, to the second


def test_deadlines__of_a_new_round__as_the_parameters_say(task: Task) -> None:
    receipt = task.contract.openRound(sender=task.authority)
    opened = receipt.timestamp
    state = task.round
    assert state.anchorDeadline == opened + PARAMETERS["anchorTime"]
    assert state.cumulativeDeadline == state.anchorDeadline + PARAMETERS["cumulativeTime"]
    assert state.aggregateDeadline == state.cumulativeDeadline + PARAMETERS["aggregateTime"]
    assert state.beaconBlock == receipt.block_number + PARAMETERS["beaconDelay"]


def test_phase__one_cluster_anchors_in_time__the_other_is_left_behind(task: Task) -> None:
    task.open_round()
    state = task.round
    part = task.cluster_round(0)
    task.anchor(part)
    task.at(state.anchorDeadline - 1)
    assert task.contract.phase() == ANCHORING
    task.at(state.anchorDeadline)
    assert task.contract.phase() == ACCUMULATING
    with ape.reverts(task.contract.WrongPhase, phase=ACCUMULATING):
        task.anchor(task.cluster_round(1))
    task.submit_cumulative(part)
    assert task.contract.phase() == AGGREGATING
    task.submit_aggregate(Aggregate((part,)))
    assert task.contract.phase() == SETTLED
    assert task.round.included == 0b01


def test_phase__one_cluster_submits_in_time__the_other_is_left_behind(task: Task) -> None:
    task.open_round()
    state = task.round
    parts = [task.cluster_round(cluster) for cluster in (0, 1)]
    for part in parts:
        task.anchor(part)
    task.submit_cumulative(parts[1])
    task.at(state.cumulativeDeadline - 1)
    assert task.contract.phase() == ACCUMULATING
    task.at(state.cumulativeDeadline)
    assert task.contract.phase() == AGGREGATING
    with ape.reverts(task.contract.WrongPhase, phase=AGGREGATING):
        task.submit_cumulative(parts[0])
    task.submit_aggregate(Aggregate((parts[1],)))
    assert task.round.included == 0b10


def test_phase__nobody_anchors__failed_at_the_anchor_deadline(task: Task) -> None:
    task.open_round()
    state = task.round
    task.at(state.anchorDeadline - 1)
    assert task.contract.phase() == ANCHORING
    task.at(state.anchorDeadline)
    assert task.contract.phase() == FAILED


def test_phase__nobody_submits__failed_at_the_cumulative_deadline(task: Task) -> None:
    task.open_round()
    state = task.round
    task.anchor(task.cluster_round(0))
    task.at(state.cumulativeDeadline - 1)
    assert task.contract.phase() == ACCUMULATING
    task.at(state.cumulativeDeadline)
    assert task.contract.phase() == FAILED


def test_phase__nobody_aggregates__failed_at_the_aggregate_deadline(task: Task) -> None:
    task.open_round()
    state = task.round
    result = task.bring_to_aggregating([0, 1])
    task.at(state.aggregateDeadline - 1)
    assert task.contract.phase() == AGGREGATING
    task.at(state.aggregateDeadline)
    assert task.contract.phase() == FAILED
    with ape.reverts(task.contract.WrongPhase, phase=FAILED):
        task.submit_aggregate(result)


def test_phase__settled_round__stays_settled(task: Task) -> None:
    task.settle_round()
    task.at(task.round.aggregateDeadline + 10**6)
    assert task.contract.phase() == SETTLED


def test_round__after_a_failed_one__plays_as_usual(task: Task) -> None:
    task.open_round()
    task.at(task.round.anchorDeadline)
    task.settle_round()
    assert task.contract.currentRound() == 2
    assert task.contract.round(1).state == FAILED
    assert task.contract.round(2).state == SETTLED


# Opening


def test_open_round__by_authority_cloud_or_fog__opens(task: Task) -> None:
    for opener in (task.authority, task.clouds[1], task.fogs[1]):
        task.contract.openRound(sender=opener)
        task.at(task.round.anchorDeadline)


def test_open_round__by_others__refused(task: Task, outsider: Any, accounts: Any) -> None:
    device = accounts[task.devices[0][0].address]
    device.balance = 10**18
    task.contract.requestExit(b"", sender=task.clouds[1])
    task.contract.requestExit(b"", sender=task.fogs[1])
    for caller in (outsider, device, task.clouds[1], task.fogs[1]):
        with ape.reverts(task.contract.NotAllowedToOpen, caller=caller):
            task.contract.openRound(sender=caller)


def test_open_round__pool_one_wei_short__refused(deploy: Any, accounts: Any) -> None:
    task = deploy()
    task.add_fog(accounts[3])
    reward = PARAMETERS["reward"]
    task.contract.fundPool(sender=task.authority, value=reward - 1)
    with ape.reverts(task.contract.PoolTooLow, pool=reward - 1, required=reward):
        task.open_round()
    task.contract.fundPool(sender=task.authority, value=1)
    assert task.open_round() == 1


def test_open_round__no_cluster__refused(deploy: Any) -> None:
    task = deploy()
    task.contract.fundPool(sender=task.authority, value=10**18)
    with ape.reverts(task.contract.NoActiveCluster):
        task.open_round()


def test_wrong_round__everywhere__refused(task: Task) -> None:
    task.settle_round()
    task.open_round()
    part = task.cluster_round(0, round_=1)
    for call in (task.anchor, task.submit_cumulative):
        with ape.reverts(task.contract.WrongRound, given=1, current=2):
            call(part)
    with ape.reverts(task.contract.WrongRound, given=1, current=2):
        task.submit_aggregate(Aggregate((part,)))
