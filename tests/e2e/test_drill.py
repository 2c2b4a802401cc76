"""Drills: a few cases in the minimal preset, all in the full one; and that a drill can fail."""

import importlib
import io
import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from web3 import Web3

from offchain.chain.artifact import Artifact
from offchain.nodes.drill import Drill
from offchain.nodes.drill_cases import CASES, FRAUDS, SILENCES, UnknownCase, case_named

drill_module = importlib.import_module("scripts.drill")
drill_command = drill_module.cli
MINIMAL = ("false-share", "only-cloud-keeps-result", "authority-gone")


@pytest.fixture(scope="module")
def drill(chain: object, web3: Web3, artifact: Artifact) -> Drill:
    return Drill(web3, artifact, drill_module.findings)


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in MINIMAL else pytest.mark.full) for n in CASES],
)
def test_case__played__goes_as_it_should(drill: Drill, name: str) -> None:
    outcome = drill.play(CASES[name])
    assert outcome.failures == ()
    assert outcome.honest
    assert outcome.audited
    fraud = CASES[name] in FRAUDS
    assert (outcome.stake_after == 0) == fraud
    fees = sum(said.endswith(" a fee") for said in outcome.enforced)
    assert fees == len(CASES[name].charged)
    assert (outcome.gas > 0) == fraud
    assert any(" proven" in said for said in outcome.enforced) == fraud


def test_cases__every_fraud_of_the_protocol_and_every_silence__are_there() -> None:
    assert {case.offence for case in FRAUDS} == {
        "FalseShare",
        "FalseWitness",
        "Equivocation",
        "FalseAnchor",
        "FalseNoise",
        "FalseResult",
        "FalseVector",
    }
    assert {case.offence for case in SILENCES} == {""}
    assert len(CASES) == len(FRAUDS) + len(SILENCES) >= 14


def test_case__that_nobody_reports__fails(drill: Drill) -> None:
    """An honest task, of which the drill is told that a device cheats in it."""
    case = replace(CASES["false-share"], plant=lambda stage: stage.devices[0][1])
    outcome = drill.play(case)
    assert not outcome.passed
    assert outcome.failures[0] == (
        "round 1: not the sum of [(0, 0), (0, 2), (0, 3), (0, 4)]"  # device 1 is in it
    )
    assert "offences: [], expected [('device 0.1', 'FalseShare')]" in outcome.failures
    assert "stake of device 0.1: 100000000000000000, expected 0" in outcome.failures
    assert not outcome.honest


def test_case__whose_audit_finds_something__fails(web3: Web3, artifact: Artifact) -> None:
    """Whatever else went as it should."""
    audits: list[bytes] = []

    def find(node: Web3, contract: bytes) -> list[str]:
        assert node.eth.get_code(Web3.to_checksum_address(contract))
        audits.append(contract)
        return ["Slashed.burnt: 1, expected 2"]

    outcome = Drill(web3, artifact, find).play(CASES["authority-gone"])
    assert outcome.failures == ("audit: Slashed.burnt: 1, expected 2",)
    assert not outcome.audited
    assert not outcome.passed
    assert len(audits) == 1


def test_case__unknown__named(drill: Drill) -> None:
    with pytest.raises(UnknownCase, match="--case: false-friend: none of false-share, "):
        case_named("false-friend")
    shown = CliRunner().invoke(drill_command, ["--case", "false-friend"])
    assert shown.exit_code == 1
    assert "false-friend" in shown.output


def test_command__list__names_and_tells_every_case() -> None:
    shown = CliRunner().invoke(drill_command, ["--list"])
    assert shown.exit_code == 0
    assert [line.split()[0] for line in shown.output.splitlines()] == list(CASES)


def test_outcomes__as_json_and_as_a_table__say_the_same(drill: Drill) -> None:
    module = drill_module
    outcome = drill.play(CASES["two-packets"])
    plain = json.loads(module.to_json([outcome]))
    assert plain["passed"] is True
    assert plain["cases"][0]["case"] == "two-packets"
    assert plain["cases"][0]["stake_before"] == str(10**17)
    assert plain["cases"][0]["stake_after"] == "0"
    failed = replace(outcome, failures=("something",))
    assert json.loads(module.to_json([outcome, failed]))["passed"] is False
    console = module.Console(record=True, width=120, file=io.StringIO())
    module.print_outcomes([outcome, failed], console)
    text = console.export_text()
    assert "0.1 → 0 ETH" in text
    assert "fog 0: reportEquivocation" in text
    assert "two-packets: something" in text
    assert "1 of 2 cases went as they should." in text
