"""Every fraud that S can prove, planted in a run of real nodes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace as with_fields
from typing import Any
from unittest.mock import patch

from msgspec.structs import replace

from offchain.crypto.commitment import Commitment
from offchain.crypto.curve import G1_GENERATOR
from offchain.protocol import anchoring, masking
from offchain.protocol.device import Device
from offchain.protocol.fog import Fog
from offchain.protocol.messages import (
    AnchorProposal,
    Attestation,
    Deal,
    MaskedPacket,
    NoiseRoot,
    Qualified,
    Selection,
)
from offchain.protocol.role import Role, Send
from tests.e2e.builders import Run
from tests.e2e.dealing import Dealer
from tests.e2e.test_noise import cheat_on_noise
from tests.e2e.test_shares import (
    altered_constant_of_the_polynomial,
    falsify,
    wrong_proof,
    wrong_share,
)

Plant = Callable[[Run], Role]
"""Makes a node cheat in the next round; returns it."""


def culprit_of(run: Run) -> Device:
    return run.devices[0][1]


# ---- by a device


def false_noise(run: Run) -> Device:
    """Commits to no noise under seeds that would give some. Before the first round only."""
    culprit = culprit_of(run)

    def commit_to_no_noise(message: NoiseRoot) -> NoiseRoot:
        culprit._batches[1] = masking.NoiseBatch(1, cheat_on_noise(culprit))
        return replace(message, root=culprit._batches[1].root)

    run.alter(culprit, NoiseRoot, commit_to_no_noise)
    return culprit


def false_share(run: Run) -> Device:
    falsify(run, culprit_of(run), wrong_share)
    return culprit_of(run)


def false_polynomial(run: Run) -> Device:
    falsify(run, culprit_of(run), altered_constant_of_the_polynomial)
    return culprit_of(run)


def false_opening(run: Run) -> Device:
    falsify(run, culprit_of(run), wrong_proof)
    return culprit_of(run)


def two_noise_roots(run: Run) -> Device:
    run.alter(culprit_of(run), NoiseRoot, lambda m: replace(m, root=bytes(32)), add=True)
    return culprit_of(run)


def two_packets(run: Run) -> Device:
    def other(packet: MaskedPacket) -> MaskedPacket:
        return replace(packet, masked=packet.masked[:-1] + bytes([packet.masked[-1] ^ 1]))

    run.alter(culprit_of(run), MaskedPacket, other, add=True)
    return culprit_of(run)


def two_witnesses(run: Run) -> Device:
    culprit = culprit_of(run)

    def other(deal: Deal) -> Deal:
        return altered_constant_of_the_polynomial(Dealer(run, culprit), deal)

    run.alter(culprit, Deal, other, add=True)
    return culprit


# ---- by a fog


def without_the_last(fog: Fog, message: Any) -> Any:
    """A selection or qualified set with one device less."""
    assert fog._round is not None
    selection = fog._round._selection
    assert selection is not None
    if isinstance(message, Selection):
        kept = selection.indices[:-1]
        return replace(message, root=selection.root_of(kept), members=message.members[:-1])
    kept = message.indices[:-1]
    return replace(message, root=selection.root_of(kept), indices=kept)


def two_selections(run: Run) -> Fog:
    fog = run.fogs[0]
    run.alter(fog, Selection, lambda m: without_the_last(fog, m), to=culprit_of(run), add=True)
    return fog


def two_qualified_sets(run: Run) -> Fog:
    fog = run.fogs[0]
    run.alter(fog, Qualified, lambda m: without_the_last(fog, m), to=culprit_of(run), add=True)
    return fog


def false_anchor(run: Run, corrupt: Sequence[Device] = ()) -> Fog:
    """A fog with a quorum of its devices attests a sum that is not that of the commitments."""
    fog = run.fogs[0]
    corrupt = corrupt or run.devices[0][: run.shape.quorum]

    def attest(device: Device) -> Callable[[Role, Send], Iterable[Send]]:
        def react(role: Role, send: Send) -> Iterable[Send]:
            assert fog._round is not None
            assert fog._round._built is not None
            message = fog._round._built.message
            signature = device._keys.attestation.sign(message).to_bytes()
            said = Attestation(
                round=fog._round.number,
                cluster=0,
                index=device.index,
                message=message,
                signature=signature,
            )
            return [Send(fog.address, "Attestation", run.signed(device, said))]

        return react

    for device in corrupt:
        run.on(fog, AnchorProposal, attest(device), to=device)
    return fog


@contextmanager
def false_sums() -> Iterator[None]:
    """In here, the fog of cluster 0 adds the generator to the sum that it proposes."""
    honest = anchoring.build_anchor

    def build(task: Any, roster: Any, number: int, *arguments: Any) -> anchoring.BuiltAnchor:
        built = honest(task, roster, number, *arguments)
        if roster.cluster != 0:
            return built
        points = built.anchor.commitments.points
        false = Commitment((points[0] + G1_GENERATOR, *points[1:]))
        anchor = with_fields(built.anchor, commitments=false)
        message = anchoring.anchor_message(task, number, roster, anchor)
        return with_fields(built, anchor=anchor, message=message)

    with patch.object(anchoring, "build_anchor", build):
        yield
