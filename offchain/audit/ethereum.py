"""Headers, transactions and receipts as Ethereum encodes them, and proofs that a block holds them.

Everything is recomputed from encoded bytes: a header's hash, a transaction's hash and its sender,
and Merkle-Patricia proofs against the roots in a header.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Final

import rlp  # type: ignore[import-untyped]
from coincurve import PublicKey
from trie import HexaryTrie  # type: ignore[import-untyped]
from trie.exceptions import BadTrieProof, InvalidNode, ValidationError  # type: ignore[import-untyped]

from offchain.audit.errors import AuditError
from offchain.crypto.hashing import keccak256

ADDRESS_BYTES: Final = 20
_RECIPIENT: Final = {0: 3, 1: 4, 2: 5, 3: 5, 4: 5}  # its place, by type; value and data follow
_LENGTH: Final = {0: 9, 1: 11, 2: 12, 3: 14, 4: 13}
_LAST_LEGACY_TYPE: Final = 0xBF
_NO_PROOF: Final = (
    rlp.exceptions.RLPException,
    BadTrieProof,
    InvalidNode,
    ValidationError,
    ValueError,
    TypeError,
    IndexError,
)
_HALF_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


class Malformed(AuditError):
    """Bytes are no transaction, receipt or signature."""


def integer_bytes(value: int) -> bytes:
    """Return an unsigned integer in RLP's form: big-endian, no leading zero."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


@dataclass(frozen=True)
class Header:
    """A block's header, as the provider tells it; ``hash`` is what it says the header hashes to.

    Fields that a fork added later are None before it.
    """

    hash: bytes
    parent_hash: bytes
    ommers_hash: bytes
    beneficiary: bytes
    state_root: bytes
    transactions_root: bytes
    receipts_root: bytes
    logs_bloom: bytes
    difficulty: int
    number: int
    gas_limit: int
    gas_used: int
    timestamp: int
    extra_data: bytes
    prevrandao: bytes
    nonce: bytes
    base_fee: int | None
    withdrawals_root: bytes | None
    blob_gas_used: int | None
    excess_blob_gas: int | None
    parent_beacon_root: bytes | None
    requests_hash: bytes | None

    def computed_hash(self) -> bytes:
        """Return Keccak-256 of the header's RLP encoding."""
        return _header_hash(self)


@lru_cache(maxsize=4096)
def _header_hash(header: Header) -> bytes:
    values = [getattr(header, f.name) for f in fields(header) if f.name != "hash"]
    items = [integer_bytes(v) if isinstance(v, int) else v for v in values if v is not None]
    return keccak256(rlp.encode(items))


@dataclass(frozen=True)
class SignedTransaction:
    """What a signed transaction says, and who signed it."""

    sender: bytes
    recipient: bytes | None
    nonce: int
    value: int
    data: bytes


