"""State directories, and the tapes of a small task, played once a session."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from offchain.store.keyring import Passphrase
from offchain.store.state import Owner, State
from tests.offchain.store.small_task import Maker, Play, play

ROUNDS = 4
UNLOCK = Passphrase("correct horse", cost=16)
OWNER = Owner(b"t" * 32, b"a" * 20, "device")


@pytest.fixture(scope="session")
def maker() -> Maker:
    """Builds nodes of the small task."""
    return Maker.load()


@pytest.fixture(scope="session")
def played(maker: Maker) -> Play:
    """Four rounds, undisturbed by any crash."""
    return play(maker, ROUNDS)


@dataclass
class Disk:
    """State directories, and crashes of the process that uses one."""

    folder: Path
    _open: list[State] = field(default_factory=list)
    _crashes: int = 0

    def create(self, owner: Owner = OWNER) -> State:
        state = State.create(self.folder, owner, UNLOCK)
        self._open.append(state)
        return state

    def crash(self, owner: Owner = OWNER) -> State:
        """The state as a process finds it that starts after one was killed at this moment.

        What lies on the disk is copied while the old state is still open, so that nothing it would
        do at its end counts.
        """
        self._crashes += 1
        folder = self.folder.with_name(f"{self.folder.name}-{self._crashes}")
        shutil.copytree(self._open[-1].folder, folder)
        (folder / "lock").unlink()
        self._open[-1].close()
        shutil.rmtree(self._open.pop().folder)
        state = State.open(folder, owner, UNLOCK)
        self._open.append(state)
        return state

    def close(self) -> None:
        for state in self._open:
            state.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Where a test keeps a state."""
    made = Disk(tmp_path / "state")
    yield made
    made.close()


@pytest.fixture
def disks(tmp_path: Path) -> Iterator[Callable[[str], Disk]]:
    """For tests with several nodes."""
    made: list[Disk] = []

    def make(name: str) -> Disk:
        made.append(Disk(tmp_path / name))
        return made[-1]

    yield make
    for one in made:
        one.close()
