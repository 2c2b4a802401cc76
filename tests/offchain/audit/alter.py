"""Public records with one value altered, as a lying provider or a forger would show them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import rlp
from eth_abi.abi import decode, encode
from eth_utils.abi import collapse_if_tuple

from offchain.audit.ethereum import Log, decode_receipt, decode_transaction
from offchain.audit.record import Frame, PublicRecord, PublicTransaction
from offchain.crypto.hashing import keccak256

Path = tuple[Any, ...]


def other(kind: str, value: Any) -> Any:
    """Another value of the same type, as near as can be."""
    if kind == "bool":
        return not value
    if kind == "address":
        raw = bytes.fromhex(value[2:])
        return "0x" + (raw[:-1] + bytes([raw[-1] ^ 1])).hex()
    if kind.startswith("uint"):
        return value ^ 1
    return value[:-1] + bytes([value[-1] ^ 1]) if value else b"\1"


def leaves(kind: Any, value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every single value inside decoded ABI values, with its type."""
    if kind["type"].endswith("]"):
        inner = {**kind, "type": kind["type"][: kind["type"].rindex("[")]}
        for place, item in enumerate(value):
            yield from leaves(inner, item, (*path, place))
    elif kind["type"] == "tuple":
        for place, component in enumerate(kind["components"]):
            yield from leaves(component, value[place], (*path, place))
    else:
        yield path, kind["type"]


def changed(value: Any, path: Path, kind: str) -> Any:
    """Decoded ABI values with the leaf at a path altered."""
    if not path:
        return other(kind, value)
    items = list(value)
    items[path[0]] = changed(items[path[0]], path[1:], kind)
    return items


def type_of(entry: Any) -> str:
    return str(collapse_if_tuple(dict(entry)))


class Interface:
    """Events and functions of S by the bytes that stand for them."""

    def __init__(self, abi: Sequence[Any]) -> None:
        self.events = {_hash(e): e for e in abi if e["type"] == "event"}
        self.functions = {_hash(e)[:4]: e for e in abi if e["type"] == "function"}
        (self.constructor,) = [e for e in abi if e["type"] == "constructor"]


def _hash(entry: Any) -> bytes:
    kinds = ",".join(type_of(i) for i in entry["inputs"])
    return keccak256(f"{entry['name']}({kinds})".encode())


# ---- events


@dataclass(frozen=True)
class Emission:
    """An event in a record: its transaction's place, its log's place, its ABI."""

    transaction: int
    log: int
    abi: Any
    raw: Log


def emissions(record: PublicRecord, interface: Interface) -> Iterator[Emission]:
    for place, public in enumerate(record.transactions):
        for number, log in enumerate(decode_receipt(public.receipt.encoded).logs):
            if log.address == record.contract:
                yield Emission(place, number, interface.events[log.topics[0]], log)


def altered_logs(emission: Emission, name: str) -> Iterator[Log]:
    """The event's log with one leaf of a field altered; all leaves, the first few of long lists."""
    inputs = emission.abi["inputs"]
    (field,) = [i for i in inputs if i["name"] == name]
    indexed = [i["name"] for i in inputs if i["indexed"]]
    raw = emission.raw
    if field["indexed"]:
        place = 1 + indexed.index(name)
        (value,) = decode([type_of(field)], raw.topics[place])
        topic = encode([type_of(field)], [other(field["type"], value)])
        yield replace(raw, topics=(*raw.topics[:place], topic, *raw.topics[place + 1 :]))
        return
    plain = [i for i in inputs if not i["indexed"]]
    kinds = [type_of(i) for i in plain]
    values = list(decode(kinds, raw.data))
    place = plain.index(field)
    for path, kind in list(leaves(field, values[place]))[:3]:
        one = [*values[:place], changed(values[place], path, kind), *values[place + 1 :]]
        yield replace(raw, data=encode(kinds, one))


def with_log(record: PublicRecord, emission: Emission, *logs: Log) -> PublicRecord:
    """The record with one log replaced by others, or by none."""

    def change(items: list[Any]) -> None:
        raw = [[log.address, list(log.topics), log.data] for log in logs]
        items[3][emission.log : emission.log + 1] = raw

    return with_receipt(record, emission.transaction, change)


