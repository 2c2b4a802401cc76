"""Processes that a run starts and stops: a local chain, a broker, nodes. It ends only its own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from web3 import HTTPProvider, Web3
from web3.types import RPCEndpoint

from offchain.chain.errors import ChainError
from offchain.nodes.errors import NodeError

LOOPBACK: Final = "127.0.0.1"
_STOP_TIME: Final = 20.0
_START_TIME: Final = 60.0
_PAUSE: Final = 0.05


class ProgramMissing(NodeError):
    """A program that is needed is not installed."""


class DidNotStart(NodeError):
    """A process ended at once, or does not answer."""


def free_port() -> int:
    """A port of the loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def find_program(name: str, where: Sequence[Path], hint: str) -> str:
    """A program on the path or in some folders.

    Raises
    ------
    ProgramMissing
        Saying how to get it.
    """
    path = os.pathsep.join([os.environ.get("PATH", ""), *map(str, where)])
    found = shutil.which(name, path=path)
    if found is None:
        raise ProgramMissing(f"{name} is missing: {hint}")
    return found


def wait_until(condition: Callable[[], bool], what: str, seconds: float = _START_TIME) -> None:
    """Wait until something is so.

    Raises
    ------
    DidNotStart
        When it does not come about.
    """
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise DidNotStart(f"{what}: not within {seconds:g} s")
        time.sleep(_PAUSE)


@dataclass
class Started:
    """A process of one's own, with its log.

    Parameters
    ----------
    command
        With its arguments.
    log
        File that takes what it says; appended to.
    environment
        Added to this process's own.
    """

    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    asked: bool = False  # to end

    def start(self) -> None:
        """Start it, in a group of its own."""
        self.asked = False
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        """Its id."""
        return self.process.pid if self.process is not None else 0

    def said(self) -> str:
        """All of its log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def signal(self, number: int) -> None:
        """Send a signal to it and whatever it has started."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """End it at once, as a power cut does."""
        self.signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def ask_to_end(self) -> None:
        """Ask it to end, once."""
        if not self.asked:
            self.signal(signal.SIGTERM)
        self.asked = True

    def stop(self, seconds: float = _STOP_TIME) -> int | None:
        """Ask it to end, and end it when it does not; the exit status."""
        self.ask_to_end()
        if self.process is None:
            return None
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.process.returncode


@dataclass
class LocalChainProcess:
    """An anvil of one's own.

    Parameters
    ----------
    folder
        Of its log.
    root
        The project's folder: anvil is in its ``node_modules``.
    chain_id, options
        Of the chain.
    """

    folder: Path
    root: Path
    chain_id: int = 31337
    options: Sequence[str] = ()
    port: int = 0
    process: Started | None = None

    @property
    def url(self) -> str:
        """Of its provider."""
        return f"http://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises
        ------
        ProgramMissing, DidNotStart
            When it cannot be.
        """
        anvil = find_program("anvil", [self.root / "node_modules/.bin"], "run `make setup`")
        self.port = self.port or free_port()
        settings = ("--hardfork", "osaka", "--chain-id", str(self.chain_id), "--silent")
        command = [anvil, "--port", str(self.port), *settings, *self.options]
        self.process = Started(command, self.folder / "anvil.log")
        self.process.start()
        wait_until(self._answers, f"anvil: {' '.join(command)}")

    def _answers(self) -> bool:
        if self.process is None or not self.process.running:
            raise DidNotStart(f"anvil: {self.process.said() if self.process else ''}")
        return bool(self.web3.is_connected())

    @property
    def web3(self) -> Web3:
        """A client."""
        return Web3(HTTPProvider(self.url, exception_retry_configuration=None))

    def request(self, method: str, *parameters: Any) -> Any:
        """Ask anvil for something that only it can do.

        Raises
        ------
        ChainError
            When it refuses.
        """
        answer = self.web3.provider.make_request(RPCEndpoint(method), list(parameters))
        if "error" in answer:
            raise ChainError(f"{method}: {answer['error']}")
        return answer.get("result")

    def give(self, account: bytes, wei: int) -> None:
        """Set a balance."""
        self.request("anvil_setBalance", Web3.to_checksum_address(account), hex(wei))

    def mine_every(self, seconds: int) -> None:
        """From now on a block comes with the clock, not with a transaction."""
        self.request("evm_setAutomine", False)  # noqa: FBT003
        self.request("evm_setIntervalMining", seconds)


def broker_process(configuration: Path, log: Path) -> Started:
    """A mosquitto with a configuration."""
    where = [Path("/usr/sbin"), Path("/usr/local/sbin")]
    program = find_program("mosquitto", where, "install it (Debian: apt-get install mosquitto)")
    return Started([program, "-c", str(configuration)], log)


def start_broker(broker: Started) -> None:
    """Start a broker and wait until it listens.

    Raises
    ------
    DidNotStart
        With what it said.
    """
    before = broker.said().count("running")
    broker.start()
    wait_until(lambda: broker.said().count("running") > before or not broker.running, "mosquitto")
    if not broker.running:
        raise DidNotStart(f"mosquitto: {broker.said()[-500:]}")


def node_process(kit: Path, role: str, contracts: Path, root: Path) -> Started:
    """A node of a kit."""
    return _python(role, [kit], contracts, root, kit / "log")


def host_process(kits: Sequence[Path], contracts: Path, root: Path, log: Path) -> Started:
    """One process for the nodes of several kits."""
    return _python("host", kits, contracts, root, log)


def _python(role: str, kits: Sequence[Path], contracts: Path, root: Path, log: Path) -> Started:
    configs = [part for kit in kits for part in ("--config", str(kit / "node.toml"))]
    command = [sys.executable, "-m", "offchain.nodes", role, *configs]
    command += ["--contracts", str(contracts)]
    return Started(command, log, {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"})
