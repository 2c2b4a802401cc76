"""The state directory of a node: one lock, one keyring, one database.

| file | holds |
|---|---|
| ``lock`` | who uses the directory |
| ``keyring`` | the master key, encrypted with a passphrase or a key file |
| ``state.sqlite`` | sealed values and journal (with ``-wal`` and ``-shm`` beside it while in use) |

It must never be put back from an older copy: an older journal would sign again what was
signed since. Who has lost it joins with a new account.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from offchain.store.database import DATABASE_FILE, Database
from offchain.store.errors import StateExists, StateMissing, StateOfAnother, ValueMissing
from offchain.store.files import make_folder
from offchain.store.journal import Journal
from offchain.store.keyring import KEYRING_FILE, Keyring, Unlock
from offchain.store.lock import DirectoryLock
from offchain.store.values import Values

_OWNER: Final = "owner"
_SECRET_BYTES: Final = 32


@dataclass(frozen=True)
class Owner:
    """Whose state it is: a role of an account in a task."""

    task: bytes  # domain separator
    account: bytes
    role: str

    def __str__(self) -> str:
        return f"{self.role} 0x{self.account.hex()} of task 0x{self.task.hex()}"


class State:
    """An open state directory. Made by ``create`` or ``open``; to be closed.

    Attributes
    ----------
    values
        Named byte strings.
    secrets
        Named byte strings under a key of their own.
    journal
        Of the node's role.
    """

    def __init__(self, folder: Path, lock: DirectoryLock, keyring: Keyring) -> None:
        self.folder = folder
        self._lock = lock
        self._keyring = keyring
        self._database = Database(folder)
        try:
            self.values = Values(self._database, keyring.box("values"), "values")
            self.secrets = Values(self._database, keyring.box("secrets"), "secrets")
            self.journal = Journal(self._database, keyring.box("journal"))
        except BaseException:
            self._database.close()
            raise

    @staticmethod
    def create(folder: Path, owner: Owner, unlock: Unlock) -> "State":
        """Make a state directory.

        Raises
        ------
        StateExists
            When there is a state already.
        StateLocked, StateUnwritable
            When it is in use, or cannot be written.
        """
        make_folder(folder)
        lock = DirectoryLock(folder)
        try:
            if (folder / KEYRING_FILE).exists() or (folder / DATABASE_FILE).exists():
                raise StateExists(f"{folder}: there is a state in this folder already")
            state = State(folder, lock, Keyring.create(folder, unlock))
            state.values.put(_OWNER, _owner_bytes(owner))
        except BaseException:
            lock.release()
            raise
        return state

    @staticmethod
    def open(folder: Path, owner: Owner, unlock: Unlock) -> "State":
        """Open a state directory.

        Raises
        ------
        StateMissing
            When there is none.
        StateLocked
            When another instance of the node runs.
        StateOfAnother
            When it belongs to another account, role or task.
        WrongKey, KeyFileUnsafe, StateCorrupt, StateUnwritable
            When it cannot be opened.
        """
        for name in (KEYRING_FILE, DATABASE_FILE):
            if not (folder / name).exists():
                raise StateMissing(f"{folder / name}: no state here; make one first")
        lock = DirectoryLock(folder)
        try:
            state = State(folder, lock, Keyring.open(folder, unlock))
        except BaseException:
            lock.release()
            raise
        try:
            state.require_owner(owner)
        except BaseException:
            state.close()
            raise
        return state

    def require_owner(self, owner: Owner) -> None:
        """Check whose state it is.

        Raises
        ------
        StateOfAnother
            When it is somebody else's.
        """
        try:
            stored = json.loads(self.values.get(_OWNER))
        except ValueMissing:
            raise StateMissing(f"{self.folder}: was never finished; remove it and begin") from None
        task, account = bytes.fromhex(stored["task"]), bytes.fromhex(stored["account"])
        found = Owner(task, account, stored["role"])
        if found != owner:
            raise StateOfAnother(f"{self.folder}: belongs to {found}; this is {owner}")

    def secret(self, name: str, make: Callable[[], bytes] | None = None) -> bytes:
        """A secret of the node, made and stored the first time it is asked for."""
        drawn = make or (lambda: os.urandom(_SECRET_BYTES))
        return self.secrets.get_or_make(name, drawn)

    def change_unlock(self, unlock: Unlock) -> None:
        """From now on another passphrase or key file opens it."""
        self._keyring.store(self.folder, unlock)

    def limit(self, pages: int) -> None:
        """Let the database hold so many pages (of 4 KiB) at most."""
        self._database.limit(pages)

    def close(self) -> None:
        """Close it and let go of the lock."""
        self._database.close()
        self._lock.release()


def _owner_bytes(owner: Owner) -> bytes:
    stored = {"task": owner.task.hex(), "account": owner.account.hex(), "role": owner.role}
    return json.dumps(stored).encode()
