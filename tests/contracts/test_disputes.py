"""Evidence against a round's cloud: what slashes it, what rejects its result, what does neither."""

from typing import Any

import ape
import pytest

from tests.contracts.builders import (
    RESULT_TYPE,
    Aggregate,
    R,
    challenge,
    keccak,
    open_at,
    sign_typed,
    vector_bytes,
)
from tests.contracts.deployed import AGGREGATING, PARAMETERS, SETTLED, Task

STAKE = PARAMETERS["cloudStake"]
TO_REPORTER, BURNT = STAKE * 30 // 100, STAKE * 10 // 100
TO_POOL = STAKE - TO_REPORTER - BURNT
FALSE = (keccak(b"false commitment"), keccak(b"false vector"))
FALSE_DIGEST = keccak(FALSE[0] + FALSE[1])
# Members of enum Offence.
FALSE_RESULT, FALSE_VECTOR = 5, 6


@pytest.fixture
def settled(task: Task) -> Aggregate:
    """Round 1, settled by the first cloud."""
    return task.settle_round()


def signed(task: Task, round_: int, digests: tuple[bytes, bytes], cloud: int = 0) -> list[Any]:
    """Arguments of `reportFalseResult` with the cloud's signature."""
    message = dict(
        zip(("round", "commitmentDigest", "vectorDigest"), (round_, *digests), strict=True)
    )
    key = task.clouds[cloud].private_key
    return [round_, *digests, sign_typed(key, task.contract, RESULT_TYPE, message)]


def offence_event(task: Task, offence: int, evidence: bytes, round_: int = 1) -> Any:
    return task.contract.OffenceProven(task.clouds[0], offence, round_, 0, evidence)


def slash_event(task: Task, reporter: Any) -> Any:
    return task.contract.Slashed(task.clouds[0], reporter, TO_REPORTER, BURNT, TO_POOL)


# False results


def test_report_false_result__in_time__rejects_and_slashes(
    task: Task, settled: Aggregate, outsider: Any
) -> None:
    before = task.contract.previousModel().digest
    accounts_before = task.contract.accounting()
    receipt = task.contract.reportFalseResult(*signed(task, 1, FALSE), sender=outsider)
    assert receipt.events == [
        offence_event(task, FALSE_RESULT, FALSE_DIGEST),
        task.contract.ResultRejected(1, task.clouds[0], before),
        slash_event(task, outsider),
    ]
    assert task.contract.phase() == AGGREGATING
    assert task.contract.modelDigest() == before
    assert not task.contract.previousModel().provisional
    assert task.contract.settledRounds() == 0
    state = task.round
    assert (state.included, state.resultDigest) == (0, bytes(32))
    assert not task.contract.verifyAggregate(1, settled.commitment_digest, settled.vector_digest)
    member = task.contract.member(task.clouds[0])
    assert (member.active, member.slashed, member.stake) == (False, True, 0)
    reward = PARAMETERS["reward"]
    cloud, fogs = reward * 10 // 100, reward * 20 // 100
    served = cloud + fogs // 2 * 2 + (reward - cloud - fogs) // 10 * 10
    after = task.contract.accounting()
    assert after.stakes == accounts_before.stakes - STAKE
    assert after.owed == accounts_before.owed - served + TO_REPORTER
    assert after.burnt == accounts_before.burnt + BURNT
    assert after.pool == accounts_before.pool + served + TO_POOL
    assert task.contract.creditOf(outsider) == TO_REPORTER


def test_report_false_result__rejected__another_cloud_settles(
    task: Task, outsider: Any, deploy: Any
) -> None:
    theta = list(task.model)
    result = task.settle_round()
    task.contract.reportFalseResult(*signed(task, 1, FALSE), sender=outsider)
    task.model = theta
    with ape.reverts(task.contract.NotActiveCloud, caller=task.clouds[0]):
        task.submit_aggregate(result)
    task.submit_aggregate(result, cloud=1)
    assert task.round.cloud == task.clouds[1]
    assert task.contract.settledRounds() == 1
    with ape.reverts(task.contract.NotCloudOfRound, signer=task.clouds[0], round=1):
        task.contract.reportFalseResult(*signed(task, 1, FALSE), sender=outsider)


def test_report_false_result__rejected_and_nobody_aggregates__round_fails(
    task: Task, settled: Aggregate, outsider: Any
) -> None:
    deadline = task.round.aggregateDeadline
    task.contract.reportFalseResult(*signed(task, 1, FALSE), sender=outsider)
    model = task.contract.modelDigest()
    task.at(deadline)
    with ape.reverts(task.contract.NotClaimable, round=1):
        task.contract.claim(task.fogs[0], [1], sender=outsider)
    task.open_round()
    assert task.contract.modelDigest() == model


def test_report_false_result__last_second__rejects(
    task: Task, settled: Aggregate, outsider: Any
) -> None:
    arguments = signed(task, 1, FALSE)
    task.chain.pending_timestamp = task.round.aggregateDeadline - 1
    task.contract.reportFalseResult(*arguments, sender=outsider, gas_limit=1_000_000)
    assert task.contract.settledRounds() == 0


