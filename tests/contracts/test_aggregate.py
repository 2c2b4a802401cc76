"""Results: the sum of the clusters and nothing else, and the model that follows from it."""

from collections.abc import Callable
from typing import Any

import ape
import pytest

from tests.contracts.builders import (
    Aggregate,
    BlsKey,
    Device,
    R,
    challenge,
    commit,
    encode_commitment,
    keccak,
    open_at,
    random_vector,
)
from tests.contracts.deployed import PARAMETERS, SETTLED, Task

RATE = PARAMETERS["rate"]


@pytest.fixture
def result(task: Task) -> Aggregate:
    """The sum of both clusters, ready to be submitted."""
    task.open_round()
    return task.bring_to_aggregating([0, 1])


def test_submit_aggregate__true_sum__accepted(task: Task, result: Aggregate) -> None:
    receipt = task.submit_aggregate(result)
    samples = 300
    factor = RATE // samples
    model = result.updated(task.model, factor)
    state = task.round
    assert (state.state, state.included, state.cloud) == (SETTLED, 0b11, task.clouds[0])
    assert state.resultDigest == result.result_digest
    assert task.contract.modelDigest() == keccak(encode_commitment(model))
    assert task.contract.previousModel().digest == keccak(task.encoded_model())
    assert task.contract.settledRounds() == 1
    y, proof = result.arguments(task.contract, task.model)[7:9]
    assert receipt.events == [
        task.contract.ResultAccepted(
            1,
            task.clouds[0],
            0b11,
            result.commitments,
            result.vector_digest,
            samples,
            y,
            proof,
            factor,
            encode_commitment(model),
            keccak(encode_commitment(model)),
        )
    ]


def test_submit_aggregate__model__commits_to_the_updated_vector(
    task: Task, result: Aggregate
) -> None:
    """Linear: the commitment of theta - k c, computed from the vectors."""
    task.submit_aggregate(result)
    theta = random_vector("model", 64, 0)
    factor = RATE // 300
    updated = [(t - factor * c) % R for t, c in zip(theta, result.vector, strict=True)]
    assert task.contract.modelDigest() == keccak(encode_commitment(commit(updated, 64)))


def test_submit_aggregate__challenge__as_specified(task: Task, result: Aggregate) -> None:
    expected = challenge(
        "verifog aggregate v1",
        task.contract.domainSeparator(),
        1,
        0b11,
        result.commitment_digest,
        result.vector_digest,
    )
    arguments = [1, 0b11, result.commitment_digest, result.vector_digest]
    assert task.contract.aggregateChallenge(*arguments) == expected


def test_submit_aggregate__by_the_second_cloud__accepted(task: Task, result: Aggregate) -> None:
    task.submit_aggregate(result, cloud=1)
    assert task.round.cloud == task.clouds[1]


def test_submit_aggregate__by_others__refused(task: Task, result: Aggregate, outsider: Any) -> None:
    arguments = result.arguments(task.contract, task.model)
    for caller in (outsider, task.authority, task.fogs[0]):
        with ape.reverts(task.contract.NotActiveCloud, caller=caller):
            task.contract.submitAggregate(*arguments, sender=caller)


# Which clusters


def test_submit_aggregate__one_cluster_left_out_at_the_deadline__accepted(
    task: Task, result: Aggregate
) -> None:
    task.at(task.round.cumulativeDeadline)
    task.submit_aggregate(Aggregate(result.parts[1:]))
    assert task.round.included == 0b10


def test_submit_aggregate__one_cluster_left_out_before_the_deadline__refused(
    task: Task, result: Aggregate
) -> None:
    """Its fog has until then to hand over the sum."""
    arguments = Aggregate(result.parts[1:]).arguments(task.contract, task.model)
    task.chain.pending_timestamp = task.round.cumulativeDeadline - 1
    with ape.reverts(task.contract.WrongInclusion, included=0b10, submitted=0b11):
        task.contract.submitAggregate(*arguments, sender=task.clouds[0], gas_limit=1_000_000)
    # With a gas limit of its own: an estimate is exact, and the deadline may pass after it is made.
    arguments = result.arguments(task.contract, task.model)
    task.contract.submitAggregate(*arguments, sender=task.clouds[0], gas_limit=1_000_000)


@pytest.mark.parametrize("included", [0, 0b111, 0b11 | 1 << 64, 1 << 255])
@pytest.mark.parametrize("late", [False, True], ids=["before the deadline", "after it"])
def test_submit_aggregate__cluster_that_did_not_submit__refused(
    task: Task, result: Aggregate, included: int, late: bool
) -> None:
    if late:
        task.at(task.round.cumulativeDeadline)
    with ape.reverts(task.contract.WrongInclusion, included=included, submitted=0b11):
        task.submit_aggregate(result, included=included)


