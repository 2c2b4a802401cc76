"""What evidence leads to, and evidence against a round's cloud (specification, sections 2.4, 2.5).

Every function of S that slashes has a handler that recomputes the evidence, then follows the
conviction: those about devices and fogs are in ``fraud``. What all share is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from offchain.audit.arithmetic import evaluate, opens, typed_signer
from offchain.audit.findings import At
from offchain.audit.settlement import aggregate_challenge
from offchain.audit.state import BURNT_PERCENT, REPORTER_PERCENT, Result, Round
from offchain.audit.step import Handler, Step
from offchain.crypto.hashing import keccak256

_RESULT: Final = "Result(uint256 round,bytes32 commitmentDigest,bytes32 vectorDigest)"


class Offence(IntEnum):
    """As S numbers them."""

    FALSE_SHARE = 0
    FALSE_WITNESS = 1
    EQUIVOCATION = 2
    FALSE_ANCHOR = 3
    FALSE_NOISE = 4
    FALSE_RESULT = 5
    FALSE_VECTOR = 6


def prove(
    step: Step, at: At, account: bytes, offence: Offence, number: int, cluster: int, evidence: bytes
) -> None:
    """S says what was proven, and against whom."""
    step.emitted.expect(
        at,
        "OffenceProven",
        account=account,
        offence=int(offence),
        round=number,
        cluster=cluster,
        evidence=evidence,
    )


def slash(step: Step, at: At, account: bytes, reporter: bytes) -> None:
    """Take the whole stake of an account and take it out of the active set."""
    state, ledger = step.state, step.state.ledger
    member = state.member(account)
    if member.active:
        state.deactivate(member, step.now)
    stake, member.stake = member.stake, 0
    member.slashed = True
    to_reporter = stake * REPORTER_PERCENT // 100
    burnt = stake * BURNT_PERCENT // 100
    to_pool = stake - to_reporter - burnt
    ledger.stakes -= stake
    ledger.owed += to_reporter
    ledger.burnt += burnt
    ledger.pool += to_pool
    ledger.credits[reporter] = ledger.credits.get(reporter, 0) + to_reporter
    step.emitted.expect(
        at,
        "Slashed",
        account=account,
        reporter=reporter,
        toReporter=to_reporter,
        burnt=burnt,
        toPool=to_pool,
    )


def has_something(step: Step, account: bytes) -> bool:
    """Whether there is a stake to take or a member to take out."""
    member = step.state.member(account)
    return member.stake > 0 or member.active


def report_false_result(step: Step) -> None:
    """A result that the round's cloud signed and that is not the accepted one."""
    number, commitment_digest, vector_digest, signature = step.values
    at = step.in_round(number)
    settled = _settled(step, at, number)
    if settled is None:
        return
    round_, result = settled
    words = (number, commitment_digest, vector_digest)
    signer = typed_signer(step.state.domain, _RESULT, words, signature)
    by_cloud = signer == result.cloud
    at.holds("reportFalseResult.signature", by_cloud, signer or "nobody's", result.cloud)
    given = keccak256(commitment_digest + vector_digest)
    differs = given != result.digest
    at.holds("reportFalseResult.vectorDigest", differs, given, "not the accepted result")
    _convict(step, at, round_, result, Offence.FALSE_RESULT, given)


def report_false_vector(step: Step) -> None:
    """An accepted digest whose preimage is not the committed vector."""
    number, vector, commitments, y, proof = step.values
    at = step.in_round(number)
    settled = _settled(step, at, number)
    if settled is None:
        return
    round_, result = settled
    task = step.state.task
    at.equal("reportFalseVector.commitments", commitments, result.commitments)
    at.equal("reportFalseVector.vector", keccak256(vector), result.vector_digest)
    included = sum(1 << cluster for cluster in result.included)
    digest = keccak256(result.commitments)
    z = aggregate_challenge(step.state, number, included, digest, result.vector_digest)
    if step.thorough:
        opened = opens(commitments, task["capacity"], z, y, proof)
        at.holds("reportFalseVector.proof", opened, proof, f"an opening to {y} at {z}")
    whole = len(vector) == 32 * task["capacity"] * task["chunks"]
    false = not whole or evaluate(vector, z) != y
    at.holds("reportFalseVector.vector", false, vector, f"another value than {y} at {z}")
    _convict(step, at, round_, result, Offence.FALSE_VECTOR, result.digest)


def _settled(step: Step, at: At, number: int) -> tuple[Round, Result] | None:
    round_ = step.state.rounds.get(number)
    if round_ is None or round_.result is None:
        at.fail(step.argument("roundId"), number, "a settled round")
        return None
    return round_, round_.result


def _convict(
    step: Step, at: At, round_: Round, result: Result, offence: Offence, given: bytes
) -> None:
    """Reject the result while that is possible, and slash its cloud."""
    prove(step, at, result.cloud, offence, round_.number, 0, given)
    rejects = step.state.rejectable(round_, step.now)
    if rejects:
        _reject(step, at, round_, result)
    if has_something(step, result.cloud):
        slash(step, at, result.cloud, step.sender)
    else:
        name = step.argument("roundId")
        at.holds(name, rejects, "a cloud without stake", "a stake to slash")


def _reject(step: Step, at: At, round_: Round, result: Result) -> None:
    state = step.state
    state.ledger.owed -= result.paid
    state.ledger.pool += result.paid
    state.ledger.rewards[round_.number // 256].owed -= result.paid
    round_.result = None
    round_.rejected.append(result)
    if state.provisional:  # the round's own, applied or voted
        state.model = result.model_before
    round_.voted = None
    state.provisional = False
    state.settled_rounds -= 1
    state.models.rejected_result(state.model_digest)
    step.emitted.expect(
        at,
        "ResultRejected",
        round=round_.number,
        cloud=result.cloud,
        modelDigest=state.model_digest,
    )


HANDLERS: Final[Mapping[str, Handler]] = {
    "reportFalseResult": report_false_result,
    "reportFalseVector": report_false_vector,
}
