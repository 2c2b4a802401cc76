"""The client of Contract S: calls, transactions, and errors that say what was refused."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils import keccak
from web3 import Web3

from offchain.chain.artifact import Artifact
from offchain.chain.contract import GAS_CAP, ContractS
from offchain.chain.errors import ChainError, TransactionReverted, WrongChain
from offchain.chain.translate import parameter_tuple
from offchain.protocol.eip712 import SigningKey
from tests.offchain.chain.builders import PARAMETERS, Canned, canned, revert
from tests.offchain.protocol.builders import signing_key

MEMBER = Web3.to_checksum_address(signing_key(72).address)


def test_client__of_a_deployed_contract__has_its_domain(contract: ContractS) -> None:
    assert bytes(contract.call("domainSeparator")) == contract.domain.separator
    assert contract.call("currentRound") == 0


def test_client__of_another_chain__refused(contract: ContractS) -> None:
    contract.require_chain(contract.chain_id)
    with pytest.raises(WrongChain) as caught:
        contract.require_chain(11_155_111)
    assert str(caught.value) == (
        f"chain id: the provider serves {contract.chain_id}, expected 11155111"
    )


def test_transaction__taken__says_what_it_cost(contract: ContractS, authority: SigningKey) -> None:
    mined = contract.transact(authority, "fundPool", value=5)
    assert (mined.function, mined.block) == ("fundPool", contract.web3.eth.block_number)
    assert 21_000 < mined.gas < GAS_CAP
    assert contract.call("accounting") == [0, 0, 5, 0]
    (event,) = contract.events(mined.block, mined.block)
    assert (event["event"], event["args"]["amount"]) == ("PoolFunded", 5)


@pytest.mark.parametrize(
    ("function", "arguments", "error", "values"),
    [
        ("openRound", (), "NoActiveCluster", ()),
        ("admitFog", (MEMBER,), "StakeTooLow", (MEMBER.lower(), 0, 1)),
        ("withdrawStake", (MEMBER,), "NoStake", (MEMBER.lower(),)),
        ("recordNoiseRoot", (3, bytes(32)), "NotFogOfCluster", None),
        ("claim", (MEMBER, []), "NothingToClaim", (MEMBER.lower(),)),
    ],
)
def test_transaction__refused__error_with_its_values(
    contract: ContractS,
    authority: SigningKey,
    function: str,
    arguments: tuple[Any, ...],
    error: str,
    values: tuple[object, ...] | None,
) -> None:
    with pytest.raises(TransactionReverted) as caught:
        contract.transact(authority, function, *arguments)
    assert (caught.value.function, caught.value.error) == (function, error)
    if values is not None:
        assert caught.value.arguments == values
        assert str(caught.value) == f"{function}: {error}({', '.join(map(str, values))})"


def test_transaction__refused_then_another__nonce_is_right(
    contract: ContractS, authority: SigningKey
) -> None:
    with pytest.raises(TransactionReverted):
        contract.transact(authority, "withdrawStake", MEMBER)
    contract.transact(authority, "fundPool", value=1)
    contract.transact(authority, "fundPool", value=1)
    assert contract.call("accounting")[2] == 2


def test_transaction__of_an_account_without_ether__own_error(contract: ContractS) -> None:
    with pytest.raises(ChainError, match="fundPool"):
        contract.transact(signing_key(73), "fundPool", value=1)


def test_view__refused__error_with_its_values(contract: ContractS) -> None:
    with pytest.raises(TransactionReverted) as caught:
        contract.call("round", 7)
    assert (caught.value.error, caught.value.arguments) == ("UnknownRound", (7,))


@pytest.mark.parametrize(
    ("changes", "model", "error", "arguments"),
    [
        ({"packing": 3}, 128, "ParameterOutOfRange", ("packing", 3)),
        ({"min_qualified": 3}, 128, "ParameterOutOfRange", ("minQualified", 3)),
        ({}, 127, "WrongLength", (127, 128)),
    ],
    ids=["packing", "min_qualified", "model"],
)
def test_deployment__refused__error_with_its_values(
    web3: Web3,
    artifact: Artifact,
    authority: SigningKey,
    changes: dict[str, int],
    model: int,
    error: str,
    arguments: tuple[object, ...],
) -> None:
    parameters = parameter_tuple(replace(PARAMETERS, **changes))
    with pytest.raises(TransactionReverted) as caught:
        ContractS.deploy(web3, artifact, authority, parameters, bytes(model))
    assert caught.value.function == "constructor"
    assert (caught.value.error, caught.value.arguments) == (error, arguments)


def selector(signature: str) -> str:
    return "0x" + keccak(text=signature)[:4].hex()


UNKNOWN_ROUND = selector("UnknownRound(uint256)")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (revert(UNKNOWN_ROUND + encode(["uint256"], [9]).hex()), "round: UnknownRound(9)"),
        (revert(selector("ParameterOutOfRange(string,uint256)") + "00"), "round: ParameterOut"),
        (revert(selector("NoSuchError()")), "round: ContractCustomError"),
        (revert("0x"), "round: ContractLogicError"),
        ({"code": -32000, "message": "node is tired"}, "round: Web3RPCError"),
    ],
    ids=["known", "cut_short", "unknown", "no_data", "no_revert"],
)
def test_error__of_any_kind__own_exception(
    artifact: Artifact, answer: dict[str, Any], text: str
) -> None:
    client = ContractS(canned(eth_call=answer), bytes(20), artifact.abi)
    with pytest.raises(TransactionReverted) as caught:
        client.call("round", 9)
    assert str(caught.value).startswith(text)


def test_error__bytes_among_its_values__in_hexadecimal(artifact: Artifact) -> None:
    data = selector("FalseAttestation(bytes32)") + bytes(range(32)).hex()
    client = ContractS(canned(eth_call=revert(data)), bytes(20), artifact.abi)
    with pytest.raises(TransactionReverted) as caught:
        client.call("round", 9)
    assert str(caught.value) == f"round: FalseAttestation(0x{bytes(range(32)).hex()})"


def test_events__of_an_unknown_topic__own_error(artifact: Artifact) -> None:
    log = {
        "address": "0x" + "00" * 20,
        "topics": ["0x" + "11" * 32],
        "data": "0x",
        "blockNumber": "0x1",
        "transactionHash": "0x" + "22" * 32,
        "transactionIndex": "0x0",
        "blockHash": "0x" + "33" * 32,
        "logIndex": "0x0",
        "removed": False,
    }
    client = ContractS(canned(eth_getLogs=[log]), bytes(20), artifact.abi)
    with pytest.raises(ChainError, match="none of Contract S"):
        list(client.events(0, 1))


def test_transaction__reverted_when_mined__own_error(artifact: Artifact) -> None:
    """The estimate was fine; in the block it is not any more."""
    receipt = {
        "status": "0x0",
        "gasUsed": "0x1",
        "blockNumber": "0x1",
        "contractAddress": None,
        "logs": [],
        "transactionHash": "0x" + "22" * 32,
    }
    node = canned(
        eth_estimateGas="0x5208",
        eth_getTransactionCount="0x0",
        eth_getBlockByNumber={"baseFeePerGas": "0x0"},
        eth_maxPriorityFeePerGas="0x0",
        eth_sendRawTransaction="0x" + "22" * 32,
        eth_getTransactionReceipt=receipt,
    )
    client = ContractS(node, bytes(20), artifact.abi)
    with pytest.raises(TransactionReverted, match="fundPool: reverted when mined"):
        client.transact(signing_key(73), "fundPool")
    provider = node.provider
    assert isinstance(provider, Canned)
    provider.answers["eth_getTransactionReceipt"] = receipt | {"status": "0x1"}
    assert client.transact(signing_key(73), "fundPool").gas == 1


def test_artifact__without_code__refused() -> None:
    class NoCode:
        name = "IContractS"
        deployment_bytecode = None
        abi = ()

    with pytest.raises(ChainError, match="IContractS: has no creation code"):
        Artifact.of(SimpleNamespace(ContractS=SimpleNamespace(contract_type=NoCode())))