@pytest.mark.parametrize("count", [1, 3])
def test_submit_aggregate__wrong_number_of_sums__refused(
    task: Task, result: Aggregate, count: int
) -> None:
    sums = [part.cluster_sum(task.contract) for part in (*result.parts, result.parts[0])]
    with ape.reverts(task.contract.WrongLength, given=count, expected=2):
        task.submit_aggregate(result, sums=sums[:count])


def test_submit_aggregate__sums_in_another_order__refused(task: Task, result: Aggregate) -> None:
    sums = [part.cluster_sum(task.contract) for part in reversed(result.parts)]
    with ape.reverts(task.contract.WrongRecord, cluster=0):
        task.submit_aggregate(result, sums=sums)


FALSE_SUMS: dict[str, Callable[[Any], Any]] = {
    "anchorMessage": lambda _: b"\1" * 32,
    "signerCount": lambda count: count + 1,
    "qualifiedCount": lambda count: count - 1,
    "commitments": lambda _: BlsKey(4).public,
    "vectorDigest": lambda _: b"\1" * 32,
}


@pytest.mark.parametrize("field", FALSE_SUMS)
def test_submit_aggregate__altered_record__refused(
    task: Task, result: Aggregate, field: str
) -> None:
    sums = [part.cluster_sum(task.contract) for part in result.parts]
    sums[1][field] = FALSE_SUMS[field](sums[1][field])
    with ape.reverts(task.contract.WrongRecord, cluster=1):
        task.submit_aggregate(result, sums=sums)


def test_submit_aggregate__record_of_an_earlier_round__refused(task: Task) -> None:
    earlier = task.settle_round()
    task.open_round()
    result = task.bring_to_aggregating([0, 1])
    sums = [part.cluster_sum(task.contract) for part in (earlier.parts[0], result.parts[1])]
    with ape.reverts(task.contract.WrongRecord, cluster=0):
        task.submit_aggregate(result, sums=sums)


# Openings


def test_submit_aggregate__another_vector__refused(task: Task, result: Aggregate) -> None:
    """S adds the commitments itself: a c that is not their sum does not open."""
    z = result.challenge(task.contract)
    other = [(value + 1) % R for value in result.vector]
    y, proof = open_at(other, z, 64)
    with ape.reverts(task.contract.FalseOpening, z=z, y=y):
        task.submit_aggregate(result, y=y, proof=proof)


def test_submit_aggregate__opening_for_another_digest__refused(
    task: Task, result: Aggregate
) -> None:
    arguments = result.arguments(task.contract, task.model)
    arguments[4] = b"\1" * 32
    with ape.reverts(task.contract.FalseOpening):
        task.contract.submitAggregate(*arguments, sender=task.clouds[0])


@pytest.mark.parametrize("change", [-1, 1, 1000])
def test_submit_aggregate__wrong_sample_count__refused(
    task: Task, result: Aggregate, change: int
) -> None:
    with ape.reverts(task.contract.FalseOpening, z=0, y=300 + change):
        task.submit_aggregate(result, samples=300 + change)


def test_submit_aggregate__sample_count_not_a_scalar__refused(
    task: Task, result: Aggregate
) -> None:
    with ape.reverts(task.contract.ScalarOutOfRange, value=300 + R):
        task.submit_aggregate(result, samples=300 + R)


def test_submit_aggregate__value_not_a_scalar__refused(task: Task, result: Aggregate) -> None:
    y = result.arguments(task.contract, task.model)[7]
    with ape.reverts(task.contract.ScalarOutOfRange, value=y + R):
        task.submit_aggregate(result, y=y + R)


# The model


def test_submit_aggregate__model_not_the_committed__refused(task: Task, result: Aggregate) -> None:
    other = encode_commitment([BlsKey(6).point])
    with ape.reverts(
        task.contract.WrongModel, given=keccak(other), stored=keccak(task.encoded_model())
    ):
        task.submit_aggregate(result, model=other)


