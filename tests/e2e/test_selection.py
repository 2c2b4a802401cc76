"""The model offered and the fog's approval: what a device refuses of it."""

from collections.abc import Callable, Iterable

import pytest
from msgspec.structs import replace

from offchain.crypto.commitment import Commitment
from offchain.crypto.curve import G1_GENERATOR
from offchain.crypto.hashing import keccak256
from offchain.protocol.device import Device
from offchain.protocol.eip712 import SigningKey
from offchain.protocol.messages import (
    Deal,
    MaskedPacket,
    ModelOffer,
    Selected,
    Selection,
    Statistics,
)
from offchain.protocol.role import Send
from offchain.protocol.selected_set import SelectedSet
from tests.e2e.builders import Run, Shape, World

OTHER_POINT = Commitment((G1_GENERATOR,))


def approved(selection: Selection, commitments: dict[int, Commitment], run: Run) -> Selection:
    """A selection with other commitments, under the root that belongs to them."""
    roster = run.fogs[selection.cluster].roster
    accounts = {i: roster.members[i].account for i in commitments if i in roster.members}
    accounts |= {i: b"\7" * 20 for i in commitments if i not in accounts}
    return SelectedSet(commitments, accounts).message(selection.round, selection.cluster)


def commitments_of(run: Run, devices: Iterable[Device]) -> dict[int, Commitment]:
    return {d.index: run.task.key.commit(run.update_of(d)) for d in devices}


def with_another_commitment(run: Run, selection: Selection) -> Selection:
    members = commitments_of(run, run.devices[0])
    return approved(selection, members | {1: OTHER_POINT}, run)


def without_me(run: Run, selection: Selection) -> Selection:
    members = commitments_of(run, run.devices[0])
    del members[1]
    return approved(selection, members, run)


def with_an_unknown_device(run: Run, selection: Selection) -> Selection:
    members = commitments_of(run, run.devices[0])
    return approved(selection, members | {63: OTHER_POINT}, run)


def under_another_root(run: Run, selection: Selection) -> Selection:
    return replace(selection, root=keccak256(selection.root))


def with_a_commitment_twice(run: Run, selection: Selection) -> Selection:
    members = commitments_of(run, run.devices[0])
    return approved(selection, members | {4: members[3]}, run)


def too_few(run: Run, selection: Selection) -> Selection:
    return approved(selection, commitments_of(run, run.devices[0][:2]), run)


def falling(run: Run, selection: Selection) -> Selection:
    return replace(selection, members=selection.members[::-1])


def one_twice(run: Run, selection: Selection) -> Selection:
    return replace(selection, members=selection.members[:1] + selection.members)


def outside_subgroup(run: Run, selection: Selection) -> Selection:
    from tests.offchain.crypto.oracles import G1_OFF_SUBGROUP

    last = Selected(4, G1_OFF_SUBGROUP)
    return replace(selection, members=(*selection.members[:4], last))


FALSE_SELECTIONS: list[tuple[Callable[[Run, Selection], Selection], str]] = [
    (with_another_commitment, "selection"),
    (without_me, "selection"),
    (with_an_unknown_device, "selection"),
    (under_another_root, "selection"),
    (with_a_commitment_twice, "selection"),
    (too_few, "selection"),
    (falling, "selection"),
    (one_twice, "selection"),
    (outside_subgroup, "NotInSubgroupError"),
]


@pytest.mark.parametrize(
    ("falsify", "code"), FALSE_SELECTIONS, ids=[f.__name__ for f, _ in FALSE_SELECTIONS]
)
def test_selection__false_to_one_device__it_deals_nothing_and_is_left_out(
    cluster: Run, falsify: Callable[[Run, Selection], Selection], code: str
) -> None:
    device = cluster.devices[0][1]
    cluster.alter(cluster.fogs[0], Selection, lambda s: falsify(cluster, s), to=device)
    assert cluster.round().settled
    # Without an approval it takes no part in what follows.
    assert cluster.refusals == {"device 0.1": {code: 1, "wrong-phase": 1}}
    assert cluster.sent(device, Deal) == []
    assert cluster.committed == cluster.digest_without(device)


def test_selection__false_to_all__cluster_fails_and_the_others_settle(clusters: Run) -> None:
    fog = clusters.fogs[0]
    clusters.alter(fog, Selection, lambda s: under_another_root(clusters, s))
    assert clusters.round().settled
    assert clusters.refusals == {
        f"device 0.{i}": {"selection": 1, "wrong-phase": 1} for i in range(4)
    }
    assert [note["why"] for note in clusters.notes("cluster-failed")] == [
        f"qualified: 0, at least {clusters.shape.min_qualified}"
    ]
    assert clusters.committed == clusters.digest_without(fog)


