"""Mutated messages: a role refuses each, counts it, and is the same afterwards.

Before every kind's first message reaches a role in a round, its mutations do: flipped bits, cut
ends, doubled and swapped parts, other lengths. The round then goes on as if nothing had been. The
few mutations under which the signature still holds are left out: their sender has signed them.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from offchain.errors import VerifogError
from offchain.protocol import messages
from offchain.protocol.role import Note, Role
from offchain.store import picture
from offchain.store.inputs import Input, MessageIn
from tests.offchain.store.small_task import Maker, Play

KINDS = {
    "NoiseCall",
    "NoiseRoot",
    "NoiseReceipt",
    "ModelOffer",
    "MaskedPacket",
    "Selection",
    "Deal",
    "Delivery",
    "ShareReport",
    "Qualified",
    "SumDigest",
    "AnchorProposal",
    "Attestation",
    "Reveal",
    "ClusterSum",
    "Result",
    "Statistics",
}


def mutate(data: bytes, rng: random.Random) -> bytes:
    """A message that is a little, or quite, another."""
    made = bytearray(data)
    match rng.randrange(6):
        case 0:
            for _ in range(rng.randint(1, 8)):
                made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
        case 1:
            del made[rng.randrange(len(made)) :]
        case 2:
            place = rng.randrange(len(made))
            made[place:place] = rng.randbytes(rng.randint(1, 40))
        case 3:
            start, end = sorted(rng.randrange(len(made)) for _ in range(2))
            made += made[start:end]
        case 4:
            start, end = sorted(rng.randrange(len(made)) for _ in range(2))
            del made[start:end]
        case _:
            head = min(len(made), 64)  # lengths and tags stand in front
            made[rng.randrange(head)] = rng.randrange(256)
    return bytes(made)


class Fuzzed(Play):
    """A play whose roles get mutated messages first."""

    def __init__(self, maker: Maker, count: int) -> None:
        super().__init__(maker)
        self.count = count
        self.domain = maker.task.separator
        self.tried: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._rng = random.Random(b"mutations")

    def put(self, name: str, item: Input) -> None:
        if isinstance(item, MessageIn):
            kind = self._kind(item.data)
            if not self.tried[kind]:
                self._fuzz(self.roles[name], kind, item.data)
        super().put(name, item)

    def _kind(self, data: bytes) -> str:
        return type(messages.parse_envelope(self.domain, data)[1]).__name__

    def _fuzz(self, role: Role, kind: str, data: bytes) -> None:
        before, rejected = picture.take(role), Counter(role.rejected)
        while self.tried[kind] < self.count:
            mutated = mutate(data, self._rng)
            if self._is_signed(mutated):
                continue
            self.tried[kind] += 1
            effects = role.receive(mutated)
            assert all(isinstance(e, Note) and e.kind == "rejected" for e in effects), kind
        counted = Counter(role.rejected)
        counted.subtract(rejected)
        assert sum(counted.values()) == self.count, kind
        self.refused.update(counted)
        role.rejected = rejected
        assert picture.take(role) == before, kind

    def _is_signed(self, mutated: bytes) -> bool:
        """Whether the signature holds in spite of the mutation."""
        try:
            messages.parse_envelope(self.domain, mutated)
        except VerifogError:
            return False
        return True


def test_messages__mutated__are_refused_and_change_nothing(preset: Any) -> None:
    count = 10_000 if preset == "full" else 25
    maker = Maker.load()
    play, calm = Fuzzed(maker, count), Play(maker)
    for _ in range(2):
        play.round()
        calm.round()
    assert set(play.tried) == KINDS
    assert set(play.tried.values()) == {count}
    assert sum(play.refused.values()) == count * len(KINDS)
    assert play.contract.model.digest == calm.contract.model.digest


def test_messages__of_nothing_but_noise__are_refused() -> None:
    play = Play(Maker.load())
    rng = random.Random(1)
    for role in play.roles.values():
        for length in (0, 1, 5, 100, 5_000):
            effects = role.receive(rng.randbytes(length))
            assert [e.kind for e in effects if isinstance(e, Note)] == ["rejected"]


@pytest.mark.parametrize("depth", [10, 10_000])
def test_messages__nested_deeply__are_refused(depth: int) -> None:
    role = next(iter(Play(Maker.load()).roles.values()))
    effects = role.receive(b"\x91" * depth + b"\xc0")
    assert [e.kind for e in effects if isinstance(e, Note)] == ["rejected"]
