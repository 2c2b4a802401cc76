"""What a fog remembers of selections, as bytes: numbers and names only, so nothing can be run."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np

from offchain.learning.errors import LearningError
from offchain.learning.selection_ledger import Ledger
from offchain.learning.selection_trend import Agreement
from offchain.learning.selection_types import Memory, PastRound


class MemoryUnreadable(LearningError):
    """Bytes that hold no memory of a selection."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"selection memory: {detail}")


@dataclass(frozen=True, slots=True)
class Remembered:
    """What stays from the last selection.

    Attributes
    ----------
    round
        Its round, 0 before the first.
    last
        What it chose from, with the sum that the round released once it is known.
    memory
        The rule's own.
    """

    round: int = 0
    last: PastRound | None = None
    memory: Memory | None = None


_KINDS: Final[dict[str, type[Any]]] = {}


def register_memory(kind: type[Any]) -> None:
    """Let a rule's memory be kept: a dataclass of arrays, numbers, tuples of names, or None."""
    _KINDS[kind.__name__] = kind


def encode_memory(known: Remembered) -> bytes:
    """Return bytes for `decode_memory`; a memory of a kind not registered is left out."""
    parts: dict[str, Any] = {"round": np.array(known.round)}
    if known.last is not None:
        parts |= _parts("last", known.last)
    kind = type(known.memory).__name__
    if known.memory is not None and kind in _KINDS:
        parts |= {"kind": np.array(kind), **_parts("memory", known.memory)}
    out = io.BytesIO()
    np.savez(out, **parts)
    return out.getvalue()


def decode_memory(data: bytes) -> Remembered:
    """Return what `encode_memory` was given.

    Raises
    ------
    MemoryUnreadable
        If the bytes are something else.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            parts = {name: file[name] for name in file.files}
        kind = str(parts["kind"]) if "kind" in parts else None
        return Remembered(
            int(parts["round"]),
            _build(PastRound, "last", parts) if "last.devices" in parts else None,
            _build(_KINDS[kind], "memory", parts) if kind else None,
        )
    except (
        *(ValueError, KeyError, TypeError, OSError, EOFError, BadZipFile),
        LearningError,
    ) as error:
        raise MemoryUnreadable(f"unreadable: {error!r}") from None


def _parts(prefix: str, value: Any) -> dict[str, Any]:
    return {f"{prefix}.{name}": part for name, part in _plain(value)}


def _plain(value: Any) -> Iterator[tuple[str, Any]]:
    for field in fields(value):
        part = getattr(value, field.name)
        if part is not None:
            dtype = np.str_ if field.name == "devices" else None
            yield field.name, np.array(part, dtype=dtype)


def _build(kind: type[Any], prefix: str, parts: Mapping[str, Any]) -> Any:
    """Build a dataclass: names and places as tuples, single numbers as floats, the rest arrays."""
    values: dict[str, Any] = {}
    for field in fields(kind):
        part = parts.get(f"{prefix}.{field.name}")
        if part is None:
            values[field.name] = None
        elif "tuple[str" in str(field.type):
            values[field.name] = tuple(map(str, part))
        elif "tuple[int" in str(field.type):
            values[field.name] = tuple(map(int, part))
        else:
            values[field.name] = part if part.ndim else float(part)
    return kind(**values)


register_memory(Ledger)
register_memory(Agreement)
