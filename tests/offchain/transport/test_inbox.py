"""Frames are put together within bounds; whatever else comes is counted and dropped."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offchain.transport.base import Limits, Received
from offchain.transport.errors import FrameRefused
from offchain.transport.frames import (
    LEAST_PART,
    Ask,
    Data,
    Done,
    Frame,
    Held,
    Missing,
    Shape,
    encode,
    message_digest,
    parse,
)
from offchain.transport.inbox import Inbox
from tests.conftest import Preset

ALICE, BOB = b"a" * 20, b"b" * 20
LIMITS = Limits(
    message=16 * LEAST_PART,
    part=LEAST_PART,
    sender=20 * LEAST_PART,
    total=30 * LEAST_PART,
    partial_messages=4,
    partial_time=10.0,
    remembered=3,
)


def data(parts: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(parts * LEAST_PART)


def split(whole: bytes) -> list[Data]:
    shape = Shape(len(whole), LEAST_PART)
    digest = message_digest(whole)
    return [Data(digest, shape, part, shape.cut(whole, part)) for part in range(shape.parts)]


def ask(whole: bytes) -> Ask:
    return Ask(message_digest(whole), Shape(len(whole), LEAST_PART))


class Box:
    """An inbox with what it has given out."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.refused: Counter[str] = Counter()
        self.inbox = Inbox(limits, self.refused)
        self.now = 0.0

    def take(self, *frames: Data | Ask, sender: bytes = ALICE) -> list[Received | Frame]:
        out: list[Received | Frame] = []
        for frame in frames:
            out += [one for one in self.inbox.take(sender, frame, self.now) if one is not None]
        return out


@pytest.fixture
def box() -> Box:
    return Box()


def received(whole: bytes, sender: bytes = ALICE) -> Received:
    return Received(sender, whole, message_digest(whole))


def test_take__parts_in_any_order_and_twice__message_once(box: Box) -> None:
    parts = split(data(5))
    random.Random(1).shuffle(parts)
    assert box.take(*parts[:3], *parts[:3], *parts[3:], *parts) == [received(data(5))]
    assert box.refused == {}


def test_take__same_message_of_two_senders__one_each(box: Box) -> None:
    first, second = split(data(2))
    assert box.take(first, sender=ALICE) == []
    assert box.take(second, sender=BOB) == []
    assert box.take(second, sender=ALICE) == [received(data(2), ALICE)]
    assert box.take(first, sender=BOB) == [received(data(2), BOB)]


def test_take__part_of_a_message_that_was_acknowledged__is_told_done(box: Box) -> None:
    (message,) = box.take(*split(data(2)))
    assert isinstance(message, Received)
    assert box.inbox.acknowledge(message) == Done(message.digest)
    assert box.inbox.size == 0
    assert box.take(split(data(2))[0]) == [Done(message.digest)]


def test_ask__at_each_stage__is_answered_truly(box: Box) -> None:
    parts = split(data(10))
    digest = parts[0].digest
    assert box.take(ask(data(10))) == [Missing(digest, b"")]
    box.take(parts[0], parts[9])
    (answer,) = box.take(ask(data(10)))
    assert isinstance(answer, Missing)
    assert answer.parts(10) == list(range(1, 9))
    (message,) = box.take(*parts[1:9])
    assert isinstance(message, Received)
    assert box.take(ask(data(10))) == [Held(digest)]
    box.inbox.acknowledge(message)
    assert box.take(ask(data(10))) == [Done(digest)]


def test_acknowledge__more_than_are_remembered__the_oldest_is_taken_anew(box: Box) -> None:
    for seed in range(4):
        (message,) = box.take(*split(data(1, seed)))
        assert isinstance(message, Received)
        box.inbox.acknowledge(message)
    assert box.take(*split(data(1, 3))) == [Done(message_digest(data(1, 3)))]
    assert box.take(*split(data(1, 0))) == [received(data(1, 0))]


# ---- what is refused, and why


def test_take__other_length_than_before__is_inconsistent(box: Box) -> None:
    first, second, third = split(data(3))
    box.take(first)
    assert box.take(replace(second, shape=Shape(3 * LEAST_PART + 1, LEAST_PART))) == []
    assert box.refused == {"inconsistent": 1}
    assert box.take(second, third) == [received(data(3))]


def test_take__other_content_than_before__is_inconsistent(box: Box) -> None:
    first, second = split(data(2))
    box.take(first)
    assert box.take(replace(first, payload=second.payload)) == []
    assert box.refused == {"inconsistent": 1}
    assert box.take(second) == [received(data(2))]


def test_take__whole_without_its_digest__is_dropped_and_can_come_again(box: Box) -> None:
    first, second = split(data(2))
    assert box.take(replace(first, payload=second.payload), second) == []
    assert box.refused == {"digest": 1}
    assert box.inbox.size == 0
    assert box.take(first, second) == [received(data(2))]


def test_take__more_incomplete_messages_than_allowed__is_over_quota(box: Box) -> None:
    for seed in range(5):
        box.take(split(data(2, seed))[0])
    assert box.refused == {"over-quota": 1}
    assert box.take(split(data(2, 0))[1]) == [received(data(2, 0))]
    assert box.take(split(data(2, 7))[0], sender=BOB) == []
    assert box.refused == {"over-quota": 1}


def test_take__more_bytes_of_one_sender_than_allowed__is_over_quota(box: Box) -> None:
    (held,) = box.take(*split(data(16)))
    assert box.take(*split(data(5, 1))) == []
    assert box.refused == {"over-quota": 1}
    assert isinstance(held, Received)
    box.inbox.acknowledge(held)
    assert box.take(split(data(5, 1))[4]) == [received(data(5, 1))]


