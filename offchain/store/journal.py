"""The journal of a role: its inputs in their order, what it signed, and a picture to start from.

The rule that everything rests on: an input is on disk before anything that follows from it leaves
the node. Since roles are deterministic, a restarted node that puts the same inputs into the same
role arrives at the same state and the same messages.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from offchain.store.database import Database
from offchain.store.errors import StateCorrupt
from offchain.store.inputs import Input, decode_input, encode_input
from offchain.store.keyring import Box

_PICTURE: Final = "journal/picture"
_MARK: Final = "mark/"
_FLOOR: Final = "signed floor"


@dataclass(frozen=True)
class Signed:
    """A message that was signed: one for each round, kind and recipient."""

    round: int
    kind: str
    recipient: bytes
    digest: bytes


@dataclass(frozen=True)
class Record:
    """An input, the outside answers that it asked for, and digests of its effects.

    Attributes
    ----------
    item
        The input.
    asides
        What the role got from its own trainer while it handled the input (``recorded``).
    effects
        ``effects_digest`` of what followed.
    signed
        Messages signed for the first time.
    """

    item: Input
    asides: tuple[bytes, ...]
    effects: bytes
    signed: tuple[Signed, ...] = ()


@dataclass(frozen=True)
class Entry:
    """A record with its number in the journal."""

    seq: int
    record: Record


@dataclass(frozen=True)
class EffectId:
    """Names an effect: number of its input, and its place among that input's effects."""

    seq: int
    place: int


