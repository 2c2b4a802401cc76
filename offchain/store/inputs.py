"""What goes into a role, as bytes in a journal; and digests of what comes out.

Big integers, which MessagePack has not, are why events are JSON here.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Final, get_args

import msgspec

from offchain.protocol.chain import Event
from offchain.protocol.role import Effect, Role, Send, Transact
from offchain.store.errors import StateCorrupt, StoreError

DIGEST_BYTES: Final = 16
COMMANDS: Final = frozenset({"call_noise", "open_round"})
_EVENTS: Final[dict[str, Any]] = {cls.__name__: cls for cls in get_args(Event)}


@dataclass(frozen=True)
class MessageIn:
    """A message from the transport, and who the transport says it came from."""

    data: bytes
    sender: bytes = field(default=b"", compare=False)


@dataclass(frozen=True)
class EventIn:
    """An event of Contract S."""

    event: Event


@dataclass(frozen=True)
class TickIn:
    """The time, seconds of chain time."""

    now: int


@dataclass(frozen=True)
class CommandIn:
    """A step that the node itself begins: one of ``COMMANDS``."""

    name: str


Input = MessageIn | EventIn | TickIn | CommandIn
_KINDS: Final[dict[type[Input], int]] = {MessageIn: 1, EventIn: 2, TickIn: 3, CommandIn: 4}


def require_command(role: Role, name: str) -> Callable[[], list[Effect]]:
    """The step of a role that a command names.

    Raises
    ------
    StoreError
        When it has none of that name.
    """
    command: Callable[[], list[Effect]] | None = getattr(role, name, None)
    if name not in COMMANDS or command is None:
        raise StoreError(f"{role.name}: has no command {name!r}")
    return command


def apply(role: Role, item: Input) -> list[Effect]:
    """Put an input into a role."""
    match item:
        case MessageIn():
            return role.receive(item.data)
        case EventIn():
            return role.observe(item.event)
        case TickIn():
            return role.tick(item.now)
        case CommandIn():
            return require_command(role, item.name)()


def encode_input(item: Input) -> tuple[int, bytes]:
    """Kind and bytes of an input."""
    kind = _KINDS[type(item)]
    match item:
        case MessageIn():
            return kind, item.data
        case EventIn():
            event = {"event": type(item.event).__name__, **msgspec.to_builtins(item.event)}
            return kind, json.dumps(event).encode()
        case TickIn():
            return kind, str(item.now).encode()
        case CommandIn():
            return kind, item.name.encode()


def decode_input(kind: int, data: bytes) -> Input:
    """The input that was encoded so.

    Raises
    ------
    StateCorrupt
        When there is none.
    """
    try:
        match kind:
            case 1:
                return MessageIn(data)
            case 2:
                event = json.loads(data)
                return EventIn(msgspec.convert(event, _EVENTS[event.pop("event")]))
            case 3:
                return TickIn(int(data))
            case 4:
                return CommandIn(data.decode())
    except (ValueError, KeyError) as error:
        raise StateCorrupt(f"journal: an input of kind {kind}: {error!r}") from error
    raise StateCorrupt(f"journal: an input of unknown kind {kind}")


def effects_digest(effects: list[Effect]) -> bytes:
    """Digests of what leaves the node, in order: 16 bytes for each message and transaction."""
    return b"".join(
        effect_digest(effect) for effect in effects if isinstance(effect, Send | Transact)
    )


def effect_digest(effect: Send | Transact) -> bytes:
    """Digest of a message with its recipient, or of a call."""
    if isinstance(effect, Send):
        content = effect.recipient + effect.kind.encode() + b"\0" + effect.data
    else:
        content = json.dumps(canonical(effect.call)).encode()
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES, person=b"verifog effect").digest()


def canonical(value: Any) -> Any:
    """A value as JSON has it, the same for equal values."""
    if isinstance(value, bytes):
        return value.hex()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, tuple | list):
        return [canonical(item) for item in value]
    if hasattr(value, "to_bytes"):
        return value.to_bytes().hex()
    if is_dataclass(value):
        named = {f.name: canonical(getattr(value, f.name)) for f in fields(value)}
        return {"type": type(value).__name__, **named}
    raise StoreError(f"journal: no digest of a {type(value).__name__}")
