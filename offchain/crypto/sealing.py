"""Messages sealed to one recipient: X25519, HKDF-SHA256, ChaCha20-Poly1305.

A sealed message is the sender's ephemeral public key (32 bytes), then the ciphertext with its tag
(16 bytes more than the plain text). Key and nonce come from the shared secret, both public keys and
the associated data, which the recipient must know: altered context means no opening. Sealing hides;
who sent it is the business of the signature around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from offchain.crypto.errors import LengthError, NonCanonicalError, SealError
from offchain.crypto.hashing import keccak256
from offchain.crypto.randomness import Randomness

KEY_BYTES: Final = 32
TAG_BYTES: Final = 16
NONCE_BYTES: Final = 12
OVERHEAD_BYTES: Final = KEY_BYTES + TAG_BYTES
_INFO: Final = b"verifog sealed share v1"
_CURVE25519_FIELD: Final = 2**255 - 19


@dataclass(frozen=True, slots=True)
class SealingPublicKey:
    """An X25519 public key, 32 bytes, canonical and not of low order."""

    data: bytes


class SealingKey:
    """An X25519 secret key that never shows in a repr."""

    __slots__ = ("_key", "_public")

    def __init__(self, data: bytes) -> None:
        if len(data) != KEY_BYTES:
            raise LengthError("sealing key", len(data), KEY_BYTES)
        self._key = X25519PrivateKey.from_private_bytes(bytes(data))
        self._public = SealingPublicKey(self._key.public_key().public_bytes_raw())

    @staticmethod
    def draw(randomness: Randomness) -> SealingKey:
        """Return a fresh key."""
        return SealingKey(randomness.bytes(KEY_BYTES))

    def to_bytes(self) -> bytes:
        """Return the secret, 32 bytes, to be stored on purpose."""
        return self._key.private_bytes_raw()

    @property
    def public_key(self) -> SealingPublicKey:
        """The public key."""
        return self._public

    def exchange(self, other: SealingPublicKey) -> bytes:
        """Return the shared secret with another key.

        Raises
        ------
        NonCanonicalError
            If the other key has low order.
        """
        try:
            return self._key.exchange(_point(other.data))
        except ValueError:
            raise NonCanonicalError("sealing public key", "point of low order") from None

    def __repr__(self) -> str:
        return "SealingKey(<hidden>)"

    def __reduce__(self) -> str:
        raise TypeError("a secret key is never serialised by pickling")


@lru_cache(maxsize=4096)
def _point(data: bytes) -> X25519PublicKey:
    """Return a public key as the library takes it; the same keys come every round."""
    return X25519PublicKey.from_public_bytes(data)


@lru_cache(maxsize=4096)
def parse_sealing_public_key(data: bytes) -> SealingPublicKey:
    """Parse a public key; the same keys come every round.

    Raises
    ------
    LengthError
        If there are not exactly 32 bytes.
    NonCanonicalError
        If the number is not below 2^255 - 19, or the point has low order.
    """
    key = _parse_canonical(data)
    # Every secret scalar is a multiple of 8: a point of low order gives zero with any of them.
    SealingKey(keccak256(_INFO)).exchange(key)
    return key


def _parse_canonical(data: bytes) -> SealingPublicKey:
    """Parse a public key that may have low order: an exchange with it tells."""
    if len(data) != KEY_BYTES:
        raise LengthError("sealing public key", len(data), KEY_BYTES)
    if int.from_bytes(data, "little") >= _CURVE25519_FIELD:
        raise NonCanonicalError("sealing public key", "not below 2^255 - 19")
    return SealingPublicKey(bytes(data))


def _cipher(
    secret: bytes, ephemeral: SealingPublicKey, recipient: SealingPublicKey, associated: bytes
) -> tuple[ChaCha20Poly1305, bytes]:
    info = _INFO + ephemeral.data + recipient.data + keccak256(associated)
    material = HKDF(SHA256(), KEY_BYTES + NONCE_BYTES, salt=None, info=info).derive(secret)
    return ChaCha20Poly1305(material[:KEY_BYTES]), material[KEY_BYTES:]


class Sealer:
    """Seals bytes to several recipients under one ephemeral key.

    Each box still has a key and nonce of its own: they come from the recipient's key and the
    associated data too, so one sealer seals at most once for each pair of those.

    Parameters
    ----------
    randomness
        Where the ephemeral key comes from.
    """

    __slots__ = ("_ephemeral", "_used")

    def __init__(self, randomness: Randomness) -> None:
        self._ephemeral = SealingKey.draw(randomness)
        self._used: set[tuple[bytes, bytes]] = set()

    def __repr__(self) -> str:
        return "Sealer(<hidden>)"

    def seal(self, plain: bytes, recipient: SealingPublicKey, associated: bytes) -> bytes:
        """Seal bytes to a recipient.

        Parameters
        ----------
        plain
            What to hide; its length shows.
        recipient
            Parsed public key.
        associated
            Context that the recipient must present to open.

        Raises
        ------
        NonCanonicalError
            If the recipient's key has low order.
        SealError
            If something was sealed to this recipient with this context before.
        """
        if (recipient.data, associated) in self._used:
            raise SealError("a second message to one recipient in one context")
        self._used.add((recipient.data, associated))
        secret = self._ephemeral.exchange(recipient)
        cipher, nonce = _cipher(secret, self._ephemeral.public_key, recipient, associated)
        return self._ephemeral.public_key.data + cipher.encrypt(nonce, plain, associated)


def seal(
    plain: bytes, recipient: SealingPublicKey, associated: bytes, randomness: Randomness
) -> bytes:
    """Seal bytes to one recipient under a fresh key; parameters and errors as `Sealer.seal`."""
    return Sealer(randomness).seal(plain, recipient, associated)


def open_sealed(sealed: bytes, key: SealingKey, associated: bytes) -> bytes:
    """Open what was sealed to the owner of `key`.

    Raises
    ------
    SealError
        If it was altered, is too short, or was sealed to another key or for another context.
    """
    if len(sealed) < OVERHEAD_BYTES:
        raise SealError(f"sealed message of {len(sealed)} bytes, at least {OVERHEAD_BYTES} needed")
    try:
        ephemeral = _parse_canonical(sealed[:KEY_BYTES])
        secret = key.exchange(ephemeral)
        cipher, nonce = _cipher(secret, ephemeral, key.public_key, associated)
        return cipher.decrypt(nonce, sealed[KEY_BYTES:], associated)
    except NonCanonicalError as error:
        raise SealError(f"sealed message carries a bad key: {error}") from None
    except InvalidTag:
        raise SealError("sealed message does not open with this key and context") from None
