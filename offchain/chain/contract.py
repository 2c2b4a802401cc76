"""Contract S as Python sees it: typed calls, events and errors over a web3 provider.

Ape chooses the network, compiles and deploys; calls then go to the provider directly, since a
transaction through Ape's own contract objects costs several times as much.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_account import Account
from eth_typing import HexStr
from eth_utils.abi import collapse_if_tuple, function_abi_to_4byte_selector
from hexbytes import HexBytes
from web3 import Web3
from web3.exceptions import (
    ContractCustomError,
    ContractLogicError,
    TransactionNotFound,
    Web3RPCError,
)
from web3.types import EventData, TxParams, TxReceipt

from offchain.chain.artifact import Artifact
from offchain.chain.errors import ChainError, TransactionReverted, WrongChain
from offchain.protocol.eip712 import Domain, SigningKey

GAS_CAP = 16_777_216  # of one transaction (EIP-7825)
PAYMENT_GAS = 21_000
AT_ONCE = 16  # transactions of one account that every node keeps before they are mined
WAIT = 600.0  # seconds for a transaction
_FIRST_PAUSE = 0.002
_LONGEST_PAUSE = 1.0
GAS_MARGIN = 1.25  # the estimate leaves nothing for the 63/64 rule at another warmth of storage


@dataclass(frozen=True)
class Mined:
    """A transaction that succeeded."""

    function: str
    gas: int
    block: int


@dataclass(frozen=True)
class Prepared:
    """A transaction without nonce, price and signature, and how much gas it may use."""

    function: str
    request: TxParams
    gas: int


def wait_mined(web3: Web3, sent: HexBytes, what: str, seconds: float = WAIT) -> TxReceipt:
    """Wait for a receipt, asking less and less often: public providers count requests.

    Raises
    ------
    ChainError
        When there is none in time.
    """
    until, pause = time.monotonic() + seconds, _FIRST_PAUSE
    while True:
        try:
            return web3.eth.get_transaction_receipt(sent)
        except TransactionNotFound:
            if time.monotonic() > until:
                raise ChainError(
                    f"{what}: transaction {sent.to_0x_hex()} is not mined after {seconds:g} s"
                ) from None
        time.sleep(pause)
        pause = min(1.5 * pause, _LONGEST_PAUSE)


class ContractS:
    """One deployed Contract S.

    Parameters
    ----------
    web3
        Provider of the chain.
    address
        20 bytes.
    abi
        The contract's ABI.
    deployed_at
        Block of the deployment: where its events begin.
    """

    def __init__(
        self, web3: Web3, address: bytes, abi: Sequence[dict[str, Any]], deployed_at: int = 0
    ) -> None:
        self.web3 = web3
        self.address = address
        self.deployed_at = deployed_at
        self.deployment_gas = 0  # known to the client that deployed it
        self.chain_id = web3.eth.chain_id
        self.domain = Domain(self.chain_id, address)
        self._contract = web3.eth.contract(address=Web3.to_checksum_address(address), abi=abi)
        self._errors = {
            function_abi_to_4byte_selector(entry): entry  # type: ignore[arg-type]
            for entry in abi
            if entry["type"] == "error"
        }
        self._events = {
            HexBytes(event.topic): event for event in self._contract.events if event.topic
        }
        self._nonces: dict[bytes, int] = {}

    @classmethod
    def deploy(
        cls,
        web3: Web3,
        artifact: Artifact,
        key: SigningKey,
        *arguments: Any,
    ) -> "ContractS":
        """Deploy a toolbox, an extension and S with them, and return the client of S.

        Parameters
        ----------
        arguments
            Of the constructor of S, but for these two.

        Raises
        ------
        TransactionReverted
            When the constructor refuses an argument or the chain.
        """
        self = cls(web3, bytes(20), artifact.abi)
        toolbox = self._create(key, HexBytes(artifact.toolbox))
        extension = self._create(key, HexBytes(artifact.extension))
        factory = web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
        creation = factory.constructor(
            *arguments, toolbox["contractAddress"], extension["contractAddress"]
        )
        receipt = self._create(key, creation.data_in_transaction)
        address = Web3.to_bytes(hexstr=receipt["contractAddress"])
        contract = cls(web3, address, artifact.abi, receipt["blockNumber"])
        made = (toolbox, extension, receipt)
        contract.deployment_gas = sum(one["gasUsed"] for one in made)
        return contract

    def _create(self, key: SigningKey, data: HexBytes) -> TxReceipt:
        request: TxParams = {"data": data, "value": Web3.to_wei(0, "wei")}
        sender = Web3.to_checksum_address(key.address)
        try:
            estimate = self.web3.eth.estimate_gas({"from": sender, **request})
        except (ContractCustomError, ContractLogicError, Web3RPCError) as error:
            raise self._reverted("constructor", error) from None
        gas = min(int(estimate * GAS_MARGIN), GAS_CAP)
        sent = self._submit(key, Prepared("constructor", request, gas))
        receipt = wait_mined(self.web3, sent, "constructor")
        if receipt["status"] != 1 or receipt["contractAddress"] is None:
            raise TransactionReverted("constructor", "reverted when mined")
        return receipt

    def require_chain(self, chain_id: int) -> None:
        """Check that the provider serves a chain.

        Raises
        ------
        WrongChain
            When it serves another.
        """
        if self.chain_id != chain_id:
            raise WrongChain(f"chain id: the provider serves {self.chain_id}, expected {chain_id}")

    def call(self, function: str, *arguments: Any) -> Any:
        """Call a view.

        Raises
        ------
        TransactionReverted
            When S reverts, with its custom error.
        """
        try:
            return self._contract.functions[function](*arguments).call()
        except (ContractCustomError, ContractLogicError, Web3RPCError) as error:
            raise self._reverted(function, error) from None

    def transact(self, key: SigningKey, function: str, *arguments: Any, value: int = 0) -> Mined:
        """Sign and send a transaction, and wait until it is mined.

        Raises
        ------
        TransactionReverted
            When S would revert or did.
        """
        return self.send_all(key, [self.prepare(key.address, function, *arguments, value=value)])[0]

    def send_all(self, key: SigningKey, prepared: Sequence[Prepared]) -> list[Mined]:
        """Sign and send transactions that do not need each other, and wait until all are mined.

        Raises
        ------
        TransactionReverted
            When the node does not take one, or S reverted it.
        """
        mined = []
        for start in range(0, len(prepared), AT_ONCE):
            batch = prepared[start : start + AT_ONCE]
            for one, sent in [(one, self._submit(key, one)) for one in batch]:
                receipt = wait_mined(self.web3, sent, one.function)
                if receipt["status"] != 1:
                    raise TransactionReverted(one.function, "reverted when mined")
                mined.append(Mined(one.function, receipt["gasUsed"], receipt["blockNumber"]))
        return mined

    def encode(self, function: str, *arguments: Any) -> HexStr:
        """Data of a call."""
        encoded: HexStr = self._contract.encode_abi(function, args=list(arguments))
        return encoded

    def prepare(self, sender: bytes, function: str, *arguments: Any, value: int = 0) -> Prepared:
        """A transaction that is still to be priced and signed.

        Raises
        ------
        TransactionReverted
            When S would revert.
        """
        request: TxParams = {
            "from": Web3.to_checksum_address(sender),
            "to": self._contract.address,
            "data": self.encode(function, *arguments),
            "value": Web3.to_wei(value, "wei"),
        }
        try:
            estimate = self.web3.eth.estimate_gas(request)
        except (ContractCustomError, ContractLogicError, Web3RPCError) as error:
            raise self._reverted(function, error) from None
        return Prepared(function, request, min(int(estimate * GAS_MARGIN), GAS_CAP))

    @staticmethod
    def payment(account: bytes, wei: int) -> Prepared:
        """Ether for an account."""
        request: TxParams = {
            "to": Web3.to_checksum_address(account),
            "data": HexStr("0x"),
            "value": Web3.to_wei(wei, "wei"),
        }
        return Prepared("payment", request, PAYMENT_GAS)

    def _submit(self, key: SigningKey, prepared: Prepared) -> HexBytes:
        request = prepared.request
        if key.address not in self._nonces:
            self._nonces[key.address] = self.web3.eth.get_transaction_count(
                Web3.to_checksum_address(key.address)
            )
        base_fee = self.web3.eth.get_block("latest").get("baseFeePerGas", 0)
        tip = self.web3.eth.max_priority_fee
        transaction = {
            **({"to": request["to"]} if "to" in request else {}),
            "data": request["data"],
            "value": request["value"],
            "nonce": self._nonces[key.address],
            "gas": prepared.gas,
            "maxFeePerGas": 2 * base_fee + tip,
            "maxPriorityFeePerGas": tip,
            "chainId": self.chain_id,
            "type": 2,
        }
        signed = Account.sign_transaction(transaction, key.secret())
        try:
            sent = self.web3.eth.send_raw_transaction(signed.raw_transaction)
        except Web3RPCError as error:  # the node does not take it: no ether, most likely
            raise self._reverted(prepared.function, error) from None
        self._nonces[key.address] += 1
        return HexBytes(sent)

    def events(self, from_block: int, to_block: int) -> Iterator[EventData]:
        """Decode the events of S in a range of blocks, in the order of the chain."""
        logs = self.web3.eth.get_logs(
            {
                "address": self._contract.address,
                "fromBlock": from_block,
                "toBlock": to_block,
            }
        )
        for log in logs:
            event = self._events.get(log["topics"][0])
            if event is None:
                raise ChainError(f"event: topic {log['topics'][0].hex()} is none of Contract S")
            yield event.process_log(log)

    def _reverted(self, function: str, error: Exception) -> TransactionReverted:
        data = getattr(error, "data", None)
        if isinstance(data, str) and data.startswith("0x") and len(data) >= 10:
            raw = bytes.fromhex(data[2:])
            entry = self._errors.get(raw[:4])
            if entry is not None:
                types = [collapse_if_tuple(dict(field)) for field in entry["inputs"]]
                try:
                    return TransactionReverted(function, entry["name"], decode(types, raw[4:]))
                except DecodingError:
                    return TransactionReverted(function, entry["name"])
        return TransactionReverted(function, f"{type(error).__name__}: {error}"[:200])
