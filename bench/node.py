"""A local Ethereum node of the benchmark's own, and the compiled contract."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from ape import Project
from web3 import Web3
from web3.providers import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from offchain.chain.artifact import Artifact

ROOT = Path(__file__).resolve().parent.parent
ANVIL = ROOT / "node_modules" / ".bin" / "anvil"
START_SECONDS = 60


class OneConnection(JSONBaseProvider):
    """JSON-RPC over one open connection."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port
        self._connection = HTTPConnection("127.0.0.1", port, timeout=120)

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        body = self.encode_rpc_request(method, params)
        self._connection.request("POST", "/", body, {"Content-Type": "application/json"})
        return self.decode_rpc_response(self._connection.getresponse().read())


def port_of(web3: Web3) -> int:
    """The port of a local node."""
    if not isinstance(web3.provider, OneConnection):
        raise TypeError("not a node of the benchmark's own")
    return web3.provider.port


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def local_node() -> Iterator[Web3]:
    """Start anvil with the rules of Osaka; stop it at the end."""
    port = free_port()
    command = [str(ANVIL), "--port", str(port), "--hardfork", "osaka", "--silent"]
    # Some states are kept: who asks for the latest may be answered after the next block.
    process = subprocess.Popen([*command, "--prune-history", "64"], stdin=subprocess.DEVNULL)
    try:
        yield _connected(port, process)
    finally:
        process.terminate()
        process.wait()


def _connected(port: int, process: subprocess.Popen[bytes]) -> Web3:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            web3 = Web3(OneConnection(port), middleware=[])
            if web3.eth.chain_id:
                return web3
        except OSError:
            if process.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.05)


def artifact() -> Artifact:
    """Contract S and what belongs to it, as `ape compile` left them."""
    return Artifact.of(Project(ROOT))