@pytest.mark.parametrize(
    ("samples", "total"),
    [
        (0, 100),
        (99, 100),
        (100, 100),
        (101, 101),
        (999, 999),
        (1000, 1000),
        (1001, 1000),
        (R // 2, 1000),
        (R // 2 + 1, 100),
        (R - 1, 100),
    ],
)
def test_submit_aggregate__sample_total__clamped(task: Task, samples: int, total: int) -> None:
    """Ten qualified devices of 10 to 100 samples; above R/2 the total is negative."""
    task.open_round()
    slots = PARAMETERS["capacity"]
    first = task.cluster_round(0, samples=samples)
    second = task.cluster_round(1, vector=(0, *range(1, slots)))
    for part in (first, second):
        task.anchor(part)
        task.submit_cumulative(part)
    result = Aggregate((first, second))
    receipt = task.submit_aggregate(result)
    event = receipt.decode_logs(task.contract.ResultAccepted)[0]
    assert (event.samples, event.factor) == (samples, RATE // total)
    updated = result.updated(task.model, RATE // total)
    assert task.contract.modelDigest() == keccak(encode_commitment(updated))


def test_submit_aggregate__statistics_rounds__leave_the_model(deploy: Any, accounts: Any) -> None:
    task = deploy(statisticsRounds=2)
    task.add_cloud(accounts[1])
    task.add_fog(accounts[3])
    task.add_devices(0, [Device.numbered(i) for i in range(3)])
    task.contract.fundPool(sender=task.authority, value=10**18)
    task.record_noise_roots()
    before = task.contract.modelDigest()
    # A round that fails does not count.
    task.open_round()
    task.at(task.round.anchorDeadline)
    for settled in (1, 2):
        task.settle_round()
        assert not task.round.updatesModel
        assert task.contract.settledRounds() == settled
        assert task.contract.modelDigest() == before
        assert not task.contract.previousModel().provisional
    task.settle_round()
    assert task.round.updatesModel
    assert task.contract.modelDigest() == keccak(task.encoded_model()) != before


def test_submit_aggregate__rate_below_total__model_stays(deploy: Any, accounts: Any) -> None:
    task = deploy(rate=1)
    task.add_cloud(accounts[1])
    task.add_fog(accounts[3])
    task.add_devices(0, [Device.numbered(i) for i in range(3)])
    task.contract.fundPool(sender=task.authority, value=10**18)
    task.record_noise_roots()
    before = task.contract.modelDigest()
    task.settle_round()
    assert task.contract.modelDigest() == before


def test_verify_aggregate__settled__true_for_this_result_only(
    task: Task, result: Aggregate
) -> None:
    commitment, vector = result.commitment_digest, result.vector_digest
    assert not task.contract.verifyAggregate(1, commitment, vector)
    task.submit_aggregate(result)
    assert task.contract.verifyAggregate(1, commitment, vector)
    assert not task.contract.verifyAggregate(1, vector, commitment)
    assert not task.contract.verifyAggregate(1, commitment, keccak(b"another"))
    assert not task.contract.verifyAggregate(2, commitment, vector)


# The provisional model


def test_open_round__nobody_anchored_on_the_new_model__model_withdrawn(task: Task) -> None:
    first = task.contract.modelDigest()
    task.settle_round()
    second = task.contract.modelDigest()
    assert tuple(task.contract.previousModel()) == (first, True)
    task.open_round()
    task.at(task.round.anchorDeadline)
    receipt = task.contract.openRound(sender=task.authority)
    withdrawn = receipt.decode_logs(task.contract.ModelWithdrawn)
    assert withdrawn == [task.contract.ModelWithdrawn(2, first)]
    assert receipt.decode_logs(task.contract.RoundOpened)[0].modelDigest == first
    assert task.contract.modelDigest() == first != second
    assert not task.contract.previousModel().provisional
    # Only once: the model before is not provisional.
    task.at(task.round.anchorDeadline)
    receipt = task.contract.openRound(sender=task.authority)
    assert receipt.decode_logs(task.contract.ModelWithdrawn) == []
    assert task.contract.modelDigest() == first


def test_open_round__one_cluster_anchored_on_the_new_model__model_stays(task: Task) -> None:
    task.settle_round()
    digest = task.contract.modelDigest()
    task.open_round()
    assert task.contract.previousModel().provisional
    task.anchor(task.cluster_round(1))
    assert not task.contract.previousModel().provisional
    task.at(task.round.aggregateDeadline)
    for _ in range(2):
        receipt = task.contract.openRound(sender=task.authority)
        assert receipt.decode_logs(task.contract.ModelWithdrawn) == []
        assert task.contract.modelDigest() == digest
        task.at(task.round.anchorDeadline)


def test_open_round__initial_model_unanchored__stays(task: Task) -> None:
    digest = task.contract.modelDigest()
    task.open_round()
    task.at(task.round.anchorDeadline)
    receipt = task.contract.openRound(sender=task.authority)
    assert receipt.decode_logs(task.contract.ModelWithdrawn) == []
    assert task.contract.modelDigest() == digest


def test_settle__after_a_withdrawal__updates_the_model_before(task: Task) -> None:
    theta = list(task.model)
    task.settle_round()
    task.open_round()
    task.at(task.round.anchorDeadline)
    task.model = theta
    task.settle_round()
    assert task.contract.modelDigest() == keccak(task.encoded_model())