class Journal:
    """The journal of one role.

    Parameters
    ----------
    database
        Where it lies.
    box
        What seals it: inputs hold what others have confided to this node.
    """

    def __init__(self, database: Database, box: Box) -> None:
        self._database = database
        self._box = box
        last = database.rows("SELECT max(seq) FROM entry")[0][0]
        self._last = max(int(last or 0), self._picture_seq())
        floor = self.mark(_FLOOR)
        self._floor = int.from_bytes(floor, "big") if floor else 0

    @property
    def floor(self) -> int:
        """What was signed in rounds before this one is forgotten: nothing may be signed in them."""
        return self._floor

    @property
    def last(self) -> int:
        """Number of the newest entry."""
        return self._last

    # ---- inputs

    def append(
        self, records: Sequence[Record], marks: Mapping[str, bytes] | None = None
    ) -> list[int]:
        """Store records, all or none; they are on disk when this returns.

        Parameters
        ----------
        records
            In their order.
        marks
            Stored with them, such as how far the chain was read: found again by ``mark``.

        Returns
        -------
        list
            Their numbers.

        Raises
        ------
        StateUnwritable
            When the disk is full or failing: then none is stored.
        """
        numbers = list(range(self._last + 1, self._last + 1 + len(records)))
        rows = [self._row(seq, record) for seq, record in zip(numbers, records, strict=True)]
        signed = [
            (one.round, one.kind, one.recipient, one.digest)
            for record in records
            for one in record.signed
        ]
        placed = [
            (_MARK + name, self._box.seal(value, (_MARK + name).encode()))
            for name, value in (marks or {}).items()
        ]
        with self._database.transaction() as transaction:
            transaction.executemany("INSERT INTO entry VALUES (?, ?, ?, ?, ?)", rows)
            transaction.executemany("INSERT INTO signed VALUES (?, ?, ?, ?)", signed)
            transaction.executemany("INSERT OR REPLACE INTO value VALUES (?, ?)", placed)
        self._last += len(records)
        return numbers

    def _row(self, seq: int, record: Record) -> tuple[int, int, bytes, bytes | None, bytes]:
        kind, data = encode_input(record.item)
        asides = None
        if record.asides:
            asides = self._box.seal(msgspec.msgpack.encode(record.asides), b"asides %d" % seq)
        return seq, kind, self._box.seal(data, _place(seq, kind)), asides, record.effects

    def entries(self) -> Iterator[Entry]:
        """All records since the picture, oldest first.

        Raises
        ------
        StateCorrupt
            When one was altered or is missing.
        """
        expected = self._picture_seq() + 1
        query = "SELECT seq, kind, sealed, asides, effects FROM entry WHERE seq >= ? ORDER BY seq"
        for seq, kind, sealed, asides, effects in self._database.each(query, (expected,)):
            if seq != expected:
                raise StateCorrupt(f"journal: entry {expected} is missing")
            item = decode_input(kind, self._box.open(sealed, _place(seq, kind)))
            answers: tuple[bytes, ...] = ()
            if asides is not None:
                plain = self._box.open(asides, b"asides %d" % seq)
                answers = msgspec.msgpack.decode(plain, type=tuple[bytes, ...])
            yield Entry(seq, Record(item, answers, effects))
            expected += 1

    def mark(self, name: str) -> bytes | None:
        """What was last stored under a mark, if anything was."""
        rows = self._database.rows("SELECT sealed FROM value WHERE name = ?", (_MARK + name,))
        return self._box.open(rows[0][0], (_MARK + name).encode()) if rows else None

    # ---- what was signed

    def signed(self, round_number: int, kind: str, recipient: bytes) -> bytes | None:
        """Digest of what was signed of a kind to a recipient in a round, if anything was."""
        rows = self._database.rows(
            "SELECT digest FROM signed WHERE round = ? AND kind = ? AND recipient = ?",
            (round_number, kind, recipient),
        )
        return rows[0][0] if rows else None

    # ---- the picture

    def _picture_seq(self) -> int:
        rows = self._database.rows("SELECT sealed FROM value WHERE name = ?", (_PICTURE,))
        return self._open_picture(rows[0][0])[0] if rows else 0

    def _open_picture(self, sealed: bytes) -> tuple[int, bytes]:
        plain = self._box.open(sealed, _PICTURE.encode())
        return int.from_bytes(plain[:8], "big"), plain[8:]

    def picture(self) -> bytes | None:
        """What ``start_from`` was last given; None before that."""
        rows = self._database.rows("SELECT sealed FROM value WHERE name = ?", (_PICTURE,))
        return self._open_picture(rows[0][0])[1] if rows else None

    def start_from(self, picture: bytes, forget_signed_before: int) -> None:
        """Start from a picture of the role as it is now; all entries before it are dropped.

        Parameters
        ----------
        picture
            Of the role, after the newest entry.
        forget_signed_before
            What was signed in rounds before this one is forgotten: ``floor``, which never sinks
            and outlives a dropped journal, so that nothing is signed in them any more.
        """
        sealed = self._box.seal(self._last.to_bytes(8, "big") + picture, _PICTURE.encode())
        floor = max(self._floor, forget_signed_before)
        name = _MARK + _FLOOR
        kept = self._box.seal(floor.to_bytes(8, "big"), name.encode())
        with self._database.transaction() as transaction:
            transaction.execute("INSERT OR REPLACE INTO value VALUES (?, ?)", (name, kept))
            transaction.execute("INSERT OR REPLACE INTO value VALUES (?, ?)", (_PICTURE, sealed))
            transaction.execute("DELETE FROM entry WHERE seq <= ?", (self._last,))
            transaction.execute("DELETE FROM signed WHERE round < ?", (floor,))
            transaction.execute(
                "DELETE FROM attempt WHERE (seq, place) IN (SELECT seq, place FROM finished)"
            )
            transaction.execute("DELETE FROM finished WHERE seq <= ?", (self._last,))
        self._floor = floor
        self._database.shrink()

    def drop(self) -> None:
        """Forget inputs and picture, and keep what was signed."""
        with self._database.transaction() as transaction:
            for table in ("entry", "attempt", "finished"):
                transaction.execute(f"DELETE FROM {table}")  # noqa: S608  # names of our own
            transaction.execute("DELETE FROM value WHERE name = ?", (_PICTURE,))
        self._database.shrink()

    # ---- transactions

    def attempt(self, effect: EffectId, payload: bytes) -> None:
        """Store what is about to be tried for a transaction, such as its signed bytes."""
        number = len(self.attempts(effect))
        sealed = self._box.seal(payload, _attempt_place(effect, number))
        with self._database.transaction() as transaction:
            transaction.execute(
                "INSERT INTO attempt VALUES (?, ?, ?, ?)",
                (effect.seq, effect.place, number, sealed),
            )

    def attempts(self, effect: EffectId) -> list[bytes]:
        """What was tried for a transaction, oldest first."""
        rows = self._database.rows(
            "SELECT number, sealed FROM attempt WHERE seq = ? AND place = ? ORDER BY number",
            (effect.seq, effect.place),
        )
        return [self._box.open(sealed, _attempt_place(effect, n)) for n, sealed in rows]

    def finish(self, effect: EffectId) -> None:
        """A transaction is settled, one way or another: it is not tried again."""
        with self._database.transaction() as transaction:
            transaction.execute(
                "INSERT OR IGNORE INTO finished VALUES (?, ?)", (effect.seq, effect.place)
            )

    def finished(self, effect: EffectId) -> bool:
        """Whether a transaction is settled."""
        return bool(
            self._database.rows(
                "SELECT 1 FROM finished WHERE seq = ? AND place = ?", (effect.seq, effect.place)
            )
        )


def _place(seq: int, kind: int) -> bytes:
    return b"entry %d of kind %d" % (seq, kind)


def _attempt_place(effect: EffectId, number: int) -> bytes:
    return b"attempt %d %d %d" % (effect.seq, effect.place, number)
