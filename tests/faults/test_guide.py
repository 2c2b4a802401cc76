"""The operator's guide, typed as written, against a chain like Sepolia: to the audit of the task.

The commands are the guide's own code blocks, in their order, in a copy of the project's folder.
Changed are only addresses, ports and the broker's account, as the guide says.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from web3 import Web3

from offchain.nodes.processes import LocalChainProcess, free_port, wait_until
from offchain.nodes.status import read_status
from tests.offchain.transport.broker import mosquitto

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "operations.md"
SEPOLIA = 11_155_111
GWEI = 10**9
BLOCK_TIME = 12
FAUCET = 5 * 10**17  # what the guide says is enough
NEXT_SECTION = "While it runs"
PATIENCE = 900.0
COPIED = ("ape-config.yaml", "contracts", "scripts", "offchain", "pyproject.toml", ".build")
LINKED = ("node_modules", "tools")

BLOCK = re.compile(r"^```(sh|toml)\n(.*?)^```$", re.M | re.S)


def blocks() -> list[tuple[str, str]]:
    """Language and text of the code blocks of the walk, in order."""
    walk = GUIDE.read_text().split(f"## {NEXT_SECTION}")[0]
    return BLOCK.findall(walk)


@dataclass
class Terminal:
    """Types commands; what they leave behind in the background is ended with the test."""

    folder: Path
    environment: dict[str, str]
    changes: dict[str, str]
    console: Console
    groups: list[int] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        self.console.print(f"{time.monotonic() - self.since:5.0f} s  {text}", highlight=False)

    def changed(self, text: str) -> str:
        for old, new in self.changes.items():
            text = text.replace(old, new)
        return text

    def type(self, command: str) -> str:
        self.say(command.strip().splitlines()[0])
        with (self.folder / "typed").open("wb") as out:
            shell = subprocess.Popen(
                ["/bin/sh", "-c", self.changed(command)],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
            self.groups.append(shell.pid)
            status = shell.wait(600)
        told = (self.folder / "typed").read_text(errors="replace")
        assert status == 0, f"{command}\n{told}"
        return told

    def end(self) -> None:
        for group in self.groups:
            try:
                os.killpg(group, signal.SIGKILL)
            except ProcessLookupError:
                continue


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[LocalChainProcess]:
    """Like Sepolia: its chain id, base fees, and a block every 12 seconds whatever happens."""
    options = ("--block-time", str(BLOCK_TIME), "--block-base-fee-per-gas", str(GWEI))
    made = LocalChainProcess(tmp_path, ROOT, SEPOLIA, options)
    made.start()
    yield made
    assert made.process is not None
    made.process.stop()


@pytest.fixture
def terminal(chain: LocalChainProcess, tmp_path: Path) -> Iterator[Terminal]:
    folder = tmp_path / "project"
    folder.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / name, ignore=ignored)
        elif source.exists():
            shutil.copy2(source, folder / name)
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    programs = (Path(sys.executable).parent, ROOT / "node_modules/.bin", Path(mosquitto()).parent)
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([*map(str, programs), os.environ["PATH"]]),
        "PYTHONPATH": str(folder),
        "OMP_NUM_THREADS": "1",
    }
    changes = {
        "http://127.0.0.1:8545": chain.url,
        "port = 8883": f"port = {free_port()}",
        'user = "mosquitto"': f'user = "{pwd.getpwuid(os.getuid()).pw_name}"',
        "metrics_port = 9100": f"metrics_port = {free_port()}",
    }
    made = Terminal(folder, environment, changes, Console(stderr=True, soft_wrap=True))
    yield made
    made.end()


@dataclass
class Walk:
    """The guide step by step, and what happens on the chain meanwhile."""

    terminal: Terminal
    chain: LocalChainProcess
    told: dict[str, list[str]] = field(default_factory=dict)

    def take(self, language: str, text: str) -> None:
        if language == "toml":
            path = self.terminal.folder / "plant" / "authority.toml"
            path.write_text(self.terminal.changed(text))
            return
        if "status.json" in text:
            self.train()
        told = self.terminal.type(text)
        self.told.setdefault(text, []).append(told)
        if "authority admit" in text:  # the guide: it does what is missing
            assert self.terminal.type(text).startswith("0 transactions")
        if "authority init" in text:
            account = re.findall(r"0x[0-9a-f]{40}", told)[0]
            self.chain.give(bytes.fromhex(account[2:]), FAUCET)
            self.authority = account

    def status(self) -> dict[str, Any]:
        return read_status(self.terminal.folder / "plant/kits/cloud-0/state") or {}

    def train(self) -> None:
        """Wait for the end; after an anchor two blocks are replaced, and gas gets dear."""
        seen: set[tuple[int, str]] = set()
        reorganised = False

        def over() -> bool:
            nonlocal reorganised
            status = self.status()
            now = (status.get("round", 0), status.get("phase", ""))
            if now not in seen:
                seen.add(now)
                self.terminal.say(f"round {now[0]}, {now[1]}, block {status.get('block')}")
            if now == (1, "Accumulating") and not reorganised:
                reorganised = True
                self.chain.request("anvil_reorg", 2, [])
                self.chain.request("anvil_setNextBlockBaseFeePerGas", hex(10 * GWEI))
                self.terminal.say("two blocks replaced; base fee 10 gwei")
            return bool(status.get("ended"))

        wait_until(over, "the end of the task", PATIENCE)
        assert reorganised


@pytest.mark.full
def test_guide__typed_as_written_on_a_chain_like_sepolia__ends_with_an_audited_task(
    terminal: Terminal, chain: LocalChainProcess
) -> None:
    walk = Walk(terminal, chain)
    for language, text in blocks():
        walk.take(language, text)
    plant = terminal.folder / "plant"

    deploys = next(told for text, told in walk.told.items() if "ape run deploy" in text)
    assert "deployed now" in deploys[0]
    assert "nothing to do" in deploys[1]

    status = walk.status()
    assert status["ended"] == "all rounds settled"
    record = json.loads((plant / "deployment.json").read_text())
    assert record["chain_id"] == SEPOLIA
    assert len((plant / "predictions.csv").read_text().splitlines()) > 2
    balance = chain.web3.eth.get_balance(Web3.to_checksum_address(walk.authority))
    terminal.say(f"of the faucet's half ether {balance / 10**18:.3f} are left")

    def ended() -> bool:
        return not any(_runs(int(path.read_text())) for path in plant.glob("kits/*/pid"))

    wait_until(ended, "nodes end", PATIENCE)
    for kit in plant.glob("kits/*"):
        log = (kit / "log").read_text()
        assert "stopped" in log.splitlines()[-1], log


def _runs(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False


def test_guide__its_walk__has_every_step_in_order() -> None:
    typed = [text for language, text in blocks() if language == "sh"]
    steps = ("mkdir", "init", "deploy", "deploy", "admit", "mosquitto", "doctor", "for kit")
    steps += ("status", "verify-model", "audit", "predict", "kill")
    assert len(typed) == len(steps)
    for step, text in zip(steps, typed, strict=True):
        assert step in text
