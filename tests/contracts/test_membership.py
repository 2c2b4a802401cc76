"""Stakes and admission: section 2.2 of the specification."""

from typing import Any

import ape
import pytest

from tests.contracts.builders import (
    BASE_FIELD,
    INFINITY_G1,
    INFINITY_G2,
    OUTSIDE_SUBGROUP,
    BlsKey,
    Device,
    eip2537,
    keccak,
    scalar,
    tagged,
)
from tests.contracts.deployed import CLOUD, DEVICE, FOG, NO_ROLE, PARAMETERS, Task


@pytest.fixture
def newcomer(task: Task) -> Device:
    """A device with its stake, not admitted."""
    device = Device.numbered(900)
    task.stake(device.address, PARAMETERS["deviceStake"])
    return device


def admit(task: Task, *admissions: dict[str, Any], cluster: int = 0, sender: Any = None) -> Any:
    return task.contract.admitDevices(cluster, list(admissions), sender=sender or task.authority)


# Stakes


def test_deposit_stake__by_another__belongs_to_the_account(task: Task, outsider: Any) -> None:
    device = Device.numbered(901)
    receipt = task.stake(device.address, 5, payer=outsider)
    assert task.contract.member(device.address).stake == 5
    assert receipt.events == [task.contract.StakeDeposited(device.address, outsider, 5)]


def test_deposit_stake__more_than_a_stake_can_hold__refused(task: Task, accounts: Any) -> None:
    device = Device.numbered(901)
    task.stake(device.address, 1)
    whale = accounts[8]
    whale.balance = 1 << 97
    with ape.reverts(task.contract.AmountTooLarge, amount=1 << 96):
        task.stake(device.address, (1 << 96) - 1, payer=whale)


def test_withdraw_stake__never_admitted__paid_at_once(task: Task, outsider: Any) -> None:
    task.stake(outsider, 7)
    before = outsider.balance
    task.contract.withdrawStake(outsider, sender=task.authority)
    assert outsider.balance == before + 7
    assert task.contract.member(outsider).stake == 0


def test_withdraw_stake__nothing_there__refused(task: Task, outsider: Any) -> None:
    with ape.reverts(task.contract.NoStake, account=outsider):
        task.contract.withdrawStake(outsider, sender=outsider)


# Clouds and fogs


def test_admit_cloud__staked__is_an_active_cloud(task: Task, outsider: Any) -> None:
    task.add_cloud(outsider)
    member = task.contract.member(outsider)
    assert (member.role, member.active, member.index) == (CLOUD, True, 2)


def test_admit_cloud__stake_one_wei_short__refused(task: Task, outsider: Any) -> None:
    required = PARAMETERS["cloudStake"]
    task.stake(outsider, required - 1)
    with ape.reverts(
        task.contract.StakeTooLow, account=outsider, stake=required - 1, required=required
    ):
        task.contract.admitCloud(outsider, sender=task.authority)


def test_admit_fog__staked__makes_a_cluster(task: Task, outsider: Any) -> None:
    cluster = task.add_fog(outsider)
    member = task.contract.member(outsider)
    assert (member.role, member.active, member.clusterId) == (FOG, True, cluster)
    made = task.contract.cluster(cluster)
    assert (made.fog, made.active, made.devices) == (outsider, True, 0)
    assert made.aggregateKey == INFINITY_G1


def test_admit_fog__stake_one_wei_short__refused(task: Task, outsider: Any) -> None:
    required = PARAMETERS["fogStake"]
    task.stake(outsider, required - 1)
    with ape.reverts(
        task.contract.StakeTooLow, account=outsider, stake=required - 1, required=required
    ):
        task.contract.admitFog(outsider, sender=task.authority)


def test_admissions__not_the_authority__refused(
    task: Task, newcomer: Device, outsider: Any
) -> None:
    for call in (
        lambda: task.contract.admitCloud(outsider, sender=outsider),
        lambda: task.contract.admitFog(outsider, sender=outsider),
        lambda: admit(task, newcomer.admission(task.contract), sender=outsider),
    ):
        with ape.reverts(task.contract.NotAuthority, caller=outsider):
            call()


def test_admit__second_role__refused(task: Task) -> None:
    cloud, fog, device = task.clouds[0], task.fogs[0], task.devices[0][0]
    task.stake(device.address, PARAMETERS["cloudStake"])
    task.stake(fog, PARAMETERS["cloudStake"])
    for account, role in ((cloud, CLOUD), (fog, FOG), (device.address, DEVICE)):
        with ape.reverts(task.contract.RoleTaken, account=account, role=role):
            task.contract.admitFog(account, sender=task.authority)
        with ape.reverts(task.contract.RoleTaken, account=account, role=role):
            task.contract.admitCloud(account, sender=task.authority)
        other = Device(device.secret, BlsKey(12345))
        admission = other.admission(task.contract, account=str(account))
        with ape.reverts(task.contract.RoleTaken, account=account, role=role):
            admit(task, admission)


