"""Exits, unbonding, and what they cannot outrun or spoil."""

from typing import Any

import ape
import pytest

from tests.contracts.builders import BlsKey, Device, keccak
from tests.contracts.deployed import ACCUMULATING, ANCHORING, PARAMETERS, Task


@pytest.fixture
def leaver(task: Task) -> Device:
    return task.devices[0][2]


def leave(task: Task, device: Device, sender: Any = None) -> Any:
    return task.contract.requestExitFor(
        device.address,
        device.bls.public,
        device.sign_exit(task.contract),
        sender=sender or task.authority,
    )


def test_request_exit__device_by_signature__out_of_the_active_set(
    task: Task, leaver: Device, outsider: Any
) -> None:
    receipt = leave(task, leaver, sender=outsider)
    member = task.contract.member(leaver.address)
    assert not member.active
    assert member.withdrawableAt == receipt.timestamp + PARAMETERS["unbondingTime"]
    assert task.contract.activeDevices(0) == [0b11011]
    cluster = task.contract.cluster(0)
    assert (cluster.devices, cluster.activeCount) == (5, 4)
    rest = sum(device.bls.secret for device in task.devices[0] if device != leaver)
    assert cluster.aggregateKey == BlsKey(rest).public
    assert task.contract.counts().activeCount == 9


def test_request_exit__device_itself__same_effect(
    task: Task, leaver: Device, accounts: Any
) -> None:
    account = accounts[leaver.address]
    account.balance = 10**18
    task.contract.requestExit(leaver.bls.public, sender=account)
    assert not task.contract.member(leaver.address).active


def test_request_exit_for__signed_by_another__refused(task: Task, leaver: Device) -> None:
    other = task.devices[0][3]
    signature = other.sign_exit(task.contract)
    with ape.reverts(task.contract.WrongSigner, expected=leaver.address):
        task.contract.requestExitFor(
            leaver.address, leaver.bls.public, signature, sender=task.authority
        )


def test_request_exit_for__signed_for_another_contract__refused(
    task: Task, leaver: Device, deploy: Any
) -> None:
    signature = leaver.sign_exit(deploy().contract)
    with ape.reverts(task.contract.WrongSigner, expected=leaver.address):
        task.contract.requestExitFor(
            leaver.address, leaver.bls.public, signature, sender=task.authority
        )


def test_request_exit_for__high_s__refused(task: Task, leaver: Device) -> None:
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    signature = leaver.sign_exit(task.contract)
    s = order - int.from_bytes(signature[32:64], "big")
    twin = signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])
    with ape.reverts(task.contract.ECDSAInvalidSignatureS, s=s.to_bytes(32, "big")):
        task.contract.requestExitFor(leaver.address, leaver.bls.public, twin, sender=task.authority)


def test_request_exit__wrong_key__refused(task: Task, leaver: Device) -> None:
    other = task.devices[0][3].bls.public
    for key in (other, b"", leaver.bls.public + b"\0"):
        with ape.reverts(task.contract.WrongKey, cluster=0, index=2, keyHash=keccak(key)):
            task.contract.requestExitFor(
                leaver.address, key, leaver.sign_exit(task.contract), sender=task.authority
            )


def test_request_exit__twice__refused(task: Task, leaver: Device) -> None:
    leave(task, leaver)
    with ape.reverts(task.contract.MemberHasLeft, account=leaver.address):
        leave(task, leaver)


def test_request_exit__not_a_member__refused(task: Task, outsider: Any) -> None:
    with ape.reverts(task.contract.NotMember, account=outsider):
        task.contract.requestExit(b"", sender=outsider)


