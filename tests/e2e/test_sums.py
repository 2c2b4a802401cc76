"""Steps 8 and 9: digests of sums, the anchor that devices attest, the sums they release."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from msgspec.structs import replace

from offchain.crypto.curve import G1_GENERATOR
from offchain.crypto.field import FieldVector, R
from offchain.crypto.merkle import MerkleTree
from offchain.protocol import anchoring, messages
from offchain.protocol.chain import SubmitAnchor
from offchain.protocol.device import Device
from offchain.protocol.messages import (
    AnchorProposal,
    Attestation,
    Qualified,
    Reveal,
    SumDigest,
)
from offchain.protocol.role import Role, Send
from tests.e2e.builders import Run
from tests.offchain.crypto.oracles import G2_OFF_CURVE, G2_OFF_SUBGROUP

ANOTHER_POINT = G1_GENERATOR.to_compressed_bytes()


def other_vector(run: Run) -> bytes:
    return FieldVector.from_ints(range(run.shape.layout.share_length)).to_bytes()


def attest_as_asked(run: Run, device: Device) -> None:
    """Make a device sign whatever its fog is about to anchor, its own sum or not."""
    fog, last = run.fogs[0], run.devices[0][-1]
    run.alter(fog, AnchorProposal, lambda proposal: None, to=device)

    def attestation() -> bytes:
        message = fog._round._built.message
        signature = device._keys.attestation.sign(message).to_bytes()
        return run.signed(
            device,
            Attestation(
                round=1, cluster=0, index=device.index, message=message, signature=signature
            ),
        )

    run.insert((last, Attestation), fog, attestation)


def release(run: Run, device: Device, total: Callable[[], bytes]) -> None:
    """Make a device that has kept to itself release a sum before anybody else."""

    def reveal() -> bytes:
        return run.signed(device, Reveal(round=1, cluster=0, index=device.index, total=total()))

    first = next(member for member in run.devices[0] if member is not device)
    run.insert((first, Reveal), run.fogs[0], reveal)


def true_sum(device: Device) -> bytes:
    state = device._round
    assert state is not None
    assert state.total is not None
    return state.total.to_bytes()


# ---- digests


def test_digest__false_then_the_true_sum__refused(cluster: Run) -> None:
    """The digest anchored is not that of the sum released."""
    culprit = cluster.devices[0][1]
    cluster.alter(culprit, SumDigest, lambda d: replace(d, digest=bytes(32)))
    attest_as_asked(cluster, culprit)
    release(cluster, culprit, lambda: true_sum(culprit))
    assert cluster.round().settled
    assert cluster.refusals == {"fog 0": {"sum-digest": 1}}
    assert cluster.committed == cluster.digest_without()


def test_digest__replaced_by_the_fog__device_does_not_attest(
    cluster: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device finds that its own digest is missing, and keeps its sum."""
    device = cluster.devices[0][1]
    honest = anchoring.build_anchor

    def falsely(*arguments: Any) -> anchoring.BuiltAnchor:
        *others, digests = arguments
        return honest(*others, digests | {device.index: bytes(32)})

    monkeypatch.setattr(anchoring, "build_anchor", falsely)
    assert cluster.round().settled
    assert cluster.refusals == {"device 0.1": {"anchor": 1}}
    assert cluster.sent(device, Reveal) == []
    assert cluster.committed == cluster.digest_without()


def test_digest__for_another_qualified_set__refused(cluster: Run) -> None:
    culprit = cluster.devices[0][1]
    cluster.alter(culprit, SumDigest, lambda d: replace(d, root=bytes(32)))
    assert cluster.round().settled
    assert cluster.refusals == {"fog 0": {"wrong-round": 1}}
    assert cluster.committed == cluster.digest_without()


def test_digest__second_and_different__refused_and_the_first_counts(cluster: Run) -> None:
    culprit = cluster.devices[0][1]
    cluster.alter(culprit, SumDigest, lambda d: replace(d, digest=bytes(32)), add=True)
    assert cluster.round().settled
    assert cluster.refusals == {"fog 0": {"equivocation": 1}}
    assert cluster.committed == cluster.digest_without()