def test_admit__left_before__refused(task: Task) -> None:
    cloud = task.clouds[0]
    task.contract.requestExit(b"", sender=cloud)
    with ape.reverts(task.contract.RoleTaken, account=cloud, role=CLOUD):
        task.contract.admitCloud(cloud, sender=task.authority)


# Devices


def test_admit_devices__with_proof__adds_the_key(task: Task, newcomer: Device) -> None:
    admit(task, newcomer.admission(task.contract))
    task.devices[0].append(newcomer)
    member = task.contract.member(newcomer.address)
    assert (member.role, member.active, member.clusterId, member.index) == (DEVICE, True, 0, 5)
    owner = task.contract.keyOwner(keccak(newcomer.bls.public))
    assert (owner.account, owner.clusterId, owner.index) == (newcomer.address, 0, 5)
    secrets = sum(device.bls.secret for device in task.devices[0])
    cluster = task.contract.cluster(0)
    assert cluster.aggregateKey == BlsKey(secrets).public
    assert (cluster.devices, cluster.activeCount) == (6, 6)
    assert task.contract.activeDevices(0) == [0b111111]


def test_admit_devices__message__as_specified(task: Task, newcomer: Device) -> None:
    key = newcomer.bls.public
    domain, sealing = task.contract.domainSeparator(), newcomer.sealing_key
    expected = tagged("verifog pop v1", domain, newcomer.address, keccak(key), sealing)
    assert task.contract.possessionMessage(newcomer.address, key, sealing) == expected


def test_admit_devices__another_sealing_key__refused(task: Task, newcomer: Device) -> None:
    admission = newcomer.admission(task.contract) | {"sealingKey": b"\7" * 32}
    with ape.reverts(task.contract.FalseProofOfPossession, account=newcomer.address):
        admit(task, admission)


def test_admit_devices__stake_one_wei_short__refused(task: Task) -> None:
    device = Device.numbered(901)
    required = PARAMETERS["deviceStake"]
    task.stake(device.address, required - 1)
    with ape.reverts(
        task.contract.StakeTooLow, account=device.address, stake=required - 1, required=required
    ):
        admit(task, device.admission(task.contract))


def test_admit_devices__proof_by_another_key__refused(task: Task, newcomer: Device) -> None:
    public = newcomer.bls.public
    domain, sealing = task.contract.domainSeparator(), newcomer.sealing_key
    message = tagged("verifog pop v1", domain, newcomer.address, keccak(public), sealing)
    forged = eip2537(BlsKey(77).sign(message))
    with ape.reverts(task.contract.FalseProofOfPossession, account=newcomer.address):
        admit(task, newcomer.admission(task.contract, proofOfPossession=forged))


def test_admit_devices__key_and_proof_of_another__refused(task: Task, newcomer: Device) -> None:
    """A proof seen in the mempool is of no use to another account."""
    victim = Device.numbered(902)
    seen = victim.admission(task.contract)
    copied = seen | {"account": newcomer.address}
    with ape.reverts(task.contract.FalseProofOfPossession, account=newcomer.address):
        admit(task, copied)


def test_admit_devices__rogue_key__refused(task: Task, newcomer: Device) -> None:
    """A key that cancels the cluster's: nobody can sign for it."""
    honest = sum(device.bls.secret for device in task.devices[0])
    rogue = BlsKey(5).point - BlsKey(honest).point
    admission = newcomer.admission(task.contract, publicKey=eip2537(rogue))
    with ape.reverts(task.contract.FalseProofOfPossession, account=newcomer.address):
        admit(task, admission)


def test_admit_devices__proof_for_another_contract__refused(
    task: Task, newcomer: Device, deploy: Any
) -> None:
    admission = newcomer.admission(deploy().contract)
    with ape.reverts(task.contract.FalseProofOfPossession, account=newcomer.address):
        admit(task, admission)


def test_admit_devices__key_at_infinity__refused(task: Task, newcomer: Device) -> None:
    """Under it, infinity would be a valid proof."""
    admission = newcomer.admission(
        task.contract, publicKey=INFINITY_G1, proofOfPossession=INFINITY_G2
    )
    with ape.reverts(task.contract.KeyAtInfinity, account=newcomer.address):
        admit(task, admission)


