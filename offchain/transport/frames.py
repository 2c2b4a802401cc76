"""Frames: what actually crosses the network. A message is one or more data frames.

A frame is ``version (1), kind (1), digest (32)`` and then, by kind (numbers are big-endian):

| kind | name | rest | says |
|---|---|---|---|
| 1 | Data | length (4), part size (4), part (4), payload | one part of a message |
| 2 | Ask | length (4), part size (4) | do you have this message? |
| 3 | Done | - | it is safe here: forget it |
| 4 | Held | - | it is here, and not yet safe |
| 5 | Missing | bitmap of the missing parts; empty: all | send these parts |

The digest names a message: SHA-256, for which processors have instructions, of ``verifog frame v1``
and the whole message.
"""

import hashlib
import struct
from dataclasses import dataclass

from offchain.transport.errors import FrameRefused

VERSION = 1
DIGEST_BYTES = 32
LEAST_PART = 1024
_TAG = b"verifog frame v1"
_HEAD = struct.Struct(f">BB{DIGEST_BYTES}s")
_SHAPE = struct.Struct(">II")
_PART = struct.Struct(">I")
OVERHEAD = _HEAD.size + _SHAPE.size + _PART.size


def message_digest(data: bytes) -> bytes:
    """The digest that names a message on the wire."""
    digest = hashlib.sha256(_TAG)
    digest.update(data)
    return digest.digest()


@dataclass(frozen=True)
class Shape:
    """Length of a message and of its parts; every part but the last is of full size."""

    length: int
    part_size: int

    @property
    def parts(self) -> int:
        """Number of parts."""
        return -(-self.length // self.part_size)

    def size_of(self, part: int) -> int:
        """Length of one part."""
        return min(self.part_size, self.length - part * self.part_size)

    def cut(self, data: bytes, part: int) -> bytes:
        """One part of a message."""
        return data[part * self.part_size : (part + 1) * self.part_size]


@dataclass(frozen=True)
class Data:
    """One part of a message."""

    digest: bytes
    shape: Shape
    part: int
    payload: bytes


@dataclass(frozen=True)
class Ask:
    """Question after a message."""

    digest: bytes
    shape: Shape


@dataclass(frozen=True)
class Done:
    """The message is safe at its receiver."""

    digest: bytes


@dataclass(frozen=True)
class Held:
    """The message is complete at its receiver, which has not yet acknowledged it."""

    digest: bytes


@dataclass(frozen=True)
class Missing:
    """Parts that the receiver lacks; an empty bitmap means all."""

    digest: bytes
    bitmap: bytes

    def parts(self, count: int) -> list[int]:
        """The missing ones among so many parts."""
        if not self.bitmap:
            return list(range(count))
        return [p for p in range(count) if p // 8 < len(self.bitmap) and self._bit(p)]

    def _bit(self, part: int) -> int:
        return self.bitmap[part // 8] >> (part % 8) & 1


Frame = Data | Ask | Done | Held | Missing
_KINDS: dict[type[Frame], int] = {Data: 1, Ask: 2, Done: 3, Held: 4, Missing: 5}


def bitmap_of(parts: set[int], count: int) -> bytes:
    """A bitmap with the bits of some of ``count`` parts set."""
    bits = bytearray(-(-count // 8))
    for part in parts:
        bits[part // 8] |= 1 << (part % 8)
    return bytes(bits)


def encode(frame: Frame) -> bytes:
    """The bytes of a frame."""
    head = _HEAD.pack(VERSION, _KINDS[type(frame)], frame.digest)
    match frame:
        case Data():
            shape = _SHAPE.pack(frame.shape.length, frame.shape.part_size)
            return head + shape + _PART.pack(frame.part) + frame.payload
        case Ask():
            return head + _SHAPE.pack(frame.shape.length, frame.shape.part_size)
        case Missing():
            return head + frame.bitmap
        case Done() | Held():
            return head


def parse(data: bytes, largest: int) -> Frame:
    """Decode a frame from the network.

    Parameters
    ----------
    data
        Untrusted bytes.
    largest
        Largest message taken, bytes.

    Raises
    ------
    FrameRefused
        With reason ``malformed`` or ``too-large``.
    """
    if len(data) < _HEAD.size:
        raise FrameRefused("malformed", f"{len(data)} bytes")
    version, kind, digest = _HEAD.unpack_from(data)
    if version != VERSION:
        raise FrameRefused("malformed", f"version {version}")
    rest = data[_HEAD.size :]
    match kind:
        case 1:
            return _parse_data(digest, rest, largest)
        case 2:
            if len(rest) != _SHAPE.size:
                raise FrameRefused("malformed", f"a question of {len(data)} bytes")
            return Ask(digest, _parse_shape(rest, largest))
        case 3 | 4:
            if rest:
                raise FrameRefused("malformed", f"an answer of {len(data)} bytes")
            return Done(digest) if kind == 3 else Held(digest)
        case 5:
            if len(rest) > -(-largest // LEAST_PART // 8) + 1:
                raise FrameRefused("malformed", f"a bitmap of {len(rest)} bytes")
            return Missing(digest, rest)
    raise FrameRefused("malformed", f"kind {kind}")


def _parse_shape(data: bytes, largest: int) -> Shape:
    length, part_size = _SHAPE.unpack_from(data)
    if length == 0 or part_size < LEAST_PART:
        raise FrameRefused("malformed", f"length {length} in parts of {part_size}")
    if length > largest:
        raise FrameRefused("too-large", f"a message of {length} bytes, at most {largest}")
    return Shape(length, part_size)


def _parse_data(digest: bytes, rest: bytes, largest: int) -> Data:
    if len(rest) < _SHAPE.size + _PART.size:
        raise FrameRefused("malformed", f"data of {len(rest)} bytes")
    shape = _parse_shape(rest, largest)
    (part,) = _PART.unpack_from(rest, _SHAPE.size)
    payload = rest[_SHAPE.size + _PART.size :]
    if part >= shape.parts:
        raise FrameRefused("malformed", f"part {part} of {shape.parts}")
    if len(payload) != shape.size_of(part):
        raise FrameRefused(
            "truncated", f"part {part} has {len(payload)} bytes, {shape.size_of(part)} expected"
        )
    return Data(digest, shape, part, payload)
