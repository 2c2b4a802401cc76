"""What transactions cost, against the targets and against the recorded figures.

`VERIFOG_GAS=record ape test tests/contracts/test_gas.py` writes the figures anew.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.builders import RESULT_TYPE, Aggregate, Device, sign_typed
from tests.contracts.deployed import Task

SNAPSHOT = Path(__file__).with_name("gas.json")
# Signatures and hashes differ in their zero bytes from run to run; anything above is a change.
TOLERANCE = 0.01
ANCHOR_LIMIT = 300_000
PER_DEVICE_LIMIT = {64: 8_000, 256: 2_500}
CLUSTERS = 4


def populated(deploy: Any, accounts: Any, devices: int, clusters: int = 1) -> Task:
    """A task with so many devices in cluster 0 and three in each other one."""
    task = deploy(deviceStake=0)
    task.add_cloud(accounts[1])
    for cluster in range(clusters):
        task.add_fog(accounts[3 + cluster])
        count = devices if cluster == 0 else 3
        group = [Device.numbered(1000 * cluster + i) for i in range(count)]
        # Few at a time: Ape's node keeps the memory of every step.
        for start in range(0, count, 5):
            task.contract.admitDevices(
                cluster,
                [device.admission(task.contract) for device in group[start : start + 5]],
                sender=task.authority,
                gas_limit=16_000_000,
            )
        task.devices[cluster] = group
    task.contract.fundPool(sender=task.authority, value=10**18)
    return task


def measure(task: Task) -> dict[str, int]:
    """Gas of a second round's transactions, when no storage of the task is new any more."""
    gas = {}
    for cluster, fog in enumerate(task.fogs):
        receipt = task.contract.recordNoiseRoot(cluster, b"\1" * 32, sender=fog)
    gas["recordNoiseRoot"] = receipt.gas_used
    task.settle_round()
    task.settle_round()
    gas["openRound"] = task.contract.openRound(sender=task.authority).gas_used
    parts = tuple(task.cluster_round(cluster) for cluster in range(len(task.fogs)))
    anchors = [task.anchor(part) for part in parts]
    sums = [task.submit_cumulative(part) for part in parts]
    gas["anchor"], gas["submitCumulative"] = anchors[0].gas_used, sums[0].gas_used
    gas["submitAggregate"] = task.submit_aggregate(Aggregate(parts)).gas_used
    gas["claim, one round"] = task.contract.claim(
        task.devices[0][0].address, [1], sender=task.authority
    ).gas_used
    return gas


@pytest.fixture(scope="module")
def figures() -> dict[str, dict[str, int]]:
    """What this run measured, by scene."""
    return {}


def record(figures: dict[str, dict[str, int]], scene: str, gas: dict[str, int]) -> None:
    figures[scene] = gas
    known = json.loads(SNAPSHOT.read_text()) if SNAPSHOT.exists() else {}
    if os.environ.get("VERIFOG_GAS") == "record":
        known[scene] = gas
        SNAPSHOT.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")
        return
    for name, value in gas.items():
        recorded = known[scene][name]
        assert abs(value - recorded) <= TOLERANCE * recorded, (
            f"{name} ({scene}) costs {value}, recorded is {recorded}: "
            "if that is meant, run with VERIFOG_GAS=record"
        )


@pytest.mark.parametrize("devices", [8, 64])
def test_anchor__everybody_present__at_most_300_000_gas(
    deploy: Any, accounts: Any, figures: dict[str, dict[str, int]], devices: int
) -> None:
    gas = measure(populated(deploy, accounts, devices))
    record(figures, f"1 cluster of {devices}", gas)
    assert gas["anchor"] <= ANCHOR_LIMIT


def test_anchor__8_or_64_devices__within_3_percent(
    figures: dict[str, dict[str, int]],
) -> None:
    small, large = (figures[f"1 cluster of {devices}"]["anchor"] for devices in (8, 64))
    assert abs(large - small) < 0.03 * small


@pytest.mark.parametrize("devices", [64, pytest.param(256, marks=pytest.mark.full)])
def test_round__of_four_clusters__cheap_per_device(
    deploy: Any, accounts: Any, figures: dict[str, dict[str, int]], devices: int
) -> None:
    """All transactions of a round but claims; what the task shares is a fourth of it."""
    task = populated(deploy, accounts, devices, CLUSTERS)
    gas = measure(task)
    record(figures, f"{CLUSTERS} clusters of {devices}", gas)
    cluster = gas["anchor"] + gas["submitCumulative"]
    cluster += gas["recordNoiseRoot"] // task.parameters["noiseRounds"]
    shared = gas["openRound"] + gas["submitAggregate"]
    assert (cluster + shared / CLUSTERS) / devices <= PER_DEVICE_LIMIT[devices]


def test_admit_and_report__recorded(
    deploy: Any, accounts: Any, figures: dict[str, dict[str, int]]
) -> None:
    task = populated(deploy, accounts, 3)
    device = Device.numbered(77)
    gas = {"depositStake": task.stake(device.address, 1).gas_used}
    gas["admitDevices, one"] = task.contract.admitDevices(
        0, [device.admission(task.contract)], sender=task.authority
    ).gas_used
    gas["requestExitFor"] = task.contract.requestExitFor(
        device.address,
        device.bls.public,
        device.sign_exit(task.contract),
        sender=task.authority,
    ).gas_used
    task.record_noise_roots()
    task.devices[0] = task.devices[0][:3]
    task.devices[0].append(device)
    task.open_round()
    part = task.cluster_round(0, qualified=[0, 1, 2], signers=[0, 1, 2], absent=[])
    task.anchor(part)
    task.submit_cumulative(part)
    task.submit_aggregate(Aggregate((part,)))
    message = {"round": 1, "commitmentDigest": b"\1" * 32, "vectorDigest": b"\2" * 32}
    signature = sign_typed(task.clouds[0].private_key, task.contract, RESULT_TYPE, message)
    gas["reportFalseResult"] = task.contract.reportFalseResult(
        *message.values(), signature, sender=task.authority
    ).gas_used
    record(figures, "membership and disputes", gas)


def test_claim__many_rounds__under_4_000_gas_each(
    deploy: Any, accounts: Any, figures: dict[str, dict[str, int]]
) -> None:
    task = populated(deploy, accounts, 3)
    task.record_noise_roots()
    rounds = list(range(1, 9))
    for _ in rounds:
        task.settle_round()
    task.open_round()
    few, many = (
        task.contract.claim(device.address, rounds[:count], sender=task.authority).gas_used
        for device, count in zip(task.devices[0][1:], (2, 8), strict=True)
    )
    each = (many - few) / 6
    assert each < 4_000
    record(figures, "claims", {"claim, a further round": round(each)})
