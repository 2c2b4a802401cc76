"""The fogs' vote on the model of a Voted task (specification, section 2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from offchain.audit.arithmetic import members_of, parse_points, typed_signer
from offchain.audit.state import Phase, State
from offchain.audit.step import Handler, Step
from offchain.crypto.hashing import keccak256

VOTE: Final = "ModelVote(uint256 round,bytes32 resultDigest,bytes32 modelDigest)"
VOTED: Final = 1


def quorum(state: State) -> tuple[frozenset[int], int]:
    """Clusters whose fogs may vote on the latest round's model, and how many must."""
    current = state.current
    voters = state.active_clusters & (current.clusters if current else frozenset())
    return voters, max(1, -(-2 * len(voters) // 3))


def submit_model(step: Step) -> None:
    """Anybody, with the signatures of two thirds of the fogs."""
    state = step.state
    number, model, voter_bits, signatures = step.values
    at = step.in_round(number)
    current = step.current_round(at, number, Phase.SETTLED)
    if current is None or current.result is None:
        return
    takes = state.task["modelRule"] == VOTED and current.updates_model
    at.holds("submitModel.roundId", takes, number, "a round whose model is voted on")
    at.holds("submitModel.roundId", current.voted is None, "a second model", "one model a round")
    points = parse_points(model, state.task["chunks"], infinity=True)
    at.holds("submitModel.model", points is not None, model, "one point of the group a chunk")
    voters = members_of([voter_bits])
    allowed, required = quorum(state)
    at.holds("submitModel.voters", voters <= allowed, voters - allowed, "active fogs of the round")
    at.holds("submitModel.voters", len(voters) >= required, len(voters), f"at least {required}")
    at.equal("submitModel.signatures", len(signatures), len(voters))
    digest = keccak256(model)
    words = (current.number, current.result.digest, digest)
    for cluster, signature in zip(sorted(voters), signatures, strict=False):
        signer = typed_signer(state.domain, VOTE, words, signature)
        known = state.cluster(cluster)
        fog = known.fog if known else b""
        name = "submitModel.signatures"
        at.within(cluster=cluster).holds(name, signer == fog, signer or "nobody's", fog)
    current.voted = model
    state.previous_model, state.model = state.model, model
    state.provisional = True
    state.models.accepted(digest, provisional=True)
    step.emitted.expect(
        at,
        "ModelVoted",
        round=current.number,
        voters=voter_bits,
        model=model,
        modelDigest=digest,
    )


HANDLERS: Final[Mapping[str, Handler]] = {"submitModel": submit_model}
