"""What the security analysis found: each attack, and that it is refused or survived."""

import numpy as np
import pytest
from eth_account import Account
from msgspec.structs import replace

from offchain.crypto.attestation import BlsSecretKey
from offchain.crypto.field import FieldVector
from offchain.crypto.randomness import Randomness
from offchain.crypto.sealing import SealingKey
from offchain.nodes.simulation import admission
from offchain.nodes.trainer import plausible_sums
from offchain.protocol import aggregation, masking, noise_book
from offchain.protocol.chain import (
    ClusterAnchored,
    CumulativeSubmitted,
    MemberRemoved,
    NoiseRootRecorded,
)
from offchain.protocol.device import DeviceKeys
from offchain.protocol.eip712 import SigningKey
from offchain.protocol.errors import ClusterSumMismatch
from offchain.protocol.messages import ClusterSum, MaskedPacket, NoiseRoot, Result
from offchain.protocol.role import Send
from tests.e2e.builders import Run


def miss_a_round(run: Run) -> None:
    """Device 0.1 is silent in the round in hand; then the wire is honest again."""
    run.silence(run.devices[0][1], MaskedPacket)
    assert run.round().settled
    run.wire.rules.clear()


def test_noise__missed_round_opened__device_is_back(cluster: Run) -> None:
    miss_a_round(cluster)
    assert cluster.round().settled
    packet = cluster.sent(cluster.devices[0][1], MaskedPacket)[-1]
    assert [entry.round for entry in packet.past] == [1]
    assert cluster.fogs[0].rejected["noise-owed"] == 0
    assert cluster.notes("selected")[-1]["devices"] == (0, 1, 2, 3, 4)


def test_noise__missed_round_kept_shut__no_packet_is_taken(cluster: Run) -> None:
    miss_a_round(cluster)
    cluster.alter(cluster.devices[0][1], MaskedPacket, lambda packet: replace(packet, past=()))
    assert cluster.round().settled
    assert cluster.round().settled
    assert cluster.fogs[0].rejected["noise-owed"] == 2
    assert cluster.notes("selected")[-1]["devices"] == (0, 2, 3, 4)


def test_noise__false_seed_in_a_missed_round__is_found_afterwards(cluster: Run) -> None:
    miss_a_round(cluster)

    def falsify(packet: MaskedPacket) -> MaskedPacket:
        past = replace(packet.past[0], seeds=(bytes(32),))
        return replace(packet, past=(past,))

    cluster.alter(cluster.devices[0][1], MaskedPacket, falsify)
    assert cluster.round().settled
    assert cluster.fogs[0].rejected["noise-seed"] == 1


def test_noise__fog_asks_for_the_round_in_hand__drawn_seed_stays_shut(cluster: Run) -> None:
    assert cluster.round().settled
    device = cluster.devices[0][0]
    state = device._round
    state.owed = (1, 2, 99)
    shown = device._past_noise(state)
    assert shown == ()


def test_noise_receipts__device_leaves_before_the_root_is_recorded__others_keep_their_paths(
    cluster: Run,
) -> None:
    fog = cluster.fogs[0]
    noise = noise_book.ClusterNoise(cluster.task, fog.roster)
    noise.start(7)
    for index, device in enumerate(cluster.devices[0]):
        noise.add(NoiseRoot(round=7, cluster=0, index=index, root=bytes([index + 1]) * 32))
        assert device.address == fog.roster.members[index].account
    root = noise.close()
    fog.observe(MemberRemoved(cluster.devices[0][2].address))
    receipts = noise.receipts(7, root)
    assert [receipt.position for _, receipt in receipts] == [0, 1, 2, 3, 4]
    recorded = NoiseRootRecorded(0, 7, root)
    assert fog.observe(recorded) == []  # not the fog's own batch: nothing is sent, nothing breaks


def test_round_opened__told_twice__starts_nothing_anew(cluster: Run) -> None:
    outcome = cluster.round()
    for role in (*cluster.devices[0], *cluster.fogs, *cluster.clouds):
        assert role.observe(outcome.opened) == []
    packets = [cluster.sent(device, MaskedPacket) for device in cluster.devices[0]]
    assert [len(made) for made in packets] == [1] * 5


def test_model__result_never_came__fog_asks_and_takes_part(clusters: Run) -> None:
    late = clusters.fogs[1]
    cloud = clusters.clouds[0]

    def lost(role: object, send: Send) -> list[Send]:
        return [] if send.recipient == late.address else [send]

    clusters.on(cloud, Result, lost)
    assert clusters.round().settled
    clusters.wire.rules.clear()
    outcome = clusters.round()
    assert outcome.result is not None
    assert outcome.result.included == (0, 1)
    assert len(clusters.notes("model-missing")) == 1
    assert late.model_of(clusters.committed) is not None


def test_membership__device_admitted_between_rounds__next_rounds_go_on(cluster: Run) -> None:
    assert cluster.round().settled
    randomness = Randomness(b"newcomer".ljust(32, b"\0"))
    keys = DeviceKeys(
        SigningKey(bytes(Account.create("newcomer").key)),
        BlsSecretKey.draw(randomness),
        SealingKey.draw(randomness),
    )
    authority = cluster.sim.identities.authority
    entry = admission(cluster.contract.domain, keys)
    stake = cluster.shape.parameters.device_stake
    cluster.contract.transact(authority, "depositStake", entry[0], value=stake)
    cluster.contract.transact(authority, "admitDevices", 0, [entry])
    assert cluster.round().settled
    assert cluster.fogs[0].roster.admitted == 6
    assert cluster.reverts == []


def test_cluster_sum__slot_beyond_all_devices_together__refused_by_the_cloud(cluster: Run) -> None:
    layout, key = cluster.task.layout, cluster.task.key
    bound = 5 * (cluster.task.value_bound + 2 * masking.NOISE_REACH)

    def check(slot: int) -> FieldVector:
        total = FieldVector.from_ints([slot, *[0] * (layout.length - 2), 12345])
        commitment = key.commit(total)
        everybody = (0, 1, 2, 3, 4)
        return aggregation.check_cluster_sum(
            cluster.task,
            ClusterAnchored(1, 0, bytes(32), commitment.to_eip2537(), everybody, everybody),
            CumulativeSubmitted(1, 0, commitment.digest, total.keccak()),
            ClusterSum(round=1, cluster=0, total=total.to_bytes()),
        )

    assert check(bound).element(0) == bound
    with pytest.raises(ClusterSumMismatch, match=f"5 devices can reach, {bound}"):
        check(bound + 1)


def test_statistics__sums_that_no_rows_can_have__fall_back_on_the_range() -> None:
    sums = np.array([5.0, 40.0, 2.0, 4.0, 4.0, 3.0])  # means .5, 4, .2; squares .4, .4, .3
    repaired = plausible_sums(10, sums, 1e-9)
    assert repaired.tolist() == pytest.approx([5.0, 0.0, 2.0, 4.0, 10 / 3, 3.0])
