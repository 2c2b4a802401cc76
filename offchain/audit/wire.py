"""From a provider's JSON to the bytes that Ethereum hashes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import rlp  # type: ignore[import-untyped]

from offchain.audit.errors import AuditError
from offchain.audit.ethereum import Header, integer_bytes

Json = Mapping[str, Any]

_HEADER: Final[Mapping[str, tuple[str, bool]]] = {  # name in JSON, whether it is a number
    "hash": ("hash", False),
    "parent_hash": ("parentHash", False),
    "ommers_hash": ("sha3Uncles", False),
    "beneficiary": ("miner", False),
    "state_root": ("stateRoot", False),
    "transactions_root": ("transactionsRoot", False),
    "receipts_root": ("receiptsRoot", False),
    "logs_bloom": ("logsBloom", False),
    "difficulty": ("difficulty", True),
    "number": ("number", True),
    "gas_limit": ("gasLimit", True),
    "gas_used": ("gasUsed", True),
    "timestamp": ("timestamp", True),
    "extra_data": ("extraData", False),
    "prevrandao": ("mixHash", False),
    "nonce": ("nonce", False),
    "base_fee": ("baseFeePerGas", True),
    "withdrawals_root": ("withdrawalsRoot", False),
    "blob_gas_used": ("blobGasUsed", True),
    "excess_blob_gas": ("excessBlobGas", True),
    "parent_beacon_root": ("parentBeaconBlockRoot", False),
    "requests_hash": ("requestsHash", False),
}
_FEES: Final = {
    0: ("gasPrice",),
    1: ("gasPrice",),
    2: ("maxPriorityFeePerGas", "maxFeePerGas"),
    3: ("maxPriorityFeePerGas", "maxFeePerGas"),
    4: ("maxPriorityFeePerGas", "maxFeePerGas"),
}


def data_of(text: str) -> bytes:
    """Return the bytes of ``0x`` and hexadecimal digits."""
    return bytes.fromhex(text.removeprefix("0x"))


def number_of(text: str) -> int:
    """Return the number of ``0x`` and hexadecimal digits."""
    return int(text, 16)


def header_of(block: Json) -> Header:
    """Return a block's header.

    Raises
    ------
    AuditError
        When a field is missing or is no hexadecimal text.
    """
    values: dict[str, Any] = {}
    try:
        for name, (key, is_number) in _HEADER.items():
            text = block.get(key)
            if text is None:
                values[name] = None
            else:
                values[name] = number_of(text) if is_number else data_of(text)
    except (ValueError, AttributeError, TypeError) as error:
        raise AuditError(f"block {block.get('number')}: {error}") from error
    return Header(**values)


def encode_transaction(transaction: Json) -> bytes:
    """Return a signed transaction of type 0 to 4 as its block holds it.

    Raises
    ------
    AuditError
        When it is of another type, or a field is missing.
    """
    try:
        kind = number_of(transaction.get("type", "0x0"))
        if kind not in _FEES:
            raise AuditError(f"transaction {transaction['hash']}: unknown type {kind}")
        fields = _fields(kind, transaction)
    except (KeyError, ValueError) as error:
        raise AuditError(f"transaction {transaction.get('hash')}: {error}") from error
    return (bytes([kind]) if kind else b"") + bytes(rlp.encode(fields))


def _fields(kind: int, transaction: Json) -> list[Any]:
    def number(key: str) -> bytes:
        return integer_bytes(number_of(transaction[key]))

    recipient = transaction.get("to")
    fields: list[Any] = [number("chainId")] if kind else []
    fields += [number("nonce"), *(number(fee) for fee in _FEES[kind]), number("gas")]
    fields += [data_of(recipient or ""), number("value"), data_of(transaction["input"])]
    if kind:
        fields.append(
            [
                [data_of(entry["address"]), [data_of(key) for key in entry["storageKeys"]]]
                for entry in transaction["accessList"]
            ]
        )
    if kind == 3:
        fields.append(number("maxFeePerBlobGas"))
        fields.append([data_of(digest) for digest in transaction["blobVersionedHashes"]])
    if kind == 4:
        fields.append([_authorization(entry) for entry in transaction["authorizationList"]])
    parity = "yParity" if kind and "yParity" in transaction else "v"
    return [*fields, number(parity), number("r"), number("s")]


def _authorization(entry: Json) -> list[bytes]:
    numbers = {key: integer_bytes(number_of(entry[key])) for key in ("chainId", "nonce", "r", "s")}
    parity = integer_bytes(number_of(entry["yParity"]))
    address = data_of(entry["address"])
    return [numbers["chainId"], address, numbers["nonce"], parity, numbers["r"], numbers["s"]]


def encode_receipt(receipt: Json) -> bytes:
    """Return a receipt as its block's trie holds it.

    Raises
    ------
    AuditError
        When a field is missing.
    """
    try:
        kind = number_of(receipt.get("type", "0x0"))
        logs = [
            [data_of(log["address"]), [data_of(t) for t in log["topics"]], data_of(log["data"])]
            for log in receipt["logs"]
        ]
        fields = [
            integer_bytes(number_of(receipt["status"])),
            integer_bytes(number_of(receipt["cumulativeGasUsed"])),
            data_of(receipt["logsBloom"]),
            logs,
        ]
    except (KeyError, ValueError) as error:
        raise AuditError(f"receipt {receipt.get('transactionHash')}: {error}") from error
    return (bytes([kind]) if kind else b"") + bytes(rlp.encode(fields))
