"""Which phase of a round the handling of a message or event belongs to."""

from __future__ import annotations

from typing import Final

PHASES: Final = {
    "open": "read the chain, open the round",
    "noise": "draw and commit to noise",
    "train": "make the update",
    "mask": "check the model, commit and mask",
    "verify": "verify packets and noise",
    "select": "apply the selection rule",
    "share": "deal shares",
    "check": "check shares, qualify",
    "sum": "add shares",
    "anchor": "attest and aggregate signatures",
    "reveal": "reveal sums, reconstruct",
    "aggregate": "add clusters, open the result",
    "verify_result": "check the result, update the model",
    "chain": "transactions and event queries",
    "other": "all else",
}
"""Phases in the order of a round, with what is done in them."""

PHASE_OF_KIND: Final = {
    # Events of Contract S.
    "RoundOpened": "open",
    "BeaconDrawn": "open",
    "NoiseRootRecorded": "noise",
    "ClusterAnchored": "reveal",
    "CumulativeSubmitted": "aggregate",
    "ResultAccepted": "verify_result",
    "ResultRejected": "verify_result",
    "ModelVoted": "verify_result",
    "MemberRemoved": "other",
    "MemberAdmitted": "other",
    "FogAdmitted": "other",
    "CloudAdmitted": "other",
    # Messages, by what their receiver does with them.
    "NoiseCall": "noise",
    "NoiseRoot": "noise",
    "NoiseReceipt": "noise",
    "ModelOffer": "mask",
    "ModelRequest": "other",
    "MaskedPacket": "verify",
    "Selection": "share",
    "Deal": "share",
    "Delivery": "check",
    "ShareReport": "check",
    "Qualified": "sum",
    "SumDigest": "sum",
    "AnchorProposal": "anchor",
    "Attestation": "anchor",
    "Reveal": "reveal",
    "ClusterSum": "aggregate",
    "Result": "verify_result",
    "Statistics": "verify_result",
    "ModelVote": "verify_result",
}
"""Phase of each kind of message and event. Training and selection happen inside ``mask`` and
``verify`` and are taken out of them by ``timing``."""

PHASE_OF_STEP: Final = {
    "MASKING": "verify",
    "SHARING": "share",
    "REPORTING": "check",
    "SUMMING": "sum",
    "ATTESTING": "anchor",
    "ANCHORING": "anchor",
    "REVEALING": "reveal",
    "SUBMITTING": "aggregate",
}
"""Phase of what a fog does when the deadline of a step passes, by the name of the step."""

_ORDER: Final = {phase: position for position, phase in enumerate(PHASES)}


def phase_of(kind: str, step: str | None = None) -> str:
    """Return the phase of a message or event kind; of a ``tick`` by the fog's step before it."""
    if kind == "tick":
        return PHASE_OF_STEP.get(step or "", "other")
    return PHASE_OF_KIND.get(kind, "other")


def in_order(phase: str) -> int:
    """Position of a phase in a round; unknown ones come last."""
    return _ORDER.get(phase, len(_ORDER))
