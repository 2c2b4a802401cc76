"""The audit itself: a pure function from the public record to findings.

Transactions are followed in the order of the chain. Each call of S is decoded, everything that S
must have checked is checked again, and the events that it must have emitted are compared with those
that it did. At the end the rebuilt state is compared with the views, the code and the money.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from offchain.audit import closing, fraud, membership, rounds, settlement, slashing, voting
from offchain.audit.arithmetic import tagged
from offchain.audit.chain import check_accounts, check_headers, check_transaction
from offchain.audit.decoding import Abi, Call, Event, Undecodable
from offchain.audit.ethereum import SignedTransaction, created_address
from offchain.audit.findings import At, Checks, Part
from offchain.audit.models import CommittedTask, ModelVerdict, check_model
from offchain.audit.record import Frame, PublicRecord, PublicTransaction, Question
from offchain.audit.state import State
from offchain.audit.step import Emitted, Handler, Step
from offchain.audit.sums import check_sums
from offchain.audit.task import Artifacts, begin, check_code, check_creation
from offchain.audit.views import check_views, expected_answers

HANDLERS: Final[Mapping[str, Handler]] = {
    **membership.HANDLERS,
    **rounds.HANDLERS,
    **closing.HANDLERS,
    **settlement.HANDLERS,
    **voting.HANDLERS,
    **slashing.HANDLERS,
    **fraud.HANDLERS,
}
_ROUND_ARGUMENT: Final = ("round", "batch")


@dataclass(frozen=True)
class Audited:
    """What an audit leaves: its checks, the state it rebuilt, the model file's verdict."""

    checks: Checks
    state: State | None
    model: ModelVerdict | None

    @property
    def valid(self) -> bool:
        """Whether nothing at all is off."""
        return not self.checks.findings


def verify(
    record: PublicRecord,
    artifacts: Artifacts,
    *,
    model: bytes | None = None,
    sums: bytes | None = None,
    from_block: int = 0,
) -> Audited:
    """Audit a public record.

    Parameters
    ----------
    record
        What was read.
    artifacts
        The contracts as compiled from the sources that are trusted.
    model
        A model file to check against the chain.
    sums
        A file of released sums, to solve for the voted models again.
    from_block
        Signatures and openings of earlier transactions are not checked, only followed.
    """
    checks = Checks()
    check_headers(checks, record)
    check_accounts(checks, record)
    replay = _Replay(record, artifacts, checks, from_block)
    for public in record.transactions:
        replay.follow(public)
    state = replay.state
    if state is None:
        missing = checks.at(Part.TASK)
        missing.fail("TaskCreated", "no such event", f"emitted by 0x{record.contract.hex()}")
        return Audited(checks, None, None)
    _check_beacons(checks, record, state)
    check_code(checks.at(Part.CODE, block=record.head), artifacts, state, record.accounts)
    _check_money(checks, record, state)
    if (head := record.headers.get(record.head)) is not None:
        expected = expected_answers(state, head.timestamp)
        at = checks.at(Part.STATE, block=record.head)
        check_views(at, replay.abi, record, expected)
    verdict = None
    if model is not None:
        committed = CommittedTask(record.chain_id, record.contract, state.task, state.models)
        verdict = check_model(checks.at(Part.MODEL), model, committed)
    if sums is not None:
        check_sums(checks.at(Part.MODEL), sums, state)
    return Audited(checks, state, verdict)


def questions(record: PublicRecord, artifacts: Artifacts) -> tuple[Question, ...]:
    """Return the views to ask S for before ``verify`` can compare them."""
    replay = _Replay(record, artifacts, Checks(), from_block=record.head + 1)
    for public in record.transactions:
        replay.follow(public)
    if replay.state is None:
        return ()
    return tuple(expected_answers(replay.state, record.headers[record.head].timestamp))


