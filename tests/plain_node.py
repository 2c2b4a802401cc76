"""A local chain that no other test touches, and that keeps no trace of every step.

The node that Ape starts does, and takes gigabytes for long loops.
"""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from web3 import Web3

ANVIL = Path(__file__).parents[1] / "node_modules" / ".bin" / "anvil"


@contextmanager
def plain_node() -> Iterator[Web3]:
    """Run a node as long as the context lasts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [str(ANVIL), "--hardfork", "osaka", "--port", str(port), "--silent"]
    with subprocess.Popen(arguments) as process:
        try:
            web3 = Web3(Web3.HTTPProvider(f"http://127.0.0.1:{port}"))
            while not web3.is_connected():
                assert process.poll() is None
            yield web3
        finally:
            process.terminate()
