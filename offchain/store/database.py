"""The database of a node: SQLite with a write-ahead log, every commit on disk before it returns."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from offchain.store.errors import (
    StateCorrupt,
    StateLocked,
    StateUnwritable,
    StoreError,
)
from offchain.store.files import FILE_MODE

DATABASE_FILE: Final = "state.sqlite"
_APPLICATION: Final = 0x56464F47  # "VFOG"
_SCHEMA: Final = 1
_UNWRITABLE: Final = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk is failing or full",
    sqlite3.SQLITE_READONLY: "the file is read-only",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened",
    sqlite3.SQLITE_PERM: "the file may not be written",
    sqlite3.SQLITE_NOMEM: "out of memory",
}
_CORRUPT: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_TABLES: Final = """
CREATE TABLE value (name TEXT PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID;
-- Inputs in their order, with digests of the effects that they had.
CREATE TABLE entry (
    seq INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    asides BLOB,
    effects BLOB NOT NULL
);
-- What was signed, to whom, in which round.
CREATE TABLE signed (
    round INTEGER NOT NULL,
    kind TEXT NOT NULL,
    recipient BLOB NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (round, kind, recipient)
) WITHOUT ROWID;
-- Transactions not yet known to be settled, and what was tried for each.
CREATE TABLE attempt (
    seq INTEGER NOT NULL,
    place INTEGER NOT NULL,
    number INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (seq, place, number)
) WITHOUT ROWID;
CREATE TABLE finished (
    seq INTEGER NOT NULL,
    place INTEGER NOT NULL,
    PRIMARY KEY (seq, place)
) WITHOUT ROWID;
"""


class Database:
    """A connection that may be used from several threads, one at a time.

    Parameters
    ----------
    folder
        The node's state directory, locked by its caller.

    Raises
    ------
    StateCorrupt
        When the file is damaged, or not a node's state.
    StateUnwritable
        When it cannot be opened or made.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / DATABASE_FILE
        self._lock = threading.RLock()
        with self._errors():
            self._connection = sqlite3.connect(
                self.path, isolation_level=None, check_same_thread=False, timeout=5.0
            )
        try:
            self._prepare()
        except StoreError:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        with self._errors():
            self.path.chmod(FILE_MODE)
            for pragma in (
                "auto_vacuum = INCREMENTAL",
                "journal_mode = WAL",
                "synchronous = FULL",
                "trusted_schema = OFF",
                "cell_size_check = ON",
                "temp_store = MEMORY",
                "journal_size_limit = 16777216",
            ):
                self._connection.execute(f"PRAGMA {pragma}")
            application = self._pragma("application_id")
            tables = self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
            if application == 0 and tables == 0:
                self._make()
            elif application != _APPLICATION:
                raise StateCorrupt(f"{self.path}: a database, but no node's state")
            if self._pragma("user_version") != _SCHEMA:
                raise StateCorrupt(
                    f"{self.path}: schema {self._pragma('user_version')}, {_SCHEMA} expected"
                )
            verdict = self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise StateCorrupt(f"{self.path}: {verdict}")

    def _make(self) -> None:
        with self.transaction():
            for statement in _TABLES.split(";"):
                if statement.strip():
                    self._connection.execute(statement)
            self._connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            self._connection.execute(f"PRAGMA user_version = {_SCHEMA}")

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing; on disk when it is left without an error.

        Raises
        ------
        StateUnwritable, StateCorrupt
            When it could not be stored; then nothing of it was.
        """
        with self._lock, self._errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def rows(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        with self._lock, self._errors():
            return self._connection.execute(query, values).fetchall()

    def each(self, query: str, values: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        """Rows of a query, one by one."""
        with self._lock, self._errors():
            yield from self._connection.execute(query, values)

    def shrink(self) -> None:
        """Give the room of deleted rows back to the disk."""
        with self._lock, self._errors():
            # A step frees one page; only a script is stepped to its end.
            self._connection.executescript("PRAGMA incremental_vacuum")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def limit(self, pages: int) -> None:
        """Let the database hold so many pages at most (tests of a full disk)."""
        with self._lock, self._errors():
            self._connection.execute(f"PRAGMA max_page_count = {pages}").fetchall()

    def close(self) -> None:
        """Close it."""
        with self._lock, self._errors():
            self._connection.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._explain(error) from error
        except OSError as error:
            raise StateUnwritable(f"{self.path}: {error.strerror}") from error

    def _explain(self, error: sqlite3.Error) -> StoreError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _UNWRITABLE:
            return StateUnwritable(f"{self.path}: {_UNWRITABLE[code]} ({error})")
        if code in _CORRUPT:
            return StateCorrupt(f"{self.path}: {error}; restore it, or leave and join anew")
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return StateLocked(f"{self.path}: another program holds it ({error})")
        return StoreError(f"{self.path}: {error}")