def test_report_false_result__after_the_deadline__slashes_only(
    task: Task, settled: Aggregate, outsider: Any
) -> None:
    task.at(task.round.aggregateDeadline)
    digest = task.contract.modelDigest()
    receipt = task.contract.reportFalseResult(*signed(task, 1, FALSE), sender=outsider)
    assert receipt.events == [
        offence_event(task, FALSE_RESULT, FALSE_DIGEST),
        slash_event(task, outsider),
    ]
    assert (task.contract.phase(), task.contract.modelDigest()) == (SETTLED, digest)


def test_report_false_result__of_an_earlier_round__slashes_only(
    task: Task, settled: Aggregate, outsider: Any
) -> None:
    task.open_round()
    receipt = task.contract.reportFalseResult(*signed(task, 1, FALSE), sender=outsider)
    assert receipt.events == [
        offence_event(task, FALSE_RESULT, FALSE_DIGEST),
        slash_event(task, outsider),
    ]
    assert task.contract.round(1).state == SETTLED


def test_report_false_result__twice__slashes_once(
    task: Task, settled: Aggregate, outsider: Any
) -> None:
    task.open_round()
    task.contract.reportFalseResult(*signed(task, 1, FALSE), sender=outsider)
    other = (FALSE[1], FALSE[0])
    for digests in (FALSE, other):
        with ape.reverts(task.contract.NothingToSlash, account=task.clouds[0]):
            task.contract.reportFalseResult(*signed(task, 1, digests), sender=outsider)


@pytest.mark.parametrize("part", [0, 1])
def test_report_false_result__one_digest_differs__slashes(
    task: Task, settled: Aggregate, outsider: Any, part: int
) -> None:
    digests = [settled.commitment_digest, settled.vector_digest]
    digests[part] = FALSE[part]
    arguments = signed(task, 1, (digests[0], digests[1]))
    task.contract.reportFalseResult(*arguments, sender=outsider)
    assert task.contract.member(task.clouds[0]).slashed


def test_report_false_result__the_accepted_result__changes_nothing(
    task: Task, settled: Aggregate, outsider: Any
) -> None:
    true = (settled.commitment_digest, settled.vector_digest)
    with ape.reverts(task.contract.ResultIsAccepted, round=1):
        task.contract.reportFalseResult(*signed(task, 1, true), sender=outsider)


def test_report_false_result__signed_by_another__changes_nothing(
    task: Task, settled: Aggregate, outsider: Any
) -> None:
    with ape.reverts(task.contract.NotCloudOfRound, signer=task.clouds[1], round=1):
        task.contract.reportFalseResult(*signed(task, 1, FALSE, cloud=1), sender=outsider)


def test_report_false_result__signed_for_another_round__changes_nothing(
    task: Task, settled: Aggregate, outsider: Any
) -> None:
    signature = signed(task, 2, FALSE)[-1]
    with ape.reverts(task.contract.NotCloudOfRound, round=1):
        task.contract.reportFalseResult(1, *FALSE, signature, sender=outsider)


def test_report_false_result__signed_for_another_contract__changes_nothing(
    task: Task, settled: Aggregate, outsider: Any, deploy: Any
) -> None:
    foreign = Task(deploy().contract, *[None] * 4, clouds=task.clouds)  # type: ignore[arg-type]
    with ape.reverts(task.contract.NotCloudOfRound, round=1):
        task.contract.reportFalseResult(*signed(foreign, 1, FALSE), sender=outsider)


def test_report_false_result__malleable_twin__refused(
    task: Task, settled: Aggregate, outsider: Any
) -> None:
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    *digests, signature = signed(task, 1, FALSE)
    s = order - int.from_bytes(signature[32:64], "big")
    twin = signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])
    with ape.reverts(task.contract.ECDSAInvalidSignatureS):
        task.contract.reportFalseResult(*digests, twin, sender=outsider)


def test_report_false_result__unknown_round__refused(task: Task, outsider: Any) -> None:
    for round_ in (0, 1, 7):
        with ape.reverts(task.contract.RoundNotSettled, round=round_):
            task.contract.reportFalseResult(*signed(task, round_, FALSE), sender=outsider)


def test_report_false_result__cloud_left_but_bonded__slashed(
    task: Task, settled: Aggregate, outsider: Any
) -> None:
    task.contract.requestExit(b"", sender=task.clouds[0])
    task.contract.reportFalseResult(*signed(task, 1, FALSE), sender=outsider)
    with ape.reverts(task.contract.NoStake, account=task.clouds[0]):
        task.contract.withdrawStake(task.clouds[0], sender=outsider)


def test_report_false_result__cloud_left_with_its_stake__nothing_to_slash(
    task: Task, settled: Aggregate, outsider: Any
) -> None:
    task.contract.requestExit(b"", sender=task.clouds[0])
    task.at(task.contract.member(task.clouds[0]).withdrawableAt)
    task.contract.withdrawStake(task.clouds[0], sender=outsider)
    with ape.reverts(task.contract.NothingToSlash, account=task.clouds[0]):
        task.contract.reportFalseResult(*signed(task, 1, FALSE), sender=outsider)


