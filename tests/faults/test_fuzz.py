"""Mutated messages: a role refuses each, counts it, and is the same afterwards.

Before every kind's first message reaches a role in a round, its mutations do: flipped bits, cut
ends, doubled and swapped parts, other lengths. The round then goes on as if nothing had been. The
few mutations under which the signature still holds are left out: their sender has signed them.
Then the same with mutations that the sender has signed: they may be anything, and break nothing.
The kinds are those of the protocol: one that no play sends fails the test.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any, get_args

import msgspec
import pytest

from offchain.errors import VerifogError
from offchain.protocol import messages
from offchain.protocol.role import Note, Role
from offchain.store import picture
from offchain.store.inputs import Input, MessageIn
from tests.offchain.store.small_task import WHO, Maker, Play

KINDS = {kind.__name__ for kind in get_args(messages.Message)}
OF_VOTES = {"ModelVote"}  # sent only where fogs vote for the model
KEYS = {
    key.address: key for key in (*WHO.clouds, *WHO.fogs, *(keys.signing for keys in WHO.devices[0]))
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

    def __init__(self, maker: Maker, kinds: set[str], count: int, signed: int) -> None:
        super().__init__(maker)
        self.kinds = kinds
        self.count = count
        self.signed = signed
        self.taken: Counter[str] = Counter()
        self._maker = maker
        self.domain = maker.task.separator
        self.tried: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._rng = random.Random(b"mutations")

    def put(self, name: str, item: Input) -> None:
        if isinstance(item, MessageIn):
            message = messages.parse_envelope(self.domain, item.data)[1]
            self._meet(name, message, item.data)
            if isinstance(message, messages.Deal):  # the witness in it is a message as well
                witness = messages.parse_envelope(self.domain, message.witness)[1]
                self._meet(name, witness, message.witness)
        super().put(name, item)

    def _meet(self, name: str, message: messages.Message, data: bytes) -> None:
        kind = type(message).__name__
        if kind in self.kinds and not self.tried[kind]:
            self._fuzz(self.roles[name], kind, data)
            self._fuzz_signed(name, kind, data)

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

    def _fuzz_signed(self, name: str, kind: str, data: bytes) -> None:
        """Mutations with a signature that holds, each on a copy of the role."""
        before = picture.take(self.roles[name])
        made = 0
        while made < self.signed:
            forged = self._forge(data)
            if forged is None:
                continue
            made += 1
            role = self._maker.role(name)
            picture.put(before, role)
            effects = role.receive(forged)
            self.taken[kind] += not any(isinstance(e, Note) for e in effects)
            picture.take(role)

    def _forge(self, data: bytes) -> bytes | None:
        """A message mutated in some field and signed by its sender; None if it is none any more."""
        sender, message = messages.parse_envelope(self.domain, data)
        body = msgspec.msgpack.encode(message)
        try:
            other = msgspec.msgpack.decode(mutate(body, self._rng), type=messages.Message)
        except (msgspec.DecodeError, RecursionError):
            return None
        return messages.seal_envelope(self.domain, KEYS[sender], other)

    def _is_signed(self, mutated: bytes) -> bool:
        """Whether the signature holds in spite of the mutation."""
        try:
            messages.parse_envelope(self.domain, mutated)
        except VerifogError:
            return False
        return True


def test_messages__mutated__are_refused_and_change_nothing(preset: Any) -> None:
    count, signed = (10_000, 500) if preset == "full" else (25, 3)
    tried = Counter[str]()
    for voted, kinds in ((False, KINDS - OF_VOTES), (True, OF_VOTES)):
        maker = Maker.load(voted=voted)
        play, calm = Fuzzed(maker, kinds, count, signed), Play(maker)
        for number in range(1, 4):
            for one in (play, calm):  # a result is lost: the fog asks for the model
                one.lost = lambda name, send, n=number: n == 2 and send.kind == "Result"  # type: ignore[misc]
                one.round()
        tried += play.tried
        assert sum(play.refused.values()) == sum(play.tried.values())
        assert play.taken, "no mutation that its sender signed got past the signature"
        assert play.contract.model.digest == calm.contract.model.digest
    assert set(tried) == KINDS
    assert set(tried.values()) == {count}


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
