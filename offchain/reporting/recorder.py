"""Follows a run and builds its record. Implements the observer of a local run by its shape."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from offchain.protocol.chain import (
    ClusterAnchored,
    Event,
    MemberRemoved,
    ResultAccepted,
    ResultRejected,
    RoundOpened,
)
from offchain.protocol.device import Device
from offchain.protocol.fog import Fog
from offchain.protocol.role import Note, Role, Send
from offchain.reporting.errors import RecordError
from offchain.reporting.open_round import OpenRound, Party, public_text
from offchain.reporting.phases import in_order, phase_of
from offchain.reporting.record import (
    Comparison,
    Counts,
    GasRecord,
    Metric,
    ModelRecord,
    PrivacyRecord,
    PrivacySpent,
    RoundKind,
    RoundRecord,
    RunHead,
    RunRecord,
    Traffic,
    hex_of,
)
from offchain.reporting.totals import totals_of


class ReceiptLike(Protocol):
    """What a transaction did, as the nodes report it."""

    @property
    def kind(self) -> str: ...
    @property
    def cluster(self) -> int | None: ...
    @property
    def gas(self) -> int: ...
    @property
    def error(self) -> str | None: ...


@dataclass(frozen=True)
class LiveRound:
    """Where a round stands while it runs.

    Attributes
    ----------
    round
        Number that Contract S gives it.
    position, planned
        Its place in this run, from 1, and how many rounds are planned.
    """

    round: int
    position: int
    planned: int
    kind: RoundKind
    phase: str
    counts: Counts
    gas: int


class Watcher(Protocol):
    """Follows a run live."""

    def changed(self, live: LiveRound) -> None:
        """Something but the time changed in the open round."""
        ...

    def closed(self, record: RoundRecord) -> None:
        """A round is over."""
        ...


class RunRecorder:
    """Builds the record of a run from what its driver and its nodes tell.

    Parameters
    ----------
    head
        What is known before the first round.
    watcher
        Follows the run live, if given.
    clock
        Seconds, rising: the clock that the nodes' handling is measured with.

    Raises
    ------
    RecordError
        If an option of the head is not a plain value.

    Notes
    -----
    The driver calls ``round_opened`` before anything that the round costs (its noise call, its
    ``openRound``) and ``round_closed`` once its messages have been delivered. Transactions between
    rounds are recorded as belonging to none.
    """

    def __init__(
        self,
        head: RunHead,
        watcher: Watcher | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        for name, value in head.options.items():
            if not (value is None or isinstance(value, (str, int, float, bool))):
                raise RecordError(f"option {name}: a {type(value).__name__} is no plain value")
        self.head = head
        self.rounds: list[RoundRecord] = []
        self._watcher = watcher
        self._clock = clock
        self._round: OpenRound | None = None
        self._outside: list[GasRecord] = []
        self._parties: dict[bytes, Party] = {}
        self._steps: dict[bytes, str] = {}
        self._removed: set[bytes] = set()
        self._spans: list[tuple[float, float]] = []

    # ---- told by the driver

    def round_opened(
        self, number: int, kind: RoundKind = RoundKind.TRAINING, *, devices: int | None = None
    ) -> None:
        """Begin a round.

        Parameters
        ----------
        number
            Number that Contract S gives it.
        kind
            Whether it updates the model.
        devices
            Active devices; by default those of the head less the ones removed since.

        Raises
        ------
        RecordError
            When a round is open.
        """
        if self._round is not None:
            raise RecordError(f"round {number}: round {self._round.number} is still open")
        if devices is None:
            parties = [self._parties.get(account) for account in self._removed]
            devices = self.head.devices - sum(p is not None and p.role == "device" for p in parties)
        self._spans.clear()
        self._round = OpenRound(number, kind, devices, self._clock())
        self._changed()

    def remarked(self, kind: str, detail: str) -> None:
        """Keep what the driver has to say of the open round."""
        if self._round is not None:
            self._round.remark(kind, detail)

    def round_closed(
        self,
        *,
        loss: float | None = None,
        metric: Metric | None = None,
        privacy: PrivacySpent | None = None,
        why: str | None = None,
    ) -> RoundRecord:
        """End a round; it is settled if Contract S accepted a result.

        Parameters
        ----------
        loss, metric
            Training loss over all rows, and test metric, of the model after the round.
        privacy
            Spent after the round.
        why
            Why it failed; by default what the nodes noted.

        Raises
        ------
        RecordError
            When no round is open.
        """
        state = self._round
        if state is None:
            raise RecordError("no round is open")
        record = state.close(
            self._clock(), self._parties, loss=loss, metric=metric, privacy=privacy, why=why
        )
        self._round = None
        self.rounds.append(record)
        if self._watcher is not None:
            self._watcher.closed(record)
        return record

    def finish(
        self,
        *,
        model: ModelRecord | None = None,
        comparison: Comparison | None = None,
        privacy: PrivacyRecord | None = None,
        interrupted: bool = False,
        stopped: str | None = None,
    ) -> RunRecord:
        """Return the record of the run. A round still open is closed as failed."""
        if self._round is not None:
            self.round_closed(why="the run was interrupted")
            interrupted = True
        return RunRecord(
            head=self.head,
            rounds=tuple(self.rounds),
            outside=tuple(self._outside),
            totals=totals_of(self.rounds, self._outside),
            privacy=privacy,
            model=model,
            comparison=comparison,
            interrupted=interrupted,
            stopped=stopped,
        )

    def gas_spent(
        self, kind: str, gas: int, sender: str, cluster: int | None = None, error: str | None = None
    ) -> None:
        """Record a transaction that no node sent: deployment, admissions, claims."""
        entry = GasRecord(kind, cluster, gas, sender, public_text(error) if error else None)
        (self._round.gas if self._round else self._outside).append(entry)
        self._changed()

    @contextmanager
    def timing(self, phase: str) -> Iterator[None]:
        """Book the time of a block to a phase, and take it out of the handling it is part of."""
        started = self._clock()
        try:
            yield
        finally:
            ended = self._clock()
            self._spans.append((ended, ended - started))
            if self._round is not None:
                self._round.by_phase[phase] += ended - started

    # ---- told by the nodes

    def handled(self, role: Role, kind: str, seconds: float) -> None:
        """A node handled a message, an event or a tick in so many seconds."""
        self._party(role)
        step = self._steps.get(role.address)
        if isinstance(role, Fog):
            self._steps[role.address] = role.step.name
        began = self._clock() - seconds
        inner = sum(span for ended, span in self._spans if ended > began)
        self._spans.clear()
        state = self._round
        if state is None:
            return
        phase = phase_of(kind, step)
        state.by_phase[phase] += max(0.0, seconds - inner)
        state.by_party[role.address] += seconds
        if phase != "other" and in_order(phase) > in_order(state.phase):
            state.phase = phase
            self._changed()

    def sent(self, role: Role, send: Send) -> None:
        """A node sent a message."""
        self._party(role)
        state = self._round
        if state is None:
            return
        before = state.messages.get(send.kind, Traffic())
        state.messages[send.kind] = Traffic(before.messages + 1, before.bytes + len(send.data))
        state.bytes_by_role[role.name] += len(send.data)

    def noted(self, role: Role, note: Note) -> None:
        """A node noted something."""
        party = self._party(role)
        if self._round is not None:
            self._round.note(party, note)
            self._changed()

    def transacted(self, role: Role, receipt: ReceiptLike) -> None:
        """A node's transaction was mined or refused."""
        self._party(role)
        self.gas_spent(receipt.kind, receipt.gas, role.name, receipt.cluster, receipt.error)

    def happened(self, event: Event) -> None:
        """Contract S said something.

        Raises
        ------
        RecordError
            When it opened another round than the driver said.
        """
        if isinstance(event, MemberRemoved):
            self._removed.add(event.account)
        state = self._round
        if state is None:
            return
        match event:
            case RoundOpened() if event.round != state.number:
                raise RecordError(f"round {state.number}: Contract S opened round {event.round}")
            case ClusterAnchored() if event.round == state.number:
                state.anchored[event.cluster] = event
            case ResultAccepted() if event.round == state.number:
                state.accepted = event
            case ResultRejected():
                if event.round == state.number:
                    state.accepted = None
                state.remark("result-rejected", f"the result of round {event.round}")
            case MemberRemoved():
                known = self._parties.get(event.account)
                role = known.role if known else "member"
                state.remark("member-removed", f"{role} {hex_of(event.account)}", known)
            case _:
                return
        self._changed()

    # ---- inside

    def _party(self, role: Role) -> Party:
        if role.address not in self._parties:
            cluster = role.roster.cluster if isinstance(role, (Device, Fog)) else None
            device = role.index if isinstance(role, Device) else None
            self._parties[role.address] = Party(role.name, cluster, device)
        return self._parties[role.address]

    def _changed(self) -> None:
        state = self._round
        if state is None or self._watcher is None:
            return
        self._watcher.changed(
            LiveRound(
                round=state.number,
                position=len(self.rounds) + 1,
                planned=self.head.rounds_planned,
                kind=state.kind,
                phase=state.phase,
                counts=state.counts,
                gas=state.gas_total,
            )
        )