def with_receipt(
    record: PublicRecord, place: int, change: Callable[[list[Any]], None]
) -> PublicRecord:
    """The record with the items of a transaction's receipt changed."""

    def encode_again(encoded: bytes) -> bytes:
        kind, items = _typed(encoded)
        change(items)
        return kind + bytes(rlp.encode(items))

    path = ("transactions", place, "receipt", "encoded")
    return at_path(record, path, encode_again)  # type: ignore[no-any-return]


def _typed(encoded: bytes) -> tuple[bytes, list[Any]]:
    size = 1 if encoded[0] < 0xC0 else 0
    return encoded[:size], rlp.decode(encoded[size:])


def with_transaction(
    record: PublicRecord, place: int, public: PublicTransaction | None
) -> PublicRecord:
    """The record with one transaction replaced, or left out."""
    transactions = list(record.transactions)
    transactions[place : place + 1] = [] if public is None else [public]
    return replace(record, transactions=tuple(transactions))


# ---- calls


@dataclass(frozen=True)
class Sent:
    """A call in a record: its transaction's place, its ABI, its arguments."""

    transaction: int
    abi: Any
    values: tuple[Any, ...]
    head: bytes  # selector, or creation code


def calls(record: PublicRecord, interface: Interface, creation: bytes) -> Iterator[Sent]:
    for place, public in enumerate(record.transactions):
        data = decode_transaction(public.transaction.encoded).data
        if place == 0:
            abi, head = {**interface.constructor, "name": "constructor"}, creation
        else:
            abi, head = interface.functions[data[:4]], data[:4]
        kinds = [type_of(i) for i in abi["inputs"]]
        yield Sent(place, abi, decode(kinds, data[len(head) :]), head)


def altered_data(sent: Sent, argument: str) -> Iterator[tuple[Path, bytes]]:
    """Calldata with one leaf of an argument altered, for each leaf."""
    inputs = sent.abi["inputs"]
    (place,) = [n for n, i in enumerate(inputs) if i["name"] == argument]
    for path, kind in leaves(inputs[place], sent.values[place]):
        values = list(sent.values)
        values[place] = changed(values[place], path, kind)
        yield path, sent.head + encode([type_of(i) for i in inputs], values)


def with_data(record: PublicRecord, place: int, data: bytes) -> PublicRecord:
    """The record with the calldata of a transaction replaced, its signature as it was."""
    return with_item(record, place, 7, data)


def with_item(record: PublicRecord, place: int, item: int, value: Any) -> PublicRecord:
    """The record with one item of a transaction's encoding (type 2) replaced."""
    public = record.transactions[place]
    kind, items = _typed(public.transaction.encoded)
    assert kind == b"\2"
    items[item] = value
    transaction = replace(public.transaction, encoded=kind + rlp.encode(items))
    return with_transaction(record, place, replace(public, transaction=transaction))


def with_frame(record: PublicRecord, place: int, data: bytes) -> PublicRecord:
    """The record with calldata as a trace would tell it, which no hash covers."""
    public = record.transactions[place]
    signed = decode_transaction(public.transaction.encoded)
    frame = Frame(signed.sender, signed.value, data, creates=signed.recipient is None)
    return with_transaction(record, place, replace(public, frames=(frame,)))


# ---- anything


def byte_strings(value: Any, path: Path = ()) -> Iterator[tuple[Path, int]]:
    """Every byte string inside a record, with its length."""
    if isinstance(value, bytes):
        if value:
            yield path, len(value)
    elif is_dataclass(value):
        for field in fields(value):
            yield from byte_strings(getattr(value, field.name), (*path, field.name))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from byte_strings(item, (*path, key))
    elif isinstance(value, tuple):
        for place, item in enumerate(value):
            yield from byte_strings(item, (*path, place))


def at_path(value: Any, path: Path, change: Any) -> Any:
    """A record with what stands at a path replaced by ``change`` of it."""
    if not path:
        return change(value)
    head, rest = path[0], path[1:]
    if is_dataclass(value):
        inner = at_path(getattr(value, head), rest, change)
        return replace(value, **{head: inner})  # type: ignore[type-var]
    if isinstance(value, dict):
        return {**value, head: at_path(value[head], rest, change)}
    return (*value[:head], at_path(value[head], rest, change), *value[head + 1 :])


def flip(place: int, mask: int) -> Any:
    """A change of one byte."""
    return lambda data: data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :]
