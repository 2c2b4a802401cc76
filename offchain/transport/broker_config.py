"""Configuration of mosquitto: brokers, access lists, and bridges from a site to the centre.

| who | may |
|---|---|
| node X, by its certificate | publish to ``verifog/<task>/+/X``, read ``verifog/<task>/X/+`` |
| bridge of a site | the same for each account of the site that it was given |
| anybody else | nothing |
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from offchain.transport.base import Credentials, Limits, account_name
from offchain.transport.certificates import bridge_name, write_private
from offchain.transport.errors import ConfigurationError
from offchain.transport.frames import OVERHEAD
from offchain.transport.mqtt import require_task_name, topic

CONFIGURATION: Final = "mosquitto.conf"
ACCESS_LIST: Final = "access.list"
_SITE: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_HOST: Final = re.compile(r"[A-Za-z0-9.:_-]{1,253}")
_PACKET_ROOM: Final = 1024


@dataclass(frozen=True)
class Site:
    """The nodes of a site that speak over its bridge, and whom they speak with beyond it.

    Attributes
    ----------
    name
        Of the site: small letters, digits and dashes.
    inside
        Accounts at the site, as a rule its fogs.
    outside
        Accounts beyond, as a rule the clouds.
    """

    name: str
    inside: tuple[bytes, ...]
    outside: tuple[bytes, ...]


@dataclass(frozen=True)
class Bridge:
    """The connection of a site's broker to the central one."""

    site: Site
    host: str
    port: int
    credentials: Credentials


@dataclass(frozen=True)
class BrokerSettings:
    """A broker of a task.

    Attributes
    ----------
    folder
        Of configuration, access list and, when it persists, its queue.
    task
        Name of the task in topics.
    credentials
        The broker's own certificate and key, and the authority of the nodes.
    host, port
        Where it listens.
    user
        Account of the operating system under which mosquitto goes on when started by root; it must
        be able to read the files. None leaves that to mosquitto.
    persistent
        Whether its queue outlives a restart.
    revoked
        A revocation list, if there is one.
    sites
        Sites whose bridges may connect here.
    bridges
        Bridges from here to other brokers.
    queued
        Frames kept for one node that is away; more are lost, and sent again by their senders.
    limits
        The transport's: they bound packets.
    """

    folder: Path
    task: str
    credentials: Credentials
    host: str
    port: int
    user: str | None = None
    persistent: bool = True
    revoked: Path | None = None
    sites: tuple[Site, ...] = ()
    bridges: tuple[Bridge, ...] = ()
    queued: int = 20_000
    limits: Limits = field(default_factory=Limits)


def access_list(task: str, sites: Sequence[Site] = ()) -> str:
    """The access list of a broker.

    Raises
    ------
    ConfigurationError
        When a name does not fit.
    """
    require_task_name(task)
    lines = [
        "# Each user's name is the common name of its certificate.",
        f"pattern write {topic(task, '+', '%u')}",
        f"pattern read {topic(task, '%u', '+')}",
    ]
    for site in sites:
        lines += ["", f"user {bridge_name(_site_name(site))}"]
        for account in map(account_name, site.inside):
            lines.append(f"topic write {topic(task, '+', account)}")
            lines.append(f"topic read {topic(task, account, '+')}")
    return "\n".join(lines) + "\n"


def configuration(settings: BrokerSettings) -> str:
    """The text of mosquitto.conf.

    Raises
    ------
    ConfigurationError
        When a value cannot stand in it.
    """
    folder = settings.folder
    largest = settings.limits.part + OVERHEAD + _PACKET_ROOM
    lines = [
        f"# Broker of task {require_task_name(settings.task)}.",
        "per_listener_settings false",
        *([f"user {_plain(settings.user)}"] if settings.user else []),
        "allow_anonymous false",
        f"acl_file {_plain(folder / ACCESS_LIST)}",
        "",
        f"listener {_port(settings.port)} {_host(settings.host)}",
        f"cafile {_plain(settings.credentials.authority)}",
        f"certfile {_plain(settings.credentials.certificate)}",
        f"keyfile {_plain(settings.credentials.key)}",
        *([f"crlfile {_plain(settings.revoked)}"] if settings.revoked else []),
        "tls_version tlsv1.2",
        "# A node's name, session and rights come from its certificate alone.",
        "require_certificate true",
        "use_identity_as_username true",
        "use_username_as_clientid true",
        "",
        "retain_available false",
        f"max_packet_size {largest}",
        f"max_queued_messages {settings.queued}",
        "max_inflight_messages 64",
        "max_keepalive 300",
        "persistent_client_expiration 30d",
        "set_tcp_nodelay true",
        "",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "log_type information",
        "connection_messages true",
    ]
    if settings.persistent:
        lines += [
            "",
            "persistence true",
            f"persistence_location {_plain(folder)}/",
            "autosave_interval 60",
        ]
    else:
        lines += ["", "persistence false"]
    for bridge in settings.bridges:
        lines += ["", *_bridge_lines(settings.task, bridge, largest)]
    return "\n".join(lines) + "\n"


def write_broker(settings: BrokerSettings) -> Path:
    """Write configuration and access list; the path to start mosquitto with (``-c``)."""
    path = settings.folder / CONFIGURATION
    text, rights = configuration(settings), access_list(settings.task, settings.sites)
    write_private(settings.folder / ACCESS_LIST, rights.encode())
    write_private(path, text.encode())
    return path


def _bridge_lines(task: str, bridge: Bridge, largest: int) -> list[str]:
    name = bridge_name(_site_name(bridge.site))
    files = bridge.credentials
    lines = [
        f"connection {name}",
        f"address {_host(bridge.host)}:{_port(bridge.port)}",
        f"bridge_cafile {_plain(files.authority)}",
        f"bridge_certfile {_plain(files.certificate)}",
        f"bridge_keyfile {_plain(files.key)}",
        f"remote_clientid {name}",
        f"local_clientid local-{name}",
        "bridge_protocol_version mqttv50",
        f"bridge_max_packet_size {largest}",
        "cleansession false",
        "notifications false",
        "try_private true",
        "start_type automatic",
        "restart_timeout 1 30",
        "keepalive_interval 30",
    ]
    for inside in map(account_name, bridge.site.inside):
        for outside in map(account_name, bridge.site.outside):
            lines.append(f"topic {topic(task, outside, inside)} out 1")
            lines.append(f"topic {topic(task, inside, outside)} in 1")
    return lines


def _site_name(site: Site) -> str:
    if not _SITE.fullmatch(site.name):
        raise ConfigurationError(f"site: {site.name!r}: 1 to 32 small letters, digits and dashes")
    return site.name


def _host(host: str) -> str:
    if not _HOST.fullmatch(host):
        raise ConfigurationError(f"host: {host!r} is no name or address")
    return host


def _port(port: int) -> int:
    if not 0 < port < 65_536:
        raise ConfigurationError(f"port: {port}: from 1 to 65535")
    return port


def _plain(value: object) -> str:
    """A value that mosquitto reads as it stands: to the end of its line."""
    text = str(value)
    if not text.isprintable() or text != text.strip():
        raise ConfigurationError(f"{text!r}: cannot stand in mosquitto's configuration")
    return text
