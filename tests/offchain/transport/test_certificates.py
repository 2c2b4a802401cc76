"""Certificates say who a node is, for how long, and are readable by their owner only."""

from __future__ import annotations

import datetime as dt
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from offchain.transport.base import Identity, account_name, parse_account
from offchain.transport.certificates import (
    Authority,
    read_certificate,
    require_owner,
    require_valid,
)
from offchain.transport.errors import CredentialsError
from tests.offchain.transport.broker import account

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
NAME = "0x" + "ab" * 20


@pytest.fixture
def authority() -> Authority:
    return Authority.create("task", NOW)


def test_issue_node__account__is_its_common_name_for_the_time_given(
    authority: Authority, tmp_path: Path
) -> None:
    files = authority.issue_node(parse_account(NAME), NOW, days=30).write(
        tmp_path, "node", authority.certificate
    )
    facts = read_certificate(files.certificate)
    assert facts.common_name == NAME
    assert facts.not_before == NOW - dt.timedelta(hours=1)
    assert facts.not_after == NOW + dt.timedelta(days=30)
    for path in (files.certificate, files.key, files.authority):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert require_owner(Identity(parse_account(NAME), files)) == facts


def test_issue__serials__all_differ(authority: Authority) -> None:
    issued = [authority.issue_node(account(i), NOW) for i in range(20)]
    serials = {x509.load_pem_x509_certificate(one.certificate).serial_number for one in issued}
    assert len(serials) == 20


def test_issue__usage__node_is_client_and_broker_is_server(authority: Authority) -> None:
    def usage(pem: bytes) -> list[x509.ObjectIdentifier]:
        certificate = x509.load_pem_x509_certificate(pem)
        return list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)

    assert usage(authority.issue_node(account(1), NOW).certificate) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]
    assert usage(authority.issue_bridge("north", NOW).certificate) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]
    assert usage(authority.issue_broker(["broker.example"], NOW).certificate) == [
        ExtendedKeyUsageOID.SERVER_AUTH
    ]


def test_issued__repr__shows_no_key(authority: Authority) -> None:
    assert repr(authority.issue_node(account(1), NOW)) == "Issued(<hidden>)"


def test_authority__saved_and_loaded__issues_under_the_same_certificate(
    authority: Authority, tmp_path: Path
) -> None:
    authority.save(tmp_path, b"a passphrase")
    assert b"ENCRYPTED" in (tmp_path / "authority.key").read_bytes()
    assert stat.S_IMODE((tmp_path / "authority.key").stat().st_mode) == 0o600
    again = Authority.load(tmp_path, b"a passphrase")
    issued = x509.load_pem_x509_certificate(again.issue_node(account(1), NOW).certificate)
    issued.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.certificate))


def test_authority__another_passphrase__is_refused(authority: Authority, tmp_path: Path) -> None:
    authority.save(tmp_path, b"a passphrase")
    with pytest.raises(CredentialsError, match=r"authority\.key: broken, or another passphrase"):
        Authority.load(tmp_path, b"another one")


def test_authority__nothing_saved__names_the_file(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match=r"authority\.pem: No such file"):
        Authority.load(tmp_path, b"x")


def test_revoke__certificate_of_another_authority__is_refused(authority: Authority) -> None:
    other = Authority.create("other", NOW).issue_node(account(1), NOW).certificate
    with pytest.raises(CredentialsError, match="not of this authority"):
        authority.revoke([other], NOW)


def test_require_owner__certificate_of_another__names_both(
    authority: Authority, tmp_path: Path
) -> None:
    files = authority.issue_node(account(1), NOW).write(tmp_path, "n", authority.certificate)
    with pytest.raises(CredentialsError) as caught:
        require_owner(Identity(account(2), files))
    assert account_name(account(1)) in str(caught.value)
    assert account_name(account(2)) in str(caught.value)


@pytest.mark.parametrize(
    ("days", "text"), [(-1, ": from "), (31, ": expired ")], ids=["too early", "too late"]
)
def test_require_valid__outside_its_time__says_so(
    authority: Authority, tmp_path: Path, days: int, text: str
) -> None:
    files = authority.issue_node(account(1), NOW, days=30).write(
        tmp_path, "n", authority.certificate
    )
    facts = read_certificate(files.certificate)
    require_valid(facts, NOW)
    with pytest.raises(CredentialsError, match=text):
        require_valid(facts, NOW + dt.timedelta(days=days))


@pytest.mark.parametrize(
    "name", ["", "ab" * 20, "0x" + "AB" * 20, "0x" + "ab" * 19, "0x" + "zz" * 20]
)
def test_parse_account__other_than_lower_case_digits__is_refused(name: str) -> None:
    with pytest.raises(CredentialsError, match="is not 0x and 40 lower-case digits"):
        parse_account(name)
