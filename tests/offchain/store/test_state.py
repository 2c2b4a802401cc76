"""The state directory: one owner, one instance, one key; what is damaged or full is said."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from offchain.store.errors import (
    KeyFileUnsafe,
    StateCorrupt,
    StateExists,
    StateLocked,
    StateMissing,
    StateOfAnother,
    StateUnwritable,
    ValueMissing,
    WrongKey,
)
from offchain.store.inputs import MessageIn, TickIn
from offchain.store.journal import Record
from offchain.store.keyring import KeyFile, Passphrase
from offchain.store.state import State
from tests.offchain.store.conftest import OWNER, UNLOCK, Disk

# ---- values


def test_values__put_and_crash__are_there(disk: Disk) -> None:
    state = disk.create()
    state.values.put("round", b"7")
    state.values.put("round", b"8")
    state.secrets.put("round", b"a secret of the same name")
    again = disk.crash()
    assert again.values.get("round") == b"8"
    assert again.secrets.get("round") == b"a secret of the same name"
    assert again.secrets.names() == ["round"]


def test_values__nothing_under_a_name__says_which(disk: Disk) -> None:
    state = disk.create()
    with pytest.raises(ValueMissing, match="nothing is stored under 'values/round'"):
        state.values.get("round")
    state.values.put("round", b"7")
    state.values.remove("round")
    assert "round" not in state.values


def test_secret__asked_for_again__is_the_one_first_made(disk: Disk) -> None:
    first = disk.create().secret("seed")
    assert len(first) == 32
    assert disk.crash().secret("seed", lambda: b"another") == first


def test_files__secrets__are_not_in_the_clear_and_only_the_owner_reads_them(disk: Disk) -> None:
    state = disk.create()
    state.secrets.put("key", b"THE-SECRET-OF-THIS-NODE")
    state.values.put("value", b"THE-SECRET-OF-THIS-NODE")
    state.journal.append([Record(MessageIn(b"THE-SECRET-OF-THIS-NODE"), (b"THE-SECRET-OF",), b"")])
    for path in state.folder.iterdir():
        assert b"THE-SECRET" not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert stat.S_IMODE(state.folder.stat().st_mode) == 0o700


# ---- whose it is


def test_create__where_a_state_is__changes_nothing(disk: Disk) -> None:
    state = disk.create()
    state.values.put("x", b"1")
    state.close()
    with pytest.raises(StateExists, match="there is a state in this folder already"):
        State.create(state.folder, OWNER, UNLOCK)
    assert disk.crash().values.get("x") == b"1"


def test_open__nothing_there__says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StateMissing, match="no state here; make one first"):
        State.open(tmp_path, OWNER, UNLOCK)


@pytest.mark.parametrize(
    "other",
    [
        replace(OWNER, account=b"b" * 20),
        replace(OWNER, role="fog"),
        replace(OWNER, task=b"u" * 32),
    ],
    ids=["account", "role", "task"],
)
def test_open__as_somebody_else__names_both(disk: Disk, other: object) -> None:
    folder = disk.create().folder
    disk.close()
    with pytest.raises(StateOfAnother, match=f"belongs to {OWNER}; this is {other}"):
        State.open(folder, other, UNLOCK)  # type: ignore[arg-type]
    State.open(folder, OWNER, UNLOCK).close()


# ---- one instance


def test_open__second_instance__is_refused_and_told_of_the_first(disk: Disk) -> None:
    folder = disk.create().folder
    with pytest.raises(StateLocked, match=f"used by another instance.*process {os.getpid()} on"):
        State.open(folder, OWNER, UNLOCK)
    disk.close()
    State.open(folder, OWNER, UNLOCK).close()


def test_open__instance_in_another_process__is_refused_until_it_is_killed(disk: Disk) -> None:
    folder = disk.create().folder
    disk.close()
    holder = (
        "import sys; from pathlib import Path; from offchain.store.lock import DirectoryLock; "
        "held = DirectoryLock(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", holder, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(StateLocked, match=f"process {child.pid} on"):
            State.open(folder, OWNER, UNLOCK)
    finally:
        child.kill()
        child.communicate()
    State.open(folder, OWNER, UNLOCK).close()


def test_lock__held_by_something_that_wrote_nothing__is_still_a_lock(disk: Disk) -> None:
    folder = disk.create().folder
    disk.close()
    (folder / "lock").write_bytes(b"")
    with (folder / "lock").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(StateLocked, match="unknown"):
            State.open(folder, OWNER, UNLOCK)


# ---- keys


def test_open__another_passphrase__is_refused(disk: Disk) -> None:
    folder = disk.create().folder
    disk.close()
    with pytest.raises(WrongKey, match="not the passphrase it was made with"):
        State.open(folder, OWNER, Passphrase("battery staple"))


def test_change_unlock__to_a_key_file__passphrase_no_longer_opens(
    disk: Disk, tmp_path: Path
) -> None:
    state = disk.create()
    state.secrets.put("x", b"1")
    key = KeyFile.create(tmp_path / "node.key")
    state.change_unlock(key)
    disk.close()
    with pytest.raises(WrongKey, match="is opened with a key file"):
        State.open(state.folder, OWNER, UNLOCK)
    again = State.open(state.folder, OWNER, key)
    assert again.secrets.get("x") == b"1"
    again.close()
    other = KeyFile.create(tmp_path / "other.key")
    with pytest.raises(WrongKey, match="not the key file it was made with"):
        State.open(state.folder, OWNER, other)


def test_key_file__that_others_may_read__is_refused(disk: Disk, tmp_path: Path) -> None:
    state = disk.create()
    key = KeyFile.create(tmp_path / "node.key")
    state.change_unlock(key)
    disk.close()
    key.path.chmod(0o640)
    with pytest.raises(KeyFileUnsafe, match="others may read it; run: chmod 600"):
        State.open(state.folder, OWNER, key)
    key.path.chmod(0o600)
    key.path.write_bytes(b"\xff\xfe")
    with pytest.raises(KeyFileUnsafe, match="64 hexadecimal digits expected"):
        State.open(state.folder, OWNER, key)
    key.path.unlink()
    with pytest.raises(KeyFileUnsafe, match="No such file"):
        State.open(state.folder, OWNER, key)


def test_key_file__where_a_file_is__is_not_overwritten(tmp_path: Path) -> None:
    KeyFile.create(tmp_path / "node.key")
    with pytest.raises(StateExists):
        KeyFile.create(tmp_path / "node.key")


def test_repr__of_keys__shows_nothing(disk: Disk) -> None:
    state = disk.create()
    for shown in (UNLOCK, state._keyring, state._keyring.box("x")):
        assert "hidden" in repr(shown)


# ---- damage


def _damage(path: Path, place: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        file.write(data)


def test_open__database_that_is_none__says_so(disk: Disk) -> None:
    folder = disk.create().folder
    disk.close()
    for name in ("state.sqlite-wal", "state.sqlite-shm"):
        (folder / name).unlink(missing_ok=True)
    (folder / "state.sqlite").write_bytes(b"not a database, and long enough to be read as one" * 99)
    with pytest.raises(StateCorrupt, match=r"state\.sqlite: file is not a database"):
        State.open(folder, OWNER, UNLOCK)


def test_open__someone_elses_database__says_so(disk: Disk) -> None:
    folder = disk.create().folder
    disk.close()
    (folder / "state.sqlite").unlink()
    other = sqlite3.connect(folder / "state.sqlite")
    other.execute("CREATE TABLE recipe (name TEXT)")
    other.close()
    with pytest.raises(StateCorrupt, match="a database, but no node's state"):
        State.open(folder, OWNER, UNLOCK)


def test_open__pages_overwritten__says_so(disk: Disk) -> None:
    state = disk.create()
    state.journal.append([Record(MessageIn(os.urandom(5000)), (), b"") for _ in range(50)])
    disk.close()
    _damage(state.folder / "state.sqlite", 4096, os.urandom(40 * 4096))
    with pytest.raises(StateCorrupt):
        State.open(state.folder, OWNER, UNLOCK)


def test_journal__entry_altered_or_missing__says_which(disk: Disk) -> None:
    state = disk.create()
    state.journal.append([Record(TickIn(now), (), b"") for now in (1, 2, 3)])
    disk.close()
    path = state.folder / "state.sqlite"
    for statement, text in (
        ("UPDATE entry SET kind = 1 WHERE seq = 2", "entry 2 of kind 1: damaged"),
        ("DELETE FROM entry WHERE seq = 2", "entry 2 is missing"),
    ):
        raw = sqlite3.connect(path)
        raw.execute(statement)
        raw.commit()
        raw.close()
        again = State.open(state.folder, OWNER, UNLOCK)
        with pytest.raises(StateCorrupt, match=text):
            list(again.journal.entries())
        again.close()


@pytest.mark.parametrize("text", ["", "{}", "{", '{"version": 2}'])
def test_open__keyring_damaged__says_what_to_do(disk: Disk, text: str) -> None:
    folder = disk.create().folder
    disk.close()
    (folder / "keyring").write_text(text)
    with pytest.raises(StateCorrupt, match="keyring: damaged; restore it"):
        State.open(folder, OWNER, UNLOCK)


# ---- a full disk


def test_journal__disk_full__stores_nothing_of_it_and_goes_on_when_there_is_room(
    disk: Disk,
) -> None:
    state = disk.create()
    state.journal.append([Record(TickIn(1), (), b"")])
    state.limit(40)
    large = [Record(TickIn(2), (), b""), Record(MessageIn(bytes(400_000)), (), b"")]
    with pytest.raises(StateUnwritable, match="the disk is full"):
        state.journal.append(large)
    assert [entry.seq for entry in state.journal.entries()] == [1]
    state.limit(2**30)
    assert state.journal.append(large) == [2, 3]
    again = disk.crash()
    assert [entry.record for entry in again.journal.entries()] == [
        Record(TickIn(1), (), b""),
        *large,
    ]


def test_journal__marks__are_stored_with_the_records_or_not_at_all(disk: Disk) -> None:
    state = disk.create()
    assert state.journal.mark("chain") is None
    state.journal.append([Record(TickIn(1), (), b"")], {"chain": b"block 7"})
    state.limit(40)
    with pytest.raises(StateUnwritable):
        state.journal.append([Record(MessageIn(bytes(400_000)), (), b"")], {"chain": b"block 8"})
    again = disk.crash()
    assert again.journal.mark("chain") == b"block 7"
    again.journal.start_from(b"picture", 0)
    assert again.journal.mark("chain") == b"block 7"


def test_create__folder_that_cannot_be_written__says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StateUnwritable, match="Not a directory"):
        State.create(tmp_path / "file" / "state", OWNER, UNLOCK)


def test_journal__size_after_a_start_from_a_picture__is_given_back(disk: Disk) -> None:
    state = disk.create()
    state.journal.append([Record(MessageIn(bytes(100_000)), (), b"") for _ in range(30)])
    before = sum(path.stat().st_size for path in state.folder.iterdir())
    state.journal.start_from(b"picture", 0)
    after = sum(path.stat().st_size for path in state.folder.iterdir())
    assert before > 3_000_000
    assert after < 200_000
    assert state.journal.append([Record(TickIn(1), (), b"")]) == [31]
    again = disk.crash()
    assert again.journal.picture() == b"picture"
    assert [entry.seq for entry in again.journal.entries()] == [31]
