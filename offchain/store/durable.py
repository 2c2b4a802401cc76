"""A role whose state outlives its process.

A ``DurableRole`` stands before a role. It puts inputs into it, stores them with digests of what
followed, and only then gives the effects out. Built again after a crash, at whatever point, it
brings the role back by replaying the inputs, checks that the same effects follow, and names those
that may not have been carried out.

It is also the last to look at what was signed: a second, different message of one kind to one
recipient in one round never leaves the node, whatever the cause (a reorganised chain, changed
data, a fault); it is withheld, and noted.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from offchain.protocol.chain import Event, RoundOpened
from offchain.protocol.messages import Envelope
from offchain.protocol.role import Effect, Note, Role, Send, Transact
from offchain.store import picture
from offchain.store.errors import StateOfOtherVersion, StoreError
from offchain.store.inputs import (
    CommandIn,
    EventIn,
    Input,
    MessageIn,
    TickIn,
    apply,
    effect_digest,
    effects_digest,
    require_command,
)
from offchain.store.journal import EffectId, Journal, Record, Signed
from offchain.store.recorded import Asides, Keeper

_LOG = logging.getLogger(__name__)

# Statistics of a round may lawfully come twice: after a rejected result, with another cloud's.
MAY_DIFFER: Final = frozenset({"Statistics"})
# Refusals that roles decide before they change anything: such a message is not worth keeping.
UNCHANGED: Final = frozenset(
    {"malformed", "wrong-domain", "bad-signature", "unknown-sender", "wrong-round", "wrong-phase"}
)
SIGNED_ROUNDS_KEPT: Final = 32  # past them nothing is signed, so nothing has to be known
RESULT_ROUNDS: Final = 64
REFUSALS_KEPT: Final = 64  # of a sender in a round; past them its messages are not looked at


@dataclass(frozen=True)
class Released:
    """An effect that may be carried out: what it depends on is on disk.

    Attributes
    ----------
    effect
        What to do.
    id
        Names it, for ``attempt`` and ``finish``; None for what is carried over from a picture.
    until
        The last round in which a message is of use; None for always.
    """

    effect: Effect
    id: EffectId | None = None
    until: int | None = None


class Kept(Protocol):
    """A message that is still to be delivered: what a transport's outbox holds."""

    @property
    def recipient(self) -> bytes:
        """Account."""
        ...

    @property
    def data(self) -> bytes:
        """The message."""
        ...

    @property
    def until(self) -> int | None:
        """The last round in which it is of use."""
        ...


class _Head(msgspec.Struct, array_like=True, frozen=True):
    """The first fields of every message."""

    tag: int
    round: int


class _Picture(msgspec.Struct, array_like=True, frozen=True):
    code: bytes
    round: int
    role: bytes  # with the calls not known to be settled
    keepers: dict[str, bytes]
    sends: list[tuple[bytes, bytes, int | None]]


_ENVELOPE = msgspec.msgpack.Decoder(Envelope)
_HEAD = msgspec.msgpack.Decoder(_Head)
_PICTURE = msgspec.msgpack.Decoder(_Picture)


def round_of(data: bytes) -> int:
    """The round that a message of one's own names."""
    return _HEAD.decode(_ENVELOPE.decode(data).body).round


def useful_until(send: Send, noise_rounds: int) -> int | None:
    """The last open round in which a message is of use to its recipient; None for always."""
    number = round_of(send.data)
    match send.kind:
        case "NoiseCall" | "NoiseRoot":
            return number - 1  # they come before the batch's first round
        case "NoiseReceipt":
            return number + noise_rounds - 1
        case "Statistics":
            return None
        case "Result":
            return number + RESULT_ROUNDS  # the result of a statistics round may come late
    return number


