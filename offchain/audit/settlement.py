"""Results, the committed model, rewards and claims (specification, sections 2.3 and 2.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from offchain.audit.arithmetic import (
    ORDER,
    add_points,
    challenge,
    encode_points,
    members_of,
    opens,
    parse_points,
    subtract_multiple,
)
from offchain.audit.closing import require_over
from offchain.audit.findings import At
from offchain.audit.state import Anchored, Phase, Result, Rewards, Role, Round, State
from offchain.audit.step import Handler, Step
from offchain.audit.voting import VOTED
from offchain.crypto.curve import G1
from offchain.crypto.hashing import keccak256


def submit_aggregate(step: Step) -> None:
    """An active cloud, with the sum of the included clusters."""
    state, task = step.state, step.state.task
    number, included_bits, sums, model, vector_digest, samples, count_proof, y, proof = step.values
    at = step.in_round(number)
    current = step.current_round(at, number, Phase.AGGREGATING)
    step.active_sender(at, Role.CLOUD)
    if current is None:
        return
    included = members_of([included_bits])
    fits = bool(included) and included <= current.submitted
    expected = f"some of the clusters {sorted(current.submitted)}"
    at.holds("submitAggregate.included", fits, sorted(included), expected)
    whole = included == current.submitted or step.now >= current.cumulative_deadline
    expected = f"all of {sorted(current.submitted)} before the cumulative deadline"
    at.holds("submitAggregate.included", whole, sorted(included), expected)
    parts = [current.anchored[c] for c in sorted(included) if c in current.anchored]
    for cluster, part, given in zip(sorted(included), parts, sums, strict=False):
        _check_sum(at.within(cluster=cluster), part, given)
    at.equal("submitAggregate.sums", len(sums), len(included))
    commitments = encode_points(_total(task["chunks"], parts))
    if step.thorough:
        digest = keccak256(commitments)
        z = aggregate_challenge(state, current.number, included_bits, digest, vector_digest)
        counted = opens(commitments[:128], task["capacity"], 0, samples, count_proof)
        name = "submitAggregate.countProof"
        at.holds(name, counted, count_proof, f"an opening of chunk 0 to {samples} at 0")
        opened = opens(commitments, task["capacity"], z, y, proof)
        at.holds("submitAggregate.proof", opened, proof, f"an opening to {y} at {z}")
    at.equal("submitAggregate.model", model, state.model)
    updates = current.updates_model and task["modelRule"] != VOTED
    factor = _factor(state, current, samples, parts) if updates else 0
    after = _updated(state, commitments, factor) if updates else state.model
    result = Result(
        cloud=step.sender,
        included=included,
        commitments=commitments,
        vector_digest=vector_digest,
        samples=samples,
        y=y,
        factor=factor,
        paid=_paid(current, parts),
        model_before=state.model,
        model=after,
    )
    _settle(state, current, result, updates=updates)
    step.emitted.expect(
        at,
        "ResultAccepted",
        round=current.number,
        cloud=step.sender,
        included=included_bits,
        commitments=commitments,
        vectorDigest=vector_digest,
        samples=samples,
        y=y,
        proof=proof,
        factor=factor,
        model=after,
        modelDigest=keccak256(after),
    )


def aggregate_challenge(
    state: State, number: int, included: int, commitment_digest: bytes, vector_digest: bytes
) -> int:
    """Return the challenge at which a result is opened."""
    words = (state.domain, number, included, commitment_digest, vector_digest)
    return challenge("verifog aggregate v1", *words)


def _check_sum(at: At, part: Anchored, given: tuple[Any, ...]) -> None:
    """Compare the preimage of a cluster's record with what was anchored and submitted."""
    message, signer_count, qualified_count, commitments, vector_digest = given
    at.equal("submitAggregate.anchorMessage", message, part.message)
    at.equal("submitAggregate.signerCount", signer_count, len(part.signers))
    at.equal("submitAggregate.qualifiedCount", qualified_count, len(part.qualified))
    at.equal("submitAggregate.commitments", commitments, part.commitments)
    at.equal("submitAggregate.vectorDigest", vector_digest, part.vector_digest)


def _total(chunks: int, parts: list[Anchored]) -> tuple[G1, ...]:
    total = parse_points(bytes(128 * chunks), chunks, infinity=True) or ()
    for part in parts:
        if len(part.points) == len(total):
            total = add_points(total, part.points)
    return total


def _factor(state: State, current: Round, samples: int, parts: list[Anchored]) -> int:
    """``floor(rate / total)`` with the sample total clamped; a value above R/2 is negative."""
    if not current.updates_model:
        return 0
    qualified = sum(len(part.qualified) for part in parts)
    least, most = qualified * state.task["minSamples"], qualified * state.task["maxSamples"]
    signed = samples if samples <= ORDER // 2 else samples - ORDER
    return state.task["rate"] // max(1, min(max(signed, least), most))


def _updated(state: State, commitments: bytes, factor: int) -> bytes:
    """``COM(theta') = COM(theta) - k COM(c)``, chunk by chunk."""
    chunks = state.task["chunks"]
    model = parse_points(state.model, chunks, infinity=True)
    total = parse_points(commitments, chunks, infinity=True)
    if model is None or total is None:
        return state.model
    return encode_points(subtract_multiple(model, total, factor))


