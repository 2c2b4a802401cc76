"""The audit's own arithmetic: hashes of the specification's section 1, signatures, openings.

Only the curve's operations and Keccak are shared with the rest of the project. Results of checks
that cost milliseconds are remembered: an audit asks some of them twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from offchain.audit.ethereum import Malformed, recover
from offchain.crypto import curve
from offchain.crypto.attestation import hash_to_g2
from offchain.crypto.ceremony import default_ceremony
from offchain.crypto.curve import G1
from offchain.crypto.errors import CryptoError
from offchain.crypto.hashing import keccak256

ORDER: Final = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
POINT_BYTES: Final = 128
SIGNATURE_BYTES: Final = 65
WORD_BITS: Final = 256

Word = int | bytes


def word(value: Word) -> bytes:
    """Return a number, or at most 32 bytes padded on the left, as one word."""
    return value.to_bytes(32, "big") if isinstance(value, int) else value.rjust(32, b"\0")


def tagged(tag: str, *words: Word) -> bytes:
    """Return ``keccak(keccak(tag) || words)``."""
    return keccak256(keccak256(tag.encode()) + b"".join(word(w) for w in words))


def challenge(tag: str, *words: Word) -> int:
    """Return a tagged hash modulo the group order."""
    return int.from_bytes(tagged(tag, *words), "big") % ORDER


# ---- EIP-712


def domain_separator(chain_id: int, contract: bytes) -> bytes:
    """Return the domain separator of S."""
    kind = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    parts = (keccak256(kind), keccak256(b"Verifog"), keccak256(b"1"), chain_id, contract)
    return keccak256(b"".join(word(part) for part in parts))


def typed_signer(domain: bytes, kind: str, words: Sequence[Word], signature: bytes) -> bytes | None:
    """Return who signed an EIP-712 struct of static fields; None if nobody did."""
    if len(signature) != SIGNATURE_BYTES:
        return None
    struct = keccak256(keccak256(kind.encode()) + b"".join(word(w) for w in words))
    digest = keccak256(b"\x19\x01" + domain + struct)
    try:
        return recover(digest, signature[:64], signature[64] - 27)
    except Malformed:
        return None


# ---- bitmaps


def members_of(words: Iterable[int]) -> frozenset[int]:
    """Return the set bits of a bitmap, 256 to a word."""
    return frozenset(
        WORD_BITS * place + bit
        for place, value in enumerate(words)
        for bit in range(value.bit_length())
        if value >> bit & 1
    )


def bitmap_of(members: Iterable[int], count: int) -> tuple[int, ...]:
    """Return a bitmap of ``count`` bits, or of more if a member lies beyond."""
    listed = list(members)
    words = [0] * word_count(max([count, *(member + 1 for member in listed)]))
    for member in listed:
        words[member // WORD_BITS] |= 1 << (member % WORD_BITS)
    return tuple(words)


def word_count(bits: int) -> int:
    """Return how many words hold so many bits."""
    return -(-bits // WORD_BITS)


def bitmap_digest(words: Iterable[int]) -> bytes:
    """Return Keccak-256 of the concatenated words."""
    return keccak256(b"".join(word(value) for value in words))


# ---- points


@lru_cache(maxsize=65536)
def parse_points(data: bytes, count: int, *, infinity: bool = False) -> tuple[G1, ...] | None:
    """Return points of the group from 128 bytes each; None if there are not just that many."""
    if len(data) != POINT_BYTES * count:
        return None
    pieces = [data[i : i + POINT_BYTES] for i in range(0, len(data), POINT_BYTES)]
    try:
        return tuple(curve.parse_g1_eip2537(piece, infinity=infinity) for piece in pieces)
    except CryptoError:
        return None


def encode_points(points: Iterable[G1]) -> bytes:
    """Return points in 128 bytes each."""
    return b"".join(curve.g1_to_eip2537(point) for point in points)


def add_points(a: Sequence[G1], b: Sequence[G1]) -> tuple[G1, ...]:
    """Add two commitments, point by point."""
    return tuple(x + y for x, y in zip(a, b, strict=True))


def subtract_multiple(a: Sequence[G1], b: Sequence[G1], factor: int) -> tuple[G1, ...]:
    """Return ``a - factor b``, point by point."""
    scalar = curve.to_scalar(factor)
    return tuple(x - y * scalar for x, y in zip(a, b, strict=True))


def commit(slots: Sequence[int], capacity: int) -> tuple[G1, ...]:
    """Commit to a vector over the powers of the ceremony, one plain sum of products a chunk."""
    powers = default_ceremony().g1[:capacity]
    return tuple(
        curve.msm_g1(powers[: len(chunk)], chunk)
        for chunk in (slots[i : i + capacity] for i in range(0, len(slots), capacity))
    )


# ---- checks by pairing


@lru_cache(maxsize=65536)
def opens(commitments: bytes, capacity: int, z: int, y: int, proof: bytes) -> bool:
    """Whether the vector committed to in chunks takes the value y at z.

    Checks ``e(C - [y] + z proof, [1]) = e(proof, [tau])`` with ``C = sum_c z^(D c) COM_c``.

    Parameters
    ----------
    commitments
        128 bytes a chunk.
    proof
        48 bytes, compressed.
    """
    points = parse_points(commitments, len(commitments) // POINT_BYTES, infinity=True)
    if points is None or not 0 <= y < ORDER:
        return False
    try:
        quotient = curve.parse_g1(proof, infinity=True)
    except CryptoError:
        return False
    step = pow(z, capacity, ORDER)
    scalars = [pow(step, c, ORDER) for c in range(len(points))]
    left = curve.msm_g1(
        [*points, quotient, curve.G1_GENERATOR], [*scalars, z % ORDER, (ORDER - y) % ORDER]
    )
    one, tau = default_ceremony().g2
    return curve.pairing_product_is_one([(left, one), (-quotient, tau)], fixed=True)


@lru_cache(maxsize=65536)
def is_signed(keys: tuple[bytes, ...], message: bytes, signature: bytes) -> bool:
    """Whether a BLS signature (256 bytes) on 32 bytes is that of all keys (128 bytes each)."""
    parsed = parse_points(b"".join(keys), len(keys))
    if parsed is None or len(message) != 32:
        return False
    try:
        point = curve.parse_g2_eip2537(signature)
    except CryptoError:
        return False
    key = curve.sum_g1(parsed)
    if key == curve.G1_INFINITY:
        return False
    return curve.pairing_product_is_one([(key, hash_to_g2(message)), (-curve.G1_GENERATOR, point)])


def evaluate(vector: bytes, z: int) -> int | None:
    """Return ``sum_j vector_j z^j`` over 32-byte elements; None if one is not below the order."""
    value = 0
    for start in reversed(range(0, len(vector) - len(vector) % 32, 32)):
        element = int.from_bytes(vector[start : start + 32], "big")
        if element >= ORDER:
            return None
        value = (value * z + element) % ORDER
    return value