def test_admit_devices__proof_at_infinity__refused(task: Task, newcomer: Device) -> None:
    admission = newcomer.admission(task.contract, proofOfPossession=INFINITY_G2)
    with ape.reverts(task.contract.FalseProofOfPossession, account=newcomer.address):
        admit(task, admission)


def test_admit_devices__key_outside_subgroup__refused(task: Task, newcomer: Device) -> None:
    admission = newcomer.admission(task.contract, publicKey=OUTSIDE_SUBGROUP)
    with ape.reverts(task.contract.PairingFailed):
        admit(task, admission)


def test_admit_devices__key_not_canonical__refused(task: Task, newcomer: Device) -> None:
    public = newcomer.bls.public
    x = int.from_bytes(public[:64], "big") + BASE_FIELD
    admission = newcomer.admission(task.contract, publicKey=x.to_bytes(64, "big") + public[64:])
    with ape.reverts(task.contract.PairingFailed):
        admit(task, admission)


def test_admit_devices__key_used_before__refused(task: Task, newcomer: Device) -> None:
    used = task.devices[1][0].bls
    admission = Device(newcomer.secret, used).admission(task.contract)
    with ape.reverts(task.contract.KeyAlreadyUsed, keyHash=keccak(used.public)):
        admit(task, admission)


def test_admit_devices__key_twice_in_one_call__refused(task: Task, newcomer: Device) -> None:
    other = Device(Device.numbered(903).secret, newcomer.bls)
    task.stake(other.address, PARAMETERS["deviceStake"])
    with ape.reverts(task.contract.KeyAlreadyUsed, keyHash=keccak(newcomer.bls.public)):
        admit(task, newcomer.admission(task.contract), other.admission(task.contract))


def test_admit_devices__account_twice_in_one_call__refused(task: Task, newcomer: Device) -> None:
    other = Device(newcomer.secret, BlsKey(4321))
    with ape.reverts(task.contract.RoleTaken, account=newcomer.address, role=DEVICE):
        admit(task, newcomer.admission(task.contract), other.admission(task.contract))


@pytest.mark.parametrize(("name", "expected"), [("publicKey", 128), ("proofOfPossession", 256)])
@pytest.mark.parametrize("surplus", [-1, 1])
def test_admit_devices__wrong_length__refused(
    task: Task, newcomer: Device, name: str, expected: int, surplus: int
) -> None:
    admission = newcomer.admission(task.contract)
    given = (admission[name] + b"\0")[: expected + surplus]
    with ape.reverts(task.contract.WrongLength, given=expected + surplus, expected=expected):
        admit(task, admission | {name: given})


def test_admit_devices__unknown_cluster__refused(task: Task, newcomer: Device) -> None:
    with ape.reverts(task.contract.UnknownCluster, cluster=2):
        admit(task, newcomer.admission(task.contract), cluster=2)


def test_admit_devices__cluster_of_a_fog_that_left__refused(task: Task, newcomer: Device) -> None:
    task.contract.requestExit(b"", sender=task.fogs[0])
    with ape.reverts(task.contract.InactiveCluster, cluster=0):
        admit(task, newcomer.admission(task.contract))


def test_admit_devices__more_than_a_cluster_holds__refused(task: Task, newcomer: Device) -> None:
    admission = newcomer.admission(task.contract)
    blank = admission | {"publicKey": b"", "proofOfPossession": b""}
    with ape.reverts(task.contract.TooManyDevices, cluster=0, devices=1025):
        admit(task, *[blank] * 1020)


def test_admit_fog__more_than_64__refused(task: Task) -> None:
    stake = PARAMETERS["fogStake"]
    for number in range(62):
        address = Device.numbered(1000 + number).address
        task.stake(address, stake)
        task.contract.admitFog(address, sender=task.authority)
    last = Device.numbered(2000).address
    task.stake(last, stake)
    with ape.reverts(task.contract.TooManyClusters):
        task.contract.admitFog(last, sender=task.authority)


def test_aggregate_key__of_py_arkworks__is_the_sum(task: Task) -> None:
    for cluster, devices in enumerate(task.devices):
        total = devices[0].bls.point * scalar(0)
        for device in devices:
            total = total + device.bls.point
        assert task.contract.cluster(cluster).aggregateKey == eip2537(total)


def test_member__unknown__has_no_role(task: Task, outsider: Any) -> None:
    member = task.contract.member(outsider)
    assert (member.role, member.active, member.slashed, member.stake) == (NO_ROLE, False, False, 0)
