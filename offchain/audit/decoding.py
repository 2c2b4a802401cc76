"""Events and calls of S from their bytes, by the ABI of the compiled contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError
from eth_utils.abi import collapse_if_tuple

from offchain.audit.errors import AuditError
from offchain.audit.ethereum import Log
from offchain.crypto.hashing import keccak256

Json = Mapping[str, Any]


class Undecodable(AuditError):
    """Bytes are no event, call or answer of S."""


@dataclass(frozen=True)
class Event:
    """An event of S: its values by name. Addresses are 20 bytes, lists are tuples."""

    name: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Call:
    """A call of S: the arguments in order, a struct as a tuple."""

    function: str
    values: tuple[Any, ...]
    payable: bool


@dataclass(frozen=True)
class _Entry:
    abi: Json
    types: tuple[str, ...]

    @property
    def signature(self) -> bytes:
        return keccak256(f"{self.abi['name']}({','.join(self.types)})".encode())


class Abi:
    """Decoder for one contract.

    Parameters
    ----------
    abi
        As the compiler wrote it.
    """

    def __init__(self, abi: Sequence[Json]) -> None:
        entries = [_Entry(entry, _types(entry.get("inputs", ()))) for entry in abi]
        self._functions = {e.signature[:4]: e for e in entries if e.abi["type"] == "function"}
        self._events = {e.signature: e for e in entries if e.abi["type"] == "event"}
        self._by_name = {e.abi["name"]: e for e in self._functions.values()}
        self._constructor = next((e.types for e in entries if e.abi["type"] == "constructor"), ())

    @property
    def event_topics(self) -> dict[str, bytes]:
        """First topic of each event."""
        return {entry.abi["name"]: topic for topic, entry in self._events.items()}

    def event(self, log: Log) -> Event:
        """Decode a log.

        Raises
        ------
        Undecodable
            When it is no event of S in the encoding that the compiler writes.
        """
        entry = self._events.get(log.topics[0] if log.topics else b"")
        if entry is None:
            raise Undecodable(f"topic {(*log.topics, b'')[0].hex()} is no event of S")
        inputs = entry.abi["inputs"]
        indexed = [i for i, field in enumerate(inputs) if field["indexed"]]
        plain = [i for i, field in enumerate(inputs) if not field["indexed"]]
        if len(log.topics) != 1 + len(indexed):
            raise Undecodable(f"{entry.abi['name']}: {len(log.topics)} topics")
        values: dict[str, Any] = {}
        for place, topic in zip(indexed, log.topics[1:], strict=True):
            values[inputs[place]["name"]] = _decode((entry.types[place],), topic)[0]
        decoded = _decode(tuple(entry.types[i] for i in plain), log.data)
        for place, value in zip(plain, decoded, strict=True):
            values[inputs[place]["name"]] = value
        return Event(entry.abi["name"], values)

    def call(self, data: bytes) -> Call:
        """Decode calldata, in any encoding that S itself would read.

        Raises
        ------
        Undecodable
            When it is no call of S.
        """
        entry = self._functions.get(data[:4])
        if entry is None:
            raise Undecodable(f"selector {data[:4].hex()} is no function of S")
        values = _decode(entry.types, data[4:], exact=False)
        payable = entry.abi.get("stateMutability") == "payable"
        return Call(entry.abi["name"], values, payable)

    def constructor(self, data: bytes) -> tuple[Any, ...]:
        """Decode the constructor's arguments.

        Raises
        ------
        Undecodable
            When they are none.
        """
        return _decode(self._constructor, data)

    def question(self, function: str, arguments: Sequence[Any]) -> bytes:
        """Encode a call of a view."""
        entry = self._by_name[function]
        return entry.signature[:4] + encode(entry.types, arguments)

    def answer(self, function: str, data: bytes) -> tuple[Any, ...]:
        """Decode a view's answer.

        Raises
        ------
        Undecodable
            When it is no answer of that view.
        """
        return _decode(_types(self._by_name[function].abi["outputs"]), data)


def _types(fields: Sequence[Json]) -> tuple[str, ...]:
    return tuple(collapse_if_tuple(dict(field)) for field in fields)


# Remembered: an audit follows the record twice, once to know what to ask.
@lru_cache(maxsize=16384)
def _decode(types: tuple[str, ...], data: bytes, *, exact: bool = True) -> tuple[Any, ...]:
    try:
        values = decode(types, data, strict=exact)
        if exact and encode(types, values) != data:
            raise Undecodable("bytes beside the values, or values encoded in another way")
    except (DecodingError, EncodingError, OverflowError, ValueError) as error:
        raise Undecodable(str(error)) from error
    return tuple(_plain(kind, value) for kind, value in zip(types, values, strict=True))


def _plain(kind: str, value: Any) -> Any:
    """Addresses as bytes, everything else as decoded."""
    if kind.endswith("]"):
        inner = kind[: kind.rindex("[")]
        return tuple(_plain(inner, item) for item in value)
    if kind.startswith("("):
        inner_types = _split(kind[1:-1])
        return tuple(_plain(k, v) for k, v in zip(inner_types, value, strict=True))
    return bytes.fromhex(value[2:]) if kind == "address" else value


def _split(kinds: str) -> list[str]:
    """Split a struct's types at its own commas."""
    parts, depth, start = [], 0, 0
    for place, character in enumerate(kinds):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append(kinds[start:place])
            start = place + 1
    return [*parts, kinds[start:]]
