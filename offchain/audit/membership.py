"""Stakes, admissions and exits (specification, section 2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from offchain.audit.arithmetic import is_signed, parse_points, tagged, typed_signer
from offchain.audit.findings import At, Part
from offchain.audit.state import (
    MAX_CLOUDS,
    MAX_CLUSTERS,
    MAX_DEVICES,
    Cluster,
    Member,
    Role,
)
from offchain.audit.step import Handler, Step
from offchain.crypto.hashing import keccak256

_MOST_STAKE: Final = 2**96 - 1


def deposit_stake(step: Step) -> None:
    """Anybody, for anybody who has not left."""
    (account,) = step.values
    member = step.state.member(account)
    there = member.withdrawable_at == 0
    step.at.holds("depositStake.account", there, account, "a member that has not left")
    member.stake += step.value
    step.state.ledger.stakes += step.value
    fits = member.stake <= _MOST_STAKE
    step.at.holds("depositStake.value", fits, member.stake, "below 2^96")
    step.emitted.expect(
        step.at, "StakeDeposited", account=account, payer=step.sender, amount=step.value
    )


def admit_cloud(step: Step) -> None:
    """The Authority."""
    state, at = step.state, step.at.part(Part.MEMBERS)
    (account,) = step.values
    step.authority_only(at)
    member = _admissible(step, at, account, "cloudStake")
    at.holds("admitCloud", len(state.clouds) < MAX_CLOUDS, len(state.clouds), "at most 256 clouds")
    member.role, member.index = Role.CLOUD, len(state.clouds)
    state.clouds.append(account)
    step.emitted.expect(at, "CloudAdmitted", account=account, index=member.index)


def admit_fog(step: Step) -> None:
    """The Authority; the fog gets a new cluster."""
    state = step.state
    number = len(state.clusters)
    at = step.at.part(Part.MEMBERS).within(cluster=number)
    (account,) = step.values
    step.authority_only(at)
    member = _admissible(step, at, account, "fogStake")
    at.holds("admitFog", number < MAX_CLUSTERS, number, "at most 64 clusters")
    member.role, member.cluster = Role.FOG, number
    state.clusters.append(Cluster(account))
    step.emitted.expect(at, "FogAdmitted", account=account, cluster=number)


def admit_devices(step: Step) -> None:
    """The Authority; each key with its proof of possession."""
    state = step.state
    number, admissions = step.values
    at = step.at.part(Part.MEMBERS).within(cluster=number)
    step.authority_only(at)
    cluster = state.cluster(number)
    if cluster is None:
        at.fail("admitDevices.clusterId", number, "an admitted cluster")
        return
    at.holds("admitDevices.clusterId", cluster.active, "inactive", "an active cluster")
    if cluster.admitted_in != state.latest:
        cluster.admitted_in, cluster.devices_before = state.latest, len(cluster.devices)
    for admission in admissions:
        _admit_device(step, at, number, cluster, *admission)
    count = len(cluster.devices)
    at.holds("admitDevices", count <= MAX_DEVICES, count, "at most 1,024 devices")


def _admit_device(
    step: Step,
    at: At,
    number: int,
    cluster: Cluster,
    account: bytes,
    sealing_key: bytes,
    key: bytes,
    possession: bytes,
) -> None:
    state, index = step.state, len(cluster.devices)
    member = _admissible(step, at, account, "deviceStake")
    digest = keccak256(key)
    usable = parse_points(key, 1) is not None
    expected = "a point of the group, not infinity"
    at.holds("admitDevices.publicKey", usable, key, expected)
    fresh = digest not in state.key_hashes
    at.holds("admitDevices.publicKey", fresh, key, "a key that no device has")
    if step.thorough:
        message = tagged("verifog pop v1", state.domain, account, digest, sealing_key)
        proven = is_signed((key,), message, possession)
        name = "admitDevices.proofOfPossession"
        at.holds(name, proven, possession, f"the key's signature on 0x{message.hex()}")
    member.role, member.cluster, member.index, member.key = Role.DEVICE, number, index, key
    cluster.devices.append(member)
    state.key_hashes[digest] = member
    step.emitted.expect(
        at,
        "DeviceAdmitted",
        account=account,
        cluster=number,
        index=index,
        publicKey=key,
        sealingKey=sealing_key,
    )


def _admissible(step: Step, at: At, account: bytes, stake: str) -> Member:
    member = step.state.member(account)
    name = step.argument("account")
    at.holds(name, member.role is Role.NONE, member.role.name.lower(), "an account without a role")
    required = step.state.task[stake]
    at.holds(f"{name}'s stake", member.stake >= required, member.stake, f"at least {required}")
    return member


def request_exit(step: Step) -> None:
    """A member, for itself."""
    (key,) = step.values
    _exit(step, step.sender, key)


def request_exit_for(step: Step) -> None:
    """Anybody, with the member's signature."""
    account, key, signature = step.values
    signer = typed_signer(step.state.domain, "Exit(address account)", (account,), signature)
    at = step.at.part(Part.MEMBERS)
    at.holds("requestExitFor.signature", signer == account, signer or "nobody's", account)
    _exit(step, account, key)


def _exit(step: Step, account: bytes, key: bytes) -> None:
    at = step.at.part(Part.MEMBERS)
    member = step.state.member(account)
    at.holds(step.argument("account"), member.active, account, "an active member")
    if member.role is Role.DEVICE:
        at.equal(step.argument("publicKey"), key, member.key)
    step.state.deactivate(member, step.now)
    step.emitted.expect(at, "ExitRequested", account=account, withdrawableAt=member.withdrawable_at)


def withdraw_stake(step: Step) -> None:
    """Anybody, for a member whose unbonding is over or for an account never admitted."""
    (account,) = step.values
    member, ledger = step.state.member(account), step.state.ledger
    free = member.role is Role.NONE or 0 < member.withdrawable_at <= step.now
    at = step.at
    at.holds("withdrawStake.account", free, f"bonded at {step.now}", "stake that is not bonded")
    amount, member.stake = member.stake, 0
    at.holds("withdrawStake.amount", amount > 0, amount, "more than nothing")
    ledger.stakes -= amount
    ledger.paid += amount
    step.emitted.expect(at, "StakeWithdrawn", account=account, amount=amount)


HANDLERS: Final[Mapping[str, Handler]] = {
    "depositStake": deposit_stake,
    "admitCloud": admit_cloud,
    "admitFog": admit_fog,
    "admitDevices": admit_devices,
    "requestExit": request_exit,
    "requestExitFor": request_exit_for,
    "withdrawStake": withdraw_stake,
}


def member_answer(member: Member) -> dict[str, Any]:
    """What the view ``member`` must answer."""
    return {
        "role": int(member.role),
        "active": member.active,
        "slashed": member.slashed,
        "stake": member.stake,
        "clusterId": member.cluster,
        "index": member.index,
        "withdrawableAt": member.withdrawable_at,
    }
