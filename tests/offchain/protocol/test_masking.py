"""Packets and noise roots: what a fog accepts of its devices."""

from collections.abc import Callable

import numpy as np
import pytest
from msgspec.structs import replace

from offchain.crypto import candidates
from offchain.crypto.field import FieldVector
from offchain.crypto.noise import noise_vector
from offchain.errors import VerifogError
from offchain.protocol import anchoring, masking, messages, noise_book
from offchain.protocol.errors import (
    Equivocation,
    MaskedRangeError,
    MaskMismatch,
    NoiseChoiceMismatch,
    NoisePathMismatch,
    NoiseRootMismatch,
    WrongRound,
)
from offchain.protocol.messages import MaskedPacket
from tests.offchain.protocol.builders import BATCH, BEACON, CLUSTER, ROUND, VALUE_BOUND, Cluster


@pytest.fixture(scope="module")
def wary_cluster() -> Cluster:
    """Three devices, four noise candidates."""
    return Cluster.of(3, candidates=4)


@pytest.fixture(scope="module")
def packets(cluster: Cluster) -> dict[int, MaskedPacket]:
    made = {}
    for i in cluster.everybody:
        batch = cluster.batch(i)
        made[i] = masking.packet(cluster.update(i, batch), batch, ROUND, CLUSTER, i)
    return made


def refusals(verified: masking.Verified) -> dict[int, type[VerifogError]]:
    return {index: type(error) for index, error in verified.refused}


def test_packets__honest__all_verified(cluster: Cluster, packets: dict[int, MaskedPacket]) -> None:
    verified = cluster.verify(packets)
    assert verified.refused == ()
    assert sorted(verified.commitments) == list(cluster.everybody)
    for i in cluster.everybody:
        assert verified.commitments[i].to_bytes() == packets[i].commitment
        noise = cluster.batch(i).candidates.seed(0, chosen(cluster, i))
        masked = verified.masked[i] - np.array([10 + i, *range(5)])
        expected = cluster.task.layout.extract_int64(noise_vector(noise, cluster.task.layout))
        assert (masked == expected).all()


def chosen(cluster: Cluster, index: int) -> int:
    account = cluster.keys[index].signing.address
    return candidates.choose(BEACON, account, 0, cluster.task.parameters.candidates)


@pytest.mark.parametrize("count", [0, 1])
def test_packets__none_or_one__verified(
    cluster: Cluster, packets: dict[int, MaskedPacket], count: int
) -> None:
    some = {i: packets[i] for i in range(count)}
    verified = cluster.verify(some)
    assert (sorted(verified.commitments), verified.refused) == (sorted(some), ())


@pytest.mark.parametrize("used", range(4))
def test_mask__by_any_candidate_but_the_drawn_one__refused(
    wary_cluster: Cluster, used: int
) -> None:
    """All else is honest: every other seed is opened, and the mask is real noise."""
    cluster = wary_cluster
    batch = cluster.batch(1)
    update = cluster.update(1, batch)
    noise = noise_vector(batch.candidates.seed(0, used), cluster.task.layout)
    made = masking.MaskedUpdate(update.vector, update.commitment, update.vector + noise, used)
    verified = cluster.verify({1: masking.packet(made, batch, ROUND, CLUSTER, 1)})
    expected = {} if used == chosen(cluster, 1) else {1: NoiseChoiceMismatch}
    assert refusals(verified) == expected


def change(**changes: object) -> Callable[[MaskedPacket], MaskedPacket]:
    return lambda packet: replace(packet, **changes)


def other_root(packet: MaskedPacket) -> MaskedPacket:
    return replace(packet, noise_root=bytes(32))


def swapped_leaves(packet: MaskedPacket) -> MaskedPacket:
    return replace(packet, leaves=packet.leaves[::-1])


def doubled(packet: MaskedPacket) -> MaskedPacket:
    vector = FieldVector(packet.masked)
    return replace(packet, masked=(vector + vector).to_bytes())