def test_request_exit__fog__cluster_is_inactive(task: Task) -> None:
    task.contract.requestExit(b"", sender=task.fogs[0])
    assert not task.contract.cluster(0).active
    assert task.contract.counts().activeCount == 5
    # Its devices can still leave, without being counted a second time.
    leave(task, task.devices[0][0])
    assert task.contract.counts().activeCount == 5
    task.open_round()
    assert task.round.clusters == 0b10
    fogs = PARAMETERS["reward"] * 20 // 100
    devices = PARAMETERS["reward"] - PARAMETERS["reward"] * 10 // 100 - fogs
    assert (task.round.fogShare, task.round.deviceShare) == (fogs, devices // 5)


def test_request_exit__cloud__cannot_aggregate(task: Task) -> None:
    task.open_round()
    result = task.bring_to_aggregating([0, 1])
    task.contract.requestExit(b"", sender=task.clouds[0])
    with ape.reverts(task.contract.NotActiveCloud, caller=task.clouds[0]):
        task.submit_aggregate(result)
    task.submit_aggregate(result, cloud=1)


def test_deposit_stake__after_exit__refused(task: Task) -> None:
    task.contract.requestExit(b"", sender=task.clouds[0])
    with ape.reverts(task.contract.MemberHasLeft, account=task.clouds[0]):
        task.stake(task.clouds[0], 1)


def test_withdraw_stake__active_member__refused(task: Task, leaver: Device) -> None:
    with ape.reverts(task.contract.StakeIsBonded, account=leaver.address, withdrawableAt=0):
        task.contract.withdrawStake(leaver.address, sender=task.authority)


def test_withdraw_stake__second_before_the_end__refused(task: Task, leaver: Device) -> None:
    leave(task, leaver)
    end = task.contract.member(leaver.address).withdrawableAt
    task.chain.pending_timestamp = end - 1
    with ape.reverts(task.contract.StakeIsBonded, account=leaver.address, withdrawableAt=end):
        task.contract.withdrawStake(leaver.address, sender=task.authority, gas_limit=200_000)


def test_withdraw_stake__at_the_end__paid_once(task: Task, leaver: Device, outsider: Any) -> None:
    leave(task, leaver)
    task.at(task.contract.member(leaver.address).withdrawableAt)
    balance = task.chain.provider.get_balance(leaver.address)
    task.contract.withdrawStake(leaver.address, sender=outsider)
    paid = task.chain.provider.get_balance(leaver.address) - balance
    assert paid == PARAMETERS["deviceStake"]
    with ape.reverts(task.contract.NoStake, account=leaver.address):
        task.contract.withdrawStake(leaver.address, sender=outsider)


# Exits during a round


def test_anchor__qualified_device_left_in_this_round__accepted(task: Task, leaver: Device) -> None:
    """Leaving late must not spoil what the others signed."""
    task.open_round()
    part = task.cluster_round(0, signers=[0, 1, 3, 4], absent=[])
    leave(task, leaver)
    task.anchor(part)
    assert task.contract.signers(1, 0) == [0b11011]


def test_anchor__qualified_device_came_and_left_in_this_round__refused(task: Task) -> None:
    task.open_round()
    part = task.cluster_round(0)
    late = Device.numbered(950)
    task.add_devices(0, [late])
    leave(task, late)
    anchor = (*part.anchor[:3], [0b111111])
    with ape.reverts(task.contract.NotActiveDevices, cluster=0, word=0, devices=0b100000):
        task.anchor(part, anchor=anchor)
    task.anchor(part)


def test_anchor__qualified_device_left_in_an_earlier_round__refused(
    task: Task, leaver: Device
) -> None:
    leave(task, leaver)
    task.open_round()
    part = task.cluster_round(0, signers=[0, 1, 3, 4], absent=[])
    with ape.reverts(task.contract.NotActiveDevices, cluster=0, word=0, devices=0b100):
        task.anchor(part)
    task.anchor(part.changed(qualified=(0, 1, 3, 4)))


def test_anchor__signer_left_in_this_round__refused(task: Task, leaver: Device) -> None:
    task.open_round()
    part = task.cluster_round(0)
    leave(task, leaver)
    with ape.reverts(task.contract.NotActiveDevices, cluster=0, word=0, devices=0b100):
        task.anchor(part)


def test_anchor__fog_left__refused(task: Task) -> None:
    task.open_round()
    part = task.cluster_round(0)
    task.contract.requestExit(b"", sender=task.fogs[0])
    with ape.reverts(task.contract.InactiveCluster, cluster=0):
        task.anchor(part)
    assert task.contract.phase() == ANCHORING


def test_submit_cumulative__fog_left_after_anchoring__accepted(task: Task) -> None:
    task.open_round()
    parts = [task.cluster_round(cluster) for cluster in (0, 1)]
    for part in parts:
        task.anchor(part)
    task.contract.requestExit(b"", sender=task.fogs[0])
    task.submit_cumulative(parts[0])
    assert task.contract.phase() == ACCUMULATING


def test_anchor__device_admitted_in_this_round__serves_from_the_next(task: Task) -> None:
    """Those counted at the opening share the reward: a late one can neither dilute nor overdraw."""
    task.open_round()
    late = Device.numbered(950)
    task.add_devices(0, [late])
    assert task.contract.cluster(0).eligible == 5
    part = task.cluster_round(0)
    with ape.reverts(task.contract.NotActiveDevices, cluster=0, word=0, devices=0b100000):
        task.anchor(part)
    task.anchor(part.changed(qualified=(0, 1, 2, 3, 4), signers=(0, 1, 2, 3, 4), absent=(5,)))
    task.at(task.round.aggregateDeadline)
    task.open_round()
    assert task.contract.cluster(0).eligible == 6
    task.anchor(task.cluster_round(0))
