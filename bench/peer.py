"""Flower as a peer: an environment of its own, and its rounds in it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "flwr[simulation]==1.41.0"
INSTALL_SECONDS = 900

WITHOUT = (
    "Flower checks no commitment, no share, no sum and no signature of a device; keys are relayed "
    "unsigned, masks come from a generator seeded with 32 bits; nothing is on a chain, nobody can "
    "be held to account, updates carry no noise against the server beyond their masks."
)


class PeerMissing(Exception):
    """The peer cannot be installed here."""


def environment_folder() -> Path:
    """Where the peer is installed: outside the repository, kept from run to run."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    return Path(base) / "verifog" / "flower-1.41.0"


def install() -> Path:
    """Return the Python of the peer's environment; makes it at the first call (about 530 MB).

    Raises
    ------
    PeerMissing
        When the packages cannot be had.
    """
    folder = environment_folder()
    python = folder / "bin" / "python"
    done = folder / "installed"
    if done.exists() and python.exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", PACKAGE],
            check=True,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        lines = str(getattr(error, "stderr", None) or error).strip().splitlines()
        raise PeerMissing(f"{PACKAGE} cannot be installed here: {lines[-1]}") from None
    done.touch()
    return python


def run(python: Path, *options: object, timeout: float = 1200) -> dict[str, Any]:
    """Run rounds of the peer.

    Raises
    ------
    PeerMissing
        When it ends with an error.
    """
    command = [str(python), str(ROOT / "bench" / "flower_peer.py"), *map(str, options)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, check=True, cwd=ROOT.parent
        )
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.SubprocessError, IndexError, ValueError) as error:
        text = str(getattr(error, "stderr", "") or error)[-500:]
        raise PeerMissing(f"Flower ended with an error: {text}") from None
    return result