@pytest.mark.parametrize(
    ("falsify", "error"),
    [
        (swapped_leaves, NoisePathMismatch),
        (change(seeds=()), NoiseChoiceMismatch),
        (change(batch=BATCH + 1), WrongRound),
        (doubled, MaskMismatch),
    ],
    ids=["swapped_leaves", "no_seeds", "another_batch", "doubled"],
)
def test_packet__false__only_its_device_is_refused(
    cluster: Cluster,
    packets: dict[int, MaskedPacket],
    falsify: Callable[[MaskedPacket], MaskedPacket],
    error: type[VerifogError],
) -> None:
    verified = cluster.verify(packets | {2: falsify(packets[2])})
    assert refusals(verified) == {2: error}
    assert sorted(verified.commitments) == [0, 1, 3, 4]


def test_packet__under_another_root_than_recorded__refused(
    cluster: Cluster, packets: dict[int, MaskedPacket]
) -> None:
    verified = cluster.verify(packets, roots={0: bytes(32), 3: packets[2].noise_root})
    assert refusals(verified) == {0: NoiseRootMismatch, 3: NoiseRootMismatch}


def test_packet__of_a_device_whose_root_was_never_recorded__refused(
    cluster: Cluster, packets: dict[int, MaskedPacket]
) -> None:
    verified = masking.verify_packets(
        cluster.task,
        cluster.roster,
        {i: packets[i].noise_root for i in (0, 1)},
        ROUND,
        BATCH,
        BEACON,
        packets,
        cluster.randomness.child(b"fog"),
    )
    assert refusals(verified) == dict.fromkeys((2, 3, 4), NoiseRootMismatch)


@pytest.mark.parametrize("thief", [0, 4])
def test_commitment__copied__thief_refused_and_owner_kept(
    cluster: Cluster, packets: dict[int, MaskedPacket], thief: int
) -> None:
    copied = replace(packets[thief], commitment=packets[2].commitment)
    verified = cluster.verify(packets | {thief: copied})
    assert refusals(verified) == {thief: MaskMismatch}
    assert 2 in verified.commitments


def test_commitment__shared_by_two_that_both_know_its_vector__one_kept(cluster: Cluster) -> None:
    """Two devices in league send one update under their own masks."""
    packets = {}
    update = cluster.update(1, cluster.batch(1))
    for i in (1, 3):
        batch = cluster.batch(i)
        noise = noise_vector(batch.candidates.seed(0, chosen(cluster, i)), cluster.task.layout)
        same = masking.MaskedUpdate(
            update.vector, update.commitment, update.vector + noise, chosen(cluster, i)
        )
        packets[i] = masking.packet(same, batch, ROUND, CLUSTER, i)
    verified = cluster.verify(packets)
    assert refusals(verified) == {3: MaskMismatch}
    assert sorted(verified.commitments) == [1]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("slot", [0, 1, 5])
@pytest.mark.parametrize("beyond", [False, True])
def test_masked_slot__at_the_bound_and_beyond__kept_and_refused(
    cluster: Cluster, slot: int, sign: int, *, beyond: bool
) -> None:
    """The bound is the value's, or the count's, plus the reach of the noise."""
    bound = (VALUE_BOUND if slot else cluster.task.parameters.max_samples) + masking.NOISE_REACH
    batch = cluster.batch(1)
    seed = batch.candidates.seed(0, chosen(cluster, 1))
    noise = noise_vector(seed, cluster.task.layout)
    values = np.zeros(6, np.int64)
    values[slot] = sign * (bound + beyond) - cluster.task.layout.extract_int64(noise)[slot]
    update = masking.mask_update(
        cluster.task,
        cluster.keys[1].signing.address,
        values,
        batch,
        ROUND,
        BEACON,
        cluster.randomness,
    )
    verified = cluster.verify({1: masking.packet(update, batch, ROUND, CLUSTER, 1)})
    assert refusals(verified) == ({1: MaskedRangeError} if beyond else {})


