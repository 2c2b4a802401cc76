"""What an audit says of runs in which everybody, or S at least, did as it should."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from offchain.audit.ethereum import decode_transaction
from offchain.audit.findings import Part
from offchain.audit.record import PublicRecord
from offchain.audit.report import print_audit, to_json
from offchain.audit.state import Phase
from offchain.audit.verifier import Audited
from tests.offchain.audit.alter import (
    Interface,
    altered_data,
    calls,
    with_data,
    with_frame,
    with_item,
)
from tests.offchain.audit.cases import SHAPE, Case

ALL = ["undisturbed", "dropped_out", "eventful"]


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Case:
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


@pytest.mark.parametrize("case", ALL, indirect=True)
def test_audit__played_task__everything_holds(case: Case) -> None:
    audited = case.audit(model=case.model)
    assert audited.checks.findings == []
    assert audited.valid
    assert sum(audited.checks.made.values()) > 1_500
    assert case.record.notes == ()


def test_audit__undisturbed__rebuilds_every_round(undisturbed: Case) -> None:
    state = undisturbed.audit().state
    assert state is not None
    assert [r.updates_model for r in state.rounds.values()] == [False, True, True, True]
    for round_ in state.rounds.values():
        assert round_.result is not None
        assert round_.result.included == {0, 1}
        assert [a.signers for _, a in sorted(round_.anchored.items())] == [{0, 1, 2, 3}] * 2
        assert round_.beacon is not None
    ledger = state.ledger
    reward = SHAPE.parameters.reward
    cloud, fogs = reward // 10, reward // 5
    paid = 4 * (cloud + 2 * (fogs // 2) + 8 * ((reward - cloud - fogs) // 8))
    assert (ledger.paid, ledger.owed, ledger.burnt) == (paid, 0, 0)
    assert undisturbed.record.accounts[undisturbed.record.contract].balance == ledger.held


def test_audit__devices_and_a_fog_fall_silent__shows_in_the_rounds(dropped_out: Case) -> None:
    state = dropped_out.audit().state
    assert state is not None
    rounds = state.rounds
    assert rounds[2].anchored[0].qualified == {0, 1, 3}
    assert rounds[2].anchored[1].signers == {1, 2, 3}
    assert rounds[2].anchored[1].qualified == {0, 1, 2, 3}
    assert rounds[3].result is not None
    assert rounds[3].result.included == {0}  # anchored and submitted by both
    assert rounds[3].submitted == {0, 1}
    assert rounds[4].anchored.keys() == {0}


def test_audit__rejected_results_and_a_withdrawn_model__are_followed(eventful: Case) -> None:
    audited = eventful.audit()
    state, head = audited.state, eventful.record.headers[eventful.record.head]
    assert state is not None
    rounds, models = state.rounds, state.models
    assert [len(r.rejected) for r in rounds.values()] == [0, 1, 0, 0, 1]
    assert rounds[3].phase(head.timestamp) is Phase.FAILED
    assert models.after[3] == models.after[1]
    assert models.withdrawn == {models.after[2]: 3}
    # In round 2 the second cloud settled with the same sum: that model stands.
    assert list(models.rejected.values()) == [5]
    assert models.after[5] == models.after[4] == models.current
    assert [state.members[cloud].slashed for cloud in state.clouds] == [True, True]
    assert state.ledger.burnt == 2 * SHAPE.parameters.cloud_stake // 10


# ---- options


def test_audit__earlier_blocks__are_followed_without_their_proofs(undisturbed: Case) -> None:
    record, artifacts = undisturbed.record, undisturbed.artifacts
    interface = Interface(artifacts.contract.abi)
    sent = calls(record, interface, artifacts.contract.creation)
    first = next(call for call in sent if call.abi["name"] == "anchor")
    _, data = next(altered_data(first, "signature"))
    altered = with_frame(record, first.transaction, data)
    block = record.transactions[first.transaction].block
    assert undisturbed.audit(altered, from_block=block + 1).valid
    (finding,) = undisturbed.audit(altered, from_block=block).checks.findings
    assert (finding.field, finding.place.round, finding.place.cluster) == ("anchor.signature", 1, 0)
    assert finding.place.transaction == record.transactions[first.transaction].hash


def test_audit__calls_told_by_traces__hold_as_well(eventful: Case) -> None:
    record = eventful.record
    for place, public in enumerate(record.transactions):
        data = decode_transaction(public.transaction.encoded).data
        record = with_frame(record, place, data)
    assert eventful.audit(record).valid


def test_audit__call_through_another_contract_without_a_trace__is_named(undisturbed: Case) -> None:
    place = len(undisturbed.record.transactions) - 1
    altered = with_item(undisturbed.record, place, 5, b"\7" * 20)
    findings = undisturbed.audit(altered).checks.findings
    digest = undisturbed.record.transactions[place].hash
    assert ("transaction.to", digest) in {(f.field, f.place.transaction) for f in findings}


def test_audit__unknown_selector__is_named(undisturbed: Case) -> None:
    place = len(undisturbed.record.transactions) - 1
    altered = with_data(undisturbed.record, place, b"\1\2\3\4")
    findings = undisturbed.audit(altered).checks.findings
    assert "selector 01020304 is no function of S" in {f.found for f in findings}


def test_audit__ether_forced_into_s__changes_nothing_but_the_balance(undisturbed: Case) -> None:
    accounts = dict(undisturbed.record.accounts)
    own = accounts[undisturbed.record.contract]
    accounts[undisturbed.record.contract] = replace(own, balance=own.balance + 1, proof=None)
    assert undisturbed.findings(accounts=accounts) == []
    accounts[undisturbed.record.contract] = replace(own, balance=own.balance - 1, proof=None)
    (finding,) = undisturbed.findings(accounts=accounts)
    assert (finding.place.part, finding.field) == (Part.MONEY, "balance")
    assert finding.found == str(own.balance - 1)


def test_audit__nothing_at_the_address__is_one_finding(undisturbed: Case) -> None:
    (finding,) = undisturbed.findings(transactions=(), accounts={})
    assert finding.field == "TaskCreated"


# ---- what is shown


def printed(record: PublicRecord, audited: Audited) -> str:
    """What a user sees of an audit."""
    paper = io.StringIO()
    print_audit(record, audited, Console(width=160, file=paper))
    return paper.getvalue()


def test_json__eventful_task__names_every_round_and_part(eventful: Case) -> None:
    audited = eventful.audit(model=eventful.model)
    told = json.loads(to_json(eventful.record, audited, 0))
    assert told["valid"] is True
    assert told["findings"] == []
    assert [r["status"] for r in told["rounds"]] == [
        *("settled", "settled", "failed", "settled", "failed"),
    ]
    assert [r["rejected"] for r in told["rounds"]] == [0, 1, 0, 0, 1]
    assert {p["part"] for p in told["parts"]} == {p.value for p in Part} - {"round"}
    made = sum(p["checks"] for p in told["parts"]) + sum(r["checks"] for r in told["rounds"])
    assert made == told["checks"]
    assert told["model"]["current"] is True


def test_table__something_off__names_the_place_and_the_verdict(undisturbed: Case) -> None:
    place = len(undisturbed.record.transactions) - 1
    altered = with_data(undisturbed.record, place, b"\1\2\3\4")
    audited = undisturbed.audit(altered)
    text = printed(altered, audited)
    assert f"transaction 0x{altered.transactions[place].hash.hex()}" in text
    assert "transaction.hash: found 0x" in text
    assert f"{len(audited.checks.findings)} of " in text
    assert "checks FAILED." in text
    shown = json.loads(to_json(altered, audited, 0))
    assert shown["valid"] is False
    assert len(shown["findings"]) == len(audited.checks.findings)


def test_table__everything_holds__says_so(undisturbed: Case) -> None:
    text = printed(undisturbed.record, undisturbed.audit())
    assert "FAILED" not in text
    assert "Everything holds" in text
    assert text.count("settled") == 4
