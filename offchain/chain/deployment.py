"""Deploying Contract S with a record, so that doing it again does nothing, and half of it goes on.

Every transaction's nonce and hash are in the record before it is sent: a run that was interrupted,
wherever, finds what it had sent and does not deploy twice.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eth_account import Account
from web3 import Web3
from web3.exceptions import TransactionNotFound, Web3Exception

from offchain.chain.code import Source, created_address
from offchain.chain.contract import GAS_CAP, GAS_MARGIN, wait_mined
from offchain.chain.errors import ChainError, TransactionReverted, WrongChain
from offchain.chain.translate import checksum, parameter_tuple
from offchain.protocol.eip712 import SigningKey
from offchain.protocol.role import TaskParameters


class DeploymentRecord:
    """What is known of a deployment, on disk after every step.

    Parameters
    ----------
    path
        JSON file; made when it is missing.

    Raises
    ------
    ChainError
        When it is no record.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.content: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        except (OSError, ValueError) as error:
            raise ChainError(f"{path}: no deployment record: {error}") from None

    def put(self, **values: Any) -> None:
        """Add to it."""
        self.content |= values
        beside = self.path.with_name(f".{self.path.name}.new")
        beside.write_text(json.dumps(self.content, indent=1) + "\n")
        beside.replace(self.path)

    def require(self, name: str, value: Any) -> None:
        """Check that this is the record of the same deployment, and note it.

        Raises
        ------
        ChainError
            When the record has another value.
        """
        found = self.content.get(name, value)
        if found != value:
            raise ChainError(
                f"{self.path}: its {name} is {found}, now it is {value}: another deployment; "
                "use another folder"
            )
        self.put(**{name: value})

    def part(self, name: str) -> dict[str, Any]:
        """What is known of one contract."""
        found: dict[str, Any] = self.content.get(name, {})
        return found

    def _bytes(self, name: str, field: str) -> bytes:
        try:
            return bytes.fromhex(self.part(name)[field].removeprefix("0x"))
        except KeyError:
            raise ChainError(f"{self.path}: {name} is not deployed yet") from None

    @property
    def contract(self) -> bytes:
        """Address of S."""
        return self._bytes("contract", "address")

    @property
    def toolbox(self) -> bytes:
        """Address of its toolbox."""
        return self._bytes("toolbox", "address")

    @property
    def extension(self) -> bytes:
        """Address of its extension."""
        return self._bytes("extension", "address")

    @property
    def created_by(self) -> bytes:
        """Hash of the transaction that created S."""
        return self._bytes("contract", "transaction")

    @property
    def block(self) -> int:
        """Where S was created."""
        return int(self.part("contract")["block"])


def deploy(
    web3: Web3,
    source: Source,
    key: SigningKey,
    parameters: TaskParameters,
    model: bytes,
    record: DeploymentRecord,
) -> bool:
    """Deploy toolbox, extension and S, or what of them is still missing.

    Parameters
    ----------
    model
        Commitment to the initial model, 128 bytes a chunk.

    Returns
    -------
    bool
        Whether anything was deployed now.

    Raises
    ------
    TransactionReverted
        When the constructor refuses an argument, or the chain lacks a precompile.
    WrongChain, ChainError
        When the record is of another deployment.
    """
    chain_id = web3.eth.chain_id
    if record.content.get("chain_id", chain_id) != chain_id:
        raise WrongChain(
            f"{record.path}: deployed on chain {record.content['chain_id']}, this is {chain_id}"
        )
    record.require("chain_id", chain_id)
    record.require("authority", "0x" + key.address.hex())
    record.require("parameters", asdict(parameters))
    record.require("model", "0x" + model.hex())
    artifact = source.artifact
    first = _create(web3, key, "toolbox", artifact.toolbox, record)
    second = _create(web3, key, "extension", artifact.extension, record)
    factory = web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
    box = checksum(record.toolbox)
    more = checksum(record.extension)
    made = factory.constructor(parameter_tuple(parameters), model, box, more)
    creation = bytes.fromhex(made.data_in_transaction.removeprefix("0x"))
    third = _create(web3, key, "contract", creation, record)
    if third or "abi" not in record.content:
        record.put(abi=list(artifact.abi))
    return first or second or third


def _create(web3: Web3, key: SigningKey, name: str, data: bytes, record: DeploymentRecord) -> bool:
    part = record.part(name)
    if part.get("block") is not None:
        if not web3.eth.get_code(Web3.to_checksum_address(part["address"])):
            raise ChainError(
                f"{record.path}: the {name} of the record is not on this chain any more; "
                "was it reorganised, or started anew?"
            )
        return False
    sender = checksum(key.address)
    nonce = int(part.get("nonce", web3.eth.get_transaction_count(sender)))
    receipt = _receipt(web3, part)
    if receipt is None:
        signed = _sign(web3, key, name, data, nonce)
        made = created_address(key.address, nonce)
        raw, transaction = bytes(signed.raw_transaction), "0x" + bytes(signed.hash).hex()
        part = {"nonce": nonce, "transaction": transaction, "address": "0x" + made.hex()}
        record.put(**{name: part})
        web3.eth.send_raw_transaction(raw)
        receipt = wait_mined(web3, signed.hash, name)
    if receipt["status"] != 1:
        raise TransactionReverted("constructor", f"{name}: reverted when mined")
    record.put(
        **{name: {**part, "block": int(receipt["blockNumber"]), "gas": int(receipt["gasUsed"])}}
    )
    return True


def _receipt(web3: Web3, part: dict[str, Any]) -> Any:
    if "transaction" not in part:
        return None
    try:
        return web3.eth.get_transaction_receipt(part["transaction"])
    except TransactionNotFound:
        return None


def _sign(web3: Web3, key: SigningKey, name: str, data: bytes, nonce: int) -> Any:
    sender = checksum(key.address)
    request: Any = {"from": sender, "data": data, "value": 0}
    try:
        gas = min(int(web3.eth.estimate_gas(request) * GAS_MARGIN), GAS_CAP)
    except Web3Exception as error:
        raise TransactionReverted("constructor", f"{name}: {error}"[:300]) from None
    tip = int(web3.eth.max_priority_fee)
    base = int(web3.eth.get_block("latest").get("baseFeePerGas", 0))
    return Account.sign_transaction(
        {
            "data": data,
            "value": 0,
            "nonce": nonce,
            "gas": gas,
            "maxFeePerGas": 2 * base + tip,
            "maxPriorityFeePerGas": tip,
            "chainId": web3.eth.chain_id,
            "type": 2,
        },
        key.secret(),
    )
