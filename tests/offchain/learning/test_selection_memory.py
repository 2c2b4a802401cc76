"""What a fog remembers, as bytes and back."""

from __future__ import annotations

import io

import numpy as np
import pytest

from offchain.learning.selection import Evidence, History, PastRound, Trend
from offchain.learning.selection_memory import (
    MemoryUnreadable,
    Remembered,
    decode_memory,
    encode_memory,
)

NAMES = ("0", "1", "7")


@pytest.fixture
def masked():
    return np.random.default_rng(3).normal(size=(3, 5))


@pytest.mark.parametrize("rule", [Evidence(), Trend()], ids=lambda rule: rule.name)
@pytest.mark.parametrize("released", [True, False])
def test_memory__there_and_back__selects_alike(rule, masked, released):
    def choose(known):
        history = History(NAMES, known.last, known.memory, 2.0)
        return rule.select(masked, rule.default_criterion, noise_sigma=0.5, history=history)

    first = choose(Remembered())
    last = PastRound(NAMES, masked, first.kept, masked.sum(axis=0) if released else None)
    known = Remembered(4, last, first.memory)
    back = decode_memory(encode_memory(known))
    assert (back.round, back.last.devices, back.last.kept) == (4, NAMES, first.kept)
    one, other = choose(known), choose(back)
    np.testing.assert_array_equal(one.scores, other.scores)
    assert one.rejected == other.rejected


def test_memory__nothing_yet__stays_nothing():
    assert decode_memory(encode_memory(Remembered())) == Remembered()


def bad_shape():
    out = io.BytesIO()
    parts = {"last.devices": np.array(["a"]), "last.masked": np.zeros((2, 2)), "last.kept": [0]}
    np.savez(out, round=np.array(1), **parts)
    return out.getvalue()


@pytest.mark.parametrize("data", [b"", b"nonsense", encode_memory(Remembered())[:40], bad_shape()])
def test_memory__other_bytes__named_error(data):
    with pytest.raises(MemoryUnreadable, match="selection memory"):
        decode_memory(data)


def test_memory__pickled_objects__are_refused():
    out = io.BytesIO()
    np.savez(out, round=np.array([{}], dtype=object))
    with pytest.raises(MemoryUnreadable):
        decode_memory(out.getvalue())
