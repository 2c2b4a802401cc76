"""Every fraud that S can prove, planted in a run of real nodes.

The others cannot tell a planted fraud from a real one: its messages are signed by the culprit's own
keys, and whatever is in them was made by the culprit's own node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace as with_fields
from typing import Any

import numpy as np
from msgspec.structs import replace

from offchain.crypto.candidates import CandidateLeaf, NoiseCandidates
from offchain.crypto.commitment import Commitment
from offchain.crypto.curve import G1_GENERATOR, g1_to_bytes
from offchain.crypto.field import FieldVector
from offchain.crypto.hashing import Digest
from offchain.crypto.merkle import MerkleTree
from offchain.nodes.drill_dealing import (
    Dealer,
    DrillBroken,
    altered_constant_of_the_polynomial,
    falsify,
    wrong_proof,
    wrong_share,
)
from offchain.nodes.drill_stage import Stage
from offchain.protocol import aggregation, anchoring, masking
from offchain.protocol.chain import SubmitAggregate
from offchain.protocol.cluster_round import ClusterRound
from offchain.protocol.device import Device
from offchain.protocol.fog import Fog
from offchain.protocol.messages import (
    AnchorProposal,
    Attestation,
    Deal,
    MaskedPacket,
    NoiseRoot,
    Qualified,
    Result,
    Selection,
)
from offchain.protocol.role import Role, Send

Plant = Callable[[Stage], Role]
"""Makes a node cheat in the next round; returns it."""


def culprit_of(stage: Stage) -> Device:
    """The device that cheats."""
    return stage.devices[0][1]


# ---- by a device


def cheat_on_noise(device: Device, batch: int) -> NoiseCandidates:
    """Commit to no noise at all, under seeds that would give some."""
    drawn = device._batches[batch].candidates
    nothing = device.task.key.commit(
        device.task.layout.place(np.zeros(1, np.int64), device._randomness)
    )
    leaves = tuple(
        CandidateLeaf(leaf.round_in_epoch, leaf.candidate, Digest(leaf.seed_hash), nothing)
        for leaf in drawn.leaves
    )
    tree = MerkleTree([leaf.data for leaf in leaves])
    return NoiseCandidates(drawn.shape, drawn.seeds, leaves, tree)


def false_noise(stage: Stage) -> Device:
    """Commits to no noise under seeds that would give some. Before a round that needs noise."""
    culprit = culprit_of(stage)

    def commit_to_no_noise(message: NoiseRoot) -> NoiseRoot:
        batch = message.round
        culprit._batches[batch] = masking.NoiseBatch(batch, cheat_on_noise(culprit, batch))
        return replace(message, root=culprit._batches[batch].root)

    stage.alter(culprit, NoiseRoot, commit_to_no_noise)
    return culprit


def false_share(stage: Stage) -> Device:
    """Deals one share that its own signed witness contradicts."""
    falsify(stage, culprit_of(stage), wrong_share)
    return culprit_of(stage)


def false_polynomial(stage: Stage) -> Device:
    """Signs a witness polynomial that does not fold to the opened value."""
    falsify(stage, culprit_of(stage), altered_constant_of_the_polynomial)
    return culprit_of(stage)


def false_opening(stage: Stage) -> Device:
    """Signs a witness with a false opening."""
    falsify(stage, culprit_of(stage), wrong_proof)
    return culprit_of(stage)


def two_noise_roots(stage: Stage) -> Device:
    """Signs two noise roots for one batch."""
    culprit = culprit_of(stage)
    stage.alter(culprit, NoiseRoot, lambda m: replace(m, root=bytes(32)), add=True)
    return culprit


def two_packets(stage: Stage) -> Device:
    """Signs two masked packets for one round."""

    def other(packet: MaskedPacket) -> MaskedPacket:
        return replace(packet, masked=packet.masked[:-1] + bytes([packet.masked[-1] ^ 1]))

    stage.alter(culprit_of(stage), MaskedPacket, other, add=True)
    return culprit_of(stage)


def two_witnesses(stage: Stage) -> Device:
    """Signs two witnesses for one round."""
    culprit = culprit_of(stage)

    def other(deal: Deal) -> Deal:
        return altered_constant_of_the_polynomial(Dealer(stage, culprit), deal)

    stage.alter(culprit, Deal, other, add=True)
    return culprit


# ---- by a fog


def _round_of(fog: Fog) -> ClusterRound:
    if fog._round is None:
        raise DrillBroken(f"fog {fog.roster.cluster}: has no round")
    return fog._round


def without_the_last(fog: Fog, message: Any) -> Any:
    """A selection or qualified set with one device less."""
    selection = _round_of(fog)._selection
    if selection is None:
        raise DrillBroken(f"fog {fog.roster.cluster}: has selected nobody")
    if isinstance(message, Selection):
        kept = selection.indices[:-1]
        return replace(message, root=selection.root_of(kept), members=message.members[:-1])
    kept = message.indices[:-1]
    return replace(message, root=selection.root_of(kept), indices=kept)


def two_selections(stage: Stage) -> Fog:
    """Signs another selection for one of its devices."""
    fog = stage.fogs[0]
    to = culprit_of(stage)
    stage.alter(fog, Selection, lambda m: without_the_last(fog, m), to=to, add=True)
    return fog


def two_qualified_sets(stage: Stage) -> Fog:
    """Signs another qualified set for one of its devices."""
    fog = stage.fogs[0]
    to = culprit_of(stage)
    stage.alter(fog, Qualified, lambda m: without_the_last(fog, m), to=to, add=True)
    return fog


def _built(fog: Fog) -> anchoring.BuiltAnchor:
    built = _round_of(fog)._built
    if built is None:
        raise DrillBroken(f"fog {fog.roster.cluster}: has built no anchor")
    return built


def _with_false_sum(stage: Stage, fog: Fog) -> anchoring.BuiltAnchor:
    """The anchor that a fog has built, with the generator added to the sum."""
    state, built = _round_of(fog), _built(fog)
    points = built.anchor.commitments.points
    false = Commitment((points[0] + G1_GENERATOR, *points[1:]))
    anchor = with_fields(built.anchor, commitments=false)
    message = anchoring.anchor_message(stage.task, state.number, fog.roster, anchor)
    return with_fields(built, anchor=anchor, message=message)


def false_anchor(stage: Stage, corrupt: Sequence[Device] = ()) -> Fog:
    """With a quorum of its devices attests a sum that is not that of the commitments."""
    fog = stage.fogs[0]
    corrupt = corrupt or stage.devices[0][: stage.shape.quorum]
    falsified: list[int] = []

    def propose(message: AnchorProposal) -> AnchorProposal:
        state = _round_of(fog)
        if message.round not in falsified:
            falsified.append(message.round)
            state._built = _with_false_sum(stage, fog)
        return replace(message, commitments=_built(fog).anchor.commitments.to_bytes())

    def attest(device: Device) -> Callable[[Role, Send], Iterable[Send]]:
        def react(role: Role, send: Send) -> Iterable[Send]:
            del role, send
            message = _built(fog).message
            said = Attestation(
                round=_round_of(fog).number,
                cluster=0,
                index=device.index,
                message=message,
                signature=device._keys.attestation.sign(message).to_bytes(),
            )
            return [Send(fog.address, "Attestation", stage.signed(device, said))]

        return react

    stage.alter(fog, AnchorProposal, propose)
    for device in corrupt:
        stage.on(fog, AnchorProposal, attest(device), to=device)
    return fog


# ---- by a cloud


def false_result(stage: Stage) -> Role:
    """Signs for one fog another result than the one that S accepted."""
    cloud = stage.clouds[0]
    to = stage.fogs[1]
    stage.alter(cloud, Result, lambda m: replace(m, commitment_digest=bytes(32)), to=to)
    return cloud


def _another_vector(vector: bytes) -> bytes:
    """The same but for its last bit."""
    return vector[:-1] + bytes([vector[-1] ^ 1])


def false_vector(stage: Stage) -> Role:
    """Settles with the digest of another vector than the sum, and hands that to the fogs."""
    cloud = stage.clouds[0]

    def lie(call: SubmitAggregate) -> SubmitAggregate:
        """The true sum opens at any challenge, also at that of a false digest."""
        if cloud._round is None:
            raise DrillBroken("cloud 0: has no round")
        sums = [cloud._round.sums[part.cluster] for part in call.clusters]
        total = FieldVector.sum(sums)
        digest = aggregation.vector_digest(_another_vector(total.to_bytes()))
        included = sum(1 << part.cluster for part in call.clusters)
        committed = stage.task.key.commit(total).digest
        point = aggregation.aggregate_challenge(stage.task, call.round, included, committed, digest)
        opening = stage.task.key.open_at(total, point)
        proof = g1_to_bytes(opening.proof)
        return with_fields(call, vector_digest=digest, y=opening.value, proof=proof)

    stage.alter_call(SubmitAggregate, lie, sender=cloud)
    stage.alter(cloud, Result, lambda m: replace(m, total=_another_vector(m.total)))
    return cloud
