import numpy as np
import pytest

from offchain.crypto.commitment import CommitmentKey
from offchain.crypto.field import FieldVector, R
from offchain.crypto.layout import SlotLayout
from offchain.crypto.randomness import Randomness
from offchain.protocol.held_model import HeldModel

FACTOR = 2**40 // 77


@pytest.fixture
def randomness() -> Randomness:
    return Randomness(b"tests of the held model 00000001")


@pytest.fixture(params=[1, 2], ids=["one_chunk", "two_chunks"])
def layout(request: pytest.FixtureRequest) -> SlotLayout:
    return SlotLayout(64, 4, request.param, 20)


class CountingKey:
    """A commitment key that remembers what it committed to."""

    def __init__(self) -> None:
        self.vectors: list[FieldVector] = []
        self._key = CommitmentKey.load(64)

    def commit(self, vector):
        self.vectors.append(vector)
        return self._key.commit(vector)


def total(layout: SlotLayout, randomness: Randomness) -> FieldVector:
    return layout.place(np.arange(-10, 11) * 997, randomness)


@pytest.fixture
def held(layout: SlotLayout, randomness: Randomness) -> HeldModel:
    vector = randomness.field_vector(layout.length)
    return HeldModel(vector, CommitmentKey.load(64).commit(vector))


def test_commit__one_factor__commits_to_the_sum_alone(held, layout, randomness):
    change = total(layout, randomness)
    model = held.vector - change.scale(FACTOR)
    key = CountingKey()
    held.change(FACTOR)
    held.change(0)
    assert held.commit(key, model) == CommitmentKey.load(64).commit(model)
    assert key.vectors == [change]


def test_commit__two_sums_with_one_factor__commits_to_both_together(held, layout, randomness):
    first, second = total(layout, randomness), total(layout, randomness)
    model = held.vector - (first + second).scale(FACTOR)
    key = CountingKey()
    held.change(FACTOR)
    held.change(FACTOR)
    assert held.commit(key, model) == CommitmentKey.load(64).commit(model)
    assert key.vectors == [first + second]


@pytest.mark.parametrize("factors", [[], [FACTOR], [FACTOR, FACTOR + 1], [0]])
def test_commit__any_other_vector__is_its_commitment(held, layout, randomness, factors):
    for factor in factors:
        held.change(factor)
    for other in (randomness.field_vector(layout.length), FieldVector.zeros(layout.length)):
        assert held.commit(CountingKey(), other) == CommitmentKey.load(64).commit(other)


@pytest.mark.parametrize("factors", [[], [FACTOR], [R - 1]])
def test_commit__the_model_that_is_held__costs_nothing(held, factors):
    for factor in factors:
        held.change(factor)
    key = CountingKey()
    assert held.commit(key, held.vector) == held.commitment
    assert key.vectors == []


def test_commit__nothing_held__is_its_commitment(layout, randomness):
    model = randomness.field_vector(layout.length)
    held = HeldModel()
    held.change(FACTOR)
    assert held.commit(CountingKey(), model) == CommitmentKey.load(64).commit(model)
