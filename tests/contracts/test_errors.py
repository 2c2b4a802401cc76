"""That each error of Contract S is met by some test, by name."""

import re
from pathlib import Path
from typing import Any

import ape

from tests.contracts.builders import Device
from tests.contracts.deployed import Task

TESTS = Path(__file__).parents[1]
OUT_OF_REACH = {
    "InvalidShortString": "of EIP-712's name and version, which are constants",
    "StringTooLong": "the same",
    "MalformedHeader": "only a header whose hash the chain knows gets so far",
    "PointEvaluationFailed": "only without the precompile, and then no task can be made",
    "TooManyClouds": "after 65,536 admissions",
}


def test_errors__of_the_interface__each_has_a_test(project: Any) -> None:
    """Its Python tests: the invariants of forge meet many errors without asking for any."""
    told = "\n".join(p.read_text() for p in TESTS.rglob("*.py") if p != Path(__file__))
    named = set(re.findall(r"[A-Z]\w+", told)) | {"ECDSAInvalidSignature"}  # below
    errors = {error.name for error in project.ContractS.contract_type.errors}
    assert len(errors) > 80
    assert errors - named == set(OUT_OF_REACH)


def test_signature__zero__refused(task: Task) -> None:
    device: Device = task.devices[0][2]
    with ape.reverts(task.contract.ECDSAInvalidSignature):
        task.contract.requestExitFor(
            device.address, device.bls.public, bytes(64) + b"\x1b", sender=task.authority
        )