def test_digest__of_a_device_that_does_not_hold_all_shares__refused(cluster: Run) -> None:
    """A peer that was dropped as a share holder sums all the same."""
    culprit = cluster.devices[0][1]
    cluster.alter(culprit, messages.ShareReport, lambda report: replace(report, accepted=()))

    def digest() -> bytes:
        root = cluster.sent(cluster.fogs[0], Qualified)[0].root
        return cluster.signed(
            culprit, SumDigest(round=1, cluster=0, index=1, root=root, digest=bytes(32))
        )

    cluster.insert((cluster.devices[0][0], SumDigest), cluster.fogs[0], digest)
    assert cluster.round().settled
    assert cluster.refusals == {"fog 0": {"wrong-phase": 1}}
    assert cluster.committed == cluster.digest_without()


# ---- sums released


@pytest.mark.parametrize(
    ("total", "code"),
    [
        (other_vector, "sum-digest"),
        (lambda run: true_sum(run.devices[0][2]), "sum-digest"),
        (lambda run: true_sum(run.devices[0][1])[32:], "sum-digest"),
        (lambda run: R.to_bytes(32, "big") + true_sum(run.devices[0][1])[32:], "sum-digest"),
    ],
    ids=["another_vector", "sum_of_another_device", "too_short", "not_canonical"],
)
def test_sum__not_the_one_anchored__refused_and_nothing_lost(
    cluster: Run, total: Callable[[Run], bytes], code: str
) -> None:
    culprit = cluster.devices[0][1]
    cluster.alter(culprit, Reveal, lambda reveal: replace(reveal, total=total(cluster)))
    assert cluster.round().settled
    assert cluster.refusals == {"fog 0": {code: 1}}
    assert cluster.committed == cluster.digest_without()


def sum_wrongly(run: Run, *culprits: Device) -> None:
    """Devices that digest, attest and release one and the same wrong sum."""

    def add_one(role: Role, send: Send) -> Iterable[Send]:
        device = next(d for d in culprits if d.address == send.recipient)
        state = device._round
        assert state is not None
        wrong = FieldVector.from_ints([1, *([0] * (run.shape.layout.share_length - 1))])
        state.accepted[device.index] = state.accepted[device.index] + wrong
        return [send]

    for culprit in culprits:
        run.on(run.fogs[0], Qualified, add_one, to=culprit)


def test_sum__wrong_all_along__located_by_decoding_and_nothing_lost(cluster: Run) -> None:
    culprit = cluster.devices[0][1]
    sum_wrongly(cluster, culprit)
    assert cluster.round().settled
    assert cluster.refusals == {"fog 0": {"sum": 1}}
    assert [note["device"] for note in cluster.notes("rejected")] == [1]
    assert cluster.committed == cluster.digest_without()


def test_packed_sum__wrong_all_along__located_by_decoding(packed_cluster: Run) -> None:
    run = packed_cluster
    sum_wrongly(run, run.devices[0][1])
    assert run.round().settled
    assert run.refusals == {"fog 0": {"sum": 1}}
    assert run.committed == run.digest_without()


def test_sum__wrong_and_digest_of_a_vector_that_cannot_be_parsed__located(cluster: Run) -> None:
    culprit = cluster.devices[0][1]
    short = bytes(32)

    cluster.alter(culprit, SumDigest, lambda d: replace(d, digest=messages.keccak256(short)))
    attest_as_asked(cluster, culprit)
    release(cluster, culprit, lambda: short)
    assert cluster.round().settled
    assert cluster.refusals == {"fog 0": {"LengthError": 1}}
    assert cluster.committed == cluster.digest_without()


def test_sums__more_wrong_than_can_be_located__round_fails_and_the_next_succeeds(
    cluster: Run,
) -> None:
    """Five sums, three needed: one wrong sum can be located, two cannot, and nobody is blamed."""
    sum_wrongly(cluster, *cluster.devices[0][1:3])
    assert not cluster.round().settled
    assert cluster.refusals == {}
    assert [note["why"] for note in cluster.notes("cluster-failed")] == [
        "sums: too many are wrong to locate"
    ]
    assert cluster.phase == "Failed"
    cluster.restore()
    assert cluster.round().settled
    assert cluster.committed == cluster.digest_without()


