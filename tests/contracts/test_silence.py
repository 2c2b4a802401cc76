"""Fees for silence, clusters left out, successors; never above the stake, never from devices."""

from dataclasses import replace
from typing import Any

import ape
import pytest

from tests.contracts.builders import Aggregate, Device
from tests.contracts.deployed import Task

ZERO = "0x" + 40 * "0"


def stake(task: Task, account: Any) -> int:
    return int(task.contract.member(account).stake)


def fee(task: Task) -> int:
    return task.parameters["silenceFee"]


def missed(task: Task, *speaking: int) -> Any:
    """A round in which only these clusters anchor and submit; it is not settled. Close it."""
    task.record_noise_roots()
    task.open_round()
    batch = int(task.contract.currentRound())
    parts = [task.cluster_round(cluster, batch=batch) for cluster in speaking]
    for part in parts:
        task.anchor(part)
    task.at(task.round.anchorDeadline)
    for part in parts:
        task.submit_cumulative(part)
    task.at(task.round.aggregateDeadline)
    return task.contract.closeRound(sender=task.anybody)


@pytest.fixture(scope="module")
def silent(deploy: Any, accounts: Any) -> Task:
    """As the founded task, but two missed rounds suspend; nobody anchors in the first round."""
    task: Task = deploy(maxSilences=2)
    for account in accounts[1:3]:
        task.add_cloud(account)
    for cluster, account in enumerate(accounts[3:5]):
        task.add_fog(account)
        task.add_devices(cluster, [Device.numbered(100 * cluster + i) for i in range(5)])
    task.contract.fundPool(sender=task.authority, value=10**18)
    task.open_round()
    task.at(task.round.anchorDeadline)
    return task


@pytest.fixture
def task(silent: Task, outsider: Any) -> Task:
    return replace(silent, anybody=outsider, clouds=list(silent.clouds), fogs=list(silent.fogs))


def test_close_round__nobody_anchored__each_fog_pays_and_nobody_else(task: Task) -> None:
    fogs = [stake(task, fog) for fog in task.fogs]
    others = [stake(task, task.clouds[0]), stake(task, task.devices[0][0].address)]
    before = task.contract.accounting()
    receipt = task.contract.closeRound(sender=task.anybody)
    assert receipt.events == [
        task.contract.RoundClosed(round=1, silent=0b11, cloudsSilent=False),
        *(task.contract.SilenceCharged(1, fog, fee(task)) for fog in task.fogs),
    ]
    assert [stake(task, fog) for fog in task.fogs] == [s - fee(task) for s in fogs]
    assert [stake(task, task.clouds[0]), stake(task, task.devices[0][0].address)] == others
    after = task.contract.accounting()
    assert (after.stakes, after.pool) == (
        before.stakes - 2 * fee(task),
        before.pool + 2 * fee(task),
    )
    assert [task.contract.silencesOf(cluster) for cluster in (0, 1)] == [1, 1]


def test_close_round__twice__refused(task: Task) -> None:
    task.contract.closeRound(sender=task.anybody)
    with ape.reverts(task.contract.RoundAlreadyClosed, round=1):
        task.contract.closeRound(sender=task.anybody)


def test_close_round__under_way__refused(task: Task) -> None:
    task.open_round()
    with ape.reverts(task.contract.WrongPhase, phase=1):
        task.contract.closeRound(sender=task.anybody)


def test_close_round__settled_and_rejectable__refused_until_its_deadline(task: Task) -> None:
    task.record_noise_roots()
    task.open_round()
    parts = tuple(task.cluster_round(cluster, batch=2) for cluster in (0, 1))
    for part in parts:
        task.anchor(part)
        task.submit_cumulative(part)
    task.submit_aggregate(Aggregate(parts))
    until = task.round.aggregateDeadline
    with ape.reverts(task.contract.RoundNotOver, round=2, until=until):
        task.contract.closeRound(sender=task.anybody)
    task.at(until)
    receipt = task.contract.closeRound(sender=task.anybody)
    assert receipt.events == [task.contract.RoundClosed(round=2, silent=0, cloudsSilent=False)]
    assert [task.contract.silencesOf(cluster) for cluster in (0, 1)] == [0, 0]