@pytest.mark.parametrize(
    ("forger", "code"),
    [("a stranger", "unknown-sender"), ("a device", "unknown-sender"), ("self", "unknown-sender")],
)
def test_selection__approved_by_another_key__refused(cluster: Run, forger: str, code: str) -> None:
    device, fog = cluster.devices[0][1], cluster.fogs[0]
    key = {
        "a stranger": SigningKey(b"\5" * 32),
        "a device": cluster.devices[0][2]._signing_key,
        "self": device._signing_key,
    }[forger]

    def forged_first(role: object, send: Send) -> list[Send]:
        false = with_another_commitment(cluster, cluster.opened(send))
        return [Send(device.address, "Selection", cluster.signed(fog, false, key=key)), send]

    cluster.on(fog, Selection, forged_first, to=device)
    assert cluster.round().settled
    assert cluster.refusals == {"device 0.1": {code: 1}}
    assert cluster.committed == cluster.digest_without()


def test_selection__second_and_different__refused_and_the_first_counts(cluster: Run) -> None:
    fog, device = cluster.fogs[0], cluster.devices[0][1]

    def without_the_last(selection: Selection) -> Selection:
        return approved(selection, commitments_of(cluster, cluster.devices[0][:4]), cluster)

    cluster.alter(fog, Selection, without_the_last, to=device, add=True)
    assert cluster.round().settled
    assert cluster.refusals == {"device 0.1": {"equivocation": 1}}
    assert cluster.committed == cluster.digest_without()
    first, second = (cluster.sent(fog, Selection)[1], device)
    assert len(cluster.sent(second, Deal)) == 1
    assert first.root != without_the_last(first).root


def test_selection__of_a_device_that_sent_no_packet__wrong_phase(cluster: Run) -> None:
    """It never got a model; the fog approves something in its name all the same."""
    fog, device = cluster.fogs[0], cluster.devices[0][1]
    cluster.alter(fog, ModelOffer, lambda offer: None, to=device)
    cluster.insert((fog, Selection), device, lambda: cluster.signed(fog, honest_selection(cluster)))
    assert cluster.round().settled
    assert cluster.refusals == {"device 0.1": {"wrong-phase": 1}}
    assert cluster.sent(device, MaskedPacket) == []


def honest_selection(run: Run) -> Selection:
    return run.sent(run.fogs[0], Selection)[0]


def false_model(offer: ModelOffer) -> ModelOffer:
    return replace(offer, model=offer.model[:-1] + b"\1")


def test_model__false_to_one_device__refused_and_it_is_left_out(cluster: Run) -> None:
    device = cluster.devices[0][1]
    cluster.alter(cluster.fogs[0], ModelOffer, false_model, to=device)
    assert cluster.round().settled
    assert cluster.refusals == {"device 0.1": {"false-model": 1}}
    assert cluster.notes("dropped") == [{"round": 1, "step": "MASKING", "devices": [1]}]
    assert cluster.notes("selected")[0]["devices"] == (0, 2, 3, 4)


def test_model__false_then_true__device_takes_part(cluster: Run) -> None:
    device, fog = cluster.devices[0][1], cluster.fogs[0]

    def false_first(role: object, send: Send) -> list[Send]:
        false = cluster.signed(fog, false_model(cluster.opened(send)))
        return [Send(device.address, "ModelOffer", false), send]

    cluster.on(fog, ModelOffer, false_first, to=device)
    assert cluster.round().settled
    assert cluster.refusals == {"device 0.1": {"false-model": 1}}
    assert cluster.committed == cluster.digest_without()


def test_model__false_to_all__cluster_fails_and_the_others_settle(clusters: Run) -> None:
    fog = clusters.fogs[0]
    clusters.alter(fog, ModelOffer, false_model)
    assert clusters.round().settled
    assert clusters.refusals == {f"device 0.{i}": {"false-model": 1} for i in range(4)}
    assert clusters.committed == clusters.digest_without(fog)


def test_model__of_the_wrong_length__refused(cluster: Run) -> None:
    device = cluster.devices[0][1]
    cluster.alter(cluster.fogs[0], ModelOffer, lambda o: replace(o, model=o.model[32:]), to=device)
    assert cluster.round().settled
    assert cluster.refusals == {"device 0.1": {"LengthError": 1}}


@pytest.mark.parametrize("false", [True, False])
def test_statistics__false_to_one_device__refused(
    found: Callable[[Shape], World], *, false: bool
) -> None:
    run = found(Shape(clusters=(3,), threshold=2, statistics_rounds=1)).run()
    device = run.devices[0][1]

    def change(message: Statistics) -> Statistics:
        return replace(message, total=message.total[:-1] + b"\1") if false else message

    run.alter(run.fogs[0], Statistics, change, to=device)
    assert run.round().settled
    assert run.refusals == ({"device 0.1": {"result": 1}} if false else {})
    total = run.fogs[0].results[1]
    expected = [run.shape.layout.extract(total)]
    absorbed = [trainer.absorbed for trainer in run.trainers[0]]
    assert absorbed == [expected, [] if false else expected, expected]
    assert run.committed == run.task.key.commit(run._before).digest  # the model stays as it is