class DurableRole:
    """A role with a journal.

    Parameters
    ----------
    build
        Builds the role as for the node's first start: same task, keys, roster, model, randomness.
        Called again when a fault of the role made its state unsure.
    journal
        Its journal, empty at the first start.
    asides
        Shared with the ``RecordedTrainer`` of a device, the ``RecordedSelector`` of a fog.
    anew
        Begin without what the journal knows, save what was signed: after a change of software.

    Attributes
    ----------
    outstanding
        After a restart: what may not have been carried out before. Messages should be sent with
        ``ask_first``, transactions looked up before they are sent again (``journal.attempts``).
    counts
        Effects withheld and messages not looked at.
    round
        The last round that opened.

    Raises
    ------
    StateOfOtherVersion
        When the journal was written by other code.
    StateCorrupt
        When the journal is damaged.
    """

    def __init__(
        self,
        build: Callable[[], Role],
        journal: Journal,
        asides: Asides | None = None,
        *,
        anew: bool = False,
    ) -> None:
        self.role = build()
        self.journal = journal
        self._build = build
        self.counts: Counter[str] = Counter()
        self.outstanding: list[Released] = []
        self.round = 0
        self._asides = asides or Asides()
        self._replaying = False
        self._quarantined = 0  # in rounds up to this one nothing new is signed
        self._clock: int | None = None  # a tick that is not in the journal yet
        self._signed: dict[tuple[int, str, bytes], bytes] = {}  # not in the journal yet
        self._calls: dict[EffectId, Transact] = {}  # not known to be settled
        self._refusals: Counter[bytes] = Counter()
        self._failed: StoreError | None = None
        self._pictured = 0  # the round of the picture
        self._code = picture.code_digest()
        if anew:
            journal.drop()
        self._restore()

    @property
    def address(self) -> bytes:
        """The role's account."""
        return self.role.address

    def next_wake(self) -> int | None:
        """The next time at which a tick would change something, if any."""
        return self.role.next_wake()

    # ---- inputs

    def receive(self, data: bytes, sender: bytes = b"") -> list[Released]:
        """Take a message from the transport."""
        return self.handle([MessageIn(data, sender)])

    def observe(self, event: Event, marks: Mapping[str, bytes] | None = None) -> list[Released]:
        """Take an event of Contract S; ``marks`` as for ``handle``."""
        return self.handle([EventIn(event)], marks)

    def tick(self, now: int) -> list[Released]:
        """Take the time."""
        return self.handle([TickIn(now)])

    def command(self, name: str) -> list[Released]:
        """Let the role begin a step: ``call_noise``, ``open_round``.

        Raises
        ------
        StoreError
            When the role has no such step.
        """
        require_command(self.role, name)
        return self.handle([CommandIn(name)])

    def handle(
        self, inputs: Iterable[Input], marks: Mapping[str, bytes] | None = None
    ) -> list[Released]:
        """Take inputs in their order; the effects of all, once all are on disk.

        One write to the disk serves all of them, and ``marks`` (``journal.mark``): how far the
        chain was read belongs there, so that no event is lost or taken twice.

        Raises
        ------
        StateUnwritable
            When they could not be stored. Then no effect leaves, and this object is of no more use,
            for the role is ahead of its journal: the node ends, and starts again on a sound disk.
        """
        if self._failed is not None:
            raise self._failed
        released: list[Released] = []
        batch: list[tuple[Record, list[Effect]]] = []
        for item in inputs:
            if self._has_used_up_its_budget(item):
                continue
            before = self._clock
            try:
                effects, record = self._take(item, ())
            except Exception as error:  # noqa: BLE001  # no message may end a node
                released += self._commit(batch)
                batch = []
                released.append(self._recover(item, error))
                continue
            if self._needs_no_record(item, effects):
                released += [Released(effect) for effect in effects]
                continue
            if before is not None:
                batch.append((Record(TickIn(before), (), b""), []))
            self._clock = None
            batch.append((record, effects))
        return released + self._commit(batch, marks)

    def _recover(self, item: Input, error: Exception) -> Released:
        """A fault of the role: its state is unsure, and is built again from the journal.

        A message that brings it about is dropped: the next one must find a node that works.
        Anything else cannot be left out, and ends the node.
        """
        if not isinstance(item, MessageIn):
            self._failed = StoreError(f"{self.role.name}: a fault of its own: {error!r}")
            raise error
        _LOG.error("round %d: a message made the role fail", self.round, exc_info=error)
        self.counts["fault"] += 1
        self._refusals[item.sender] += 1
        outstanding, clock, rejected = self.outstanding, self._clock, self.role.rejected
        self.role = self._build()
        self._signed.clear()
        self._restore()
        self.outstanding, self.role.rejected = outstanding, rejected
        self.role.rejected["fault"] += 1
        if clock is not None:
            self.role.tick(clock)
        return Released(Note("rejected", {"reason": "fault", "detail": repr(error)}))

    def _take(self, item: Input, recall: Sequence[bytes]) -> tuple[list[Effect], Record]:
        self._asides.begin(recall)
        effects = apply(self.role, item)
        if isinstance(item, EventIn) and isinstance(item.event, RoundOpened):
            if item.event.round > self.round:
                self._refusals.clear()
            self.round = max(self.round, item.event.round)
        signed: list[Signed] = []
        passed = [self._check(effect, signed) for effect in effects]
        record = Record(item, self._asides.made, effects_digest(passed), tuple(signed))
        return passed, record

    def _has_used_up_its_budget(self, item: Input) -> bool:
        if not isinstance(item, MessageIn) or self._refusals[item.sender] < REFUSALS_KEPT:
            return False
        self.counts["over-budget"] += 1
        return True

    def _needs_no_record(self, item: Input, effects: list[Effect]) -> bool:
        """A tick that only moved the clock, or a message that changed nothing."""
        if isinstance(item, TickIn) and not effects:
            self._clock = max(item.now, self._clock or 0)
            return True
        if not isinstance(item, MessageIn):
            return False
        reason = _refusal(effects)
        if reason is not None and reason not in UNCHANGED and item.sender:
            self._refusals[item.sender] += 1
        return reason in UNCHANGED

    def _commit(
        self, batch: list[tuple[Record, list[Effect]]], marks: Mapping[str, bytes] | None = None
    ) -> list[Released]:
        """Store records, then let their effects go."""
        if not batch and not marks:
            return []
        try:
            numbers = self.journal.append([record for record, _ in batch], marks)
        except StoreError as error:
            self._failed = error
            raise
        self._signed.clear()
        released: list[Released] = []
        for seq, (_, effects) in zip(numbers, batch, strict=True):
            released += self._release(seq, effects)
        return released

    def _release(self, seq: int, effects: list[Effect]) -> list[Released]:
        released = []
        for place, effect in enumerate(effects):
            identity = EffectId(seq, place)
            until = None
            if isinstance(effect, Send):
                until = useful_until(effect, self.role.task.parameters.noise_rounds)
            elif isinstance(effect, Transact):
                self._calls[identity] = effect
            released.append(Released(effect, identity, until))
        return released

    def finish(self, identity: EffectId) -> None:
        """A transaction is settled: mined, refused, or pointless by now."""
        self.journal.finish(identity)
        self._calls.pop(identity, None)

    # ---- what may leave

    def _check(self, effect: Effect, signed: list[Signed]) -> Effect:
        """The effect, or a note in its place when it must not leave."""
        if isinstance(effect, Send):
            return self._check_send(effect, signed)
        if isinstance(effect, Transact) and 0 < self.round <= self._quarantined:
            return self._withheld(type(effect.call).__name__, "the replay of this round differs")
        return effect

    def _check_send(self, send: Send, signed: list[Signed]) -> Effect:
        number, digest = round_of(send.data), effect_digest(send)
        if send.kind in MAY_DIFFER:
            return send
        if number < max(self.round - SIGNED_ROUNDS_KEPT, self.journal.floor):
            self.counts["too-late"] += 1  # as when it follows the chain anew
            return Note("too-late", {"round": self.round, "kind": send.kind, "of": number})
        key = (number, send.kind, send.recipient)
        before = self._signed.get(key) or self.journal.signed(*key)
        if before is None:
            if self._replaying or number <= self._quarantined:
                return self._withheld(send.kind, "the replay of this round differs")
            self._signed[key] = digest
            signed.append(Signed(*key, digest))
        elif before != digest:
            return self._withheld(send.kind, f"another one was signed in round {number}")
        return send

    def _withheld(self, kind: str, why: str) -> Note:
        self.counts["withheld"] += 1
        _LOG.error("round %d: a %s is withheld: %s", self.round, kind, why)
        return Note("withheld", {"round": self.round, "kind": kind, "why": why})

    # ---- restart

    def _restore(self) -> None:
        stored = self.journal.picture()
        if stored is not None:
            self._put_picture(_PICTURE.decode(stored))
        self._replaying = True
        for entry in self.journal.entries():
            effects, record = self._take(entry.record.item, entry.record.asides)
            if record.effects != entry.record.effects:
                self._diverged(entry.seq)
            self.outstanding += self._release(entry.seq, effects)
        self._replaying = False
        for identity in [i for i in self._calls if self.journal.finished(i)]:
            del self._calls[identity]
        self.outstanding = [released for released in self.outstanding if self._is_needed(released)]

    def _put_picture(self, kept: _Picture) -> None:
        if kept.code != self._code:
            raise StateOfOtherVersion(
                f"{self.role.name}: its journal was written by another version of the software: "
                "start that one, or start this one anew, which sits out the open round"
            )
        calls: list[tuple[int, int, Transact]] = picture.put(kept.role, self.role)
        self._calls = {EffectId(seq, place): call for seq, place, call in calls}
        self.round = self._pictured = kept.round
        for name, keeper in self._keepers().items():
            if name in kept.keepers:
                keeper.restore(kept.keepers[name])
        self.outstanding = [
            Released(Send(recipient, "", data), None, until)
            for recipient, data, until in kept.sends
        ]
        self.outstanding += [Released(call, identity) for identity, call in self._calls.items()]

    def _diverged(self, seq: int) -> None:
        self._quarantined = max(self._quarantined, self.round)
        self.counts["diverged"] += 1
        _LOG.error(
            "round %d: entry %d of the journal has other effects than before: the round is sat out",
            self.round,
            seq,
        )

    def _is_needed(self, released: Released) -> bool:
        effect = released.effect
        if isinstance(effect, Transact):
            return released.id in self._calls
        return isinstance(effect, Send) and (released.until is None or released.until >= self.round)

    def _keepers(self) -> dict[str, Keeper]:
        outside = picture.outside(self.role)
        return {name: value for name, value in outside.items() if isinstance(value, Keeper)}

    # ---- a picture from time to time

    @property
    def checkpoint_due(self) -> bool:
        """Whether a round has opened since the journal began: what was before can be dropped."""
        return self.round > self._pictured

    def checkpoint(self, kept: Iterable[Kept]) -> None:
        """Take a picture of the role as it is, and drop the journal before it.

        Call it when all effects given out were carried out or handed over.

        Parameters
        ----------
        kept
            What the transport's outbox still holds: it is kept with the picture.
        """
        calls = [(identity.seq, identity.place, call) for identity, call in self._calls.items()]
        made = _Picture(
            self._code,
            self.round,
            picture.take(self.role, calls),
            {name: keeper.picture() for name, keeper in self._keepers().items()},
            [(one.recipient, one.data, one.until) for one in kept],
        )
        encoded = msgspec.msgpack.encode(made)
        self.journal.start_from(encoded, self.round - SIGNED_ROUNDS_KEPT)
        self._pictured = self.round


def _refusal(effects: list[Effect]) -> str | None:
    """Why a message was refused, if that is all that came of it."""
    match effects:
        case [Note(kind="rejected", fields={"reason": str(reason), **more})] if set(more) <= {
            "detail"
        }:
            return reason
    return None
