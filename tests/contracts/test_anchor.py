"""Anchors: what a quorum of devices attests, and every way to attest it wrongly."""

from collections.abc import Callable
from typing import Any

import ape
import pytest

from tests.contracts.builders import (
    INFINITY_G1,
    INFINITY_G2,
    OUTSIDE_SUBGROUP,
    BlsKey,
    ClusterRound,
    Device,
    aggregate,
    bitmap,
    eip2537,
    keccak,
)
from tests.contracts.deployed import PARAMETERS, Task


@pytest.fixture
def part(task: Task) -> ClusterRound:
    """Cluster 0 in the open round, everybody present."""
    task.open_round()
    return task.cluster_round(0)


def test_anchor__everybody_present__recorded(task: Task, part: ClusterRound) -> None:
    message = part.message(task.contract)
    assert task.contract.anchorMessage(1, 0, part.anchor) == message
    receipt = task.anchor(part)
    assert task.contract.signers(1, 0) == [0b11111]
    assert task.round.anchored == 0b01
    assert receipt.events == [
        task.contract.ClusterAnchored(
            1,
            0,
            message,
            part.shares_root,
            part.sum_levels[-1][0],
            part.commitments,
            part.words,
            [0b11111],
        )
    ]


def test_anchor__some_absent__recorded(task: Task, part: ClusterRound) -> None:
    task.anchor(part.changed(signers=(0, 2, 4), absent=(1, 3)))
    assert task.contract.signers(1, 0) == [0b10101]


def test_anchor__twice__refused(task: Task, part: ClusterRound) -> None:
    task.anchor(part)
    with ape.reverts(task.contract.AlreadyAnchored, cluster=0, round=1):
        task.anchor(part)


# Who signed


def test_anchor__signature_of_one_missing__refused(task: Task, part: ClusterRound) -> None:
    fewer = part.changed(signers=(0, 1, 2, 3))
    with ape.reverts(task.contract.FalseAttestation):
        task.anchor(part, signature=fewer.signature(task.contract), anchor=part.anchor)


def test_anchor__signature_of_one_too_many__refused(task: Task, part: ClusterRound) -> None:
    fewer = part.changed(signers=(0, 1, 2, 3), absent=(4,))
    message = fewer.message(task.contract)
    everybody = aggregate(device.bls.sign(message) for device in part.devices)
    with ape.reverts(task.contract.FalseAttestation, message=message):
        task.anchor(fewer, signature=everybody)


def test_anchor__signature_by_a_stranger__refused(task: Task, part: ClusterRound) -> None:
    message = part.message(task.contract)
    with ape.reverts(task.contract.FalseAttestation, message=message):
        task.anchor(part, signature=eip2537(BlsKey(3).sign(message)))


def test_anchor__signature_at_infinity__refused(task: Task, part: ClusterRound) -> None:
    with ape.reverts(task.contract.FalseAttestation, message=part.message(task.contract)):
        task.anchor(part, signature=INFINITY_G2)


@pytest.mark.parametrize("surplus", [-1, 1])
def test_anchor__signature_of_wrong_length__refused(
    task: Task, part: ClusterRound, surplus: int
) -> None:
    signature = (part.signature(task.contract) + b"\0")[: 256 + surplus]
    with ape.reverts(task.contract.WrongLength, given=256 + surplus, expected=256):
        task.anchor(part, signature=signature)


def test_anchor__quorum_one_short__refused(task: Task, part: ClusterRound) -> None:
    few = part.changed(signers=(0, 1), absent=(2, 3, 4))
    with ape.reverts(task.contract.TooFewSigners, given=2, required=3):
        task.anchor(few)
    task.anchor(part.changed(signers=(0, 1, 2), absent=(3, 4)))


def test_anchor__qualified_one_short__refused(task: Task, part: ClusterRound) -> None:
    with ape.reverts(task.contract.TooFewQualified, given=2, required=3):
        task.anchor(part.changed(qualified=(3, 4)))
    task.anchor(part.changed(qualified=(2, 3, 4)))


def test_anchor__unknown_device_signs_or_qualifies__refused(task: Task, part: ClusterRound) -> None:
    with ape.reverts(task.contract.NotActiveDevices, cluster=0, word=0, devices=1 << 5):
        task.anchor(part, signers=[0b111111])
    anchor = (*part.anchor[:3], [0b111111 | 1 << 255])
    with ape.reverts(task.contract.NotActiveDevices, word=0, devices=1 << 5 | 1 << 255):
        task.anchor(part, anchor=anchor)


@pytest.mark.parametrize("words", [[], [0b11111, 0]])
def test_anchor__bitmap_of_wrong_length__refused(
    task: Task, part: ClusterRound, words: list[int]
) -> None:
    with ape.reverts(task.contract.WrongLength, given=len(words), expected=1):
        task.anchor(part, signers=words)
    with ape.reverts(task.contract.WrongLength, given=len(words), expected=1):
        task.anchor(part, anchor=(*part.anchor[:3], words))


