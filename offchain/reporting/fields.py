"""Strict reading of JSON objects: every field once, of its type, within its bound."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from offchain.reporting.errors import ModelFileError


class Fields:
    """One JSON object that is being read.

    Parameters
    ----------
    content
        The decoded object.
    path
        Where it stands, for errors; empty at the top.

    Raises
    ------
    ModelFileError
        From every method: naming the field, its value and the bound it must meet.
    """

    def __init__(self, content: object, path: str = "") -> None:
        if not isinstance(content, dict):
            raise ModelFileError(path or "model file", content, "must be an object")
        self._content: Mapping[str, Any] = content
        self._path = path
        self._read: set[str] = set()

    def section(self, name: str) -> Fields:
        """Return an object inside this one."""
        return Fields(self._take(name), self.name_of(name))

    def optional_section(self, name: str) -> Fields | None:
        """Return an object inside this one, or None where the field is null."""
        return None if self._take(name) is None else self.section(name)

    def integer(self, name: str, low: int, high: int) -> int:
        """Return an integer from ``low`` to ``high``."""
        value = self._take(name)
        if type(value) is not int or not low <= value <= high:
            bound = f"must be an integer from {low} to {high}"
            raise ModelFileError(self.name_of(name), value, bound)
        return value

    def positive(self, name: str) -> float:
        """Return a finite number above 0."""
        value = number(self._take(name), self.name_of(name))
        if value <= 0.0:
            raise ModelFileError(self.name_of(name), value, "must be above 0")
        return value

    def number(self, name: str) -> float:
        """Return a finite number."""
        return number(self._take(name), self.name_of(name))

    def numbers(self, name: str, count: int) -> tuple[float, ...]:
        """Return exactly ``count`` finite numbers."""
        values = self._items(name, count)
        return tuple(number(v, f"{self.name_of(name)}[{i}]") for i, v in enumerate(values))

    def text(self, name: str) -> str:
        """Return a text."""
        return text(self._take(name), self.name_of(name))

    def texts(self, name: str, count: int) -> tuple[str, ...]:
        """Return exactly ``count`` texts."""
        values = self._items(name, count)
        return tuple(text(v, f"{self.name_of(name)}[{i}]") for i, v in enumerate(values))

    def constant(self, name: str, expected: str | int) -> None:
        """Check that a field has the one value it may have."""
        value = self._take(name)
        if type(value) is not type(expected) or value != expected:
            raise ModelFileError(self.name_of(name), value, f"must be {expected!r}")

    def data(self, name: str, length: int) -> bytes:
        """Return exactly ``length`` bytes."""
        return hexadecimal(self._take(name), length, self.name_of(name))

    def many_data(self, name: str, count: int, length: int) -> tuple[bytes, ...]:
        """Return exactly ``count`` byte strings of ``length`` bytes each."""
        path = self.name_of(name)
        items = self._items(name, count)
        return tuple(hexadecimal(v, length, f"{path}[{i}]") for i, v in enumerate(items))

    def done(self) -> None:
        """Check that nothing is left unread."""
        unknown = sorted(self._content.keys() - self._read)
        if unknown:
            raise ModelFileError(self.name_of(unknown[0]), "…", "is no field of this version")

    def name_of(self, name: str) -> str:
        """Return the full name of a field."""
        return f"{self._path}.{name}" if self._path else name

    def _take(self, name: str) -> Any:
        if name not in self._content:
            raise ModelFileError(self.name_of(name), None, "is missing")
        self._read.add(name)
        return self._content[name]

    def _items(self, name: str, count: int) -> list[Any]:
        value = self._take(name)
        if not isinstance(value, list):
            raise ModelFileError(self.name_of(name), value, "must be a list")
        if len(value) != count:
            bound = f"must have {count} items, has {len(value)}"
            raise ModelFileError(self.name_of(name), value, bound)
        return value


def number(value: object, path: str) -> float:
    """Return a finite number; integers count as numbers, truth values do not."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ModelFileError(path, value, "must be a number")
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result):
        raise ModelFileError(path, value, "must be finite")
    return result


def text(value: object, path: str) -> str:
    """Return a text."""
    if not isinstance(value, str):
        raise ModelFileError(path, value, "must be a text")
    return value


def hexadecimal(value: object, length: int, path: str) -> bytes:
    """Return ``length`` bytes written as ``0x`` and lower-case hexadecimal digits."""
    bound = f"must be 0x and {2 * length} lower-case hexadecimal digits"
    if not isinstance(value, str) or len(value) != 2 + 2 * length or value[:2] != "0x":
        raise ModelFileError(path, value, bound)
    try:
        data = bytes.fromhex(value[2:])
    except ValueError:
        raise ModelFileError(path, value, bound) from None
    # fromhex takes upper case and spaces: one value has one spelling here.
    if data.hex() != value[2:]:
        raise ModelFileError(path, value, bound)
    return data