def test_sum__of_a_device_that_anchored_none__refused(cluster: Run) -> None:
    culprit = cluster.devices[0][1]
    cluster.silence(culprit, SumDigest)
    release(cluster, culprit, lambda: true_sum(culprit))
    assert cluster.round().settled
    assert cluster.refusals == {"fog 0": {"wrong-phase": 1}}
    assert cluster.committed == cluster.digest_without()


# ---- what a device refuses to attest


FALSE_PROPOSALS: dict[str, Callable[[AnchorProposal], AnchorProposal]] = {
    "another_sum_of_commitments": lambda p: replace(p, commitments=ANOTHER_POINT),
    "another_root": lambda p: replace(p, sums_root=bytes(32)),
    "another_position": lambda p: replace(p, position=p.position + 1),
    "position_beyond_count": lambda p: replace(p, position=p.count),
    "path_too_short": lambda p: replace(p, path=p.path[1:]),
    "path_without_my_digest": lambda p: replace(p, path=(bytes(32), *p.path[1:])),
    "root_over_another_digest": lambda p: replace(
        p, sums_root=MerkleTree([bytes(32)]).root, position=0, count=1, path=()
    ),
}


@pytest.mark.parametrize("name", sorted(FALSE_PROPOSALS))
def test_proposal__false_to_one_device__it_attests_nothing_and_keeps_its_sum(
    cluster: Run, name: str
) -> None:
    device = cluster.devices[0][1]
    cluster.alter(cluster.fogs[0], AnchorProposal, FALSE_PROPOSALS[name], to=device)
    assert cluster.round().settled
    assert cluster.refusals == {"device 0.1": {"anchor": 1}}
    assert cluster.sent(device, Attestation) == []
    assert cluster.sent(device, Reveal) == []
    assert cluster.committed == cluster.digest_without()


def test_proposal__false_to_all__cluster_fails_and_the_others_settle(clusters: Run) -> None:
    fog = clusters.fogs[0]
    clusters.alter(fog, AnchorProposal, FALSE_PROPOSALS["another_sum_of_commitments"])
    assert clusters.round().settled
    assert clusters.refusals == {f"device 0.{i}": {"anchor": 1} for i in range(4)}
    assert [note["why"] for note in clusters.notes("cluster-failed")] == [
        f"attestations: 0, quorum is {clusters.shape.quorum}"
    ]
    assert clusters.committed == clusters.digest_without(fog)


def other_proposal(run: Run, device: Device) -> AnchorProposal:
    """Another anchor that holds this device's digest: over the digests of the last two."""
    built = run.fogs[0]._round._built
    digests = run.fogs[0]._round._digests
    assert built is not None
    order = [index for index in sorted(digests) if index >= 3]
    tree = MerkleTree([messages.sum_leaf(index, digests[index]) for index in order])
    position = order.index(device.index)
    return AnchorProposal(
        round=1,
        cluster=0,
        sums_root=tree.root,
        commitments=built.anchor.commitments.to_bytes(),
        position=position,
        count=len(order),
        path=tree.path(position),
    )


def test_anchor__another_than_signed__device_releases_nothing(cluster: Run) -> None:
    """The fog has some devices sign one anchor and the others another, and S holds the first."""
    fog = cluster.fogs[0]
    upper = cluster.devices[0][3:]
    for device in upper:
        cluster.alter(
            fog, AnchorProposal, lambda _, device=device: other_proposal(cluster, device), to=device
        )
    assert cluster.round().settled
    assert all(cluster.sent(device, Attestation) for device in upper)
    assert [cluster.sent(device, Reveal) for device in upper] == [[], []]
    assert all(cluster.sent(device, Reveal) for device in cluster.devices[0][:3])
    assert cluster.refusals == {"fog 0": {"attestation": 2}}
    assert cluster.committed == cluster.digest_without()


def test_proposal__second_and_different__refused(cluster: Run) -> None:
    fog, device = cluster.fogs[0], cluster.devices[0][4]
    cluster.alter(
        fog, AnchorProposal, lambda _: other_proposal(cluster, device), to=device, add=True
    )
    assert cluster.round().settled
    assert cluster.refusals == {"device 0.4": {"equivocation": 1}}
    assert len(cluster.sent(device, Attestation)) == 1
    assert cluster.committed == cluster.digest_without()


