"""Deploying twice deploys once; a node finds other code than the compiled one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from web3 import Web3

from offchain.chain.code import CodeDiffers, Source, require_code, require_creation
from offchain.chain.contract import ContractS
from offchain.chain.deployment import DeploymentRecord, deploy
from offchain.chain.errors import ChainError
from offchain.protocol.eip712 import SigningKey
from offchain.protocol.role import TaskParameters
from tests.offchain.protocol.builders import task

MODEL = bytes(128)
PARAMETERS = task().parameters


@pytest.fixture(scope="module")
def source(project: Any) -> Source:
    made = Source.of(project)
    assert Source.from_json(made.to_json()) == made
    return made


@pytest.fixture
def record(tmp_path: Path) -> DeploymentRecord:
    return DeploymentRecord(tmp_path / "deployment.json")


def _deploy(web3: Web3, source: Source, key: SigningKey, record: DeploymentRecord) -> bool:
    return deploy(web3, source, key, PARAMETERS, MODEL, record)


def _check(contract: ContractS, source: Source, record: DeploymentRecord) -> None:
    require_code(contract, source, record.toolbox, PARAMETERS)


def test_deploy__twice__second_does_nothing(
    web3: Web3, source: Source, authority: SigningKey, record: DeploymentRecord
) -> None:
    assert _deploy(web3, source, authority, record)
    again = DeploymentRecord(record.path)
    block = web3.eth.block_number
    assert not _deploy(web3, source, authority, again)
    assert web3.eth.block_number == block
    contract = ContractS(web3, again.contract, source.artifact.abi, again.block)
    assert contract.call("authority") == Web3.to_checksum_address(authority.address)
    _check(contract, source, again)
    assert require_creation(contract, source, PARAMETERS, MODEL, again.toolbox, again.created_by)


@pytest.mark.parametrize("known", [("toolbox",), ("toolbox", "extension", "contract")])
def test_deploy__interrupted__goes_on_and_never_deploys_twice(
    web3: Web3,
    source: Source,
    authority: SigningKey,
    record: DeploymentRecord,
    known: tuple[str, ...],
) -> None:
    _deploy(web3, source, authority, record)
    half = DeploymentRecord(record.path)
    # What is on disk right after a transaction was sent: nonce and hash, no block.
    for name in ("toolbox", "extension", "contract"):
        part = half.content.pop(name)
        if name in known:
            part = {k: v for k, v in part.items() if k not in ("block", "gas")}
            half.content[name] = part
    half.put()
    sent = web3.eth.get_transaction_count(Web3.to_checksum_address(authority.address))
    again = DeploymentRecord(record.path)
    _deploy(web3, source, authority, again)
    more = web3.eth.get_transaction_count(Web3.to_checksum_address(authority.address)) - sent
    assert more == 3 - len(known)
    assert again.toolbox == record.toolbox


def test_deploy__other_parameters_or_chain__refused_with_the_record(
    web3: Web3, source: Source, authority: SigningKey, record: DeploymentRecord
) -> None:
    _deploy(web3, source, authority, record)
    other = replace(PARAMETERS, reward=PARAMETERS.reward + 1)
    with pytest.raises(ChainError, match=r"deployment\.json: its parameters"):
        deploy(web3, source, authority, other, MODEL, record)
    record.put(chain_id=5)
    with pytest.raises(ChainError, match="deployed on chain 5"):
        _deploy(web3, source, authority, record)


@pytest.mark.parametrize(
    "name", ["ContractS", "Toolbox", "Verifier", "NoiseSampler", "Judge", "Extension"]
)
def test_code__one_byte_of_any_part_differs__refused_by_name(
    web3: Web3, source: Source, authority: SigningKey, record: DeploymentRecord, name: str
) -> None:
    _deploy(web3, source, authority, record)
    contract = ContractS(web3, record.contract, source.artifact.abi, record.block)
    code = bytearray(source.runtime[name])
    code[40] ^= 1
    bent = replace(source, runtime={**source.runtime, name: bytes(code)})
    with pytest.raises(CodeDiffers, match=rf"{name} at 0x\w+: other code from byte 40"):
        _check(contract, bent, record)


def test_code__immutable_that_is_none_of_the_task__refused(
    web3: Web3, source: Source, authority: SigningKey, record: DeploymentRecord
) -> None:
    _deploy(web3, source, authority, record)
    contract = ContractS(web3, record.contract, source.artifact.abi, record.block)
    other: TaskParameters = replace(PARAMETERS, rate=PARAMETERS.rate + 1)
    with pytest.raises(CodeDiffers, match="is fixed at"):
        require_code(contract, source, record.toolbox, other)
    with pytest.raises(CodeDiffers, match="other code or arguments"):
        require_creation(contract, source, other, MODEL, record.toolbox, record.created_by)


def test_code__nothing_at_the_address__refused(
    web3: Web3, source: Source, authority: SigningKey, record: DeploymentRecord
) -> None:
    _deploy(web3, source, authority, record)
    contract = ContractS(web3, record.contract, source.artifact.abi, record.block)
    with pytest.raises(CodeDiffers, match="Toolbox: there is no contract at 0x0000"):
        require_code(contract, source, bytes(19) + b"\xff", PARAMETERS)
