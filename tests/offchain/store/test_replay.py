"""A node that is killed at any point goes on as if nothing had been, and signs nothing twice."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from offchain.crypto.randomness import Randomness
from offchain.protocol.chain import RoundOpened
from offchain.protocol.device import Device
from offchain.protocol.messages import Message, NoiseReceipt, parse_envelope
from offchain.protocol.role import Effect, Note, Send, Transact
from offchain.store import picture
from offchain.store.durable import (
    REFUSALS_KEPT,
    SIGNED_ROUNDS_KEPT,
    DurableRole,
    Released,
    round_of,
)
from offchain.store.errors import StateOfOtherVersion, StateUnwritable, StoreError
from offchain.store.inputs import CommandIn, EventIn, MessageIn, TickIn
from offchain.store.journal import EffectId, Journal, Record
from offchain.store.recorded import Asides
from offchain.store.state import State
from tests.conftest import Preset
from tests.offchain.store.conftest import ROUNDS, Disk
from tests.offchain.store.small_task import (
    WHO,
    LearningSelector,
    Maker,
    Play,
    SomeTrainer,
    Step,
    Tape,
    play,
)

NAMES = ("cloud", "fog", "device 0", "device 3")


def durable(maker: Maker, name: str, state: State) -> DurableRole:
    asides = Asides()
    return DurableRole(lambda: maker.role(name, asides), state.journal, asides)


def effects(released: Sequence[Released]) -> list[Effect]:
    return [one.effect for one in released]


def leaving(released: Sequence[Effect]) -> list[Effect]:
    return [one for one in released if isinstance(one, Send | Transact)]


def feed(node: DurableRole, tape: Tape) -> None:
    """Put a tape in; every effect is as on the tape."""
    for number, step in enumerate(tape):
        assert effects(node.handle([step.item])) == step.effects, f"at step {number}"


# ---- replay


@pytest.mark.parametrize("checkpoints", [False, True], ids=["journal", "pictures"])
@pytest.mark.parametrize("name", NAMES)
def test_crash__after_every_input__node_goes_on_with_the_same_bytes(
    maker: Maker, played: Play, disk: Disk, name: str, checkpoints: bool, preset: Preset
) -> None:
    tape = played.tapes[name]
    # Each crash replays a whole journal: the fog's is long.
    step_of_crashes = 1 if preset == "full" else 5 if name == "fog" else 2
    node = durable(maker, name, disk.create())
    carried: list[Any] = []
    for number, step in enumerate(tape):
        assert effects(node.handle([step.item])) == step.effects, f"at step {number}"
        carried += [effect for effect in step.effects if isinstance(effect, Send)]
        if checkpoints and node.checkpoint_due:
            node.checkpoint([])
        if number % step_of_crashes == 0:
            node = durable(maker, name, disk.crash())
            assert node.counts == {}
            again = [r.effect for r in node.outstanding if isinstance(r.effect, Send)]
            assert all(effect in carried for effect in again)


@pytest.mark.parametrize("name", NAMES)
def test_crash__effects_never_left__all_that_are_still_of_use_are_outstanding(
    maker: Maker, played: Play, disk: Disk, name: str
) -> None:
    node = durable(maker, name, disk.create())
    given: list[Released] = []
    for step in played.tapes[name]:
        given += node.handle([step.item])
    again = durable(maker, name, disk.crash())
    expected = [
        one
        for one in given
        if isinstance(one.effect, Transact)
        or (isinstance(one.effect, Send) and (one.until is None or one.until >= node.round))
    ]
    assert again.outstanding == expected
    assert expected


def test_crash__between_the_role_and_the_disk__input_comes_again_with_the_same_effects(
    maker: Maker, played: Play, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    tape = played.tapes["device 0"]
    last = next(i for i, step in enumerate(tape) if kinds(step) == ["MaskedPacket"])
    state = disk.create()
    node = durable(maker, "device 0", state)
    feed(node, tape[:last])
    written: list[Sequence[Record]] = []

    def full(self: Journal, records: Sequence[Record], marks: Any = None) -> list[int]:
        written.append(records)
        raise StateUnwritable("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", full)
        with pytest.raises(StateUnwritable):
            node.handle([tape[last].item])
        assert len(written) == 1
    with pytest.raises(StateUnwritable, match="the disk is full"):
        node.handle([tape[last].item])  # the role is ahead of the disk: it goes no further
    feed(durable(maker, "device 0", disk.crash()), tape[last:])


def kinds(step: Step) -> list[str]:
    return [effect.kind for effect in step.effects if isinstance(effect, Send)]


@pytest.mark.parametrize("name", NAMES)
def test_handle__many_inputs_in_one_write__same_effects_and_same_replay(
    maker: Maker, played: Play, disk: Disk, name: str
) -> None:
    tape = played.tapes[name]
    node = durable(maker, name, disk.create())
    given = effects(node.handle([step.item for step in tape]))
    assert leaving(given) == leaving([effect for step in tape for effect in step.effects])
    again = durable(maker, name, disk.crash())
    assert again.counts == {}
    assert again.round == ROUNDS


def test_replay__roles__draw_nothing_from_the_system(
    maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> Any:
        raise AssertionError("a role drew from the operating system")

    for where, name in ((os, "urandom"), (Randomness, "from_os"), (os, "getrandom")):
        monkeypatch.setattr(where, name, refuse)
    assert play(maker, 2).contract.settled == 2


def test_replay__trainer__is_not_asked_again(maker: Maker, played: Play, disk: Disk) -> None:
    feed(durable(maker, "device 0", disk.create()), played.tapes["device 0"])
    trainer = SomeTrainer(0)
    asides = Asides()
    again = DurableRole(
        lambda: maker.device(0, asides, trainer=trainer), disk.crash().journal, asides
    )
    assert again.counts == {}
    assert trainer.calls == 0


def test_replay__selection_rule_that_has_changed__keeps_to_what_it_chose(
    maker: Maker, played: Play, disk: Disk
) -> None:
    feed(durable(maker, "fog", disk.create()), played.tapes["fog"])
    asides = Asides()
    changed = LearningSelector(twist=1)
    again = DurableRole(lambda: maker.fog(asides, selector=changed), disk.crash().journal, asides)
    assert again.counts == {}
    assert changed.seen > 1


def test_replay__of_a_device_that_could_not_train__sits_out_again(
    maker: Maker, played: Play, disk: Disk
) -> None:
    class Failing(SomeTrainer):
        def update(self, model: Sequence[int], *, updates_model: bool) -> Any:
            raise StateUnwritable("no rows")

    tape = played.tapes["device 0"]
    until = next(i for i, step in enumerate(tape) if kinds(step) == ["MaskedPacket"])
    asides = Asides()
    role = maker.device(0, asides, trainer=Failing(0))
    node = DurableRole(lambda: role, disk.create().journal, asides)
    given = [effect for step in tape[: until + 1] for effect in effects(node.handle([step.item]))]
    note = Note("sits-out", {"round": 1, "detail": "no rows"})
    assert given[-1] == note
    again = durable(maker, "device 0", disk.crash())  # its rows are back
    assert again.counts == {}
    assert effects(again.handle([tape[until].item])) == []


# ---- what is signed once


def test_signed__another_update_on_replay__nothing_different_leaves(
    maker: Maker, played: Play, disk: Disk
) -> None:
    tape = played.tapes["device 0"]
    packet = next(i for i, step in enumerate(tape) if kinds(step) == ["MaskedPacket"])
    node = DurableRole(lambda: maker.device(0), disk.create().journal)
    feed(node, tape[: packet + 1])
    other = maker.device(0, trainer=SomeTrainer(0, twist=1))
    again = DurableRole(lambda: other, disk.crash().journal)
    assert again.counts["diverged"] == 1
    assert [r.effect.kind for r in again.outstanding if isinstance(r.effect, Send)] == []
    signed = {(1, "MaskedPacket"), *_signed_in(tape[: packet + 1])}
    for step in tape[packet + 1 :]:
        if isinstance(step.item, EventIn) and isinstance(step.item.event, RoundOpened):
            break
        for effect in effects(again.handle([step.item])):
            assert not isinstance(effect, Send), (effect.kind, signed)
            assert not isinstance(effect, Transact)


def _signed_in(tape: Tape) -> set[tuple[int, str]]:
    return {
        (round_of(effect.data), effect.kind)
        for step in tape
        for effect in step.effects
        if isinstance(effect, Send)
    }


def test_signed__another_seed_after_a_loss__no_second_root_of_noise(
    maker: Maker, played: Play, disk: Disk
) -> None:
    tape = played.tapes["device 0"]
    called = next(i for i, step in enumerate(tape) if kinds(step) == ["NoiseRoot"])
    node = DurableRole(lambda: maker.device(0), disk.create().journal)
    feed(node, tape[: called + 1])
    other = maker.device(0, seed=b"another seed of thirty-two bytes")
    again = DurableRole(lambda: other, disk.crash().journal, anew=True)
    assert again.outstanding == []
    (note,) = effects(again.handle([tape[called].item]))
    why = "another one was signed in round 1"
    assert note == Note("withheld", {"round": 0, "kind": "NoiseRoot", "why": why})
    assert again.counts["withheld"] == 1


def test_signed__long_over_and_forgotten__nothing_leaves_even_after_the_journal_is_dropped(
    maker: Maker, played: Play, disk: Disk
) -> None:
    tape = played.tapes["device 0"]
    called = next(i for i, step in enumerate(tape) if kinds(step) == ["NoiseRoot"])
    node = DurableRole(lambda: maker.device(0), disk.create().journal)
    feed(node, tape[: called + 1])
    node.round = SIGNED_ROUNDS_KEPT + 2
    node.checkpoint([])
    journal = disk.crash().journal
    assert journal.floor == 2
    assert journal.signed(1, "NoiseRoot", maker.fog().address) is None
    again = DurableRole(
        lambda: maker.device(0, seed=b"another seed of thirty-two bytes"), journal, anew=True
    )
    (note,) = effects(again.handle([tape[called].item]))
    assert note == Note("too-late", {"round": 0, "kind": "NoiseRoot", "of": 1})


def test_signed__same_seed_anew__same_root_of_noise_may_leave(
    maker: Maker, played: Play, disk: Disk
) -> None:
    tape = played.tapes["device 0"]
    called = next(i for i, step in enumerate(tape) if kinds(step) == ["NoiseRoot"])
    feed(DurableRole(lambda: maker.device(0), disk.create().journal), tape[: called + 1])
    again = DurableRole(lambda: maker.device(0), disk.crash().journal, anew=True)
    assert effects(again.handle([tape[called].item])) == tape[called].effects


@pytest.mark.parametrize("name", ["fog", "device 0"])
def test_signed__a_whole_run__one_digest_for_each_round_kind_and_recipient(
    played: Play, name: str
) -> None:
    seen: dict[tuple[int, str, bytes], bytes] = {}
    for step in played.tapes[name]:
        for effect in step.effects:
            if isinstance(effect, Send):
                key = (round_of(effect.data), effect.kind, effect.recipient)
                assert seen.setdefault(key, effect.data) == effect.data


def test_replay__written_by_other_code__is_refused_unless_begun_anew(
    maker: Maker, played: Play, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = disk.create()
    node = durable(maker, "fog", state)
    feed(node, played.tapes["fog"])
    node.checkpoint([])
    monkeypatch.setattr(picture, "code_digest", lambda: b"another version!")
    with pytest.raises(StateOfOtherVersion, match="another version of the software"):
        durable(maker, "fog", state)
    again = DurableRole(maker.fog, state.journal, anew=True)
    assert again.round == 0
    assert again.outstanding == []


# ---- what need not be written, and what is dropped


def test_journal__garbage_and_idle_ticks__are_not_written(
    maker: Maker, played: Play, disk: Disk
) -> None:
    node = durable(maker, "device 0", disk.create())
    feed(node, played.tapes["device 0"][:30])
    before = node.journal.last
    for now in range(2_000_000, 2_000_050):
        node.tick(now)
        node.receive(b"garbage %d" % now, WHO.fogs[0].address)
    assert node.journal.last == before
    opened = next(e.event for e in _events(played) if isinstance(e.event, RoundOpened))
    node.observe(replace(opened, round=99))
    assert node.journal.last == before + 2  # the clock, then the event
    assert durable(maker, "device 0", disk.crash()).role.now == 2_000_049


def _events(played: Play) -> list[EventIn]:
    items = [step.item for step in played.tapes["fog"]]
    return [item for item in items if isinstance(item, EventIn)]


def test_receive__refused_again_and_again__sender_is_heard_no_more_in_this_round(
    maker: Maker, played: Play, disk: Disk
) -> None:
    tape = played.tapes["device 0"]
    fog, cloud = WHO.fogs[0].address, WHO.clouds[0].address
    node = durable(maker, "device 0", disk.create())
    selection = next(i for i, step in enumerate(tape) if kinds(step) == ["Deal"])
    feed(node, tape[:selection])
    receipt = next(data for data, message in received(played, "device 1") if _is_receipt(message))
    for _ in range(REFUSALS_KEPT):
        (note,) = effects(node.receive(receipt, fog))
        assert isinstance(note, Note)
        assert note.fields["reason"] == "noise-path"
    assert node.receive(receipt, fog) == []
    assert node.counts == {"over-budget": 1}
    item = tape[selection].item
    assert isinstance(item, MessageIn)
    assert node.receive(item.data, fog) == []
    assert effects(node.receive(item.data, cloud)) == tape[selection].effects


def received(played: Play, name: str) -> list[tuple[bytes, Message]]:
    """The messages that a node has taken, and what they say."""
    separator = played.roles[name].task.separator
    data = [step.item.data for step in played.tapes[name] if isinstance(step.item, MessageIn)]
    return [(one, parse_envelope(separator, one)[1]) for one in data if len(one) > 100]


def _is_receipt(message: Message) -> bool:
    return isinstance(message, NoiseReceipt)


def test_checkpoint__every_round__journal_stays_small_and_outbox_is_kept(
    maker: Maker, disk: Disk, preset: Preset
) -> None:
    rounds = 100 if preset == "full" else 10
    whole = play(maker, rounds)
    state = disk.create()
    node = durable(maker, "fog", state)
    sizes: list[int] = []
    for step in whole.tapes["fog"]:
        released = node.handle([step.item])
        for one in released:
            if isinstance(one.effect, Transact) and one.id is not None:
                node.finish(one.id)
        if node.checkpoint_due:
            node.checkpoint([_Kept(b"r" * 20, b"never acknowledged", None)])
            sizes.append(sum(path.stat().st_size for path in state.folder.iterdir()))
    assert len(sizes) == rounds
    assert max(sizes[rounds // 2 :]) <= 1.1 * max(sizes[: rounds // 2])
    again = durable(maker, "fog", disk.crash())
    assert again.counts == {}
    assert again.outstanding[0].effect == Send(b"r" * 20, "", b"never acknowledged")
    assert not [one for one in again.outstanding if isinstance(one.effect, Transact)]


class _Kept:
    def __init__(self, recipient: bytes, data: bytes, until: int | None) -> None:
        self.recipient, self.data, self.until = recipient, data, until


def test_transact__not_finished__is_outstanding_with_what_was_tried(
    maker: Maker, played: Play, disk: Disk
) -> None:
    tape = played.tapes["cloud"]
    opening = next(i for i, step in enumerate(tape) if step.item == CommandIn("open_round"))
    node = durable(maker, "cloud", disk.create())
    feed(node, tape[:opening])
    (released,) = node.command("open_round")
    assert released.id is not None
    node.journal.attempt(released.id, b"raw transaction, nonce 7")
    node.journal.attempt(released.id, b"the same with a higher fee")
    for checkpoint in (False, True):
        node = durable(maker, "cloud", disk.crash())
        if checkpoint:
            node.checkpoint([])
            node = durable(maker, "cloud", disk.crash())
        (pending,) = [one for one in node.outstanding if isinstance(one.effect, Transact)]
        assert pending == released
        assert node.journal.attempts(released.id) == [
            b"raw transaction, nonce 7",
            b"the same with a higher fee",
        ]
    node.finish(released.id)
    node = durable(maker, "cloud", disk.crash())
    assert node.outstanding == []


def test_command__that_a_role_has_not__is_refused(maker: Maker, disk: Disk) -> None:
    node = durable(maker, "device 0", disk.create())
    with pytest.raises(Exception, match="device: has no command 'call_noise'"):
        node.command("call_noise")
    with pytest.raises(Exception, match="device: has no command '__init__'"):
        node.command("__init__")


def test_identity__of_an_effect__is_the_same_after_a_replay(
    maker: Maker, played: Play, disk: Disk
) -> None:
    node = durable(maker, "fog", disk.create())
    given = [one for step in played.tapes["fog"] for one in node.handle([step.item])]
    calls = {one.id: one.effect for one in given if isinstance(one.effect, Transact)}
    again = durable(maker, "fog", disk.crash())
    assert {r.id: r.effect for r in again.outstanding if isinstance(r.effect, Transact)} == calls
    assert all(isinstance(identity, EffectId) for identity in calls)
    assert TickIn(1) != CommandIn("x")


# ---- a role that fails


def test_fault__a_message_makes_the_role_fail__is_dropped_and_the_node_goes_on(
    maker: Maker, played: Play, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    tape = played.tapes["device 0"]
    middle = next(i for i, step in enumerate(tape) if kinds(step) == ["ShareReport"])
    node = durable(maker, "device 0", disk.create())
    feed(node, tape[:middle])
    node.tick(1_500_000)
    usual = Device.receive

    def fails(self: Device, data: bytes) -> list[Effect]:
        if data == b"poison":
            self._round = None
            raise ZeroDivisionError
        return usual(self, data)

    monkeypatch.setattr(Device, "receive", fails)
    items = [MessageIn(b"poison"), tape[middle].item, MessageIn(b"poison")]
    first, *between, last = effects(node.handle(items))
    assert first == last == Note("rejected", {"reason": "fault", "detail": "ZeroDivisionError()"})
    assert between == tape[middle].effects
    assert node.counts == {"fault": 2}
    assert node.role.rejected["fault"] == 2
    assert node.role.now == 1_500_000
    feed(durable(maker, "device 0", disk.crash()), tape[middle + 1 :])


def test_fault__an_event_makes_the_role_fail__node_ends(
    maker: Maker, played: Play, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = durable(maker, "device 0", disk.create())
    monkeypatch.setattr(Device, "observe", lambda self, event: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        node.handle([_events(played)[0]])
    with pytest.raises(StoreError, match="device: a fault of its own: ZeroDivisionError"):
        node.tick(5)
    assert node.journal.last == 0
