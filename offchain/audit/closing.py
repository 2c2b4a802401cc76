"""Silence and what follows from it: fees, suspended clusters, successors (specification, 2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from offchain.audit.findings import At, Part
from offchain.audit.state import Phase, Role, Round
from offchain.audit.step import Handler, Step


def require_over(step: Step, at: At) -> Round | None:
    """Return the latest round, checked to be over for good; None if there is none."""
    current = step.state.current
    if current is None:
        return None
    phase = current.phase(step.now)
    over = phase in (Phase.SETTLED, Phase.FAILED)
    at.holds(step.argument("phase"), over, phase.name.lower(), "no round under way")
    final = not step.state.rejectable(current, step.now)
    at.holds(step.argument("phase"), final, "can still be rejected", "a round that is final")
    return current


def close(step: Step, at: At, last: Round | None) -> None:
    """Take the fees for silence in a round that is over, once."""
    if last is None or last.closed:
        return
    state = step.state
    last.closed = True
    # Whoever was not told the provisional model could not anchor on it; then it is withdrawn.
    told = not state.provisional or bool(last.anchored)
    silent = last.clusters - last.submitted if told else frozenset()
    clouds_silent = last.result is None and bool(last.submitted)
    step.emitted.expect(
        at,
        "RoundClosed",
        round=last.number,
        silent=sum(1 << c for c in silent),
        cloudsSilent=clouds_silent,
    )
    for number in last.submitted:
        state.clusters[number].silences = 0
    for number in sorted(silent):
        _charge_fog(step, at, last, number)
    if clouds_silent:
        for account in state.clouds[: last.clouds]:
            _charge(step, at, last, account, last.aggregate_deadline)


def _charge_fog(step: Step, at: At, last: Round, number: int) -> None:
    state, cluster = step.state, step.state.clusters[number]
    anchored = number in last.anchored
    deadline = last.cumulative_deadline if anchored else last.anchor_deadline
    _charge(step, at, last, cluster.fog, deadline)
    if not cluster.active:
        return
    cluster.silences += 1
    poor = state.member(cluster.fog).stake < state.task["silenceFee"]
    if poor or cluster.silences >= state.task["maxSilences"]:
        cluster.active, cluster.silences = False, 0
        step.emitted.expect(at, "ClusterSuspended", cluster=number, round=last.number)


def _charge(step: Step, at: At, last: Round, account: bytes, deadline: int) -> None:
    """Take the fee, or what is left of the stake, from a member that was there at the deadline."""
    state, member = step.state, step.state.member(account)
    if 0 < member.withdrawable_at < deadline + state.task["unbondingTime"]:
        return
    fee = min(member.stake, state.task["silenceFee"])
    if fee == 0:
        return
    member.stake -= fee
    state.ledger.stakes -= fee
    state.ledger.pool += fee
    step.emitted.expect(at, "SilenceCharged", round=last.number, account=account, fee=fee)


def close_round(step: Step) -> None:
    """Anybody, once the latest round is over."""
    at = step.in_round(step.state.latest)
    last = require_over(step, at)
    fresh = last is not None and not last.closed
    at.holds("closeRound", fresh, "nothing to close", "a round that is not closed")
    close(step, at, last)


def resume_cluster(step: Step) -> None:
    """The suspended cluster's active fog, whose stake covers the role again."""
    (number,) = step.values
    at = step.at.part(Part.MEMBERS).within(cluster=number)
    cluster = step.own_cluster(at, number)
    step.active_sender(at, Role.FOG)
    if cluster is None:
        return
    at.holds("resumeCluster.clusterId", not cluster.active, "active", "a suspended cluster")
    stake, required = step.state.member(step.sender).stake, step.state.task["fogStake"]
    at.holds("resumeCluster.stake", stake >= required, stake, f"at least {required}")
    cluster.active, cluster.silences = True, 0
    step.emitted.expect(at, "ClusterResumed", cluster=number)


def admit_successor(step: Step) -> None:
    """The Authority, for a cluster whose fog left or was slashed, between rounds."""
    state = step.state
    number, account = step.values
    at = step.at.part(Part.MEMBERS).within(cluster=number)
    step.authority_only(at)
    last = require_over(step, at)
    cluster = state.cluster(number)
    if cluster is None:
        at.fail("admitSuccessor.clusterId", number, "an admitted cluster")
        return
    predecessor = state.member(cluster.fog)
    at.holds("admitSuccessor.clusterId", not predecessor.active, "a fog", "no active fog")
    member = state.member(account)
    free = member.role is Role.NONE
    at.holds("admitSuccessor.account", free, member.role.name.lower(), "an account without a role")
    required = state.task["fogStake"]
    name = "admitSuccessor.account's stake"
    at.holds(name, member.stake >= required, member.stake, f"at least {required}")
    close(step, at, last)
    first = state.latest + 1
    member.role, member.cluster, member.since = Role.FOG, number, first
    predecessor.end = first
    cluster.fogs.append(cluster.fog)
    cluster.fog, cluster.active, cluster.silences = account, True, 0
    state.noise.pop((number, first), None)
    step.emitted.expect(
        at,
        "FogSucceeded",
        account=account,
        cluster=number,
        predecessor=predecessor.account,
        firstRound=first,
    )


HANDLERS: Final[Mapping[str, Handler]] = {
    "closeRound": close_round,
    "resumeCluster": resume_cluster,
    "admitSuccessor": admit_successor,
}
