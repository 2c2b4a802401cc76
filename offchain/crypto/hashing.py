"""Keccak-256 with domain tags, in the form that Solidity reproduces.

`tagged(tag, a, b)` is `keccak256(abi.encodePacked(keccak256(tag), a, b))` with every part made of
32-byte words, which equals `abi.encode` of `bytes32` and `uint256` values.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, NewType

import numpy as np
import sha3  # type: ignore[import-untyped]

from offchain.crypto.errors import LengthError, RangeError
from offchain.crypto.kernels import keccak

WORD_BYTES: Final = 32
ADDRESS_BYTES: Final = 20
SCALAR_ORDER: Final = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001

Digest = NewType("Digest", bytes)
"""32 bytes of Keccak-256 output."""

_keccak = sha3.keccak_256
_ONE_BY_ONE: Final = 3  # messages up to which hashing side by side does not pay


def keccak256(data: bytes) -> Digest:
    """Return Keccak-256 of `data`."""
    digest: Digest = _keccak(data).digest()
    return digest


def keccak256_each(messages: Sequence[bytes]) -> list[Digest]:
    """Return Keccak-256 of each of many messages of one length, several at a time.

    Raises
    ------
    LengthError
        If the lengths differ.
    """
    if len(messages) <= _ONE_BY_ONE:
        return [keccak256(message) for message in messages]
    padding = _padding([len(message) for message in messages])
    return _digests(padding.join([*messages, b""]), len(messages))


def _padding(lengths: Sequence[int]) -> bytes:
    """What goes behind every one of many messages of one length."""
    for length in lengths:
        if length != lengths[0]:
            raise LengthError("message", length, lengths[0])
    missing = keccak.RATE - lengths[0] % keccak.RATE
    # 0x01, zeros, and 0x80 in the last byte, which may be the same one.
    return (1 | 0x80 << 8 * (missing - 1)).to_bytes(missing, "little")


def _digests(padded: bytes, count: int) -> list[Digest]:
    found = np.empty((count, WORD_BYTES // 8), np.uint64)
    keccak.digests(np.frombuffer(padded, np.uint64).reshape(count, -1), found)
    return [Digest(digest) for digest in found.view("V32").reshape(-1).tolist()]


def word(value: int) -> bytes:
    """Encode an unsigned integer as one 32-byte big-endian word.

    Raises
    ------
    RangeError
        If the value is negative or needs more than 256 bits.
    """
    if not 0 <= value < 1 << 256:
        raise RangeError("word", value, 0, (1 << 256) - 1)
    return value.to_bytes(WORD_BYTES, "big")


def address_word(address: bytes) -> bytes:
    """Pad a 20-byte Ethereum address on the left to one word.

    Raises
    ------
    LengthError
        If the address is not 20 bytes long.
    """
    if len(address) != ADDRESS_BYTES:
        raise LengthError("address", len(address), ADDRESS_BYTES)
    return bytes(WORD_BYTES - ADDRESS_BYTES) + address


def parse_digest(data: bytes, field: str = "digest") -> Digest:
    """Check that untrusted bytes have the length of a digest.

    Raises
    ------
    LengthError
        If there are not exactly 32 bytes.
    """
    if len(data) != WORD_BYTES:
        raise LengthError(field, len(data), WORD_BYTES)
    return Digest(bytes(data))


@lru_cache(maxsize=256)
def _tag_hash(tag: str) -> bytes:
    return keccak256(tag.encode())


def tagged(tag: str, *parts: bytes) -> Digest:
    """Hash parts under a domain tag.

    Parameters
    ----------
    tag
        Names what is hashed; one constant for each use.
    parts
        Whole 32-byte words. At most one part may vary in length for a given tag, or two different
        lists of parts could give one hash.

    Raises
    ------
    LengthError
        If a part is not a whole number of words.
    """
    return keccak256(b"".join(_tagged_parts(tag, parts)))


def tagged_each(tag: str, rows: Iterable[Sequence[bytes]]) -> list[Digest]:
    """Return `tagged(tag, *parts)` for each row of parts; their lengths must not differ by row.

    Raises
    ------
    LengthError
        If a part is not a whole number of words, or rows differ in length.
    """
    messages = [_tagged_parts(tag, parts) for parts in rows]
    if len(messages) <= _ONE_BY_ONE:
        return [keccak256(b"".join(parts)) for parts in messages]
    padding = _padding([sum(map(len, parts)) for parts in messages])
    # Long parts are copied once.
    pieces = [piece for parts in messages for piece in (*parts, padding)]
    return _digests(b"".join(pieces), len(messages))


def _tagged_parts(tag: str, parts: Sequence[bytes]) -> tuple[bytes, ...]:
    for part in parts:
        if len(part) % WORD_BYTES:
            raise LengthError(
                f"part of {tag!r}", len(part), -(-len(part) // WORD_BYTES) * WORD_BYTES
            )
    return (_tag_hash(tag), *parts)


def challenge(tag: str, *parts: bytes) -> int:
    """Return `tagged(...)` as an integer modulo the scalar field order."""
    return int.from_bytes(tagged(tag, *parts), "big") % SCALAR_ORDER
