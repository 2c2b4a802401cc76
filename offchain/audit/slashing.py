"""Evidence and slashes (specification, sections 2.3 and 2.4).

Every function of S that slashes has an entry in ``HANDLERS``: its handler recomputes the evidence,
then follows the conviction. What all offences share is ``slash``. Noise fraud, share fraud,
equivocation and anchor fraud get their entries here; a report that takes several transactions keeps
its progress in the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from offchain.audit.arithmetic import evaluate, opens, typed_signer
from offchain.audit.findings import At
from offchain.audit.settlement import aggregate_challenge
from offchain.audit.state import BURNT_PERCENT, REPORTER_PERCENT, Result, Round
from offchain.audit.step import Handler, Step
from offchain.crypto.hashing import keccak256

_RESULT: Final = "Result(uint256 round,bytes32 commitmentDigest,bytes32 vectorDigest)"


def slash(step: Step, at: At, account: bytes, reporter: bytes) -> None:
    """Take the whole stake of an account and take it out of the active set."""
    state, ledger = step.state, step.state.ledger
    member = state.member(account)
    if member.active:
        state.deactivate(member, step.now)
    stake, member.stake = member.stake, 0
    if not stake:
        return
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
    _convict(step, at, round_, result)


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
    _convict(step, at, round_, result)


def _settled(step: Step, at: At, number: int) -> tuple[Round, Result] | None:
    round_ = step.state.rounds.get(number)
    if round_ is None or round_.result is None:
        at.fail(step.argument("roundId"), number, "a settled round")
        return None
    return round_, round_.result


def _convict(step: Step, at: At, round_: Round, result: Result) -> None:
    """Reject the result while that is possible, and slash its cloud."""
    state = step.state
    if state.rejectable(round_, step.now):
        _reject(step, at, round_, result)
    else:
        stake = state.member(result.cloud).stake
        at.holds(step.argument("roundId"), stake > 0, "a cloud without stake", "a stake to slash")
    slash(step, at, result.cloud, step.sender)


def _reject(step: Step, at: At, round_: Round, result: Result) -> None:
    state = step.state
    amount = result.paid_units * round_.share
    state.ledger.owed -= amount
    state.ledger.pool += amount
    round_.result = None
    round_.rejected.append(result)
    if round_.updates_model:
        state.model = result.model_before
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
