"""Signatures are the same every time, and refused messages change nothing."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from eth_keys import keys as eth_keys
from eth_keys.backends import NativeECCBackend

from offchain.crypto.attestation import BlsSecretKey
from offchain.crypto.randomness import Randomness
from offchain.protocol.chain import Anchor, SubmitAnchor
from offchain.protocol.eip712 import SigningKey
from offchain.protocol.role import Note, Transact
from offchain.store import picture
from offchain.store.durable import DurableRole
from offchain.store.inputs import (
    CommandIn,
    EventIn,
    Input,
    MessageIn,
    TickIn,
    decode_input,
    effect_digest,
    encode_input,
)
from tests.conftest import Preset
from tests.offchain.store.conftest import Disk
from tests.offchain.store.small_task import Maker, Play
from tests.offchain.store.test_replay import durable, feed, received


def test_sign__ecdsa__is_that_of_rfc_6979() -> None:
    """An independent implementation in Python gives the same bytes."""
    source = random.Random(6979)
    native = NativeECCBackend()
    for _ in range(20):
        secret, digest = source.randbytes(32), source.randbytes(32)
        signature = SigningKey(secret).sign(digest)
        other = native.ecdsa_sign(digest, eth_keys.PrivateKey(secret, native))
        assert signature[:64] == other.to_bytes()[:64]
        assert signature[64] == 27 + other.v


def test_sign__bls__is_the_same_every_time() -> None:
    key = BlsSecretKey.draw(Randomness(bytes(32)))
    assert len({key.sign(bytes(32)).to_bytes() for _ in range(5)}) == 1


def test_inputs__of_a_whole_run__decode_to_themselves(played: Play) -> None:
    items = [step.item for tape in played.tapes.values() for step in tape]
    assert {type(item) for item in items} == {MessageIn, EventIn, TickIn, CommandIn}
    for item in items:
        again: Input = decode_input(*encode_input(item))
        assert again == item


def test_digest__of_a_call__depends_on_every_field(played: Play) -> None:
    calls = [one for one in _transacts(played) if isinstance(one.call, SubmitAnchor)]
    assert len({effect_digest(call) for call in calls}) == len(calls)
    call: Any = calls[0].call
    anchor: Anchor = call.anchor
    for changed in (
        replace(call, round=99),
        replace(call, signers=(0,)),
        replace(call, signature=bytes(256)),
        replace(call, anchor=replace(anchor, sums_root=bytes(32))),
        replace(call, anchor=replace(anchor, commitments=anchor.commitments.scale(2))),
    ):
        assert effect_digest(Transact(changed)) != effect_digest(calls[0])
    assert effect_digest(Transact(replace(call))) == effect_digest(calls[0])


def _transacts(played: Play) -> list[Transact]:
    return [
        effect
        for step in played.tapes["fog"]
        for effect in step.effects
        if isinstance(effect, Transact)
    ]


@pytest.mark.parametrize("name", ["cloud", "fog", "device 0"])
def test_fuzz__mutated_messages_of_each_kind__are_counted_and_change_nothing(
    maker: Maker, played: Play, disk: Disk, name: str, preset: Preset
) -> None:
    source = random.Random(name)
    node = durable(maker, name, disk.create())
    tape = played.tapes[name]
    feed(node, tape[: len(tape) * 2 // 3])
    kinds: dict[str, list[bytes]] = {}
    for other in ("cloud", "fog", "device 0"):
        for data, message in received(played, other):
            if message.round <= node.round:  # one that is early would be kept for later
                kinds.setdefault(type(message).__name__, []).append(data)
    before = _state(node)
    each = 10_000 if preset == "full" else 50
    for datas in kinds.values():
        for _ in range(each):
            data = mutate(source.choice(datas), source)
            if data in datas:
                continue
            (released,) = node.receive(data, source.randbytes(20))
            assert isinstance(released.effect, Note)
            assert released.effect.kind == "rejected"
    assert len(kinds) >= 15
    assert _state(node) == before


def _state(node: DurableRole) -> bytes:
    """All state of a role but its counts, and what it keeps as evidence of what others signed."""
    role: Any = node.role
    counts, statements = role.rejected.copy(), getattr(role, "_statements", None)
    role.rejected.clear()
    role._statements = None
    taken = picture.take(role)
    role.rejected.update(counts)
    role._statements = statements
    return taken


def mutate(data: bytes, source: random.Random) -> bytes:
    """Flip, cut, insert or repeat bytes anywhere."""
    out = bytearray(data)
    match source.randrange(4):
        case 0:
            out[source.randrange(len(out))] ^= 1 << source.randrange(8)
        case 1:
            del out[source.randrange(len(out)) :]
        case 2:
            place = source.randrange(len(out))
            out[place:place] = source.randbytes(source.randrange(1, 40))
        case _:
            start, end = sorted(source.sample(range(len(out) + 1), 2))
            out[start:end] = out[start:end] * 2
    return bytes(out)