# ---- noise roots


def root_message(index: int, root: bytes, batch: int = BATCH) -> messages.NoiseRoot:
    return messages.NoiseRoot(round=batch, cluster=CLUSTER, index=index, root=root)


@pytest.fixture
def noise(cluster: Cluster) -> noise_book.ClusterNoise:
    started = noise_book.ClusterNoise(cluster.task, cluster.roster.copy())
    started.start(BATCH)
    return started


def collect(noise: noise_book.ClusterNoise, *indices: int) -> None:
    for i in indices:
        noise.add(root_message(i, bytes([i]) * 32))


def test_noise__roots_of_all__every_device_finds_its_own_under_the_recorded_one(
    cluster: Cluster, noise: noise_book.ClusterNoise
) -> None:
    collect(noise, 3, 1, 0, 4)
    assert not noise.complete
    collect(noise, 2)
    assert noise.complete
    root = noise.close()
    assert noise.receipts(BATCH, bytes(32)) == []
    assert noise.batch_for(ROUND) is None
    receipts = noise.receipts(BATCH, root)
    assert [account for account, _ in receipts] == [
        cluster.roster.members[i].account for i in cluster.everybody
    ]
    for i, (account, receipt) in enumerate(receipts):
        leaf = messages.noise_root_leaf(i, account, bytes([i]) * 32)
        assert anchoring.under(root, receipt.position, receipt.count, leaf, receipt.path)
        false = messages.noise_root_leaf(i, account, bytes([i + 1]) * 32)
        assert not anchoring.under(root, receipt.position, receipt.count, false, receipt.path)
    assert [noise.batch_for(BATCH + k) for k in range(3)] == [BATCH, BATCH, None]


def test_noise__many_batches__those_that_cover_no_round_are_forgotten(
    noise: noise_book.ClusterNoise,
) -> None:
    for batch in range(BATCH, BATCH + 20, 2):  # of two rounds each
        noise.start(batch)
        noise.add(root_message(0, bytes(32), batch))
        assert noise.receipts(batch, noise.close())
        assert [noise.batch_for(batch + k) for k in (-1, 0)] in ([None, batch], [batch - 2, batch])
    assert sorted(noise._batches) == sorted(noise._recorded) == [BATCH + 16, BATCH + 18]


def test_noise__root_twice__second_must_be_the_same(noise: noise_book.ClusterNoise) -> None:
    collect(noise, 1, 1)
    with pytest.raises(Equivocation, match="device 1"):
        noise.add(root_message(1, bytes(32)))


def test_noise__root_for_another_batch_or_too_late__refused(noise: noise_book.ClusterNoise) -> None:
    with pytest.raises(WrongRound, match=f"batch {BATCH + 1}, due is {BATCH}"):
        noise.add(root_message(1, bytes(32), BATCH + 1))
    collect(noise, 0, 1)
    noise.close()
    with pytest.raises(WrongRound):
        collect(noise, 2)


@pytest.mark.parametrize("late", [False, True])
def test_noise__device_leaves_before_or_after_the_root_is_closed__others_get_their_paths(
    cluster: Cluster, *, late: bool
) -> None:
    roster = cluster.roster.copy()
    noise = noise_book.ClusterNoise(cluster.task, roster)
    noise.start(BATCH)
    collect(noise, *cluster.everybody)
    if not late:
        del roster.members[1]
    root = noise.close()
    roster.members.pop(1, None)
    receipts = dict(noise.receipts(BATCH, root))
    assert len(receipts) == (5 if late else 4)
    for i in (0, 2, 3, 4):
        account = cluster.roster.members[i].account
        receipt = receipts[account]
        leaf = messages.noise_root_leaf(i, account, bytes([i]) * 32)
        assert anchoring.under(root, receipt.position, receipt.count, leaf, receipt.path)
