"""The model of a Voted task: two thirds of the fogs sign it."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import ape
import pytest

from tests.contracts.builders import (
    INFINITY_G1,
    OUTSIDE_SUBGROUP,
    RESULT_TYPE,
    BlsKey,
    Device,
    keccak,
    sign_typed,
)
from tests.contracts.deployed import AGGREGATING, Task

MODEL = BlsKey(77).public
VOTE_TYPE = {
    "ModelVote": [
        {"name": "round", "type": "uint256"},
        {"name": "resultDigest", "type": "bytes32"},
        {"name": "modelDigest", "type": "bytes32"},
    ]
}
CLUSTERS = 4
MODEL_VOTE = 5


@pytest.fixture(scope="module")
def voted(deploy: Any, accounts: Any) -> Task:
    task: Task = deploy(modelRule=1, modelTime=600, fogStake=10**15)
    task.add_cloud(accounts[1])
    for cluster in range(CLUSTERS):
        task.add_fog(accounts[3 + cluster])
        task.add_devices(cluster, [Device.numbered(5000 + 10 * cluster + i) for i in range(3)])
    task.contract.fundPool(sender=task.authority, value=10**18)
    task.record_noise_roots()
    task.settle_round()
    return task


def vote(task: Task, fog: Any, model: bytes = MODEL, **changes: Any) -> bytes:
    message = {
        "round": int(task.contract.currentRound()),
        "resultDigest": task.round.resultDigest,
        "modelDigest": keccak(model),
        **changes,
    }
    return sign_typed(fog.private_key, task.contract, VOTE_TYPE, message)


def submit(task: Task, clusters: Iterable[int], model: bytes = MODEL, **changes: Any) -> Any:
    clusters = list(clusters)
    signatures = [vote(task, task.fogs[c], model, **changes) for c in clusters]
    bits = sum(1 << c for c in clusters)
    round_ = int(task.contract.currentRound())
    return task.contract.submitModel(round_, model, bits, signatures, sender=task.anybody)


@pytest.fixture
def task(voted: Task, outsider: Any) -> Task:
    voted.anybody = outsider
    return voted


def test_settle__in_a_voted_task__leaves_the_model(task: Task) -> None:
    assert task.contract.modelDigest() == keccak(task.encoded_model())
    assert not task.contract.previousModel().provisional


def test_submit_model__three_of_four_fogs__sets_it(task: Task) -> None:
    assert tuple(task.contract.modelQuorum()) == (0b1111, 3)
    before = task.contract.modelDigest()
    receipt = submit(task, (0, 2, 3))
    assert receipt.events == [task.contract.ModelVoted(1, 0b1101, MODEL, keccak(MODEL))]
    assert task.contract.modelDigest() == keccak(MODEL)
    assert tuple(task.contract.previousModel()) == (before, True)
    with ape.reverts(task.contract.ModelAlreadyVoted, round=1):
        submit(task, (0, 2, 3))
    task.open_round()
    # Nobody builds on it: the model before it comes back.
    task.at(task.round.anchorDeadline)
    task.open_round()
    assert task.contract.modelDigest() == before


def test_submit_model__infinity__accepted(task: Task) -> None:
    submit(task, range(4), INFINITY_G1)
    assert task.contract.modelDigest() == keccak(INFINITY_G1)


def test_submit_model__too_few_or_strange_voters__refused(task: Task) -> None:
    with ape.reverts(task.contract.TooFewVotes, given=2, required=3):
        submit(task, (0, 1))
    signatures = [vote(task, fog) for fog in task.fogs]
    arguments = {"sender": task.anybody}
    with ape.reverts(task.contract.NotVoters, clusters=0b10000):
        task.contract.submitModel(1, MODEL, 0b10011, signatures[:3], **arguments)
    with ape.reverts(task.contract.WrongLength, given=2, expected=3):
        task.contract.submitModel(1, MODEL, 0b0111, signatures[:2], **arguments)
    with ape.reverts(
        task.contract.WrongSigner, recovered=task.fogs[1].address, expected=task.fogs[0].address
    ):
        swapped = [signatures[1], signatures[0], signatures[2]]
        task.contract.submitModel(1, MODEL, 0b0111, swapped, **arguments)


@pytest.mark.parametrize("change", ["round", "resultDigest", "modelDigest"])
def test_submit_model__vote_for_something_else__refused(task: Task, change: str) -> None:
    other = 2 if change == "round" else b"\5" * 32
    with ape.reverts(task.contract.WrongSigner):
        submit(task, (0, 1, 2), **{change: other})


def test_submit_model__no_points_of_the_group__refused(task: Task) -> None:
    with ape.reverts(task.contract.WrongLength, given=256, expected=128):
        submit(task, (0, 1, 2), MODEL + MODEL)
    with ape.reverts(task.contract.G1MsmFailed):
        submit(task, (0, 1, 2), OUTSIDE_SUBGROUP)


def test_submit_model__fog_that_left__neither_counts_nor_votes(task: Task) -> None:
    task.contract.requestExit(b"", sender=task.fogs[3])
    assert tuple(task.contract.modelQuorum()) == (0b0111, 2)
    with ape.reverts(task.contract.NotVoters, clusters=0b1000):
        submit(task, (0, 1, 3))
    submit(task, (0, 1))


def test_submit_model__round_under_way__refused(task: Task) -> None:
    until = task.round.aggregateDeadline + task.parameters["modelTime"]
    with ape.reverts(task.contract.ModelPending, round=1, until=until):
        task.open_round()
    task.at(until)
    old = task.contract.modelDigest()
    task.open_round()
    assert task.contract.modelDigest() == old
    with ape.reverts(task.contract.WrongPhase, phase=1):
        submit(task, (0, 1, 2))
    with ape.reverts(task.contract.WrongRound, given=1, current=2):
        task.contract.submitModel(1, MODEL, 0, [], sender=task.anybody)


def test_report__after_the_vote__undoes_the_model(task: Task) -> None:
    old = task.contract.modelDigest()
    submit(task, (0, 1, 2))
    message = {"round": 1, "commitmentDigest": b"\1" * 32, "vectorDigest": b"\2" * 32}
    signature = sign_typed(task.clouds[0].private_key, task.contract, RESULT_TYPE, message)
    task.contract.reportFalseResult(*message.values(), signature, sender=task.fogs[0])
    assert task.contract.modelDigest() == old
    assert task.contract.phase() == AGGREGATING


def words(task: Task, model: bytes, result: bytes) -> bytes:
    return (1).to_bytes(32, "big") + result + keccak(model)


def report(task: Task, fog: Any, result: bytes, *, other_result: bytes | None = None) -> Any:
    second = other_result or result
    votes = [vote(task, fog, MODEL, resultDigest=result)]
    votes.append(vote(task, fog, INFINITY_G1, resultDigest=second))
    return task.contract.reportEquivocation(
        MODEL_VOTE,
        words(task, MODEL, result),
        votes[0],
        words(task, INFINITY_G1, second),
        votes[1],
        b"",
        sender=task.anybody,
    )


def test_two_votes__for_one_result__slashed(task: Task) -> None:
    receipt = report(task, task.fogs[2], task.round.resultDigest)
    proven = receipt.decode_logs(task.contract.OffenceProven)[0]
    assert (proven.account, proven.round, proven.cluster) == (task.fogs[2], 1, 2)
    assert task.contract.member(task.fogs[2]).slashed


def test_two_votes__for_two_results__no_offence(task: Task) -> None:
    """After a rejection a fog votes again, honestly."""
    result = task.round.resultDigest
    with ape.reverts(task.contract.AnotherOccasion, word=1):
        report(task, task.fogs[2], result, other_result=b"\7" * 32)


def test_two_votes__of_a_cloud__no_offence(task: Task) -> None:
    with ape.reverts(task.contract.NotFogOfCluster, caller=task.clouds[0].address):
        report(task, task.clouds[0], task.round.resultDigest)


def test_submit_model__in_a_linear_task__refused(founded: Task, outsider: Any) -> None:
    replace(founded).settle_round()  # a copy: the model it leads to is not the session's
    with ape.reverts(founded.contract.NoModelVote, round=1):
        founded.contract.submitModel(1, MODEL, 0b11, [], sender=outsider)
