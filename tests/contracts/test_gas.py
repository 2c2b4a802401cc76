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
FIRST = ", first of four rounds"
VERY_FIRST = "anchor, the first of a cluster"


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


def play(task: Task, signers: range | None = None) -> dict[str, int]:
    """Gas of a settled round's transactions; of cluster 0 these sign, of others everybody."""
    gas = {"openRound": task.contract.openRound(sender=task.authority).gas_used}
    parts = tuple(
        task.cluster_round(cluster, signers=None if cluster else signers)
        for cluster in range(len(task.fogs))
    )
    anchors = [task.anchor(part) for part in parts]
    sums = [task.submit_cumulative(part) for part in parts]
    gas["anchor"], gas["submitCumulative"] = anchors[0].gas_used, sums[0].gas_used
    gas["submitAggregate"] = task.settle(Aggregate(parts)).gas_used
    return gas


def measure(task: Task) -> dict[str, int]:
    """Gas of a round's transactions when no storage of the task is new any more.

    All sign in the rounds that count; in those between one does not, so that every anchor changes
    what is stored. Round 4 is the first of four that share words of signers; both are even, and
    begin a word of the log of rounds.
    """
    for cluster, fog in enumerate(task.fogs):
        receipt = task.contract.recordNoiseRoot(cluster, b"\1" * 32, sender=fog)
    but_one = range(1, len(task.devices[0]))
    rounds = [play(task, signers) for signers in (None, but_one, but_one, None, but_one, None)]
    gas = rounds[5] | {"recordNoiseRoot": receipt.gas_used}
    gas[VERY_FIRST] = rounds[0]["anchor"]
    for name in ("anchor", "submitCumulative"):
        gas[name + FIRST] = rounds[3][name]
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
    assert max(gas["anchor"], gas["anchor" + FIRST], gas[VERY_FIRST]) <= ANCHOR_LIMIT


@pytest.mark.parametrize("devices", [64, pytest.param(256, marks=pytest.mark.full)])
def test_round__of_four_clusters__cheap_per_device(
    deploy: Any, accounts: Any, figures: dict[str, dict[str, int]], devices: int
) -> None:
    """All transactions of a round but claims; what the task shares is a fourth of it."""
    task = populated(deploy, accounts, devices, CLUSTERS)
    gas = measure(task)
    record(figures, f"{CLUSTERS} clusters of {devices}", gas)
    assert max(gas["anchor"], gas["anchor" + FIRST], gas[VERY_FIRST]) <= ANCHOR_LIMIT
    shared = gas["openRound"] + gas["submitAggregate"]
    for kind in ("", FIRST):
        cluster = gas["anchor" + kind] + gas["submitCumulative" + kind]
        cluster += gas["recordNoiseRoot"] // task.parameters["noiseRounds"]
        assert (cluster + shared / CLUSTERS) / devices <= PER_DEVICE_LIMIT[devices]


@pytest.mark.parametrize(
    "names", [("anchor", "anchor" + FIRST), (VERY_FIRST,)], ids=["in use", "first"]
)
def test_anchor__of_any_size_in_any_round__within_3_percent(
    figures: dict[str, dict[str, int]], names: tuple[str, ...]
) -> None:
    """Of all that this run measured: 8 and 64 devices, at full size 256."""
    anchors = [gas[name] for gas in figures.values() for name in names if name in gas]
    assert len(anchors) >= 3 * len(names)
    assert max(anchors) < 1.03 * min(anchors)


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
