"""What the views of S must answer at the last block, by the rebuilt state."""

from __future__ import annotations

from typing import Any, Final

from offchain.audit.arithmetic import bitmap_of
from offchain.audit.decoding import Abi, Undecodable
from offchain.audit.findings import At
from offchain.audit.membership import member_answer
from offchain.audit.record import PublicRecord, Question
from offchain.audit.state import Cluster, Phase, Role, Round, State
from offchain.audit.task import BOUNDS
from offchain.audit.voting import quorum
from offchain.crypto.hashing import keccak256

Answer = dict[str, Any]
"""Values in the order of the view, by a name for findings."""

Expected = dict[Question, Answer]

_NO_ADDRESS: Final = bytes(20)


def expected_answers(state: State, now: int) -> Expected:
    """Return the questions that an audit asks S, with the answers it must give.

    Parameters
    ----------
    now
        Time of the last block.
    """
    answers = _global(state, now)
    for number, cluster in enumerate(state.clusters):
        answers |= _of_cluster(state, number, cluster)
    for account, member in state.members.items():
        answers[Question("member", (account,))] = member_answer(member)
        if member.role is not Role.NONE:
            answers |= _claimed(state, account)
    for digest, member in state.key_hashes.items():
        answers[Question("keyOwner", (digest,))] = {
            "account": member.account,
            "clusterId": member.cluster,
            "index": member.index,
        }
    for (cluster_number, batch), recorded in state.noise.items():
        answers[Question("noiseRoot", (cluster_number, batch))] = {"0": recorded.root}
    for case, computed in state.noise_cases.items():
        answers[Question("noiseCase", (case,))] = {
            "reporter": computed.reporter,
            "done": computed.done,
            "value": computed.value,
        }
    for number, round_ in state.rounds.items():
        answers[Question("round", (number,))] = _of_round(state, round_, now)
        for anchored in round_.anchored:
            words = state.signer_words(number, anchored)
            answers[Question("signers", (number, anchored))] = {"0": words}
    for place, rewards in state.ledger.rewards.items():
        answers[Question("rewardsOf", (place,))] = {
            "owed": rewards.owed,
            "deadline": rewards.deadline,
            "returnedUpTo": rewards.returned,
        }
    for account in state.members.keys() | state.ledger.credits.keys():
        credit = state.ledger.credits.get(account, 0)
        answers[Question("creditOf", (account,))] = {"0": credit}
    return answers


def _global(state: State, now: int) -> Expected:
    ledger, previous = state.ledger, state.previous_model
    current = state.current
    voters, required = quorum(state)
    untouched = current is None or current.result is not None or not current.anchored
    return {
        Question("authority"): {"0": state.authority},
        Question("noiseSampler"): {"0": state.noise_sampler},
        Question("judge"): {"0": state.judge},
        Question("extension"): {"0": state.extension},
        Question("taskParameters"): {"0": tuple(state.task[name] for name in BOUNDS)},
        Question("domainSeparator"): {"0": state.domain},
        Question("phase"): {"0": int(state.phase(now))},
        Question("currentRound"): {"0": state.latest},
        Question("modelDigest"): {"0": state.model_digest},
        Question("previousModel"): {
            "digest": bytes(32) if previous is None else keccak256(previous),
            "provisional": state.provisional and untouched,
        },
        Question("settledRounds"): {"0": state.settled_rounds},
        Question("counts"): {
            "clusters": len(state.clusters),
            "clouds": len(state.clouds),
            "activeCount": state.active_device_count,
        },
        Question("modelQuorum"): {"voters": sum(1 << c for c in voters), "required": required},
        Question("accounting"): {
            "stakes": ledger.stakes,
            "owed": ledger.owed,
            "pool": ledger.pool,
            "burnt": ledger.burnt,
        },
    }


def _of_cluster(state: State, number: int, cluster: Cluster) -> Expected:
    active, devices = cluster.active_devices, len(cluster.devices)
    return {
        Question("cluster", (number,)): {
            "fog": cluster.fog,
            "active": cluster.active,
            "devices": devices,
            "activeCount": len(active),
            "eligible": cluster.eligible(state.latest),
            "aggregateKey": state.aggregate_key(cluster),
        },
        Question("silencesOf", (number,)): {"0": cluster.silences},
        Question("fogOf", (number, state.latest)): {"0": state.fog_of(number, state.latest)},
        Question("activeDevices", (number,)): {"0": bitmap_of(active, devices)},
    }


def _claimed(state: State, account: bytes) -> Expected:
    claimed = state.ledger.claimed.get(account, set())
    places = {number // 256 for number in claimed} | {0}
    return {
        Question("claimedRounds", (account, place)): {
            "0": sum(1 << number % 256 for number in claimed if number // 256 == place)
        }
        for place in places
    }


def _of_round(state: State, round_: Round, now: int) -> Answer:
    latest, result = round_.number == state.latest, round_.result
    earlier = Phase.SETTLED if result else Phase.FAILED

    def kept(value: int) -> int:
        return value if latest else 0

    return {
        "state": int(round_.phase(now) if latest else earlier),
        "beaconBlock": round_.beacon_block,
        "anchorDeadline": kept(round_.anchor_deadline),
        "cumulativeDeadline": kept(round_.cumulative_deadline),
        "aggregateDeadline": kept(round_.aggregate_deadline),
        "clusters": kept(sum(1 << c for c in round_.clusters)),
        "anchored": kept(sum(1 << c for c in round_.anchored)),
        "submitted": kept(sum(1 << c for c in round_.submitted)),
        "cloudShare": round_.shares[Role.CLOUD],
        "fogShare": round_.shares[Role.FOG],
        "deviceShare": round_.shares[Role.DEVICE],
        "updatesModel": latest and round_.updates_model,
        "included": sum(1 << c for c in result.included) if result else 0,
        "cloud": result.cloud if result else _NO_ADDRESS,
        "resultDigest": result.digest if result else bytes(32),
    }


def check_views(at: At, abi: Abi, record: PublicRecord, expected: Expected) -> None:
    """Compare what S answers with what it must answer."""
    for question, answer in expected.items():
        data = record.views.get(question)
        if data is None:
            at.fail(str(question), "no answer", list(answer.values()))
            continue
        try:
            found = abi.answer(question.function, data)
        except Undecodable as error:
            at.fail(str(question), str(error), list(answer.values()))
            continue
        at.equal(f"{question} values", len(found), len(answer))
        for (name, value), given in zip(answer.items(), found, strict=False):
            at.equal(f"{question}.{name}" if len(answer) > 1 else str(question), given, value)
