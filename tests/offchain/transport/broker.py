"""A mosquitto of the test's own: child process, loopback, free port, its own authority."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pytest

from offchain.transport.base import Credentials, Identity, Limits, account_name
from offchain.transport.broker_config import Bridge, BrokerSettings, Site, write_broker
from offchain.transport.certificates import Authority
from offchain.transport.mqtt import Broker

T = TypeVar("T")
TASK = "0123456789abcdef"
HOST = "127.0.0.1"


def run(scenario: Coroutine[Any, Any, T], seconds: float = 120) -> T:
    """Run an asynchronous test; one that hangs fails."""
    return asyncio.run(asyncio.wait_for(scenario, seconds))


def account(number: int) -> bytes:
    """Some account."""
    return number.to_bytes(20, "big")


@cache
def mosquitto() -> str:
    """The program. It may be missing on a developer's machine, never in CI."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        reason = "mosquitto is missing: install it (Debian: apt-get install mosquitto)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Pki:
    """An authority and the certificates it has issued, each made once."""

    folder: Path
    authority: Authority = field(default_factory=lambda: Authority.create(TASK, now()))
    _made: dict[str, Credentials] = field(default_factory=dict)

    def node(self, number: int, *, expired: bool = False) -> Identity:
        return self.of(account(number), expired=expired)

    def of(self, owner: bytes, *, expired: bool = False) -> Identity:
        name = account_name(owner) + ("-expired" if expired else "")
        if name not in self._made:
            since = now() - dt.timedelta(days=3) if expired else now()
            issued = self.authority.issue_node(owner, since, days=1)
            self._made[name] = issued.write(self.folder, name, self.authority.certificate)
        return Identity(owner, self._made[name])

    def broker(self) -> Credentials:
        if "broker" not in self._made:
            issued = self.authority.issue_broker([HOST, "localhost"], now())
            self._made["broker"] = issued.write(self.folder, "broker", self.authority.certificate)
        return self._made["broker"]

    def bridge(self, site: str) -> Credentials:
        issued = self.authority.issue_bridge(site, now())
        return issued.write(self.folder, f"bridge-{site}", self.authority.certificate)


class BrokerProcess:
    """A broker that can be killed and started again on the same port."""

    def __init__(
        self,
        folder: Path,
        pki: Pki,
        limits: Limits,
        *,
        persistent: bool = False,
        revoked: Path | None = None,
        sites: tuple[Site, ...] = (),
        bridges: tuple[Bridge, ...] = (),
    ) -> None:
        self.port = free_port()
        self._log = folder / "log"
        self.settings = BrokerSettings(
            folder=folder,
            task=TASK,
            credentials=pki.broker(),
            host=HOST,
            port=self.port,
            user=pwd.getpwuid(os.getuid()).pw_name,
            persistent=persistent,
            revoked=revoked,
            sites=sites,
            bridges=bridges,
            limits=limits,
        )
        self._configuration = write_broker(self.settings)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def address(self) -> Broker:
        return Broker(HOST, self.port, TASK, timeout=10, retry_first=0.05, retry_longest=0.5)

    @property
    def log(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    def start(self) -> None:
        before = self.log.count("running")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [mosquitto(), "-c", str(self._configuration)], stdout=log, stderr=log
            )
        wait_for(lambda: self.log.count("running") > before or self._process.poll() is not None)
        assert self._process.poll() is None, self.log

    def kill(self) -> None:
        """As a power cut: no time to save anything."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "condition did not come about"
        time.sleep(0.005)


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "condition did not come about"
        await asyncio.sleep(0.005)