def test_anchor__absent_key_missing__refused(task: Task, part: ClusterRound) -> None:
    some = part.changed(signers=(0, 2, 4), absent=(1, 3))
    with ape.reverts(task.contract.WrongLength, given=128, expected=256):
        task.anchor(some, absent_keys=some.absent_keys[:128])


def test_anchor__absent_key_too_many__refused(task: Task, part: ClusterRound) -> None:
    with ape.reverts(task.contract.WrongLength, given=128, expected=0):
        task.anchor(part, absent_keys=part.devices[0].bls.public)


def test_anchor__absent_keys_swapped__refused(task: Task, part: ClusterRound) -> None:
    some = part.changed(signers=(0, 2, 4), absent=(3, 1))
    given = keccak(part.devices[3].bls.public)
    with ape.reverts(task.contract.WrongKey, cluster=0, index=1, keyHash=given):
        task.anchor(some)


def test_anchor__absent_key_of_another_cluster__refused(task: Task, part: ClusterRound) -> None:
    some = part.changed(signers=(0, 2, 3, 4), absent=(1,))
    foreign = task.devices[1][1].bls.public
    with ape.reverts(task.contract.WrongKey, cluster=0, index=1, keyHash=keccak(foreign)):
        task.anchor(some, absent_keys=foreign)


def test_anchor__absent_key_nobody_has__refused(task: Task, part: ClusterRound) -> None:
    """The key for which the attacker alone could sign in everybody's name."""
    some = part.changed(signers=(0, 2, 3, 4), absent=(1,))
    honest = sum(part.devices[i].bls.secret for i in range(5))
    rogue = eip2537(BlsKey(honest).point - BlsKey(9).point)
    message = some.message(task.contract)
    with ape.reverts(task.contract.WrongKey, cluster=0, index=1, keyHash=keccak(rogue)):
        task.anchor(some, absent_keys=rogue, signature=eip2537(BlsKey(9).sign(message)))


def test_anchor__signers_keys_cancel_out__refused(deploy: Any, accounts: Any) -> None:
    """Keys x, -x can both prove possession; alone they would let infinity sign."""
    task = deploy(threshold=2, packing=1)
    task.add_fog(accounts[3])
    order = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
    pair = [
        Device(Device.numbered(1).secret, BlsKey(7)),
        Device(Device.numbered(2).secret, BlsKey(order - 7)),
    ]
    task.add_devices(0, [*pair, Device.numbered(3)])
    task.contract.fundPool(sender=task.authority, value=10**18)
    task.record_noise_roots()
    task.open_round()
    with ape.reverts(task.contract.AttestationKeyAtInfinity, cluster=0):
        task.anchor(task.cluster_round(0, signers=(0, 1)), signature=INFINITY_G2)


# What they signed


ALTERED: dict[str, Callable[[ClusterRound], dict[str, Any]]] = {
    "shares root": lambda part: {"anchor": (b"\7" * 32, *part.anchor[1:])},
    "sums root": lambda part: {"anchor": (part.anchor[0], b"\7" * 32, *part.anchor[2:])},
    "commitment": lambda part: {"anchor": (*part.anchor[:2], BlsKey(8).public, part.anchor[3])},
    "qualified": lambda part: {"anchor": (*part.anchor[:3], [0b11110])},
}


@pytest.mark.parametrize("field", ALTERED)
def test_anchor__altered_after_signing__refused(task: Task, part: ClusterRound, field: str) -> None:
    with ape.reverts(task.contract.FalseAttestation):
        task.anchor(part, **ALTERED[field](part))


def test_anchor__signed_for_another_round__refused(task: Task, part: ClusterRound) -> None:
    other = part.changed(round=2)
    with ape.reverts(task.contract.FalseAttestation):
        task.anchor(part, anchor=other.anchor, signature=other.signature(task.contract))


def test_anchor__signed_for_another_cluster__refused(task: Task, part: ClusterRound) -> None:
    other = part.changed(cluster=1)
    with ape.reverts(task.contract.FalseAttestation, message=part.message(task.contract)):
        task.anchor(part, signature=other.signature(task.contract))


def test_anchor__signed_for_another_contract__refused(
    task: Task, part: ClusterRound, deploy: Any
) -> None:
    foreign = part.signature(deploy().contract)
    with ape.reverts(task.contract.FalseAttestation, message=part.message(task.contract)):
        task.anchor(part, signature=foreign)


def test_anchor__signed_for_another_chain__refused(task: Task, part: ClusterRound) -> None:
    """The domain holds the chain's id: the separator with another one is another message."""

    class Elsewhere:
        address = task.contract.address

        class provider:  # noqa: N801
            chain_id = 1

    with ape.reverts(task.contract.FalseAttestation, message=part.message(task.contract)):
        task.anchor(part, signature=part.signature(Elsewhere))


# Commitments


@pytest.mark.parametrize(
    ("point", "error", "values"),
    [
        (INFINITY_G1, "CommitmentAtInfinity", {"chunk": 0}),
        (OUTSIDE_SUBGROUP, "G1MsmFailed", {}),
        (b"\0" * 127 + b"\1", "G1MsmFailed", {}),
    ],
    ids=["infinity", "outside subgroup", "off the curve"],
)
def test_anchor__commitment_no_good__refused(
    task: Task, part: ClusterRound, point: bytes, error: str, values: dict[str, int]
) -> None:
    """Even though all devices signed it."""

    class Signed(ClusterRound):
        commitments = point

    bad = Signed(**{name: getattr(part, name) for name in part.__dataclass_fields__})
    with ape.reverts(getattr(task.contract, error), **values):
        task.anchor(bad)


