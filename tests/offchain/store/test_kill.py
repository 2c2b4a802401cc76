"""A process that is killed with no time to say anything."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from offchain.protocol.role import Send, Transact
from offchain.store.inputs import effect_digest, encode_input
from offchain.store.state import State
from tests.conftest import Preset
from tests.offchain.store.conftest import OWNER, UNLOCK
from tests.offchain.store.small_task import Play

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", ["device 0", "fog"])
def test_kill__at_any_moment_again_and_again__what_left_is_what_an_undisturbed_node_sends(
    played: Play, tmp_path: Path, preset: Preset, name: str
) -> None:
    tape = played.tapes[name]
    expected = [
        effect_digest(effect).hex()
        for step in tape
        for effect in step.effects
        if isinstance(effect, Send | Transact)
    ]
    inputs = tmp_path / "inputs"
    inputs.write_bytes(msgspec.msgpack.encode([encode_input(step.item) for step in tape]))
    folder = tmp_path / "state"
    State.create(folder, OWNER, UNLOCK).close()
    source = random.Random(name)
    kills = 12 if preset == "full" else 1
    left: list[str] = []
    for turn in range(kills + 1):
        patience = source.randrange(1, 20) if turn < kills else 10**9
        lines = run_and_kill([str(folder), str(inputs), name], after=patience)
        assert lines[0].endswith(" 0"), "nothing diverged"
        left += [line.split()[1] for line in lines[1:] if not line.startswith("end")]
        if lines[-1].startswith("end"):
            break
    assert lines[-1].startswith("end")
    assert set(left) == set(expected)
    seen = sorted(expected.index(digest) for digest in set(left))
    assert seen == list(range(len(expected)))


def run_and_kill(arguments: list[str], after: int) -> list[str]:
    """Run the child until it has said so many lines more than its start, then kill it."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.offchain.store.child", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    lines = []
    try:
        for line in child.stdout:
            lines.append(line.strip())
            if sum(one.startswith("first") for one in lines) >= after:
                break
    finally:
        child.kill()
        rest = child.stdout.read().splitlines()  # what had left before the kill
        child.stdout.close()
        child.wait()
    return lines + [line for line in rest if len(line.split()) == 2]
