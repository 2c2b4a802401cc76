"""A task that runs: one more device, and certificates before they expire."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from offchain.nodes.authority import BROKER, Office, initialise, open_office
from offchain.nodes.errors import ConfigRefused, KitRefused
from offchain.nodes.kit import identity, read_keys
from offchain.nodes.upkeep import add_device, renew
from offchain.transport.certificates import read_certificate, require_owner

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(days=300)
CONFIG = """
[task]
dataset = "fault2"
devices = 6
fogs = 2

[chain]
urls = ["http://127.0.0.1:8545"]

[broker]
host = "127.0.0.1"

[unlock]
key_file = "authority.unlock"
"""


@pytest.fixture
def office(tmp_path: Path) -> Office:
    path = tmp_path / "authority.toml"
    path.write_text(CONFIG)
    made = open_office(path)
    initialise(made, NOW)
    return made


def expiry(office: Office, name: str) -> dt.datetime:
    return read_certificate(office.kit(name) / "node.pem").not_after


def test_renew__all__new_certificates_for_the_same_accounts(office: Office) -> None:
    before = {name: expiry(office, name) for name in office.names()}
    broker = office.folder / BROKER / "broker.pem"
    own = (office.kit("fog-0") / "authority.pem").read_bytes()
    assert set(before.values()) == {NOW + dt.timedelta(days=365)}
    assert renew(office, (), LATER) == [*office.names(), BROKER]
    for name in office.names():
        assert expiry(office, name) == LATER + dt.timedelta(days=365)
        keys = read_keys(office.kit(name), office.kit_unlock(name))
        require_owner(identity(office.kit(name), keys))
    assert read_certificate(broker).not_after == LATER + dt.timedelta(days=365)
    assert (office.kit("fog-0") / "authority.pem").read_bytes() == own


def test_renew__one_whose_kit_was_handed_over__is_written_alone(office: Office) -> None:
    for file in office.kit("device-1-2").iterdir():
        file.unlink()
    office.kit("device-1-2").rmdir()
    assert renew(office, ("device-1-2",), LATER, days=7) == ["device-1-2"]
    assert expiry(office, "device-1-2") == LATER + dt.timedelta(days=7)
    held = sorted(path.name for path in office.kit("device-1-2").iterdir())
    assert held == ["authority.pem", "node.key", "node.pem"]
    assert expiry(office, "device-1-1") == NOW + dt.timedelta(days=365)


def test_renew__unknown_node__is_refused(office: Office) -> None:
    with pytest.raises(KitRefused, match="node: 'fog-7': one of cloud-0 to device-1-2, or broker"):
        renew(office, ("fog-0", "fog-7"), LATER)
    assert expiry(office, "fog-0") == NOW + dt.timedelta(days=365)


def test_add_device__with_rows__has_a_kit_like_the_others(office: Office) -> None:
    rows = office.kit("device-0-1") / "rows.csv"
    assert add_device(office, 1, rows, LATER) == "device-1-3"
    assert office.names()[-1] == "device-1-3"
    kit, like = office.kit("device-1-3"), office.kit("device-1-2")
    assert sorted(p.name for p in kit.iterdir()) == sorted(p.name for p in like.iterdir())
    assert (kit / "rows.csv").read_bytes() == rows.read_bytes()
    keys = read_keys(kit, office.kit_unlock("device-1-3"))
    assert (keys.cluster, keys.index, keys.device is not None) == (1, 3, True)
    assert keys.signing.address == office.nodes()["device-1-3"]
    require_owner(identity(kit, keys))
    assert add_device(office, 1, None, LATER) == "device-1-4"
    assert not (office.kit("device-1-4") / "rows.csv").exists()


def test_add_device__rows_that_do_not_fit__is_refused_and_leaves_nothing(
    office: Office, tmp_path: Path
) -> None:
    rows = tmp_path / "few.csv"
    text = (office.kit("device-0-1") / "rows.csv").read_text().splitlines()
    rows.write_text("\n".join(text[:3]) + "\n")
    with pytest.raises(ConfigRefused, match=r"few.csv: 2 rows, from \d+ to \d+"):
        add_device(office, 0, rows, LATER)
    with pytest.raises(ConfigRefused, match="cluster: 2: from 0 to 1"):
        add_device(office, 2, None, LATER)
    assert not office.kit("device-0-3").exists()
    assert len(office.names()) == 9


def test_names__before_any_keys__says_what_to_run(tmp_path: Path) -> None:
    path = tmp_path / "authority.toml"
    path.write_text(CONFIG)
    with pytest.raises(
        KitRefused, match=r"nodes\.json: No such file or directory: run `ape run aut"
    ):
        open_office(path).names()
