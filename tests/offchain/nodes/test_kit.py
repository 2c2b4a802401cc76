"""Keys at rest: they come back, another key does not open them, and nothing shows them."""

import json
from pathlib import Path

import pytest

from offchain.crypto.randomness import Randomness
from offchain.nodes.errors import KitRefused
from offchain.nodes.kit import (
    ACCOUNT_FILE,
    IDENTITY_FILE,
    NodeKeys,
    read_account,
    read_keys,
    write_keys,
)
from offchain.nodes.simulation import draw_identities
from offchain.store.errors import StateCorrupt, StateExists, WrongKey
from offchain.store.keyring import KeyFile, Passphrase

WHO = draw_identities(Randomness(bytes(32)), [1])
SEED = bytes(range(32))
DEVICE = NodeKeys("device", 0, 0, WHO.devices[0][0].signing, SEED, WHO.devices[0][0])


@pytest.fixture
def unlock(tmp_path: Path) -> KeyFile:
    return KeyFile.create(tmp_path / "unlock.key")


@pytest.fixture
def kit(tmp_path: Path, unlock: KeyFile) -> Path:
    folder = tmp_path / "kit"
    write_keys(folder, DEVICE, unlock)
    return folder


def test_keys__written_and_read__are_the_same(kit: Path, unlock: KeyFile) -> None:
    keys = read_keys(kit, unlock)
    assert (keys.name, keys.seed) == ("device-0-0", SEED)
    assert keys.signing.address == DEVICE.signing.address
    assert keys.device is not None
    assert DEVICE.device is not None
    assert keys.device.attestation.to_bytes() == DEVICE.device.attestation.to_bytes()
    assert keys.device.sealing.to_bytes() == DEVICE.device.sealing.to_bytes()


def test_files__of_a_kit__hold_no_key_in_the_clear_and_are_the_owners(
    kit: Path, unlock: KeyFile
) -> None:
    assert DEVICE.device is not None
    secrets = [SEED, DEVICE.signing.secret(), DEVICE.device.attestation.to_bytes()]
    for path in kit.iterdir():
        content = path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0
        for secret in secrets:
            assert secret not in content
            assert secret.hex().encode() not in content.lower()
    assert SEED.hex() not in repr(read_keys(kit, unlock))


def test_keys__another_key_file__refused(kit: Path, tmp_path: Path) -> None:
    with pytest.raises(WrongKey):
        read_keys(kit, KeyFile.create(tmp_path / "other.key"))


def test_account__another_passphrase__refused_with_its_file(kit: Path) -> None:
    with pytest.raises(KitRefused, match=r"account\.json: damaged, or another passphrase"):
        read_account(kit / ACCOUNT_FILE, Passphrase("guess"))


def test_identity__altered__refused(kit: Path, unlock: KeyFile) -> None:
    path = kit / IDENTITY_FILE
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(StateCorrupt):
        read_keys(kit, unlock)


def test_keys__where_there_are_some__never_overwritten(kit: Path, unlock: KeyFile) -> None:
    before = (kit / IDENTITY_FILE).read_bytes()
    with pytest.raises(StateExists):
        write_keys(kit, DEVICE, unlock)
    assert (kit / IDENTITY_FILE).read_bytes() == before


def test_account__of_a_kit__is_an_ethereum_key_file(kit: Path) -> None:
    stored = json.loads((kit / ACCOUNT_FILE).read_text())
    assert stored["version"] == 3
    assert bytes.fromhex(stored["address"]) == DEVICE.signing.address
