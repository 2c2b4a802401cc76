"""A device that missed the statistics says so, sits out, and trains once their result has come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from offchain.nodes.trainer import NoStatistics
from offchain.protocol.messages import Statistics, parse_envelope
from offchain.protocol.role import Note, Send
from offchain.store.inputs import EventIn, MessageIn
from tests.offchain.store.small_task import DEVICES, WHO, Maker, Play, SomeTrainer

LATE = DEVICES - 1


class Waiting(SomeTrainer):
    """Trains only after the statistics, as the trainers of nodes do."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.ready = False

    def update(self, model: Sequence[int], *, updates_model: bool) -> Any:
        if updates_model and not self.ready:
            raise NoStatistics("training: the result of the statistics round has not come yet")
        return super().update(model, updates_model=updates_model)

    def absorb(self, statistics: Sequence[int]) -> None:
        super().absorb(statistics)
        self.ready = True


def sat_out(play: Play) -> list[int]:
    steps = play.tapes[f"device {LATE}"]
    notes = [e for step in steps for e in step.effects if isinstance(e, Note)]
    return [note.fields["round"] for note in notes if note.kind == "sits-out"]


def is_statistics(item: MessageIn) -> bool:
    message = parse_envelope(Maker.load().task.separator, item.data)[1]
    return isinstance(message, Statistics)


def test_statistics__come_late__device_sits_out_until_then_and_the_others_go_on() -> None:
    play = Play(Maker.load())
    trainer = Waiting(LATE)
    play.roles[f"device {LATE}"] = Maker.load().device(LATE, trainer=trainer)
    kept: list[bytes] = []

    def lost(name: str, send: Send) -> bool:
        mine = send.kind == "Statistics" and send.recipient == WHO.devices[0][LATE].signing.address
        if mine:
            kept.append(send.data)
        return mine

    play.lost = lost
    for number in (1, 2):
        play.round()
        assert play.contract.settled == number
    assert (trainer.ready, sat_out(play)) == (False, [2])
    play.put(f"device {LATE}", MessageIn(kept[0], WHO.fogs[0].address))
    assert trainer.ready
    before = trainer.calls
    play.round()
    assert (trainer.calls, sat_out(play)) == (before + 1, [2])


def test_statistics__come_before_the_device_has_read_the_chain__are_kept_for_then() -> None:
    play = Play(Maker.load())
    play.round()
    tape = play.tapes[f"device {LATE}"]
    statistics = next(
        step.item for step in tape if isinstance(step.item, MessageIn) and is_statistics(step.item)
    )
    trainer = Waiting(LATE)
    fresh = Maker.load().device(LATE, trainer=trainer)
    fresh.receive(statistics.data)
    assert (trainer.ready, dict(fresh.rejected)) == (False, {})
    for step in tape:
        if isinstance(step.item, EventIn):
            fresh.observe(step.item.event)
    assert trainer.ready