def test_report_false_result__stake_gone_but_round_open_to_rejection__rejects(
    task: Task, outsider: Any
) -> None:
    """Evidence about round 1 takes the stake; what the cloud did in round 2 is undone too."""
    task.settle_round()
    task.settle_round()
    task.contract.reportFalseResult(*signed(task, 1, FALSE), sender=outsider)
    assert task.contract.phase() == SETTLED
    receipt = task.contract.reportFalseResult(*signed(task, 2, FALSE), sender=outsider)
    assert receipt.decode_logs(task.contract.Slashed) == []
    assert task.contract.phase() == AGGREGATING


def test_report_false_result__by_the_cloud_itself__costs_it_more_than_it_gets(
    task: Task, settled: Aggregate
) -> None:
    cloud = task.clouds[0]
    before = cloud.balance
    task.contract.reportFalseResult(*signed(task, 1, FALSE), sender=cloud)
    task.contract.claim(cloud, [], sender=task.authority)
    assert cloud.balance <= before + TO_REPORTER < before + STAKE


# False vectors


def lying(task: Task, claimed: bytes) -> Aggregate:
    """Settle round 1 with a true commitment and the digest of other bytes."""
    task.open_round()
    result = task.bring_to_aggregating([0, 1])
    task.submit_aggregate(result, vector_digest=keccak(claimed))
    return result


def vector_report(task: Task, result: Aggregate, vector: bytes) -> list[Any]:
    z = result.challenge(task.contract, keccak(vector))
    y, proof = open_at(result.vector, z, 64)
    return [1, vector, result.commitments, y, proof]


@pytest.mark.parametrize(
    "claimed",
    [
        vector_bytes([1] * 64),
        vector_bytes([1] * 63),
        vector_bytes([1] * 64) + b"\0",
        vector_bytes([R] + [1] * 63),
        b"",
        b"not a vector",
    ],
    ids=["another", "short", "a byte long", "not a scalar", "empty", "text"],
)
def test_report_false_vector__digest_of_other_bytes__rejects_and_slashes(
    task: Task, outsider: Any, claimed: bytes
) -> None:
    before = task.contract.modelDigest()
    result = lying(task, claimed)
    arguments = vector_report(task, result, claimed)
    receipt = task.contract.reportFalseVector(*arguments, sender=outsider)
    evidence = keccak(result.commitment_digest + keccak(claimed))
    assert receipt.events == [
        offence_event(task, FALSE_VECTOR, evidence),
        task.contract.ResultRejected(1, task.clouds[0], before),
        slash_event(task, outsider),
    ]


def test_report_false_vector__true_vector_not_canonical__slashes(task: Task, outsider: Any) -> None:
    """The same values, one with R added: equal at every point, and still not the vector."""
    task.open_round()
    result = task.bring_to_aggregating([0, 1])
    values = list(result.vector)
    values[0] += R
    claimed = vector_bytes(values)
    task.submit_aggregate(result, vector_digest=keccak(claimed))
    arguments = vector_report(task, result, claimed)
    task.contract.reportFalseVector(*arguments, sender=outsider)
    assert task.contract.member(task.clouds[0]).slashed


def test_report_false_vector__the_true_vector__changes_nothing(
    task: Task, settled: Aggregate, outsider: Any
) -> None:
    arguments = vector_report(task, settled, vector_bytes(settled.vector))
    with ape.reverts(task.contract.VectorIsAccepted, round=1, y=arguments[3]):
        task.contract.reportFalseVector(*arguments, sender=outsider)


def test_report_false_vector__true_vector_with_a_false_value__changes_nothing(
    task: Task, settled: Aggregate, outsider: Any
) -> None:
    arguments = vector_report(task, settled, vector_bytes(settled.vector))
    arguments[3] = (arguments[3] + 1) % R
    z = challenge(
        "verifog aggregate v1",
        task.contract.domainSeparator(),
        1,
        settled.included,
        settled.commitment_digest,
        settled.vector_digest,
    )
    with ape.reverts(task.contract.FalseOpening, z=z, y=arguments[3]):
        task.contract.reportFalseVector(*arguments, sender=outsider)


def test_report_false_vector__bytes_nobody_announced__changes_nothing(
    task: Task, settled: Aggregate, outsider: Any
) -> None:
    given = keccak(settled.commitment_digest + keccak(b"other"))
    with ape.reverts(task.contract.WrongResult, round=1, given=given, stored=settled.result_digest):
        task.contract.reportFalseVector(
            1, b"other", settled.commitments, 0, bytes(48), sender=outsider
        )


def test_report_false_vector__other_commitments__changes_nothing(
    task: Task, settled: Aggregate, outsider: Any
) -> None:
    arguments = vector_report(task, settled, vector_bytes(settled.vector))
    arguments[2] = task.encoded_model()
    with ape.reverts(task.contract.WrongResult, round=1, stored=settled.result_digest):
        task.contract.reportFalseVector(*arguments, sender=outsider)
