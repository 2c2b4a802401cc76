"""Ethereum's encodings against eth-account and py-evm, which compute them another way."""

from __future__ import annotations

from typing import Any

import pytest
import rlp
from eth.db.trie import make_trie_root_and_nodes
from eth_account import Account
from eth_account.typed_transactions import TypedTransaction
from eth_utils import keccak, to_checksum_address

from offchain.audit.errors import AuditError
from offchain.audit.ethereum import (
    Malformed,
    OrderedTrie,
    created_address,
    decode_receipt,
    decode_transaction,
    index_key,
    proven_value,
    recover,
)
from offchain.audit.wire import encode_receipt, encode_transaction

KEY = "0x" + "17" * 32
SENDER = Account.from_key(KEY)
TO = to_checksum_address("0x" + "ab" * 20)
ACCESS = [{"address": TO, "storageKeys": ["0x" + "01" * 32]}]
COMMON: dict[str, Any] = {"nonce": 7, "gas": 90_000, "to": TO, "value": 5, "data": "0x0102"}
FEES = {"maxFeePerGas": 9, "maxPriorityFeePerGas": 2}


class Item(bytes):
    """What py-evm puts into a trie."""

    def encode(self) -> bytes:
        return bytes(self)


def authorization() -> Any:
    return SENDER.sign_authorization({"chainId": 1, "address": TO, "nonce": 0})


def transactions() -> dict[str, dict[str, Any]]:
    return {
        "legacy": {**COMMON, "gasPrice": 3},
        "eip155": {**COMMON, "gasPrice": 3, "chainId": 1},
        "access list": {**COMMON, "type": 1, "gasPrice": 3, "chainId": 1, "accessList": ACCESS},
        "fees": {**COMMON, "type": 2, "chainId": 1, **FEES, "accessList": ACCESS},
        "creation": {**COMMON, "type": 2, "chainId": 1, **FEES, "to": "", "nonce": 0},
        "set code": {
            **COMMON,
            "type": 4,
            "chainId": 1,
            **FEES,
            "authorizationList": [authorization()],
        },
    }


KINDS = list(transactions())


@pytest.mark.parametrize("kind", KINDS)
def test_transaction__signed_by_eth_account__decodes_to_its_sender_and_call(kind: str) -> None:
    fields = transactions()[kind]
    signed = SENDER.sign_transaction(fields)
    decoded = decode_transaction(bytes(signed.raw_transaction))
    assert decoded.sender == bytes.fromhex(SENDER.address[2:])
    assert decoded.recipient == (bytes.fromhex(TO[2:]) if fields["to"] else None)
    assert (decoded.nonce, decoded.value, decoded.data) == (fields["nonce"], 5, b"\1\2")


@pytest.mark.parametrize("kind", KINDS)
def test_transaction__told_by_a_provider__encodes_to_what_was_signed(kind: str) -> None:
    fields = transactions()[kind]
    signed = SENDER.sign_transaction(fields)
    told = {
        "hash": "0x" + signed.hash.hex(),
        "type": hex(fields.get("type", 0)),
        "to": fields["to"] or None,
        "input": fields["data"],
        "accessList": fields.get("accessList", []),
        **{name: hex(fields[name]) for name in ("nonce", "gas", "value")},
        **{name: hex(fields[name]) for name in ("gasPrice", "chainId", *FEES) if name in fields},
        **{name: hex(getattr(signed, name)) for name in ("v", "r", "s")},
    }
    if kind == "set code":
        told["authorizationList"] = [
            {
                "chainId": hex(a.chain_id),
                "address": "0x" + bytes(a.address).hex(),
                "nonce": hex(a.nonce),
                **{name: hex(getattr(a, name)) for name in ("r", "s")},
                "yParity": hex(a.y_parity),
            }
            for a in fields["authorizationList"]
        ]
    encoded = encode_transaction(told)
    assert encoded == bytes(signed.raw_transaction)
    assert keccak(encoded) == bytes(signed.hash)


