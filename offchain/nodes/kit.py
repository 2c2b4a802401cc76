"""The start-up kit of a node: a folder with everything that the Authority hands it.

| file | holds |
|---|---|
| ``node.toml`` | configuration |
| ``task.json`` | the task, signed by the Authority |
| ``account.json`` | the account's key, an encrypted Ethereum key file (Ape can import it) |
| ``keyring``, ``identity.sealed`` | attestation key, sealing key, secret seed, encrypted |
| ``node.pem``, ``node.key``, ``authority.pem`` | the certificate for the broker |
| ``unlock.key`` | opens all of these, unless a passphrase does; the operator moves it |
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from eth_account import Account
from msgspec import Struct

from offchain.crypto.attestation import parse_secret_key
from offchain.crypto.errors import CryptoError
from offchain.crypto.randomness import Randomness
from offchain.crypto.sealing import SealingKey
from offchain.nodes.errors import KitRefused
from offchain.protocol.device import DeviceKeys
from offchain.protocol.eip712 import SigningKey
from offchain.store.files import make_folder, write_whole
from offchain.store.keyring import Keyring, Passphrase, Unlock
from offchain.transport.base import Credentials, Identity

CONFIG_FILE: Final = "node.toml"
ACCOUNT_FILE: Final = "account.json"
IDENTITY_FILE: Final = "identity.sealed"
UNLOCK_FILE: Final = "unlock.key"
CERTIFICATE_NAME: Final = "node"
ROLES: Final = ("device", "fog", "cloud")
_PLACE: Final = b"identity of a kit"
_LIGHT: Final = 2**12  # scrypt's cost where the password is a random key and no passphrase


class _Sealed(Struct, frozen=True, forbid_unknown_fields=True):
    role: str
    cluster: int
    index: int
    seed: bytes
    attestation: bytes = b""
    sealing: bytes = b""


_DECODER: Final = msgspec.json.Decoder(_Sealed)


@dataclass(frozen=True)
class NodeKeys:
    """Who a node is and its secrets. Hides itself.

    Attributes
    ----------
    role
        ``device``, ``fog`` or ``cloud``.
    cluster, index
        Its place; a fog has index 0, a cloud its place among the clouds as cluster.
    signing
        The account.
    seed
        32 bytes that all its random choices come from.
    device
        All keys of a device; None for others.
    """

    role: str
    cluster: int
    index: int
    signing: SigningKey
    seed: bytes
    device: DeviceKeys | None = None

    def __repr__(self) -> str:
        return f"NodeKeys({self.name}, 0x{self.signing.address.hex()})"

    @property
    def name(self) -> str:
        """``device-0-3``, ``fog-0``, ``cloud-0``: as the Authority names kits."""
        tail = f"-{self.index}" if self.role == "device" else ""
        return f"{self.role}-{self.cluster}{tail}"

    @property
    def randomness(self) -> Randomness:
        """The stream of the role."""
        return Randomness(self.seed)


def write_account(path: Path, key: SigningKey, unlock: Unlock) -> None:
    """Write an account's key as an encrypted Ethereum key file."""
    cost = None if isinstance(unlock, Passphrase) else _LIGHT
    made: Any = Account.encrypt(key.secret(), _password(unlock), iterations=cost)
    write_whole(path, json.dumps(made, indent=1).encode() + b"\n")


def read_account(path: Path, unlock: Unlock) -> SigningKey:
    """Read an encrypted Ethereum key file.

    Raises
    ------
    KitRefused
        When it is missing, damaged, or opened by another passphrase.
    """
    try:
        stored = json.loads(path.read_bytes())
        return SigningKey(bytes(Account.decrypt(stored, _password(unlock))))
    except OSError as error:
        raise KitRefused(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError):
        raise KitRefused(f"{path}: damaged, or another passphrase or key file opens it") from None


def _password(unlock: Unlock) -> str:
    if isinstance(unlock, Passphrase):
        return unlock.text
    try:
        return unlock.path.read_text().strip()
    except OSError as error:
        raise KitRefused(f"{unlock.path}: {error.strerror}") from error


def write_keys(folder: Path, keys: NodeKeys, unlock: Unlock) -> None:
    """Write the keys of a node into its kit, encrypted."""
    make_folder(folder)
    write_account(folder / ACCOUNT_FILE, keys.signing, unlock)
    box = Keyring.create(folder, unlock).box("identity")
    sealed = _Sealed(keys.role, keys.cluster, keys.index, keys.seed)
    if keys.device is not None:
        attestation, sealing = keys.device.attestation.to_bytes(), keys.device.sealing.to_bytes()
        sealed = msgspec.structs.replace(sealed, attestation=attestation, sealing=sealing)
    write_whole(folder / IDENTITY_FILE, box.seal(msgspec.json.encode(sealed), _PLACE))


def read_keys(folder: Path, unlock: Unlock) -> NodeKeys:
    """Open the keys of a kit.

    Raises
    ------
    KitRefused, StoreError
        When a file is missing or damaged, or something else opens it.
    """
    box = Keyring.open(folder, unlock).box("identity")
    path = folder / IDENTITY_FILE
    try:
        sealed = _DECODER.decode(box.open(path.read_bytes(), _PLACE))
    except OSError as error:
        raise KitRefused(f"{path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise KitRefused(f"{path}: {error}") from None
    if sealed.role not in ROLES:
        raise KitRefused(f"{path}: role {sealed.role!r}: one of {', '.join(ROLES)}")
    signing = read_account(folder / ACCOUNT_FILE, unlock)
    device = None
    if sealed.role == "device":
        try:
            attestation, sealing = parse_secret_key(sealed.attestation), SealingKey(sealed.sealing)
        except CryptoError as error:
            raise KitRefused(f"{path}: {error}") from None
        device = DeviceKeys(signing, attestation, sealing)
    return NodeKeys(sealed.role, sealed.cluster, sealed.index, signing, sealed.seed, device)


def credentials(folder: Path) -> Credentials:
    """The certificate of a kit."""
    return Credentials(
        folder / f"{CERTIFICATE_NAME}.pem",
        folder / f"{CERTIFICATE_NAME}.key",
        folder / "authority.pem",
    )


def identity(folder: Path, keys: NodeKeys) -> Identity:
    """Who the node is to the transport."""
    return Identity(keys.signing.address, credentials(folder))
