"""What the dearest reports cost, with real nodes and vectors of real size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from web3 import Web3

from offchain.chain.artifact import Artifact
from offchain.chain.translate import contract_call
from offchain.nodes import drill_frauds as frauds
from offchain.nodes.drill_stage import Stage
from offchain.nodes.drill_task import Shape, World
from offchain.protocol.chain import AdvanceNoiseCase, ReportFalseNoise
from offchain.protocol.role import Role
from tests.plain_node import plain_node

SHARE_LIMIT = 3_000_000
STEP_LIMIT = 12_000_000
TRANSACTION = 16_777_216


@pytest.fixture(scope="module")
def node() -> Iterator[Web3]:
    """Without traces: thousands of slots are a long loop."""
    with plain_node() as web3:
        yield web3


def at_capacity(web3: Web3, artifact: Artifact, capacity: int) -> Stage:
    """Four devices, one candidate to be opened a round."""
    shape = Shape(clusters=(4,), threshold=2, noise_rounds=1, capacity=capacity)
    return Stage(World.found(web3, artifact, shape, b"capacity %d" % capacity))


def reports(stage: Stage, kind: str) -> list[int]:
    assert stage.reverts == []
    return [receipt.gas for receipt in stage.record.receipts if receipt.kind == kind]


@pytest.mark.parametrize(
    ("plant", "kind"),
    [
        (frauds.false_share, "reportFalseShare"),
        (frauds.false_opening, "reportFalseWitness"),
    ],
)
def test_dealer__capacity_1024__under_3_million_gas(
    node: Web3, artifact: Artifact, plant: Callable[[Stage], Role], kind: str
) -> None:
    stage = at_capacity(node, artifact, 1024)
    plant(stage)
    assert stage.round().settled
    (gas,) = reports(stage, kind)
    assert gas < SHARE_LIMIT


@pytest.mark.full
def test_false_share__capacity_4096__fits_into_a_transaction(
    node: Web3, artifact: Artifact
) -> None:
    stage = at_capacity(node, artifact, 4096)
    frauds.false_share(stage)
    assert stage.round().settled
    (gas,) = reports(stage, "reportFalseShare")
    assert gas < TRANSACTION


@pytest.mark.parametrize("capacity", [1024, pytest.param(4096, marks=pytest.mark.full)])
def test_noise_case__of_several_steps_by_several_accounts__each_within_12_million_gas(
    node: Web3, artifact: Artifact, capacity: int
) -> None:
    """A step of the product's own size, then the rest by another; the beginner is paid."""
    stage = at_capacity(node, artifact, capacity)
    culprit = frauds.false_noise(stage)
    kept: list[Any] = []
    for kind in (AdvanceNoiseCase, ReportFalseNoise):
        stage.alter_call(kind, kept.append)
    assert stage.round().settled
    *steps, report = kept
    assert [type(step) for step in steps] == [AdvanceNoiseCase]
    who = stage.sim.identities
    beginner, other = who.fogs[0], who.clouds[0]
    gas = []
    share = capacity * 5 // 8
    for sender, slots in ((beginner, share), (other, share)):  # the second takes what is left
        call = replace(steps[0], slots=slots)
        function, arguments = contract_call(call, stage.sim.chain.directory)
        gas.append(stage.contract.transact(sender, function, *arguments).gas)
    function, arguments = contract_call(report, stage.sim.chain.directory)
    gas.append(stage.contract.transact(other, function, *arguments).gas)
    assert max(gas) <= STEP_LIMIT
    member = stage.contract.call("member", Web3.to_checksum_address(culprit.address))
    assert (member[1], member[2], member[3]) == (False, True, 0)
    credit = stage.contract.call("creditOf", Web3.to_checksum_address(beginner.address))
    assert credit == stage.shape.parameters.device_stake * 30 // 100
    assert stage.contract.call("creditOf", Web3.to_checksum_address(other.address)) == 0


@pytest.mark.full
def test_noise_case__capacity_4096_in_one_step__within_12_million_gas(
    node: Web3, artifact: Artifact
) -> None:
    stage = at_capacity(node, artifact, 4096)
    frauds.false_noise(stage)
    assert stage.round().settled
    (gas,) = reports(stage, "advanceNoiseCase")
    assert gas <= STEP_LIMIT


def test_false_vector__capacity_2048__fits_a_transaction(node: Web3, artifact: Artifact) -> None:
    """The largest vector that does."""
    stage = at_capacity(node, artifact, 2048)
    frauds.false_vector(stage)
    stage.round()
    (report,) = [r for r in stage.record.receipts if r.kind == "reportFalseVector"]
    assert report.error is None
    assert report.gas < TRANSACTION
    assert stage.phase == "Failed"  # rejected, and there is no other cloud


@pytest.mark.full
def test_false_vector__capacity_4096__noted_with_the_bound(node: Web3, artifact: Artifact) -> None:
    stage = at_capacity(node, artifact, 4096)
    frauds.false_vector(stage)
    assert stage.round().settled
    assert reports(stage, "reportFalseVector") == []
    (note,) = stage.notes("evidence-too-large")
    assert note["why"] == (
        "vector of round 1: 131072 bytes, at most 129920 fit the transaction of a report"
    )