# ---- attestations


def over_another_message(run: Run, device: Device, honest: Attestation) -> Attestation:
    return replace(honest, message=bytes(32))


def of_another_message(run: Run, device: Device, honest: Attestation) -> Attestation:
    return replace(honest, signature=device._keys.attestation.sign(bytes(32)).to_bytes())


def by_another_key(run: Run, device: Device, honest: Attestation) -> Attestation:
    other = run.devices[0][2]._keys.attestation
    return replace(honest, signature=other.sign(honest.message).to_bytes())


def no_signature(run: Run, device: Device, honest: Attestation) -> Attestation:
    return replace(honest, signature=bytes(96))


def infinite(run: Run, device: Device, honest: Attestation) -> Attestation:
    return replace(honest, signature=b"\xc0" + bytes(95))


def outside_subgroup(run: Run, device: Device, honest: Attestation) -> Attestation:
    return replace(honest, signature=G2_OFF_SUBGROUP)


def off_curve(run: Run, device: Device, honest: Attestation) -> Attestation:
    return replace(honest, signature=G2_OFF_CURVE)


FALSE_ATTESTATIONS = (
    over_another_message,
    of_another_message,
    by_another_key,
    no_signature,
    infinite,
    outside_subgroup,
    off_curve,
)


@pytest.mark.parametrize("falsify", FALSE_ATTESTATIONS, ids=lambda f: f.__name__)
def test_attestation__false__dropped_and_the_aggregate_stands(
    cluster: Run, falsify: Callable[[Run, Device, Attestation], Attestation]
) -> None:
    culprit = cluster.devices[0][1]
    cluster.alter(culprit, Attestation, lambda a: falsify(cluster, culprit, a))
    assert cluster.round().settled
    assert cluster.refusals == {"fog 0": {"attestation": 1}}
    assert cluster.reverts == []
    assert cluster.contract.call("signers", 1, 0) == [0b11101]
    assert cluster.committed == cluster.digest_without()


def test_attestation__second_and_different__refused_and_the_first_counts(cluster: Run) -> None:
    culprit = cluster.devices[0][1]
    cluster.alter(culprit, Attestation, lambda a: of_another_message(cluster, culprit, a), add=True)
    assert cluster.round().settled
    assert cluster.refusals == {"fog 0": {"equivocation": 1}}
    assert cluster.contract.call("signers", 1, 0) == [0b11111]
    assert cluster.committed == cluster.digest_without()


def test_attestations__one_short_of_the_quorum__cluster_fails_and_the_next_round_succeeds(
    cluster: Run,
) -> None:
    for device in cluster.devices[0][2:]:
        cluster.silence(device, Attestation)
    assert not cluster.round().settled
    assert [note["why"] for note in cluster.notes("cluster-failed")] == [
        "attestations: 2, quorum is 3"
    ]
    assert cluster.sent(cluster.devices[0][0], Reveal) == []
    assert not [receipt for receipt in cluster.record.receipts if receipt.kind == "anchor"]
    assert cluster.phase == "Failed"
    cluster.restore()
    assert cluster.round().settled
    assert cluster.committed == cluster.digest_without()


def test_quorum__of_two_that_the_fog_signs_up_anyway__refused_by_the_contract(
    cluster: Run,
) -> None:
    fog = cluster.fogs[0]

    def two_signers(call: SubmitAnchor) -> SubmitAnchor:
        state = fog._round
        assert state is not None
        assert state._built is not None
        signatures = {i: state._attestations[i] for i in (0, 1)}
        few = anchoring.aggregate(
            fog.roster, state._built.message, signatures, fog._randomness.child(b"few")
        )
        assert few.signature is not None
        return SubmitAnchor(
            call.round,
            call.cluster,
            call.batch,
            call.anchor,
            few.signers,
            few.absent_keys,
            few.signature,
        )

    cluster.alter_call(SubmitAnchor, two_signers)
    assert not cluster.round().settled
    assert cluster.reverts == ["anchor: TooFewSigners(2, 3)"]
