"""Named byte strings of a node, sealed: secrets, and what it must find again after a restart."""

from collections.abc import Callable

from offchain.store.database import Database
from offchain.store.errors import ValueMissing
from offchain.store.keyring import Box


class Values:
    """A map from names to byte strings, on disk when a call returns.

    Parameters
    ----------
    database
        Where they lie.
    box
        What seals them; names are not hidden.
    space
        Sets these names apart from those of other maps in the database.
    """

    def __init__(self, database: Database, box: Box, space: str) -> None:
        self._database = database
        self._box = box
        self._space = space

    def _full(self, name: str) -> str:
        return f"{self._space}/{name}"

    def __contains__(self, name: str) -> bool:
        query = "SELECT 1 FROM value WHERE name = ?"
        return bool(self._database.rows(query, (self._full(name),)))

    def names(self) -> list[str]:
        """All names, sorted."""
        rows = self._database.rows("SELECT name FROM value ORDER BY name")
        start = self._full("")
        return [name.removeprefix(start) for (name,) in rows if name.startswith(start)]

    def get(self, name: str) -> bytes:
        """The bytes of a name.

        Raises
        ------
        ValueMissing
            When nothing is stored under it.
        StateCorrupt
            When what is stored was altered.
        """
        full = self._full(name)
        rows = self._database.rows("SELECT sealed FROM value WHERE name = ?", (full,))
        if not rows:
            raise ValueMissing(f"{self._database.path}: nothing is stored under {full!r}")
        return self._box.open(rows[0][0], _place(full))

    def put(self, name: str, value: bytes) -> None:
        """Store bytes under a name; what was there is replaced."""
        full = self._full(name)
        sealed = self._box.seal(value, _place(full))
        with self._database.transaction() as transaction:
            transaction.execute("INSERT OR REPLACE INTO value VALUES (?, ?)", (full, sealed))

    def get_or_make(self, name: str, make: Callable[[], bytes]) -> bytes:
        """The bytes of a name; the first time they are made, and stored before they are used."""
        if name not in self:
            self.put(name, make())
        return self.get(name)

    def remove(self, name: str) -> None:
        """Forget a name."""
        with self._database.transaction() as transaction:
            transaction.execute("DELETE FROM value WHERE name = ?", (self._full(name),))


def _place(name: str) -> bytes:
    return b"value " + name.encode()
