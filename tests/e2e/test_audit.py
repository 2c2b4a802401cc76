"""The audit and the check of a model file, as a user runs them against a node."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import ape
import pytest
from click.testing import CliRunner, Result
from web3 import Web3

from offchain.audit.committed import verify_model
from offchain.audit.errors import AuditError
from offchain.audit.run import audit
from offchain.audit.task import Artifacts
from offchain.chain.artifact import Artifact
from offchain.nodes.options import TrainOptions, plan
from offchain.nodes.training import TrainingRun
from offchain.reporting.model_file import encode_model
from scripts._public import artifacts as compiled
from scripts.audit import cli as audit_command

verify_command = importlib.import_module("scripts.verify-model").cli
ROOT = Path(__file__).parents[2]
# Forwards its calldata and value to the address in the middle, and reverts if that does.
FORWARDER = ("365f5f375f5f365f3473", "5af1602657" + "5f5ffd" + "5b00")


class Trained:
    """A finished run with drop-outs, and where it is."""

    def __init__(self, web3: Web3, folder: Path) -> None:
        options = TrainOptions(
            dataset="softsensor", devices=8, fogs=2, rounds=1, drop=0.15, seed=5, noise_rounds=2
        )
        artifact = Artifact.of(ape.project)
        run = TrainingRun(plan(options), web3, artifact)
        result = run.run()
        assert result.model is not None
        self.web3 = web3
        self.contract = run.contract
        self.rounds = len(result.record.rounds)
        self.model = folder / "model.json"
        self.model.write_bytes(encode_model(result.model))

    @property
    def address(self) -> str:
        return "0x" + self.contract.address.hex()

    @property
    def node(self) -> str:
        return str(self.web3.provider.endpoint_uri)


@pytest.fixture(scope="module")
def artifacts() -> Artifacts:
    return compiled()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return Trained(ape.networks.provider.web3, tmp_path_factory.mktemp("trained"))


def invoke(command: Any, *arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def test_audit__training_run_with_drop_outs__holds(trained: Trained) -> None:
    done = invoke(
        audit_command, trained.address, "--network", trained.node, "--model", str(trained.model)
    )
    assert done.exit_code == 0, done.output
    assert "Everything holds" in done.output
    assert done.output.count("settled") == trained.rounds
    assert f"the model after round {trained.rounds}, provisional" in " ".join(done.output.split())


def test_audit__altered_model_file__exits_with_1_and_names_the_field(
    trained: Trained, tmp_path: Path
) -> None:
    content = json.loads(trained.model.read_text())
    content["slots"][1] = "0x" + (5).to_bytes(32, "big").hex()
    altered = tmp_path / "model.json"
    altered.write_text(json.dumps(content))
    done = invoke(
        audit_command, trained.address, "--network", trained.node, "--model", str(altered)
    )
    assert done.exit_code == 1
    assert "model file: digest: found" in done.output
    assert "checks FAILED." in done.output


def test_audit__up_to_an_earlier_block__sees_the_task_as_it_was(
    trained: Trained, artifacts: Artifacts
) -> None:
    events = trained.contract.events(0, trained.web3.eth.block_number)
    settled = [e["blockNumber"] for e in events if e["event"] == "ResultAccepted"]
    for block in (settled[0], settled[1] - 1):
        record, audited = audit(trained.web3, trained.contract.address, artifacts, to_block=block)
        assert audited.checks.findings == []
        assert record.head == block
        assert audited.state is not None
        results = [r.result is not None for r in audited.state.rounds.values()]
        assert results.count(True) == 1


def test_audit__calls_through_another_contract__are_read_from_traces(
    trained: Trained, artifacts: Artifacts
) -> None:
    web3 = trained.web3
    code = bytes.fromhex(FORWARDER[0] + trained.address[2:] + FORWARDER[1])
    creation = bytes([0x60, len(code), 0x60, 0x0A, 0x5F, 0x39, 0x60, len(code), 0x5F, 0xF3]) + code
    payer = web3.eth.accounts[0]
    sent = web3.eth.send_transaction({"from": payer, "data": creation})
    forwarder = web3.eth.wait_for_transaction_receipt(sent)["contractAddress"]
    s = web3.eth.contract(abi=artifacts.contract.abi)
    for call in (s.encode_abi("fundPool"), s.encode_abi("depositStake", args=[payer])):
        sent = web3.eth.send_transaction(
            {"from": payer, "to": forwarder, "data": call, "value": 12_345}
        )
        assert web3.eth.wait_for_transaction_receipt(sent)["status"] == 1
    record, audited = audit(web3, trained.contract.address, artifacts)
    assert audited.checks.findings == []
    assert record.notes == ("calls of S by other contracts are known from traces only",)
    traced = [t.frames for t in record.transactions if t.frames is not None]
    assert [frame.value for (frame,) in traced] == [12_345, 12_345]
    assert {frame.sender for (frame,) in traced} == {bytes.fromhex(forwarder[2:])}


def test_audit__no_contract_there__is_one_line(trained: Trained) -> None:
    done = invoke(audit_command, "0x" + "11" * 20, "--network", trained.node)
    assert done.exit_code == 1
    assert done.output.startswith(f"Error: contract 0x{'11' * 20}: there is no code on chain")
    with pytest.raises(AuditError, match="the chain ends at"):
        audit(trained.web3, trained.contract.address, compiled(), to_block=10**9)


def test_audit__no_node_there__is_one_line() -> None:
    done = invoke(audit_command, "0x" + "11" * 20, "--network", "http://127.0.0.1:9")
    assert done.exit_code == 1
    assert done.output.startswith("Error: eth_blockNumber: the provider does not answer")


def test_verify_model__file_of_the_run__holds(trained: Trained, artifacts: Artifacts) -> None:
    done = invoke(verify_command, str(trained.model), "--network", trained.node)
    assert done.exit_code == 0, done.output
    assert "This is the model after round" in done.output
    verified = verify_model(trained.web3, artifacts, trained.model.read_bytes())
    assert verified.valid
    assert verified.verdict is not None
    assert verified.verdict.digest == bytes(trained.contract.call("modelDigest"))
    assert (verified.verdict.current, verified.verdict.provisional) == (True, True)


def test_verify_model__other_file__exits_with_1(trained: Trained, tmp_path: Path) -> None:
    altered = tmp_path / "model.json"
    altered.write_bytes(trained.model.read_bytes().replace(b'"round": ', b'"round":  ', 1))
    done = invoke(verify_command, str(altered), "--network", trained.node)
    assert done.exit_code == 1
    assert "model file: bytes" in done.output
    altered.write_bytes(b"\xff")
    done = invoke(verify_command, str(altered), "--network", trained.node)
    assert done.exit_code == 1
    assert "This is NOT a model that Contract S holds or held." in done.output


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "ape"), "run", *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_commands__json__print_the_verdict_and_nothing_else(trained: Trained) -> None:
    network = ("--network", trained.node, "--json")
    done = command("audit", trained.address, "--model", str(trained.model), *network)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["valid"], told["contract"]) == (True, trained.address)
    assert [r["valid"] for r in told["rounds"]] == [True] * trained.rounds
    done = command("verify-model", str(trained.model), *network)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"] == told["model"]
