"""Steps 1 to 4: one device sends a bad packet; the fog drops it, the others' model is exact.

The culprit has the lowest index but one, so that honest devices stand on either side of it.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from msgspec.structs import replace

from offchain.crypto.curve import G1_GENERATOR
from offchain.crypto.field import R
from offchain.protocol import masking
from offchain.protocol.device import Device
from offchain.protocol.messages import (
    MaskedPacket,
    NoiseLeaf,
)
from tests.e2e.builders import FixedTrainer, Run, Shape, World, fixed_update
from tests.e2e.conftest import ONE_CLUSTER
from tests.offchain.crypto.oracles import G1_OFF_CURVE, G1_OFF_SUBGROUP

INFINITY = bytes([0xC0]) + bytes(47)
Alter = Callable[[Device, MaskedPacket], MaskedPacket]


def leaf_with(packet: MaskedPacket, place: int, **changes: object) -> MaskedPacket:
    leaves = list(packet.leaves)
    old = leaves[place]
    parts = {"commitment": old.commitment, "seed_hash": old.seed_hash, "path": old.path, **changes}
    leaves[place] = NoiseLeaf(**parts)
    return replace(packet, leaves=tuple(leaves))


def chosen(device: Device) -> int:
    assert device._round is not None
    assert device._round.update is not None
    return device._round.update.candidate


def opened_place(device: Device) -> int:
    """The candidate that an honest packet opens; with K = 2 there is one."""
    return 1 - chosen(device)


def altered_masked(device: Device, packet: MaskedPacket) -> MaskedPacket:
    last = packet.masked[-1] ^ 1
    return replace(packet, masked=packet.masked[:-1] + bytes([last]))


def altered_commitment(device: Device, packet: MaskedPacket) -> MaskedPacket:
    update = device._round.update
    point = update.commitment.points[0] + G1_GENERATOR
    return replace(packet, commitment=point.to_compressed_bytes())


def false_seed(device: Device, packet: MaskedPacket) -> MaskedPacket:
    return replace(packet, seeds=(bytes(32),))


def false_root(device: Device, packet: MaskedPacket) -> MaskedPacket:
    return replace(packet, noise_root=bytes(32))


def false_path(device: Device, packet: MaskedPacket) -> MaskedPacket:
    path = packet.leaves[0].path
    return leaf_with(packet, 0, path=(bytes(32), *path[1:]))


def short_path(device: Device, packet: MaskedPacket) -> MaskedPacket:
    return leaf_with(packet, 0, path=packet.leaves[0].path[1:])


def noise_of_another_place(device: Device, packet: MaskedPacket) -> MaskedPacket:
    return replace(packet, leaves=packet.leaves[::-1])


def mask_opened(device: Device, packet: MaskedPacket) -> MaskedPacket:
    seed = device._batches[1].candidates.seed(0, chosen(device))
    return replace(packet, seeds=(seed.reveal(),))


def another_candidate(device: Device, packet: MaskedPacket) -> MaskedPacket:
    """Everything as it should be, for the candidate that the beacon did not choose."""
    state = device._round
    assert state is not None
    assert state.update is not None
    other, batch = opened_place(device), device._batches[1]
    noise = masking.noise_vector(batch.candidates.seed(0, other), device.task.layout)
    made = masking.MaskedUpdate(
        state.update.vector, state.update.commitment, state.update.vector + noise, other
    )
    return masking.packet(made, batch, 1, 0, device.index)


def no_seed_too_many(device: Device, packet: MaskedPacket) -> MaskedPacket:
    return replace(packet, seeds=packet.seeds * 2)


def candidate_kept_back(device: Device, packet: MaskedPacket) -> MaskedPacket:
    return replace(packet, leaves=packet.leaves * 2)


def outside_subgroup(device: Device, packet: MaskedPacket) -> MaskedPacket:
    return replace(packet, commitment=G1_OFF_SUBGROUP)


def off_curve(device: Device, packet: MaskedPacket) -> MaskedPacket:
    return replace(packet, commitment=G1_OFF_CURVE)


def at_infinity(device: Device, packet: MaskedPacket) -> MaskedPacket:
    return replace(packet, commitment=INFINITY)


def noise_outside_subgroup(device: Device, packet: MaskedPacket) -> MaskedPacket:
    return leaf_with(packet, 0, commitment=G1_OFF_SUBGROUP)


def not_canonical(device: Device, packet: MaskedPacket) -> MaskedPacket:
    return replace(packet, masked=R.to_bytes(32, "big") + packet.masked[32:])


def too_short(device: Device, packet: MaskedPacket) -> MaskedPacket:
    return replace(packet, masked=packet.masked[32:])


def another_batch(device: Device, packet: MaskedPacket) -> MaskedPacket:
    return replace(packet, batch=2)


BAD_PACKETS: list[tuple[Alter, str]] = [
    (altered_masked, "mask"),
    (altered_commitment, "mask"),
    (false_seed, "noise-seed"),
    (false_root, "noise-root"),
    (false_path, "noise-path"),
    (short_path, "noise-path"),
    (noise_of_another_place, "noise-path"),
    (mask_opened, "noise-choice"),
    (another_candidate, "noise-choice"),
    (no_seed_too_many, "noise-choice"),
    (candidate_kept_back, "noise-choice"),
    (outside_subgroup, "NotInSubgroupError"),
    (off_curve, "NotOnCurveError"),
    (at_infinity, "InfinityError"),
    (noise_outside_subgroup, "NotInSubgroupError"),
    (not_canonical, "ScalarOverflowError"),
    (too_short, "LengthError"),
    (another_batch, "wrong-round"),
]


@pytest.mark.parametrize(
    ("alter", "code"), BAD_PACKETS, ids=[alter.__name__ for alter, _ in BAD_PACKETS]
)
def test_packet__bad_in_one_way__refused_and_left_out(
    cluster: Run, alter: Alter, code: str
) -> None:
    culprit = cluster.devices[0][1]
    cluster.alter(culprit, MaskedPacket, lambda packet: alter(culprit, packet))
    assert cluster.round().settled
    assert cluster.refusals == {"fog 0": {code: 1}}
    assert cluster.committed == cluster.digest_without(culprit)


@pytest.mark.parametrize("count", [1, 2])
def test_packets__several_bad__each_named(found: Callable[..., World], count: int) -> None:
    cluster = found(Shape(clusters=(6,))).run()
    culprits = cluster.devices[0][:count]
    for culprit in culprits:
        cluster.alter(culprit, MaskedPacket, partial(altered_masked, culprit))
    assert cluster.round().settled
    assert cluster.refusals == {"fog 0": {"mask": count}}
    refused = [note["device"] for note in cluster.notes("rejected")]
    assert refused == [culprit.index for culprit in culprits]
    assert cluster.committed == cluster.digest_without(*culprits)


@pytest.mark.parametrize("slot", [0, 1, 5])
def test_masked_slot__beyond_bound_and_noise__refused(
    found: Callable[..., World], slot: int
) -> None:
    world = found(ONE_CLUSTER)
    trainers = world.trainers()
    update = list(fixed_update(0, 1))
    update[slot] = 10**9
    trainers[0][1] = FixedTrainer(update)
    run = world.run(trainers)
    assert run.round().settled
    assert run.refusals == {"fog 0": {"masked-range": 1}}
    assert run.committed == run.digest_without(run.devices[0][1])


@pytest.mark.parametrize("thief", [0, 4])
def test_commitment__of_another_device__only_the_thief_is_left_out(
    cluster: Run, thief: int
) -> None:
    """Whoever comes first by index: the owner can open its mask, the thief cannot."""
    culprit, victim = cluster.devices[0][thief], cluster.devices[0][3]
    values = np.array(fixed_update(0, victim.index), np.int64)
    stolen = cluster.task.key.commit(
        cluster.task.layout.place(values, victim._randomness.child(b"update 1"))
    )
    cluster.alter(culprit, MaskedPacket, lambda p: replace(p, commitment=stolen.to_bytes()))
    assert cluster.round().settled
    assert cluster.sent(victim, MaskedPacket)[0].commitment == stolen.to_bytes()
    assert cluster.refusals == {"fog 0": {"mask": 1}}
    assert cluster.committed == cluster.digest_without(culprit)


def test_packet__second_and_different__refused_and_the_first_counts(cluster: Run) -> None:
    culprit = cluster.devices[0][1]
    cluster.alter(culprit, MaskedPacket, lambda packet: altered_masked(culprit, packet), add=True)
    assert cluster.round().settled
    assert cluster.refusals == {"fog 0": {"equivocation": 1}}
    assert cluster.committed == cluster.digest_without()