def test_transaction__with_blobs__encodes_to_what_is_hashed() -> None:
    fields = {
        **COMMON,
        "type": 3,
        "chainId": 1,
        **FEES,
        "accessList": ACCESS,
        "maxFeePerBlobGas": 4,
        "blobVersionedHashes": ["0x01" + "02" * 31],
    }
    unsigned = TypedTransaction.from_dict(fields)
    signature = SENDER.unsafe_sign_hash(unsigned.hash())
    told = {
        "hash": "0x",
        "type": "0x3",
        "to": TO,
        "input": "0x0102",
        "accessList": ACCESS,
        **{name: hex(fields[name]) for name in ("nonce", "gas", "value", "chainId", *FEES)},
        "maxFeePerBlobGas": "0x4",
        "blobVersionedHashes": fields["blobVersionedHashes"],
        "yParity": hex(signature.v - 27),
        "r": hex(signature.r),
        "s": hex(signature.s),
    }
    assert decode_transaction(encode_transaction(told)).sender == bytes.fromhex(SENDER.address[2:])


def test_transaction__of_an_unknown_type__is_refused() -> None:
    with pytest.raises(AuditError, match="unknown type 126"):
        encode_transaction({"hash": "0x00", "type": "0x7e"})
    with pytest.raises(Malformed):
        decode_transaction(b"\x7e" + rlp.encode([b""] * 9))


@pytest.mark.parametrize("encoded", [b"", b"\x02", b"\x02\xc0", b"\xff" * 40, b"\xc1\xc0"])
def test_decode__bytes_that_are_nothing__are_refused(encoded: bytes) -> None:
    with pytest.raises(Malformed):
        decode_transaction(encoded)
    with pytest.raises(Malformed):
        decode_receipt(encoded)


def test_recover__upper_half_of_the_order__is_refused() -> None:
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    digest = keccak(b"message")
    signed = SENDER.unsafe_sign_hash(digest)
    r, low = signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big")
    assert recover(digest, r + low, signed.v - 27) == bytes.fromhex(SENDER.address[2:])
    with pytest.raises(Malformed, match="upper half"):
        recover(digest, r + (order - signed.s).to_bytes(32, "big"), 28 - signed.v)


def test_receipt__told_by_a_provider__encodes_and_decodes() -> None:
    log = {"address": TO, "topics": ["0x" + "05" * 32], "data": "0x07"}
    told = {
        "type": "0x2",
        "status": "0x1",
        "cumulativeGasUsed": "0x5208",
        "logsBloom": "0x" + "00" * 256,
        "logs": [log],
    }
    encoded = encode_receipt(told)
    assert encoded[0] == 2
    decoded = decode_receipt(encoded)
    assert decoded.succeeded
    assert decoded.logs[0].address == bytes.fromhex(TO[2:])
    assert (decoded.logs[0].topics, decoded.logs[0].data) == ((b"\5" * 32,), b"\7")
    assert not decode_receipt(encode_receipt({**told, "status": "0x0"})).succeeded


@pytest.mark.parametrize("count", [1, 2, 17, 130, 300])
def test_trie__of_a_block__has_the_root_of_py_evm_and_proves_each_item(count: int) -> None:
    items = [bytes([i % 251]) * (40 + i) for i in range(count)]
    trie = OrderedTrie(items)
    assert trie.root == make_trie_root_and_nodes([Item(item) for item in items])[0]
    for index in {0, count // 2, count - 1}:
        proof = trie.proof(index)
        assert proven_value(trie.root, index_key(index), proof) == items[index]
        assert proven_value(keccak(b"another root"), index_key(index), proof) is None
        assert proven_value(trie.root, index_key(index), proof[1:]) is None
        if count > 1:
            other = (index + 1) % count
            assert proven_value(trie.root, index_key(other), proof) != items[index]


def test_created_address__known_case__is_right() -> None:
    # The first contract of anvil's first account.
    creator = bytes.fromhex("f39fd6e51aad88f6f4ce6ab8827279cfffb92266")
    expected = "5fbdb2315678afecb367f032d93f642f64180aa3"
    assert created_address(creator, 0).hex() == expected


@pytest.mark.parametrize("count", [1, 20])
def test_proof__any_bit_of_a_node_flipped__shows_nothing_and_does_not_raise(count: int) -> None:
    trie = OrderedTrie([bytes([i]) * 40 for i in range(count)])
    proof = trie.proof(count // 2)
    for place, node in enumerate(proof):
        for bit in range(8 * len(node)):
            changed = bytearray(node)
            changed[bit // 8] ^= 1 << (bit % 8)
            altered = (*proof[:place], bytes(changed), *proof[place + 1 :])
            assert proven_value(trie.root, index_key(count // 2), altered) is None
