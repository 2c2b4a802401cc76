"""Typed structured data (EIP-712): what every party signs, and who signed it."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

from coincurve import PrivateKey, PublicKey

from offchain.crypto.hashing import keccak256
from offchain.protocol.errors import BadSignature

NAME = "Verifog"
VERSION = "1"
_DOMAIN_TYPE = keccak256(
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
SIGNATURE_BYTES = 65


def word(value: int | bytes) -> bytes:
    """Encode an unsigned integer, an address or a bytes32 as one 32-byte word."""
    if isinstance(value, int):
        return value.to_bytes(32, "big")
    return value.rjust(32, b"\0")


@dataclass(frozen=True)
class Domain:
    """The EIP-712 domain of one Contract S on one chain."""

    chain_id: int
    contract: bytes

    @cached_property
    def separator(self) -> bytes:
        """The domain separator, as ``domainSeparator()`` of S returns it."""
        return keccak256(
            _DOMAIN_TYPE
            + keccak256(NAME.encode())
            + keccak256(VERSION.encode())
            + word(self.chain_id)
            + word(self.contract)
        )


@lru_cache(maxsize=64)
def _type_hash(type_string: str) -> bytes:
    return keccak256(type_string.encode())


def typed_digest(separator: bytes, type_string: str, words: tuple[int | bytes, ...]) -> bytes:
    """The digest to sign: ``keccak(0x1901 || domain || keccak(typehash || words))``."""
    struct = keccak256(_type_hash(type_string) + b"".join([word(w) for w in words]))
    return keccak256(b"\x19\x01" + separator + struct)


class SigningKey:
    """A secp256k1 key: an Ethereum account that signs messages. Never shows itself."""

    def __init__(self, secret: bytes) -> None:
        self._key = PrivateKey(secret)
        self.address = _address(self._key.public_key)

    def __repr__(self) -> str:
        return f"SigningKey(0x{self.address.hex()})"

    def secret(self) -> bytes:
        """The 32 bytes of the key, for signing transactions and for encrypted storage only."""
        return self._key.secret

    def sign(self, digest: bytes) -> bytes:
        """Sign a 32-byte digest; 65 bytes r, s, v with s in the lower half of the order."""
        signature = self._key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes([27 + signature[64]])


def _address(key: PublicKey) -> bytes:
    return keccak256(key.format(compressed=False)[1:])[-20:]


def recover(digest: bytes, signature: bytes) -> bytes:
    """The address that signed ``digest``.

    Raises
    ------
    BadSignature
        When the signature is malformed, not in the form with low s (EIP-2), or no key fits.
    """
    if len(signature) != SIGNATURE_BYTES or signature[64] not in (27, 28):
        raise BadSignature("signature: 65 bytes ending in 27 or 28 expected")
    if int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        raise BadSignature("signature: s lies in the upper half of the order")
    try:
        key = PublicKey.from_signature_and_message(
            signature[:64] + bytes([signature[64] - 27]), digest, hasher=None
        )
    except ValueError as error:
        raise BadSignature("signature: no public key fits") from error
    return _address(key)