@pytest.mark.parametrize("length", [0, 127, 256])
def test_anchor__commitments_of_wrong_length__refused(
    task: Task, part: ClusterRound, length: int
) -> None:
    anchor = (*part.anchor[:2], (part.commitments * 2)[:length], part.anchor[3])
    with ape.reverts(task.contract.WrongLength, given=length, expected=128):
        task.anchor(part, anchor=anchor)


# Who sends, which cluster


def test_anchor__another_clusters_fog__refused(task: Task, part: ClusterRound) -> None:
    arguments = part.anchor_arguments(task.contract)
    for caller in (task.fogs[1], task.clouds[0], task.authority):
        with ape.reverts(task.contract.NotFogOfCluster, cluster=0, caller=caller):
            task.contract.anchor(*arguments, sender=caller)


def test_anchor__cluster_made_after_the_opening__refused(
    task: Task, part: ClusterRound, outsider: Any
) -> None:
    cluster = task.add_fog(outsider)
    with ape.reverts(task.contract.ClusterNotInRound, cluster=cluster, round=1):
        task.anchor(task.cluster_round(cluster))


# Noise roots


def test_record_noise_root__by_the_fog__counts_from_the_next_round(task: Task) -> None:
    task.open_round()
    receipt = task.contract.recordNoiseRoot(0, b"\2" * 32, sender=task.fogs[0])
    assert receipt.events == [task.contract.NoiseRootRecorded(0, 2, b"\2" * 32)]
    assert task.contract.noiseRoot(0, 2) == b"\2" * 32


def test_record_noise_root__zero__refused(task: Task) -> None:
    task.open_round()
    with ape.reverts(task.contract.ZeroNoiseRoot):
        task.contract.recordNoiseRoot(0, bytes(32), sender=task.fogs[0])


def test_record_noise_root__twice__refused(task: Task) -> None:
    with ape.reverts(task.contract.NoiseRootAlreadyRecorded, cluster=0, batch=1):
        task.contract.recordNoiseRoot(0, b"\3" * 32, sender=task.fogs[0])


def test_record_noise_root__by_another__refused(task: Task) -> None:
    with ape.reverts(task.contract.NotFogOfCluster, cluster=0, caller=task.fogs[1]):
        task.contract.recordNoiseRoot(0, b"\3" * 32, sender=task.fogs[1])


def test_anchor__no_noise_root__refused(deploy: Any, accounts: Any) -> None:
    task = deploy()
    task.add_fog(accounts[3])
    task.add_devices(0, [Device.numbered(i) for i in range(3)])
    task.contract.fundPool(sender=task.authority, value=10**18)
    task.open_round()
    part = task.cluster_round(0)
    with ape.reverts(task.contract.NoiseRootMissing, cluster=0, batch=1):
        task.anchor(part)
    # Recorded only now, when the beacon of round 1 may be known, it counts from round 2 on.
    task.record_noise_roots()
    with ape.reverts(task.contract.NoiseRootMissing, cluster=0, batch=1):
        task.anchor(part)
    with ape.reverts(task.contract.BatchDoesNotCover, batch=2, round=1):
        task.anchor(part.changed(batch=2))


def test_anchor__last_round_of_the_batch__accepted(task: Task) -> None:
    rounds = PARAMETERS["noiseRounds"]
    for _ in range(rounds - 1):
        task.open_round()
        task.at(task.round.anchorDeadline)
    assert task.open_round() == rounds
    task.anchor(task.cluster_round(0))
    task.at(task.round.aggregateDeadline)
    task.open_round()
    with ape.reverts(task.contract.BatchDoesNotCover, batch=1, round=rounds + 1):
        task.anchor(task.cluster_round(0))


def test_anchor__batch_zero__refused(task: Task, part: ClusterRound) -> None:
    with ape.reverts(task.contract.NoiseRootMissing, cluster=0, batch=0):
        task.anchor(part.changed(batch=0))


# More than one word of devices


@pytest.mark.full
def test_anchor__300_devices__two_words(deploy: Any, accounts: Any) -> None:
    task = deploy(deviceStake=0)
    task.add_fog(accounts[3])
    devices = [Device.numbered(i) for i in range(300)]
    # Few at a time: Ape's node keeps the memory of every step.
    for start in range(0, 300, 5):
        batch = devices[start : start + 5]
        task.contract.admitDevices(
            0, [device.admission(task.contract) for device in batch], sender=task.authority
        )
    task.devices[0] = devices
    task.contract.fundPool(sender=task.authority, value=10**18)
    task.record_noise_roots()
    task.open_round()
    signers = [i for i in range(300) if i not in (3, 255, 256, 299)]
    task.anchor(task.cluster_round(0, signers=signers))
    assert task.contract.signers(1, 0) == bitmap(signers, 300)
