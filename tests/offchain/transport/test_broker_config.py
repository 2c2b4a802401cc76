"""What stands in a broker's configuration, and what cannot."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from offchain.transport.base import Credentials, account_name
from offchain.transport.broker_config import (
    Bridge,
    BrokerSettings,
    Site,
    access_list,
    configuration,
    write_broker,
)
from offchain.transport.errors import ConfigurationError
from tests.offchain.transport.broker import account

FILES = Credentials(Path("/etc/v/broker.pem"), Path("/etc/v/broker.key"), Path("/etc/v/ca.pem"))
SITE = Site("north", (account(1),), (account(2),))
SETTINGS = BrokerSettings(Path("/etc/v"), "task", FILES, "10.1.2.3", 8883)


def test_access_list__nodes__speak_and_read_as_themselves_only() -> None:
    assert access_list("task").splitlines()[1:] == [
        "pattern write verifog/task/+/%u",
        "pattern read verifog/task/%u/+",
    ]


def test_access_list__bridge__has_the_rights_of_its_accounts() -> None:
    fog = account_name(account(1))
    assert access_list("task", [SITE]).splitlines()[4:] == [
        "user bridge-north",
        f"topic write verifog/task/+/{fog}",
        f"topic read verifog/task/{fog}/+",
    ]


def test_configuration__listener__takes_names_and_sessions_from_certificates() -> None:
    lines = configuration(SETTINGS).splitlines()
    for needed in (
        "allow_anonymous false",
        "require_certificate true",
        "use_identity_as_username true",
        "use_username_as_clientid true",
        "retain_available false",
        "listener 8883 10.1.2.3",
        "persistence true",
    ):
        assert needed in lines


def test_configuration__bridge__carries_its_pairs_of_accounts_only() -> None:
    bridge = Bridge(SITE, "centre.example", 8883, FILES)
    lines = configuration(replace(SETTINGS, bridges=(bridge,))).splitlines()
    fog, cloud = account_name(account(1)), account_name(account(2))
    assert [line for line in lines if line.startswith("topic ")] == [
        f"topic verifog/task/{cloud}/{fog} out 1",
        f"topic verifog/task/{fog}/{cloud} in 1",
    ]
    assert "address centre.example:8883" in lines


def test_write_broker__files__are_readable_by_their_owner_only(tmp_path: Path) -> None:
    path = write_broker(replace(SETTINGS, folder=tmp_path))
    assert path == tmp_path / "mosquitto.conf"
    for name in ("mosquitto.conf", "access.list"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "changes",
    [
        {"task": "a/b"},
        {"task": "#"},
        {"task": ""},
        {"host": "1.2.3.4\nallow_anonymous true"},
        {"port": 0},
        {"user": "me\nallow_anonymous true"},
        {"folder": Path("/etc/v\nallow_anonymous true")},
        {"bridges": (Bridge(Site("a b", (), ()), "h", 1, FILES),)},
        {"bridges": (Bridge(SITE, "h h", 1, FILES),)},
    ],
    ids=str,
)
def test_configuration__value_that_does_not_fit__is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        configuration(replace(SETTINGS, **changes))