@dataclass(frozen=True)
class Log:
    """A log of a receipt."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True)
class Receipt:
    """What came of a transaction."""

    succeeded: bool
    logs: tuple[Log, ...]


def recover(digest: bytes, signature: bytes, parity: int) -> bytes:
    """Return the address whose key signed a digest.

    Parameters
    ----------
    signature
        64 bytes r, s.
    parity
        Of the nonce point's y, 0 or 1.

    Raises
    ------
    Malformed
        When no key fits, or s lies in the upper half of the order.
    """
    if len(signature) != 64 or parity not in (0, 1):
        raise Malformed("signature: 64 bytes and a parity of 0 or 1 expected")
    if int.from_bytes(signature[32:], "big") > _HALF_ORDER:
        raise Malformed("signature: s lies in the upper half of the order")
    try:
        key = PublicKey.from_signature_and_message(signature + bytes([parity]), digest, hasher=None)
    except ValueError as error:
        raise Malformed("signature: no public key fits") from error
    return keccak256(key.format(compressed=False)[1:])[-ADDRESS_BYTES:]


@lru_cache(maxsize=4096)
def decode_transaction(encoded: bytes) -> SignedTransaction:
    """Decode a signed transaction of type 0 to 4 and recover its sender.

    Raises
    ------
    Malformed
        When it is none of those.
    """
    try:
        kind = 0 if encoded[:1] > bytes([_LAST_LEGACY_TYPE]) else encoded[0]
        items: list[Any] = rlp.decode(encoded[1:] if kind else encoded)
        if len(items) != _LENGTH[kind]:
            raise Malformed(f"transaction of type {kind}: {len(items)} fields")
        place = _RECIPIENT[kind]
        parity, payload = _signed_payload(kind, items)
        signature = b"".join(item.rjust(32, b"\0") for item in items[-2:])
        sender = recover(keccak256(payload), signature, parity)
        nonce = int.from_bytes(items[0 if kind == 0 else 1], "big")
        value = int.from_bytes(items[place + 1], "big")
        return SignedTransaction(sender, items[place] or None, nonce, value, items[place + 2])
    except (rlp.exceptions.RLPException, KeyError, IndexError, TypeError, AttributeError) as error:
        raise Malformed(f"transaction: {error}") from error


def _signed_payload(kind: int, items: list[Any]) -> tuple[int, bytes]:
    """Return the signature's parity and the bytes that were signed."""
    v = int.from_bytes(items[-3], "big")
    if kind:
        return v, bytes([kind]) + rlp.encode(items[:-3])
    if v in (27, 28):
        return v - 27, rlp.encode(items[:-3])
    chain_id = integer_bytes((v - 35) // 2)  # EIP-155
    return (v - 35) % 2, rlp.encode([*items[:-3], chain_id, b"", b""])


@lru_cache(maxsize=4096)
def decode_receipt(encoded: bytes) -> Receipt:
    """Decode a receipt of any type.

    Raises
    ------
    Malformed
        When it is none.
    """
    try:
        typed = encoded[:1] <= bytes([_LAST_LEGACY_TYPE])
        status, _, _, logs = rlp.decode(encoded[1:] if typed else encoded)
        return Receipt(
            status == b"\x01",
            tuple(Log(address, tuple(topics), data) for address, topics, data in logs),
        )
    except (rlp.exceptions.RLPException, ValueError, TypeError) as error:
        raise Malformed(f"receipt: {error}") from error


def created_address(sender: bytes, nonce: int) -> bytes:
    """Return the address of a contract that an account creates with its n-th transaction."""
    return keccak256(rlp.encode([sender, integer_bytes(nonce)]))[-ADDRESS_BYTES:]


def account_leaf(nonce: int, balance: int, storage_root: bytes, code_hash: bytes) -> bytes:
    """Return what the state trie holds of an account."""
    return bytes(
        rlp.encode([integer_bytes(nonce), integer_bytes(balance), storage_root, code_hash])
    )


def index_key(index: int) -> bytes:
    """Return the key of the n-th item of a block's trie."""
    return bytes(rlp.encode(integer_bytes(index)))


class OrderedTrie:
    """The trie of a block's transactions or receipts, which gives a proof for each.

    Parameters
    ----------
    items
        Encoded, in the order of the block.
    """

    def __init__(self, items: Sequence[bytes]) -> None:
        self._trie = HexaryTrie({})
        for index, item in enumerate(items):
            self._trie[index_key(index)] = item

    @property
    def root(self) -> bytes:
        """The root hash."""
        return bytes(self._trie.root_hash)

    def proof(self, index: int) -> tuple[bytes, ...]:
        """Return the encoded nodes from the root to an item."""
        return tuple(rlp.encode(node) for node in self._trie.get_proof(index_key(index)))


@lru_cache(maxsize=4096)
def proven_value(root: bytes, key: bytes, proof: tuple[bytes, ...]) -> bytes | None:
    """Return the value that a proof shows at a key under a root; None if it shows nothing."""
    try:
        nodes = [rlp.decode(node) for node in proof]
        return bytes(HexaryTrie.get_from_proof(root, key, nodes)) or None
    except _NO_PROOF:
        return None