class _Replay:
    """Follows transactions one by one."""

    def __init__(
        self, record: PublicRecord, artifacts: Artifacts, checks: Checks, from_block: int
    ) -> None:
        self.state: State | None = None
        self.abi = Abi(artifacts.contract.abi)
        self._record = record
        self._artifacts = artifacts
        self._checks = checks
        self._from_block = from_block

    def follow(self, public: PublicTransaction) -> None:
        """Check a transaction and what it did to S."""
        at = self._checks.at(Part.CHAIN, block=public.block, transaction=public.hash)
        signed, receipt = check_transaction(at, self._record, public)
        if receipt is None:
            return
        logs = [log for log in receipt.logs if log.address == self._record.contract]
        events = []
        for place, log in enumerate(logs):
            try:
                events.append(self.abi.event(log))
            except Undecodable as error:
                at.fail(f"event {place}", str(error), "an event of S")
        emitted = Emitted(events)
        money = at.part(Part.MONEY)
        for frame in self._frames(at, public, signed):
            self._apply(frame, public, emitted, money)
            self._check_ledger(money)
        for event in emitted.events:
            place_of = at.part(Part.ROUND).within(round=_round_of(event))
            place_of.fail(event.name, "emitted", "no such event: no call of S explains it")

    def _frames(
        self, at: At, public: PublicTransaction, signed: SignedTransaction | None
    ) -> Iterator[Frame]:
        """The calls of S in a transaction: itself, or those that the trace shows."""
        if public.frames is not None:
            yield from public.frames
        elif signed is None:
            return
        elif signed.recipient is None:
            created = created_address(signed.sender, signed.nonce)
            at.equal("transaction.creates", created, self._record.contract)
            yield Frame(signed.sender, signed.value, signed.data, creates=True)
        elif signed.recipient == self._record.contract:
            yield Frame(signed.sender, signed.value, signed.data)
        else:
            found = f"a call of 0x{signed.recipient.hex()}"
            at.fail("transaction.to", found, "a call of S, or a trace that shows the calls of S")

    def _apply(self, frame: Frame, public: PublicTransaction, emitted: Emitted, at: At) -> None:
        if frame.creates:
            self._create(frame, public, emitted, at)
            return
        if self.state is None:
            at.fail("transaction", "a call", "the creation of S first")
            return
        try:
            call = self.abi.call(frame.data)
        except Undecodable as error:
            at.part(Part.CHAIN).fail("transaction.data", str(error), "a call of S")
            return
        if not call.payable:
            at.equal(f"{call.function}.value", frame.value, 0)
        handler = HANDLERS.get(call.function)
        if handler is None:
            at.fail("transaction.data", call.function, "a function that this audit knows")
            return
        self.state.ledger.received += frame.value
        handler(self._step(self.state, call, frame, public, emitted, at))

    def _step(
        self,
        state: State,
        call: Call,
        frame: Frame,
        public: PublicTransaction,
        emitted: Emitted,
        at: At,
    ) -> Step:
        return Step(
            state=state,
            function=call.function,
            values=call.values,
            sender=frame.sender,
            value=frame.value,
            now=self._record.headers[public.block].timestamp,
            position=(public.block, public.index),
            emitted=emitted,
            at=at,
            thorough=public.block >= self._from_block,
        )

    def _create(self, frame: Frame, public: PublicTransaction, emitted: Emitted, at: At) -> None:
        at = at.part(Part.TASK)
        if self.state is not None or not emitted.events or emitted.events[0].name != "TaskCreated":
            at.fail("TaskCreated", "not emitted", "the first event of S")
            return
        values: Mapping[str, Any] = emitted.events.pop(0).values
        self.state = begin(at, self._record.chain_id, self._record.contract, values)
        call = Call("creation", (frame.data,), payable=False)
        step = self._step(self.state, call, frame, public, emitted, at)
        check_creation(step, self.abi, self._artifacts.contract.creation, values)

    def _check_ledger(self, at: At) -> None:
        """What came in and did not go out is what the four accounts hold."""
        if self.state is not None:
            ledger = self.state.ledger
            at.equal("stakes + owed + pool + burnt", ledger.held, ledger.received - ledger.paid)
            least = min(ledger.stakes, ledger.owed, ledger.pool, ledger.burnt)
            at.holds("stakes, owed, pool, burnt", least >= 0, least, "no account below zero")


def _round_of(event: Event) -> int | None:
    return next((event.values[name] for name in _ROUND_ARGUMENT if name in event.values), None)


def _check_beacons(checks: Checks, record: PublicRecord, state: State) -> None:
    """Check that the block fixed for a round's beacon is there, and compute the beacon."""
    for number, round_ in state.rounds.items():
        if round_.beacon_block > record.head:
            continue
        at = checks.at(Part.ROUND, round=number, block=round_.beacon_block)
        header = record.headers.get(round_.beacon_block)
        if header is None:
            at.fail("beacon", "no header", f"that of block {round_.beacon_block}")
            continue
        at.equal("beacon: header.hash", header.hash, header.computed_hash())
        round_.beacon = tagged("verifog beacon v1", state.domain, number, header.prevrandao)


def _check_money(checks: Checks, record: PublicRecord, state: State) -> None:
    """Check that S holds at least what its accounts add up to."""
    at = checks.at(Part.MONEY, block=record.head)
    account = record.accounts.get(record.contract)
    balance = account.balance if account else 0
    held = state.ledger.held
    at.holds("balance", balance >= held, balance, f"at least {held}")
