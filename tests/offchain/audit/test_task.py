"""The beginning of a task: bounds of its parameters, its code."""

from __future__ import annotations

from dataclasses import replace

import pytest

from offchain.audit.arithmetic import bitmap_of, evaluate, members_of, word_count
from offchain.audit.decoding import Abi, Undecodable
from offchain.audit.ethereum import Log
from offchain.audit.findings import Checks, Part, shown
from offchain.audit.task import BOUNDS, check_parameters
from tests.e2e.builders import Shape
from tests.offchain.audit.cases import Case

GOOD = dict(zip(BOUNDS, vars(Shape().parameters).values(), strict=True))


def refused(**changes: int) -> list[str]:
    checks = Checks()
    check_parameters(checks.at(Part.TASK), {**GOOD, **changes})
    return [finding.field.removeprefix("TaskCreated.") for finding in checks.findings]


def test_parameters__in_bounds__pass() -> None:
    assert refused() == []
    assert refused(capacity=4096, chunks=64) == []
    assert refused(packing=16) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("capacity", 32),
        ("capacity", 8192),
        ("capacity", 96),
        ("packing", 0),
        ("packing", 3),
        ("packing", 32),
        ("chunks", 0),
        ("chunks", 2),
        ("threshold", 1),
        ("minQualified", 3),
        ("noiseRounds", 0),
        ("candidates", 1),
        ("beaconDelay", 1),
        ("beaconDelay", 201),
        ("fractionalBits", 0),
        ("fractionalBits", 65),
        ("minSamples", 0),
        ("maxSamples", 0),
        ("anchorTime", 0),
        ("cumulativeTime", 0),
        ("aggregateTime", 0),
        ("unbondingTime", 7599),
        ("modelRule", 2),
        ("modelTime", 1),
        ("cloudPercent", 101),
        ("fogPercent", 91),
        ("silenceFee", 10**18),
        ("maxSilences", 0),
        ("claimTime", 86_399),
    ],
)
def test_parameters__one_out_of_bounds__is_named(name: str, value: int) -> None:
    assert set(refused(**{name: value})) == {name}


def test_code__another_parameter_in_place_of_an_immutable__is_found(undisturbed: Case) -> None:
    """The mask is no hole: what stands there must be one of the task's own words."""
    runtime = undisturbed.artifacts.contract.runtime
    place = runtime.index(b"\x7f" + bytes(32)) + 1
    accounts = dict(undisturbed.record.accounts)
    own = accounts[undisturbed.record.contract]
    code = own.code[:place] + (12345).to_bytes(32, "big") + own.code[place + 32 :]
    accounts[undisturbed.record.contract] = replace(own, code=code, proof=None)
    fields = [finding.field for finding in undisturbed.findings(accounts=accounts)]
    assert fields == [f"ContractS.code immutable at {place}"]


def test_creation__with_other_code__is_found(undisturbed: Case) -> None:
    artifacts = undisturbed.artifacts
    creation = artifacts.contract.creation[:-1] + b"?"
    other = replace(artifacts, contract=replace(artifacts.contract, creation=creation))
    fields = [f.field for f in replace(undisturbed, artifacts=other).audit().checks.findings]
    assert fields == ["creation.code"]


@pytest.mark.parametrize("name", ["contract", "verifier", "noise_sampler", "judge", "extension"])
def test_code__compiled_otherwise__is_found(name: str, undisturbed: Case) -> None:
    artifacts = undisturbed.artifacts
    compiled = getattr(artifacts, name)
    for runtime in (compiled.runtime + b"?", compiled.runtime[:-1] + b"?"):
        other = replace(artifacts, **{name: replace(compiled, runtime=runtime)})
        findings = replace(undisturbed, artifacts=other).audit().checks.findings
        assert findings
        assert {f.place.part for f in findings} == {Part.CODE}


# ---- small things


def test_event__with_bytes_beside_its_values__is_refused(undisturbed: Case) -> None:
    abi = Abi(undisturbed.artifacts.contract.abi)
    topic = abi.event_topics["PoolFunded"]
    payer, amount = bytes(12) + b"\1" * 20, bytes(32)
    assert abi.event(Log(b"", (topic, payer), amount)).values["payer"] == b"\1" * 20
    for topics, data in (
        ((topic, payer), amount + b"\0"),
        ((topic, b"\1" * 32), amount),
        ((topic,), amount),
        ((), amount),
        ((b"\1" * 32, payer), amount),
    ):
        with pytest.raises(Undecodable):
            abi.event(Log(b"", topics, data))


def test_bitmap__and_its_members__are_inverse() -> None:
    members = {0, 3, 255, 256, 700}
    words = bitmap_of(members, 701)
    assert len(words) == word_count(701) == 3
    assert members_of(words) == members
    assert bitmap_of([], 0) == ()


def test_evaluate__vector__is_its_polynomial() -> None:
    vector = b"".join(n.to_bytes(32, "big") for n in (5, 7, 11))
    assert evaluate(vector, 3) == 5 + 7 * 3 + 11 * 9
    assert evaluate(b"\xff" * 32, 3) is None


def test_shown__values__are_short() -> None:
    assert shown(b"\1\2") == "0x0102"
    assert shown(bytes(100)).startswith("0x0000000000000000… (100 bytes, keccak 0x")
    assert shown((1, b"\1")) == "[1, 0x01]"
    assert shown(frozenset({3, 1})) == "{1, 3}"