def test_close_round__nobody_aggregated__the_clouds_pay(task: Task) -> None:
    task.contract.closeRound(sender=task.anybody)
    before = [stake(task, cloud) for cloud in task.clouds]
    missed(task, 0, 1)
    assert [stake(task, cloud) for cloud in task.clouds] == [s - fee(task) for s in before]
    assert task.contract.silencesOf(0) == 0


def test_cloud__admitted_after_the_opening__pays_nothing(task: Task, accounts: Any) -> None:
    late = accounts[7]
    task.add_cloud(late)
    before = stake(task, late)
    task.contract.closeRound(sender=task.anybody)
    task.record_noise_roots()
    task.open_round()
    part = task.cluster_round(0, batch=2)
    task.anchor(part)
    task.add_cloud(accounts[8])
    task.at(task.round.anchorDeadline)
    task.submit_cumulative(part)
    task.at(task.round.aggregateDeadline)
    task.contract.closeRound(sender=task.anybody)
    assert stake(task, late) == before - fee(task)
    assert stake(task, accounts[8]) == task.parameters["cloudStake"]


def test_close_round__nobody_anchored_on_a_provisional_model__nobody_pays(task: Task) -> None:
    """The cloud may have told nobody its result; what was silence before counts no further."""
    task.contract.closeRound(sender=task.anybody)
    task.record_noise_roots()
    task.settle_round(batch=2)
    task.at(task.round.aggregateDeadline)
    assert task.contract.previousModel().provisional
    task.open_round()
    before = [stake(task, member) for member in (*task.fogs, *task.clouds)]
    money = task.contract.accounting()
    task.at(task.round.anchorDeadline)
    receipt = task.contract.closeRound(sender=task.anybody)
    assert receipt.events == [task.contract.RoundClosed(round=3, silent=0, cloudsSilent=False)]
    assert [stake(task, member) for member in (*task.fogs, *task.clouds)] == before
    assert task.contract.accounting() == money
    assert [task.contract.silencesOf(cluster) for cluster in (0, 1)] == [0, 0]
    previous = task.contract.previousModel().digest
    receipt = task.contract.openRound(sender=task.authority)
    assert task.contract.ModelWithdrawn(round=3, modelDigest=previous) in receipt.events
    task.at(task.round.anchorDeadline)
    # The model before it is known: who is silent now pays.
    receipt = task.contract.closeRound(sender=task.anybody)
    assert task.contract.RoundClosed(round=4, silent=0b11, cloudsSilent=False) in receipt.events
    assert [stake(task, fog) for fog in task.fogs] == [s - fee(task) for s in before[:2]]


def test_fog__left_before_the_deadline__pays_nothing(task: Task) -> None:
    """The fog of cluster 1 leaves in time, that of cluster 0 after it has missed the round."""
    task.contract.closeRound(sender=task.anybody)
    before = [stake(task, fog) for fog in task.fogs]
    task.open_round()
    task.contract.requestExit(b"", sender=task.fogs[1])
    task.at(task.round.anchorDeadline)
    task.contract.requestExit(b"", sender=task.fogs[0])
    task.contract.closeRound(sender=task.anybody)
    assert [stake(task, fog) for fog in task.fogs] == [before[0] - fee(task), before[1]]