def test_take__more_bytes_of_all_than_allowed__whoever_holds_most_loses_its_oldest() -> None:
    box = Box(replace(LIMITS, sender=30 * LEAST_PART))
    box.take(*split(data(14, 1))[:-1], *split(data(14, 2))[:-1])
    assert box.take(*split(data(6, 3)), sender=BOB) == [received(data(6, 3), BOB)]
    assert box.refused == {"evicted": 1}
    assert box.take(ask(data(14, 1))) == [Missing(message_digest(data(14, 1)), b"")]
    assert box.take(split(data(14, 2))[-1]) == [received(data(14, 2))]


def test_expire__nothing_came_for_too_long__incomplete_message_is_dropped(box: Box) -> None:
    first, second = split(data(2))
    box.take(first)
    box.now = 9.9
    box.inbox.expire(box.now)
    assert box.inbox.size == LEAST_PART
    box.now = 10.0
    box.inbox.expire(box.now)
    assert box.inbox.size == 0
    assert box.refused == {"timeout": 1}
    assert box.take(second) == []
    assert box.take(first) == [received(data(2))]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda raw: raw[:33], "malformed"),
        (lambda raw: b"\x02" + raw[1:], "malformed"),
        (lambda raw: raw[:1] + b"\x09" + raw[2:], "malformed"),
        (lambda raw: raw[:40], "malformed"),
        (lambda raw: raw[:34] + bytes(4) + raw[38:], "malformed"),
        (lambda raw: raw[:34] + b"\xff" * 4 + raw[38:], "too-large"),
        (lambda raw: raw[:38] + (1).to_bytes(4, "big") + raw[42:], "malformed"),
        (lambda raw: raw[:42] + (2).to_bytes(4, "big") + raw[46:], "malformed"),
        (lambda raw: raw[:-1], "truncated"),
        (lambda raw: raw + b"x", "truncated"),
    ],
)
def test_parse__damaged_frame__names_the_check(change: object, reason: str) -> None:
    raw = encode(split(data(2))[0])
    assert callable(change)
    with pytest.raises(FrameRefused) as caught:
        parse(change(raw), LIMITS.message)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "frame",
    [
        split(data(2))[1],
        ask(data(3)),
        Done(bytes(32)),
        Held(bytes(32)),
        Missing(bytes(32), b"\x05"),
        Missing(bytes(32), b""),
    ],
    ids=lambda frame: type(frame).__name__,
)
def test_parse__own_encoding__gives_the_frame(frame: Frame) -> None:
    assert parse(encode(frame), LIMITS.message) == frame


# ---- anything at all


def mutate(raw: bytes, source: random.Random) -> bytes:
    out = bytearray(raw)
    for _ in range(source.choice([1, 1, 2, 5])):
        match source.randrange(4):
            case 0 if out:
                out[source.randrange(len(out))] = source.randrange(256)
            case 1 if out:
                del out[source.randrange(len(out)) :]
            case 2:
                place = source.randrange(len(out) + 1)
                out[place:place] = source.randbytes(source.randrange(1, 9))
            case _ if len(out) > 34:
                out[source.randrange(2, 46) % len(out)] ^= 1 << source.randrange(8)
    return bytes(out)


@pytest.mark.parametrize("kind", [Data, Ask, Done, Held, Missing], ids=lambda kind: kind.__name__)
def test_fuzz__mutated_frames__never_raise_nor_hold_more_than_allowed(
    kind: type[Frame], preset: Preset
) -> None:
    source = random.Random(kind.__name__)
    box = Box()
    wholes = [data(parts, seed=parts) for parts in (1, 2, 5, 16)]
    originals: list[Frame] = []
    reasons: set[str] = set()
    for whole in wholes:
        digest = message_digest(whole)
        made: dict[type, list[Frame]] = {
            Data: [*split(whole)],
            Ask: [ask(whole)],
            Done: [Done(digest)],
            Held: [Held(digest)],
            Missing: [Missing(digest, b"\x01\x02")],
        }
        originals += made[kind]
    for _ in range(10_000 if preset == "full" else 500):
        raw = mutate(encode(source.choice(originals)), source)
        try:
            frame = parse(raw, LIMITS.message)
        except FrameRefused as error:
            reasons.add(error.reason)
            continue
        if isinstance(frame, Data | Ask):
            box.now += 0.01
            for out in box.take(frame, sender=source.choice([ALICE, BOB])):
                assert not isinstance(out, Received) or out.data in wholes or len(out.data) > 0
        box.inbox.expire(box.now)
        assert box.inbox.size <= LIMITS.total
    assert reasons <= {"malformed", "truncated", "too-large"}
    if kind is Data:
        assert box.refused


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_fuzz__any_bytes__are_a_frame_or_refused(raw: bytes) -> None:
    try:
        frame = parse(raw, LIMITS.message)
    except FrameRefused:
        return
    assert encode(frame) == raw


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_fuzz__any_honest_frames_in_any_order__every_message_comes_once(
    draws: st.DataObject,
) -> None:
    wholes = [data(parts, seed=parts) for parts in (1, 2, 3, 4)]
    frames = [frame for whole in wholes for frame in split(whole)]
    repeated = draws.draw(st.lists(st.sampled_from(frames), max_size=20))
    order = draws.draw(st.permutations(frames + repeated))
    out = [one for one in Box().take(*order) if isinstance(one, Received)]
    assert sorted(out, key=lambda m: m.data) == sorted(map(received, wholes), key=lambda m: m.data)
