"""The master key of a node's state, and sealing with keys derived from it.

The master key is random. It lies in the file ``keyring``, encrypted with a key that scrypt makes
from a passphrase, or with the one in a key file (for services that start without an operator).
Passphrase or key file can be changed without touching what is sealed.
"""

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from offchain.store.errors import KeyFileUnsafe, StateCorrupt, StateExists, StateMissing, WrongKey
from offchain.store.files import READABLE_BY_OTHERS, write_whole

KEYRING_FILE: Final = "keyring"
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
_SALT_BYTES: Final = 16
_VERSION: Final = 1
_COST: Final = 2**17  # scrypt: 128 MiB and about half a second
_MOST_COST: Final = 2**20
_WRAP: Final = b"verifog keyring v1"


@dataclass(frozen=True)
class Passphrase:
    """A passphrase that opens a keyring; hides itself.

    Attributes
    ----------
    text
        What the operator types.
    cost
        Of scrypt when a keyring is made: a power of two, memory is 1 KiB times this.
    """

    text: str
    cost: int = _COST

    def __repr__(self) -> str:
        return "Passphrase(<hidden>)"


@dataclass(frozen=True)
class KeyFile:
    """A file of 64 hexadecimal digits that opens a keyring; only its owner may read it."""

    path: Path

    @staticmethod
    def create(path: Path) -> "KeyFile":
        """Make a new one.

        Raises
        ------
        StateExists
            When there is a file of that name.
        """
        if path.exists():
            raise StateExists(f"{path}: a file is there already")
        write_whole(path, os.urandom(KEY_BYTES).hex().encode() + b"\n")
        return KeyFile(path)


Unlock = Passphrase | KeyFile


class Box:
    """Seals byte strings with one key: ChaCha20-Poly1305 under random nonces. Hides its key."""

    def __init__(self, key: bytes) -> None:
        self._cipher = ChaCha20Poly1305(key)

    def __repr__(self) -> str:
        return "Box(<hidden>)"

    def seal(self, plain: bytes, place: bytes) -> bytes:
        """Seal bytes to the place where they will lie."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, place)

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """Open what was sealed to a place.

        Raises
        ------
        StateCorrupt
            When it was altered, or stood elsewhere.
        """
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place)
        except (InvalidTag, ValueError):
            raise StateCorrupt(
                f"stored value at {place.decode(errors='replace')}: damaged, or not written "
                "by this node"
            ) from None


class Keyring:
    """The opened master key. Hides it."""

    def __init__(self, master: bytes) -> None:
        self._master = master

    def __repr__(self) -> str:
        return "Keyring(<hidden>)"

    @staticmethod
    def create(folder: Path, unlock: Unlock) -> "Keyring":
        """Draw a master key and keep it in a folder.

        Raises
        ------
        StateExists
            When the folder has one.
        """
        path = folder / KEYRING_FILE
        if path.exists():
            raise StateExists(f"{path}: there is a state in this folder already")
        keyring = Keyring(os.urandom(KEY_BYTES))
        keyring.store(folder, unlock)
        return keyring

    @staticmethod
    def open(folder: Path, unlock: Unlock) -> "Keyring":
        """Open a folder's master key.

        Raises
        ------
        StateMissing, StateCorrupt
            When there is none, or it is unreadable.
        WrongKey
            When passphrase or key file are not the ones.
        """
        path = folder / KEYRING_FILE
        try:
            stored: dict[str, Any] = json.loads(path.read_bytes())
            nonce, wrapped = bytes.fromhex(stored["nonce"]), bytes.fromhex(stored["wrapped"])
            if stored["version"] != _VERSION:
                raise StateCorrupt(f"{path}: version {stored['version']}, {_VERSION} expected")
            salt, cost = bytes.fromhex(stored["salt"]), int(stored["cost"])
        except FileNotFoundError:
            raise StateMissing(f"{path}: no state here; make one first") from None
        except OSError as error:
            raise StateCorrupt(f"{path}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError):
            raise StateCorrupt(f"{path}: damaged; restore it from the start-up kit") from None
        if isinstance(unlock, Passphrase) != (cost > 0):
            wanted = "a passphrase" if cost else "a key file"
            raise WrongKey(f"{path}: is opened with {wanted}")
        if cost > _MOST_COST:
            raise StateCorrupt(f"{path}: scrypt cost {cost}, at most {_MOST_COST}")
        key = _unlock_key(unlock, salt, cost)
        try:
            return Keyring(ChaCha20Poly1305(key).decrypt(nonce, wrapped, _WRAP))
        except InvalidTag:
            what = "passphrase" if cost else "key file"
            raise WrongKey(f"{path}: not the {what} it was made with") from None

    def store(self, folder: Path, unlock: Unlock) -> None:
        """Write the master key, to be opened with a passphrase or key file; replaces the old."""
        salt, nonce = os.urandom(_SALT_BYTES), os.urandom(NONCE_BYTES)
        cost = unlock.cost if isinstance(unlock, Passphrase) else 0
        key = _unlock_key(unlock, salt, cost)
        stored = {
            "version": _VERSION,
            "cost": cost,
            "salt": salt.hex(),
            "nonce": nonce.hex(),
            "wrapped": ChaCha20Poly1305(key).encrypt(nonce, self._master, _WRAP).hex(),
        }
        write_whole(folder / KEYRING_FILE, json.dumps(stored, indent=1).encode() + b"\n")

    def box(self, purpose: str) -> Box:
        """A box with a key of its own for a purpose."""
        info = b"verifog store v1 " + purpose.encode()
        return Box(HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(self._master))


def _unlock_key(unlock: Unlock, salt: bytes, cost: int) -> bytes:
    if isinstance(unlock, Passphrase):
        scrypt = Scrypt(salt, KEY_BYTES, n=cost, r=8, p=1)
        return scrypt.derive(unlock.text.encode())
    secret = _read_key_file(unlock.path)
    return HKDF(SHA256(), KEY_BYTES, salt=salt, info=_WRAP).derive(secret)


def _read_key_file(path: Path) -> bytes:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_bytes().decode(errors="replace")
    except OSError as error:
        raise KeyFileUnsafe(f"{path}: {error.strerror}") from error
    if mode & READABLE_BY_OTHERS:
        raise KeyFileUnsafe(f"{path}: others may read it; run: chmod 600 {path}")
    try:
        secret = bytes.fromhex(text.strip())
    except ValueError:
        secret = b""
    if len(secret) != KEY_BYTES:
        raise KeyFileUnsafe(f"{path}: {2 * KEY_BYTES} hexadecimal digits expected")
    return secret
