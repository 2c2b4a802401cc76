"""A small certificate authority for the brokers and nodes of a task.

Every node has a certificate whose common name is its account (0x and 40 lower-case digits); the
broker takes it for the node's user name. The certificates say nothing of the protocol: messages
are signed by the account's own key.
"""

import datetime as dt
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from offchain.transport.base import Credentials, Identity, account_name
from offchain.transport.errors import CredentialsError

CLOCK_SLACK: Final = dt.timedelta(hours=1)  # clocks of plants are off by minutes
AUTHORITY_FILES: Final = ("authority.pem", "authority.key")
REVOKED_FILE: Final = "revoked.pem"


@dataclass(frozen=True)
class Issued:
    """A certificate with its key, both PEM. Hides itself."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Issued(<hidden>)"

    def write(self, folder: Path, name: str, authority: bytes) -> Credentials:
        """Write ``name.pem``, ``name.key`` and ``authority.pem``, readable by the owner only.

        Raises
        ------
        CredentialsError
            When a file cannot be written.
        """
        paths = Credentials(
            folder / f"{name}.pem", folder / f"{name}.key", folder / AUTHORITY_FILES[0]
        )
        write_private(paths.certificate, self.certificate)
        write_private(paths.key, self.key)
        write_private(paths.authority, authority)
        return paths


class Authority:
    """Issues certificates. Its key stays with the Authority of the task.

    Parameters
    ----------
    certificate, key
        Its own. Made by ``create`` or read by ``load``.
    """

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate = certificate
        self._key = key

    @staticmethod
    def create(task: str, now: dt.datetime, days: int = 3650) -> "Authority":
        """Make an authority for a task, valid from ``now`` (aware) for so many days."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(f"Verifog authority of task {task}")
        builder = _builder(name, name, key.public_key(), now, days)
        builder = builder.add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        builder = builder.add_extension(
            _key_usage(key_cert_sign=True, crl_sign=True), critical=True
        )
        return Authority(builder.sign(key, hashes.SHA256()), key)

    @property
    def certificate(self) -> bytes:
        """Its certificate, PEM."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue_node(self, account: bytes, now: dt.datetime, days: int = 365) -> Issued:
        """A certificate with which a node connects as its account."""
        return self._issue(account_name(account), now, days, ExtendedKeyUsageOID.CLIENT_AUTH)

    def issue_bridge(self, site: str, now: dt.datetime, days: int = 365) -> Issued:
        """A certificate with which the broker of a site connects to the central broker."""
        return self._issue(bridge_name(site), now, days, ExtendedKeyUsageOID.CLIENT_AUTH)

    def issue_broker(self, hosts: Sequence[str], now: dt.datetime, days: int = 365) -> Issued:
        """A certificate for a broker that is reached under these names or IP addresses."""
        names = [_general_name(host) for host in hosts]
        return self._issue(hosts[0], now, days, ExtendedKeyUsageOID.SERVER_AUTH, names)

    def revoke(self, certificates: Sequence[bytes], now: dt.datetime, days: int = 3650) -> bytes:
        """A revocation list (PEM) of certificates, for the brokers; it replaces any before.

        Raises
        ------
        CredentialsError
            When one is no certificate of this authority.
        """
        builder = x509.CertificateRevocationListBuilder(
            issuer_name=self._certificate.subject,
            last_update=now - CLOCK_SLACK,
            next_update=now + dt.timedelta(days=days),
        )
        for data in certificates:
            certificate = _parse(data, "revoked certificate")
            if certificate.issuer != self._certificate.subject:
                raise CredentialsError("revoked certificate: not of this authority")
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder(certificate.serial_number, now - CLOCK_SLACK).build()
            )
        signed = builder.sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)

    def save(self, folder: Path, passphrase: bytes) -> None:
        """Write certificate and key; the key is encrypted."""
        encryption = serialization.BestAvailableEncryption(passphrase)
        write_private(folder / AUTHORITY_FILES[0], self.certificate)
        write_private(folder / AUTHORITY_FILES[1], _key_bytes(self._key, encryption))

    @staticmethod
    def load(folder: Path, passphrase: bytes) -> "Authority":
        """Read what ``save`` wrote.

        Raises
        ------
        CredentialsError
            When a file is missing or broken, or the passphrase is another.
        """
        certificate_path, key_path = (folder / name for name in AUTHORITY_FILES)
        certificate = _parse(_read(certificate_path), str(certificate_path))
        try:
            key = serialization.load_pem_private_key(_read(key_path), passphrase)
        except ValueError:
            raise CredentialsError(f"{key_path}: broken, or another passphrase") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise CredentialsError(f"{key_path}: no key of an elliptic curve")
        return Authority(certificate, key)

    def _issue(
        self,
        common_name: str,
        now: dt.datetime,
        days: int,
        usage: x509.ObjectIdentifier,
        names: Sequence[x509.GeneralName] = (),
    ) -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(
            _name(common_name), self._certificate.subject, key.public_key(), now, days
        )
        builder = builder.add_extension(
            x509.BasicConstraints(ca=False, path_length=None), critical=True
        )
        builder = builder.add_extension(_key_usage(digital_signature=True), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(identifier, critical=False)
        signed = builder.sign(self._key, hashes.SHA256())
        return Issued(
            signed.public_bytes(serialization.Encoding.PEM),
            _key_bytes(key, serialization.NoEncryption()),
        )


@dataclass(frozen=True)
class CertificateFacts:
    """What a certificate says."""

    common_name: str
    not_before: dt.datetime
    not_after: dt.datetime
    serial: int


def read_certificate(path: Path) -> CertificateFacts:
    """What a certificate file says.

    Raises
    ------
    CredentialsError
        When it is missing or no certificate.
    """
    certificate = _parse(_read(path), str(path))
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return CertificateFacts(
        str(names[0].value) if names else "",
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        certificate.serial_number,
    )


def require_owner(identity: Identity) -> CertificateFacts:
    """Check that a node's certificate is its own.

    Raises
    ------
    CredentialsError
        When there is none, or it names another account.
    """
    if identity.credentials is None:
        raise CredentialsError(f"{identity.name}: no certificate")
    facts = read_certificate(identity.credentials.certificate)
    if facts.common_name != identity.name:
        raise CredentialsError(
            f"{identity.credentials.certificate}: belongs to {facts.common_name!r}, "
            f"this node is {identity.name}"
        )
    return facts


def require_valid(facts: CertificateFacts, now: dt.datetime) -> None:
    """Check that a certificate is valid at a time.

    Raises
    ------
    CredentialsError
        When it is not yet, or no longer.
    """
    if now < facts.not_before:
        raise CredentialsError(f"certificate of {facts.common_name}: from {facts.not_before} on")
    if now > facts.not_after:
        raise CredentialsError(f"certificate of {facts.common_name}: expired {facts.not_after}")


def bridge_name(site: str) -> str:
    """The user name of a site's bridge at the central broker."""
    return f"bridge-{site}"


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read; it is whole, or not there.

    Raises
    ------
    CredentialsError
        When it cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise CredentialsError(f"{path}: {error.strerror}") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CredentialsError(f"{path}: {error.strerror}") from error


def _parse(data: bytes, where: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(data)
    except ValueError:
        raise CredentialsError(f"{where}: no certificate (PEM)") from None


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: dt.datetime,
    days: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SLACK)
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _key_bytes(
    key: ec.EllipticCurvePrivateKey, encryption: serialization.KeySerializationEncryption
) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )
