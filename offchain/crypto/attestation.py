"""BLS signatures on BLS12-381: keys in G1 (48 bytes), signatures in G2 (96 bytes).

Hash to curve is RFC 9380's with the tag that Solady's `BLS.hashToG2` uses, so that Contract S can
check an aggregate by one pairing product. Messages are 32-byte digests. Adding keys is safe only
among keys with proof of possession: a signature over a digest that names the key and its account.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from offchain.crypto import curve, pairing
from offchain.crypto.curve import G1, G1_BYTES, G2, G2_BYTES
from offchain.crypto.errors import (
    LengthError,
    RangeError,
    ScalarOverflowError,
    SignatureError,
)
from offchain.crypto.field import SCALAR_BYTES, R, scalar_bytes
from offchain.crypto.hashing import parse_digest
from offchain.crypto.opening import locate
from offchain.crypto.randomness import Randomness
from offchain.crypto.variable_base import sum_products

SIGNATURE_DST: Final = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_"


@dataclass(frozen=True, slots=True)
class BlsPublicKey:
    """A point of G1 other than infinity."""

    point: G1

    def to_bytes(self) -> bytes:
        """Return the compressed point, 48 bytes."""
        return curve.g1_to_bytes(self.point)

    def to_eip2537(self) -> bytes:
        """Return the point as the precompiles take it, 128 bytes."""
        return curve.g1_to_eip2537(self.point)


@dataclass(frozen=True, slots=True)
class BlsSignature:
    """A point of G2 other than infinity."""

    point: G2

    def to_bytes(self) -> bytes:
        """Return the compressed point, 96 bytes."""
        return curve.g2_to_bytes(self.point)

    def to_eip2537(self) -> bytes:
        """Return the point as the precompiles take it, 256 bytes."""
        return curve.g2_to_eip2537(self.point)


class BlsSecretKey:
    """A scalar from 1 to r - 1 that never shows in a repr."""

    __slots__ = ("_value",)

    def __init__(self, value: int) -> None:
        if not 1 <= value < R:
            raise ScalarOverflowError("BLS secret key", 0, "the group order, or is zero")
        self._value = value

    @staticmethod
    def draw(randomness: Randomness) -> BlsSecretKey:
        """Return a fresh key."""
        return BlsSecretKey(1 + randomness.below(R - 1))

    def to_bytes(self) -> bytes:
        """Return the secret, 32 bytes, to be stored on purpose."""
        return scalar_bytes(self._value)

    @property
    def public_key(self) -> BlsPublicKey:
        """The public key."""
        return BlsPublicKey(pairing.public_point(self._value))

    def sign(self, digest: bytes) -> BlsSignature:
        """Sign a 32-byte digest, in the same time for all keys where there is blst.

        Raises
        ------
        LengthError
            If the digest has another length.
        """
        return BlsSignature(
            pairing.sign(parse_digest(digest, "message"), SIGNATURE_DST, self._value)
        )

    def __repr__(self) -> str:
        return "BlsSecretKey(<hidden>)"

    def __reduce__(self) -> str:
        raise TypeError("a secret key is never serialised by pickling")


def parse_secret_key(data: bytes) -> BlsSecretKey:
    """Parse a secret key.

    Raises
    ------
    LengthError
        If there are not exactly 32 bytes.
    ScalarOverflowError
        If the value is zero or not below r.
    """
    if len(data) != SCALAR_BYTES:
        raise LengthError("BLS secret key", len(data), SCALAR_BYTES)
    return BlsSecretKey(int.from_bytes(data, "big"))


def parse_public_key(data: bytes) -> BlsPublicKey:
    """Parse a compressed public key; errors as `curve.parse_g1`, infinity refused."""
    if len(data) != G1_BYTES:
        raise LengthError("BLS public key", len(data), G1_BYTES)
    return BlsPublicKey(curve.parse_g1(data, field="BLS public key"))


def parse_signature(data: bytes) -> BlsSignature:
    """Parse a compressed signature; errors as `curve.parse_g2`, infinity refused."""
    if len(data) != G2_BYTES:
        raise LengthError("BLS signature", len(data), G2_BYTES)
    return BlsSignature(curve.parse_g2(data, field="BLS signature"))


def hash_to_g2(digest: bytes) -> G2:
    """Hash a 32-byte digest to G2.

    Raises
    ------
    LengthError
        If the digest has another length.
    """
    return pairing.hash_to_g2(parse_digest(digest, "message"), SIGNATURE_DST)


def verify(public_key: BlsPublicKey, digest: bytes, signature: BlsSignature) -> None:
    """Check one signature; with `aggregate_keys` and `aggregate`, many on one digest.

    Raises
    ------
    SignatureError
        If the signature is not valid.
    LengthError
        If the digest is not 32 bytes long.
    """
    if _is_infinite(public_key, signature) or not curve.pairing_product_is_one(
        [(public_key.point, hash_to_g2(digest)), (-curve.G1_GENERATOR, signature.point)]
    ):
        raise SignatureError("BLS signature is not valid")


def _is_infinite(public_key: BlsPublicKey, signature: BlsSignature) -> bool:
    """Sums of keys or signatures can cancel to infinity, which would verify anything."""
    return public_key.point == curve.G1_INFINITY or signature.point == curve.G2_INFINITY


SignedDigest = tuple[BlsPublicKey, bytes, BlsSignature]


def _holds(items: Sequence[SignedDigest], weights: Sequence[int]) -> bool:
    """Check prod e(sum r_i pk_i, H(m)) over the distinct m against e(g, sum r_i sig_i)."""
    if any(_is_infinite(public_key, signature) for public_key, _, signature in items):
        return False
    by_digest: dict[bytes, list[int]] = {}
    for i, (_, digest, _) in enumerate(items):
        by_digest.setdefault(digest, []).append(i)
    pairs = []
    for digest, group in by_digest.items():
        (keys,) = sum_products(([items[i][0].point for i in group], [weights[i] for i in group]))
        pairs.append((keys, hash_to_g2(digest)))
    total = curve.msm_g2([signature.point for _, _, signature in items], weights)
    return curve.pairing_product_is_one([*pairs, (-curve.G1_GENERATOR, total)])


def locate_bad_signatures(items: Sequence[SignedDigest], randomness: Randomness) -> list[int]:
    """Return the indices of invalid signatures; one pairing check where there is none.

    Parameters
    ----------
    items
        Public key, digest and signature of each.
    """

    def holds(indices: Sequence[int]) -> bool:
        weights = [randomness.coefficient() for _ in indices]
        return _holds([items[i] for i in indices], weights)

    return locate(len(items), holds)


def verify_batch(items: Sequence[SignedDigest], randomness: Randomness) -> None:
    """Check many signatures at once.

    Raises
    ------
    SignatureError
        If one is not valid; `locate_bad_signatures` tells which.
    """
    if items and not _holds(items, [randomness.coefficient() for _ in items]):
        raise SignatureError(f"a batch of {len(items)} BLS signatures does not hold")


def aggregate(signatures: Sequence[BlsSignature]) -> BlsSignature:
    """Add signatures.

    Raises
    ------
    RangeError
        If there is none.
    """
    if not signatures:
        raise RangeError("signatures", 0, 1, 2**32)
    return BlsSignature(curve.sum_g2([signature.point for signature in signatures]))


def aggregate_keys(keys: Sequence[BlsPublicKey]) -> BlsPublicKey:
    """Add public keys whose proofs of possession have been checked.

    Raises
    ------
    RangeError
        If there is none.
    """
    if not keys:
        raise RangeError("public keys", 0, 1, 2**32)
    return BlsPublicKey(curve.sum_g1([key.point for key in keys]))