def test_cluster__silent_too_often__left_out_until_its_fog_calls(task: Task) -> None:
    task.contract.closeRound(sender=task.anybody)
    receipt = missed(task, 0)
    assert task.contract.ClusterSuspended(1, 2) in receipt.events
    assert not task.contract.cluster(1).active
    with ape.reverts(
        task.contract.StakeTooLow,
        account=task.fogs[1],
        stake=stake(task, task.fogs[1]),
        required=task.parameters["fogStake"],
    ):
        task.contract.resumeCluster(1, sender=task.fogs[1])
    task.open_round()
    assert task.round.clusters == 0b01
    assert task.contract.counts().activeCount == 5
    task.stake(task.fogs[1], 2 * fee(task))
    with ape.reverts(task.contract.NotFogOfCluster, cluster=1, caller=task.fogs[0]):
        task.contract.resumeCluster(1, sender=task.fogs[0])
    receipt = task.contract.resumeCluster(1, sender=task.fogs[1])
    assert receipt.events == [task.contract.ClusterResumed(1)]
    with ape.reverts(task.contract.ClusterNotSuspended, cluster=1):
        task.contract.resumeCluster(1, sender=task.fogs[1])
    task.at(task.round.anchorDeadline)
    task.open_round()
    assert task.round.clusters == 0b11


def test_suspended_fog__leaves__counts_once(task: Task) -> None:
    task.contract.closeRound(sender=task.anybody)
    missed(task, 0)
    task.contract.requestExit(b"", sender=task.fogs[1])
    assert task.contract.counts().activeCount == 5
    with ape.reverts(task.contract.MemberHasLeft, account=task.fogs[1]):
        task.contract.resumeCluster(1, sender=task.fogs[1])


# Successors


def test_successor__of_a_fog_that_left__serves_from_the_next_round(
    task: Task, accounts: Any
) -> None:
    old, new = task.fogs[1], accounts[7]
    task.stake(new, task.parameters["fogStake"])
    with ape.reverts(task.contract.ClusterHasFog, cluster=1, fog=old):
        task.contract.admitSuccessor(1, new, sender=task.authority)
    task.contract.requestExit(b"", sender=old)
    with ape.reverts(task.contract.NotAuthority, caller=new):
        task.contract.admitSuccessor(1, new, sender=new)
    with ape.reverts(task.contract.UnknownCluster, cluster=9):
        task.contract.admitSuccessor(9, new, sender=task.authority)
    before = stake(task, old)
    receipt = task.contract.admitSuccessor(1, new, sender=task.authority)
    assert receipt.events[-1] == task.contract.FogSucceeded(new, 1, old, 2)
    # What the old one missed, it pays; the new one does not.
    assert stake(task, old) == before - fee(task)
    assert stake(task, new) == task.parameters["fogStake"]
    assert (task.contract.fogOf(1, 1), task.contract.fogOf(1, 2)) == (old, new)
    task.fogs[1] = new
    task.record_noise_roots()
    task.open_round()
    assert task.round.clusters == 0b11
    parts = tuple(task.cluster_round(cluster, batch=2) for cluster in (0, 1))
    for part in parts:
        task.anchor(part)
        task.submit_cumulative(part)
    task.submit_aggregate(Aggregate(parts))
    task.at(task.round.aggregateDeadline)
    with ape.reverts(task.contract.NotEarned, account=old, round=2):
        task.contract.claim(old, [2], sender=new)
    task.contract.claim(new, [2], sender=old)


def test_successor__in_the_middle_of_a_round__refused(task: Task, accounts: Any) -> None:
    task.contract.requestExit(b"", sender=task.fogs[1])
    task.stake(accounts[7], task.parameters["fogStake"])
    task.open_round()
    with ape.reverts(task.contract.WrongPhase, phase=1):
        task.contract.admitSuccessor(1, accounts[7], sender=task.authority)


def test_successor__root_of_the_coming_batch__can_be_recorded_again(
    task: Task, accounts: Any
) -> None:
    task.record_noise_roots()
    task.contract.requestExit(b"", sender=task.fogs[1])
    task.stake(accounts[7], task.parameters["fogStake"])
    task.contract.admitSuccessor(1, accounts[7], sender=task.authority)
    assert task.contract.noiseRoot(1, 2) == bytes(32)
    task.contract.recordNoiseRoot(1, b"\2" * 32, sender=accounts[7])
