"""Committed noise: roots, receipts, and the audit that silence does not escape."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from offchain.nodes.drill_frauds import false_noise
from offchain.protocol.messages import (
    MaskedPacket,
    ModelOffer,
    NoiseCall,
    NoiseReceipt,
    NoiseRoot,
    PastNoise,
)
from tests.e2e.builders import Run


def test_noise__committed_but_not_of_its_seed__refused(cluster: Run) -> None:
    culprit = false_noise(cluster)
    assert cluster.round().settled
    assert cluster.refusals == {"fog 0": {"noise-seed": 1}}
    assert cluster.committed == cluster.digest_without(culprit)


@pytest.mark.parametrize(
    "changes",
    [{"position": 2}, {"count": 3}, {"root": bytes(32)}, {"path": ()}],
    ids=["position", "count", "root", "path"],
)
def test_noise_receipt__false__device_takes_no_part(
    cluster: Run, changes: dict[str, object]
) -> None:
    device = cluster.devices[0][1]
    cluster.alter(cluster.fogs[0], NoiseReceipt, lambda r: replace(r, **changes), to=device)
    assert cluster.round().settled
    assert cluster.refusals == {"device 0.1": {"noise-path": 1}}
    assert cluster.sent(device, MaskedPacket) == []
    others = [member for member in cluster.devices[0] if member is not device]
    assert all(cluster.sent(member, MaskedPacket) for member in others)
    assert cluster.notes("selected")[0]["devices"] == (0, 2, 3, 4)


def test_noise_root__second_and_different__refused(cluster: Run) -> None:
    culprit = cluster.devices[0][1]
    cluster.alter(culprit, NoiseRoot, lambda root: replace(root, root=bytes(32)), add=True)
    assert cluster.round().settled
    assert cluster.refusals == {"fog 0": {"equivocation": 1}}
    assert cluster.committed == cluster.digest_without()


def test_noise_call__for_a_round_that_is_not_next__refused(cluster: Run) -> None:
    device = cluster.devices[0][1]
    fog = cluster.fogs[0]
    cluster.insert(
        (device, MaskedPacket), device, lambda: cluster.signed(fog, NoiseCall(round=1, cluster=0))
    )
    assert cluster.round().settled
    assert cluster.refusals == {"device 0.1": {"wrong-round": 1}}
    assert cluster.committed == cluster.digest_without()


# ---- noise of rounds that a device missed


def without_past(past: tuple[PastNoise, ...]) -> tuple[PastNoise, ...]:
    return ()


def of_another_round(past: tuple[PastNoise, ...]) -> tuple[PastNoise, ...]:
    return tuple(replace(entry, round=entry.round + 1) for entry in past)


def false_past_seed(past: tuple[PastNoise, ...]) -> tuple[PastNoise, ...]:
    return tuple(replace(entry, seeds=(bytes(32),)) for entry in past)


def false_past_path(past: tuple[PastNoise, ...]) -> tuple[PastNoise, ...]:
    return tuple(replace(entry, leaves=entry.leaves[::-1]) for entry in past)


def past_seed_too_few(past: tuple[PastNoise, ...]) -> tuple[PastNoise, ...]:
    return tuple(replace(entry, leaves=entry.leaves * 2) for entry in past)


FALSE_PAST = [
    (without_past, "noise-owed"),
    (of_another_round, "noise-owed"),
    (false_past_seed, "noise-seed"),
    (false_past_path, "noise-path"),
    (past_seed_too_few, "noise-choice"),
]


@pytest.mark.parametrize(("falsify", "code"), FALSE_PAST, ids=[f.__name__ for f, _ in FALSE_PAST])
def test_packet__after_a_missed_round__must_open_its_noise(
    cluster: Run,
    falsify: Callable[[tuple[PastNoise, ...]], tuple[PastNoise, ...]],
    code: str,
) -> None:
    """Else a device could commit to a false candidate and send only when that one is drawn."""
    device = cluster.devices[0][1]
    cluster.silence(device, MaskedPacket)
    assert cluster.round().settled
    cluster.restore()
    cluster.alter(device, MaskedPacket, lambda p: replace(p, past=falsify(p.past)))
    assert cluster.round().settled
    assert cluster.refusals == {"fog 0": {code: 1}}
    assert cluster.committed == cluster.digest_without(device)
    cluster.restore()
    assert cluster.round().settled  # it opens both rounds, and is in again
    assert [entry.round for entry in cluster.sent(device, MaskedPacket)[-1].past] == [1, 2]
    assert cluster.refusals == {"fog 0": {code: 1}}
    assert cluster.committed == cluster.digest_without()


def test_packet__after_a_missed_round__never_opens_what_was_drawn_there(cluster: Run) -> None:
    """Whatever the fog says is owed: the seed drawn in a round that masked stays secret."""
    device, fog = cluster.devices[0][1], cluster.fogs[0]
    assert cluster.round().settled
    packet = cluster.sent(device, MaskedPacket)[0]
    drawn = device._batches[1].candidates.seed(0, cluster.candidate_of(device)).reveal()
    cluster.alter(fog, ModelOffer, lambda o: replace(o, owed=(1, 2, 3, 1)), to=device)
    assert cluster.round().settled
    past = cluster.sent(device, MaskedPacket)[1].past
    assert [entry.round for entry in past] == [1]
    assert drawn not in past[0].seeds
    assert past[0].seeds == packet.seeds
