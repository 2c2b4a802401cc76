"""Checks one model file against the chain, and nothing else: what ``ape run verify-model`` does.

The history of the committed model is read from the events of S. They are believed, because the code
of S is compared with the compiled one; an audit recomputes them instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from web3 import Web3

from offchain.audit.decoding import Abi, Event, Undecodable
from offchain.audit.errors import AuditError
from offchain.audit.ethereum import Log
from offchain.audit.findings import Checks, Part
from offchain.audit.history import ModelHistory
from offchain.audit.models import CommittedTask, ModelVerdict, check_model, read_model
from offchain.audit.reader import Reader
from offchain.audit.record import Question
from offchain.audit.state import State
from offchain.audit.task import Artifacts, begin, check_code
from offchain.audit.wire import data_of
from offchain.reporting.errors import ModelFileError

EVENTS: Final = (
    "TaskCreated",
    "RoundOpened",
    "ClusterAnchored",
    "ResultAccepted",
    "ResultRejected",
    "ModelWithdrawn",
)


@dataclass(frozen=True)
class VerifiedModel:
    """What came of checking a model file."""

    checks: Checks
    contract: bytes | None
    chain_id: int | None
    block: int | None
    verdict: ModelVerdict | None

    @property
    def valid(self) -> bool:
        """Whether nothing is off."""
        return self.verdict is not None and not self.checks.findings


def history_of(begun: ModelHistory, events: Iterable[Event]) -> ModelHistory:
    """Follow the committed model through the events of S."""
    updates = False
    for event in events:
        values = event.values
        match event.name:
            case "RoundOpened":
                updates = values["updatesModel"]
                begun.opened(values["round"])
            case "ClusterAnchored":
                begun.anchored()
            case "ResultAccepted":
                begun.accepted(values["modelDigest"], provisional=updates)
            case "ResultRejected":
                begun.rejected_result(values["modelDigest"])
            case "ModelWithdrawn":
                begun.withdrew(values["modelDigest"])
            case _:
                pass
    return begun


def verify_model(web3: Web3, artifacts: Artifacts, data: bytes) -> VerifiedModel:
    """Check a model file against the contract that it names.

    Raises
    ------
    AuditError
        When the provider fails, or has no contract at that address.
    """
    checks = Checks()
    at = checks.at(Part.MODEL)
    try:
        contract = read_model(data).contract
    except ModelFileError as error:
        at.fail(f"model file: {error.field}", error.value, error.bound)
        return VerifiedModel(checks, None, None, None, None)
    abi = Abi(artifacts.contract.abi)
    reader = Reader(web3, contract, abi)
    head, chain_id = reader.head(), reader.chain_id()
    state, models = _committed(checks, reader, abi, head)
    accounts = reader.accounts((contract, *state.tools), head)
    check_code(checks.at(Part.CODE, block=head), artifacts, state, accounts)
    answer = reader.answers(head, [Question("modelDigest")])[Question("modelDigest")]
    checks.at(Part.STATE, block=head).equal("modelDigest()", answer, models.current)
    committed = CommittedTask(chain_id, contract, state.task, models)
    verdict = check_model(at, data, committed)
    return VerifiedModel(checks, contract, chain_id, head, verdict)


def _committed(checks: Checks, reader: Reader, abi: Abi, head: int) -> tuple[State, ModelHistory]:
    """The task and the history of its model, from the events of S."""
    topics = [abi.event_topics[name] for name in EVENTS]
    events: list[Event] = []
    for log in reader.logs(reader.created_in(head), head, topics):
        raw = Log(reader.contract, tuple(map(data_of, log["topics"])), data_of(log["data"]))
        try:
            events.append(abi.event(raw))
        except Undecodable as error:
            raise AuditError(f"event in block {log['blockNumber']}: {error}") from error
    if not events or events[0].name != "TaskCreated":
        raise AuditError(f"contract 0x{reader.contract.hex()}: is no Contract S")
    at = checks.at(Part.TASK)
    state = begin(at, reader.chain_id(), reader.contract, events[0].values)
    return state, history_of(state.models, events[1:])
