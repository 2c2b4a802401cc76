"""Every message is kept until it is acknowledged; questions back off; no peer makes us send on."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from offchain.transport.base import Limits, Statistics
from offchain.transport.frames import (
    LEAST_PART,
    Ask,
    Data,
    Done,
    Frame,
    Held,
    Missing,
    bitmap_of,
    message_digest,
)
from offchain.transport.outbox import Outbox

ALICE, BOB = b"a" * 20, b"b" * 20
LIMITS = Limits(part=LEAST_PART, window=4 * LEAST_PART, resend_first=1.0, resend_longest=8.0)


class Box:
    """An outbox with a clock."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.statistics = Statistics()
        self.outbox = Outbox(limits, self.statistics)
        self.now = 0.0

    def add(self, data: bytes, recipient: bytes = ALICE, *, ask_first: bool = False) -> bytes:
        self.outbox.add(recipient, data, None, self.now, ask_first=ask_first)
        return message_digest(data)

    def out(self) -> list[tuple[bytes, Frame]]:
        frames = []
        while (item := self.outbox.next_frame(self.now)) is not None:
            frames.append(item)
        return frames

    def at(self, now: float) -> list[Frame]:
        self.now = now
        self.outbox.wake(now)
        return [frame for _, frame in self.out()]


@pytest.fixture
def box() -> Box:
    return Box()


def parts_of(frames: list[Frame]) -> list[int]:
    return [frame.part for frame in frames if isinstance(frame, Data)]


def test_add__several_recipients__take_turns(box: Box) -> None:
    box.add(bytes(2 * LEAST_PART), ALICE)
    box.add(bytes(2 * LEAST_PART), BOB)
    assert [recipient for recipient, _ in box.out()] == [ALICE, BOB, ALICE, BOB]


def test_add__more_than_the_window__waits_for_an_acknowledgement(box: Box) -> None:
    digests = [box.add(bytes([i]) * 3 * LEAST_PART) for i in range(3)]
    assert {frame.digest for _, frame in box.out()} == {digests[0]}
    box.outbox.answer(ALICE, Done(digests[0]))
    assert {frame.digest for _, frame in box.out()} == {digests[1]}


def test_add__larger_than_the_window__goes_alone(box: Box) -> None:
    box.add(b"small")
    large = box.add(bytes(9 * LEAST_PART))
    (first,) = box.out()
    box.outbox.answer(ALICE, Done(first[1].digest))
    assert [frame.digest for _, frame in box.out()] == [large] * 9


def test_wake__no_answer__asks_with_growing_pauses_and_never_sends_again(box: Box) -> None:
    digest = box.add(b"message")
    assert len(box.out()) == 1
    asked_at = []
    for tick in range(600):
        frames = box.at(tick / 10)
        assert all(isinstance(frame, Ask) and frame.digest == digest for frame in frames)
        asked_at += [box.now] * len(frames)
    pauses = [b - a for a, b in pairwise(asked_at)]
    assert asked_at[0] == 1.0
    assert pauses[:4] == [2.0, 4.0, 8.0, 8.0]


def test_answer__missing_parts__only_those_are_sent(box: Box) -> None:
    digest = box.add(bytes(4 * LEAST_PART))
    box.out()
    assert box.at(1.0) == [Ask(digest, box.outbox._lanes[ALICE].messages[digest].shape)]
    box.outbox.answer(ALICE, Missing(digest, bitmap_of({1, 3}, 4)))
    assert parts_of([frame for _, frame in box.out()]) == [1, 3]


def test_answer__missing_without_a_question__is_ignored(box: Box) -> None:
    digest = box.add(bytes(4 * LEAST_PART))
    box.out()
    box.outbox.answer(ALICE, Missing(digest, b""))
    assert box.out() == []
    box.at(1.0)
    for _ in range(5):
        box.outbox.answer(ALICE, Missing(digest, b""))
    assert parts_of([frame for _, frame in box.out()]) == [0, 1, 2, 3]


def test_answer__of_somebody_else__changes_nothing(box: Box) -> None:
    digest = box.add(b"for alice")
    box.out()
    box.at(1.0)
    box.outbox.answer(BOB, Done(digest))
    box.outbox.answer(BOB, Missing(digest, b""))
    assert len(box.outbox) == 1
    assert box.out() == []


def test_answer__held__goes_on_asking(box: Box) -> None:
    digest = box.add(b"message")
    box.out()
    box.at(1.0)
    box.outbox.answer(ALICE, Held(digest))
    assert box.at(2.9) == []
    assert len(box.at(3.0)) == 1


def test_add__ask_first__sends_nothing_until_it_is_missing(box: Box) -> None:
    digest = box.add(b"perhaps there", ask_first=True)
    (question,) = box.at(0.0)
    assert isinstance(question, Ask)
    box.outbox.answer(ALICE, Missing(digest, b""))
    assert parts_of([frame for _, frame in box.out()]) == [0]


def test_unsent__frame_that_the_carrier_did_not_take__goes_out_later(box: Box) -> None:
    digest = box.add(bytes(2 * LEAST_PART))
    (recipient, frame), second = box.out()
    box.outbox.unsent(recipient, frame)
    assert box.out() == [(recipient, frame)]
    box.outbox.answer(ALICE, Done(digest))
    box.outbox.unsent(*second)
    assert box.out() == []
    assert box.statistics.sent == 1


def test_reconnected__everything_unanswered__is_asked_after_at_once(box: Box) -> None:
    sent = {box.add(b"one"), box.add(b"two", BOB)}
    box.out()
    box.at(20.0)
    box.outbox.reconnected(20.5)
    assert {frame.digest for _, frame in box.out()} == sent


def test_window__emptied_by_full_outbox__lets_the_next_in() -> None:
    box = Box(replace(LIMITS, outbox=4 * LEAST_PART))
    box.add(bytes([1]) * 3 * LEAST_PART)
    box.out()
    box.add(bytes([2]) * 3 * LEAST_PART)
    assert box.statistics.given_up == 1
    assert len(box.out()) == 3