def _paid(current: Round, parts: list[Anchored]) -> int:
    """What a round pays when these clusters are included."""
    shares, signers = current.shares, sum(len(part.signers) for part in parts)
    return shares[Role.CLOUD] + len(parts) * shares[Role.FOG] + signers * shares[Role.DEVICE]


def _settle(state: State, current: Round, result: Result, *, updates: bool) -> None:
    state.ledger.pool -= result.paid
    state.ledger.owed += result.paid
    rewards = state.ledger.rewards.setdefault(current.number // 256, Rewards())
    rewards.owed += result.paid
    rewards.deadline = current.aggregate_deadline
    current.result = result
    state.settled_rounds += 1
    state.provisional = updates
    if updates:
        state.previous_model = state.model
        state.model = result.model
    state.models.accepted(state.model_digest, provisional=updates)


def fund_pool(step: Step) -> None:
    """Anybody."""
    step.state.ledger.pool += step.value
    step.emitted.expect(step.at, "PoolFunded", payer=step.sender, amount=step.value)


def claim(step: Step) -> None:
    """Anybody, for an account: what it earned, every round once."""
    ledger = step.state.ledger
    account, rounds = step.values
    total = ledger.credits.pop(account, 0)
    if total:
        step.emitted.expect(step.at, "CreditPaid", account=account, amount=total)
    for place, numbers in _runs(rounds):
        total += _claim_word(step, account, place, numbers)
    step.at.holds("claim.amount", total > 0, total, "more than nothing")
    ledger.owed -= total
    ledger.paid += total


def _runs(rounds: tuple[int, ...]) -> list[tuple[int, list[int]]]:
    """Group neighbouring rounds by the word of the bitmap that they stand in."""
    runs: list[tuple[int, list[int]]] = []
    for number in rounds:
        if not runs or runs[-1][0] != number // 256:
            runs.append((number // 256, []))
        runs[-1][1].append(number)
    return runs


def _claim_word(step: Step, account: bytes, place: int, numbers: list[int]) -> int:
    """Follow the claim of the rounds of one word; those already claimed are passed over."""
    claimed = step.state.ledger.claimed.setdefault(account, set())
    fresh: list[int] = []
    amount = 0
    for number in numbers:
        if number in claimed:
            continue
        claimed.add(number)
        fresh.append(number)
        amount += _earned(step, account, number)
    if fresh:
        rewards = step.state.ledger.rewards.setdefault(place, Rewards())
        rewards.owed -= amount
        step.emitted.expect(
            step.at,
            "RewardClaimed",
            account=account,
            word=place,
            rounds=sum(1 << number % 256 for number in fresh),
            amount=amount,
        )
    return amount


def _earned(step: Step, account: bytes, number: int) -> int:
    """What an account earned in a round, checked to be claimable."""
    state, at = step.state, step.at.within(round=number)
    round_ = state.rounds.get(number)
    if round_ is None or round_.result is None:
        at.fail("claim.rounds", number, "a settled round")
        return 0
    final = not state.rejectable(round_, step.now)
    at.holds("claim.rounds", final, "can still be rejected", "a round that is final")
    served = state.earned(account, round_)
    at.holds("claim.account", served, account, "cloud, fog or signer of an included cluster")
    rewards = state.ledger.rewards.get(number // 256, Rewards())
    there = number > rewards.returned
    at.holds("claim.rounds", there, "returned to the pool", "a reward that is still there")
    member = state.members.get(account)
    return round_.shares.get(member.role, 0) if member else 0


def withdraw_pool(step: Step) -> None:
    """The Authority, between rounds."""
    ledger, at = step.state.ledger, step.at
    (amount,) = step.values
    step.authority_only(at)
    require_over(step, at)
    at.holds("withdrawPool.amount", amount <= ledger.pool, amount, f"at most {ledger.pool}")
    ledger.pool -= amount
    ledger.paid += amount
    step.emitted.expect(at, "PoolWithdrawn", amount=amount)


def return_unclaimed(step: Step) -> None:
    """Anybody, once the claim time is over."""
    state, ledger = step.state, step.state.ledger
    (place,) = step.values
    rewards = ledger.rewards.setdefault(place, Rewards())
    at = step.at
    at.holds("returnUnclaimed.word", rewards.owed > 0, rewards.owed, "more than nothing")
    until = rewards.deadline + state.task["claimTime"]
    at.holds("returnUnclaimed.word", step.now >= until, step.now, f"time {until}")
    settled = state.current is not None and state.current.result is not None
    up_to = min(256 * place + 255, state.latest if settled else state.latest - 1)
    amount, rewards.owed, rewards.returned = rewards.owed, 0, up_to
    ledger.owed -= amount
    ledger.pool += amount
    step.emitted.expect(at, "UnclaimedReturned", word=place, upTo=up_to, amount=amount)


HANDLERS: Final[Mapping[str, Handler]] = {
    "submitAggregate": submit_aggregate,
    "fundPool": fund_pool,
    "claim": claim,
    "withdrawPool": withdraw_pool,
    "returnUnclaimed": return_unclaimed,
}
