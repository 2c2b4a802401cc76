"""One public value altered at a time: the audit fails, and names the place."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import pytest

from offchain.audit.ethereum import Header
from offchain.audit.findings import Finding, Part
from offchain.audit.record import PublicRecord
from tests.offchain.audit.alter import (
    Emission,
    Interface,
    Sent,
    altered_data,
    altered_logs,
    at_path,
    byte_strings,
    calls,
    emissions,
    flip,
    with_data,
    with_frame,
    with_item,
    with_log,
    with_receipt,
    with_transaction,
)
from tests.offchain.audit.cases import Case

EVENTS = (
    "TaskCreated",
    "StakeDeposited",
    "CloudAdmitted",
    "FogAdmitted",
    "DeviceAdmitted",
    "ExitRequested",
    "StakeWithdrawn",
    "NoiseRootRecorded",
    "RoundOpened",
    "ModelWithdrawn",
    "ClusterAnchored",
    "CumulativeSubmitted",
    "ResultAccepted",
    "PoolFunded",
    "RewardClaimed",
    "CreditPaid",
    "RoundClosed",
    "SilenceCharged",
    "ClusterSuspended",
    "ClusterResumed",
    "FogSucceeded",
    "ModelVoted",
    "UnclaimedReturned",
    "PoolWithdrawn",
    "OffenceProven",
    "NoiseCaseAdvanced",
    "ResultRejected",
    "Slashed",
)
FUNCTIONS = (
    "constructor",
    "depositStake",
    "admitCloud",
    "admitFog",
    "admitDevices",
    "requestExit",
    "requestExitFor",
    "withdrawStake",
    "openRound",
    "recordNoiseRoot",
    "anchor",
    "submitCumulative",
    "submitAggregate",
    "fundPool",
    "claim",
    "closeRound",
    "resumeCluster",
    "admitSuccessor",
    "submitModel",
    "withdrawPool",
    "returnUnclaimed",
    "reportFalseShare",
    "reportFalseWitness",
    "reportEquivocation",
    "reportFalseAnchor",
    "advanceNoiseCase",
    "reportFalseNoise",
    "reportFalseResult",
    "reportFalseVector",
)
# Only the transaction's hash covers what S does not read, or reads as "all that are left".
NOT_READ = {
    ("requestExit", "publicKey"),  # of a fog
    ("reportEquivocation", "publicKey"),  # of a fog
    ("advanceNoiseCase", "slots"),
}
HEADER_FIELDS = [f.name for f in fields(Header)]
TRANSACTION_ITEMS = (
    *("chain id", "nonce", "tip", "fee", "gas", "to", "value", "data", "list"),
    *("parity", "r", "s"),
)
LEAVES = 12  # of one argument
RANDOM_BYTES = 40  # of one record; each takes an audit of seconds


@pytest.fixture(scope="session")
def interface(undisturbed: Case) -> Interface:
    return Interface(undisturbed.artifacts.contract.abi)


@pytest.fixture
def cases(undisturbed: Case, eventful: Case, fraudulent: Case, quiet: Case) -> tuple[Case, ...]:
    return undisturbed, eventful, fraudulent, quiet


def last_emission(
    cases: tuple[Case, ...], interface: Interface, name: str
) -> tuple[Case, Emission]:
    """The last event of that name, in the first case that has one."""
    for case in cases:
        found = [e for e in emissions(case.record, interface) if e.abi["name"] == name]
        if found:
            return case, found[-1]
    raise AssertionError(f"no case emits {name}")


def last_call(cases: tuple[Case, ...], interface: Interface, name: str) -> tuple[Case, Sent]:
    for case in cases:
        creation = case.artifacts.contract.creation
        found = [c for c in calls(case.record, interface, creation) if c.abi["name"] == name]
        if found:
            return case, found[-1]
    raise AssertionError(f"no case calls {name}")


def named(findings: list[Finding], record: PublicRecord, transaction: int) -> set[str]:
    """Fields of the findings in a transaction."""
    digest = record.transactions[transaction].hash
    return {f.field for f in findings if f.place.transaction == digest}


def test_alterations__lists_above__cover_the_whole_interface(interface: Interface) -> None:
    inherited = {"EIP712DomainChanged"}
    assert set(EVENTS) == {e["name"] for e in interface.events.values()} - inherited
    changing = {
        f["name"]
        for f in interface.functions.values()
        if f["stateMutability"] in ("payable", "nonpayable")
    }
    assert set(FUNCTIONS) - {"constructor"} == changing


# ---- events


@pytest.mark.parametrize("event", EVENTS)
def test_event__each_field_altered__is_named(
    event: str, cases: tuple[Case, ...], interface: Interface
) -> None:
    case, emission = last_emission(cases, interface, event)
    for field in emission.abi["inputs"]:
        for log in altered_logs(emission, field["name"]):
            findings = case.audit(with_log(case.record, emission, log)).checks.findings
            found = named(findings, case.record, emission.transaction)
            assert f"{event}.{field['name']}" in found
            assert "receipt" in found


@pytest.mark.parametrize("event", EVENTS)
def test_event__left_out__is_named(
    event: str, cases: tuple[Case, ...], interface: Interface
) -> None:
    case, emission = last_emission(cases, interface, event)
    findings = case.audit(with_log(case.record, emission)).checks.findings
    assert event in named(findings, case.record, emission.transaction)


@pytest.mark.parametrize("event", ["RewardClaimed", "ClusterAnchored"])
def test_event__emitted_twice__is_named(
    event: str, cases: tuple[Case, ...], interface: Interface
) -> None:
    case, emission = last_emission(cases, interface, event)
    doubled = with_log(case.record, emission, emission.raw, emission.raw)
    findings = case.audit(doubled).checks.findings
    assert event in named(findings, case.record, emission.transaction)


# ---- calls


@pytest.mark.parametrize("function", FUNCTIONS)
def test_calldata__each_argument_altered__is_named(
    function: str, cases: tuple[Case, ...], interface: Interface
) -> None:
    case, sent = last_call(cases, interface, function)
    for argument in sent.abi["inputs"]:
        for path, data in list(altered_data(sent, argument["name"]))[:LEAVES]:
            signed = case.audit(with_data(case.record, sent.transaction, data)).checks.findings
            assert "transaction.hash" in named(signed, case.record, sent.transaction)
            # Told by a trace, which no hash covers, the argument itself gives it away.
            traced = case.audit(with_frame(case.record, sent.transaction, data)).checks.findings
            found = named(traced, case.record, sent.transaction)
            if (function, argument["name"]) not in NOT_READ:
                assert found, (argument["name"], path)


@pytest.mark.parametrize(
    ("function", "argument", "field"),
    [
        ("anchor", "signature", "anchor.signature"),
        ("anchor", "absentKeys", "anchor.absentKeys"),
        ("anchor", "batch", "anchor.batch"),
        ("submitCumulative", "proof", "submitCumulative.proof"),
        ("submitCumulative", "signerCount", "submitCumulative.signerCount"),
        ("submitAggregate", "proof", "submitAggregate.proof"),
        ("submitAggregate", "countProof", "submitAggregate.countProof"),
        ("submitAggregate", "model", "submitAggregate.model"),
        ("submitAggregate", "samples", "ResultAccepted.factor"),
        ("admitDevices", "admissions", "admitDevices.proofOfPossession"),
        ("requestExitFor", "signature", "requestExitFor.signature"),
        ("reportFalseResult", "signature", "reportFalseResult.signature"),
        ("reportFalseVector", "vector", "reportFalseVector.vector"),
        ("reportFalseVector", "proof", "reportFalseVector.proof"),
        ("claim", "rounds", "RewardClaimed.rounds"),
    ],
)
def test_evidence__altered__is_named_as_what_it_is(
    function: str,
    argument: str,
    field: str,
    cases: tuple[Case, ...],
    interface: Interface,
) -> None:
    case, sent = last_call(cases, interface, function)
    _, data = next(iter(altered_data(sent, argument)))
    findings = case.audit(with_frame(case.record, sent.transaction, data)).checks.findings
    assert field in named(findings, case.record, sent.transaction)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_transaction__left_out__is_found(
    function: str, cases: tuple[Case, ...], interface: Interface
) -> None:
    case, sent = last_call(cases, interface, function)
    assert not case.audit(with_transaction(case.record, sent.transaction, None)).valid


def test_transactions__in_another_order__are_found(undisturbed: Case, interface: Interface) -> None:
    record = undisturbed.record
    for place in range(1, len(record.transactions) - 1, 3):
        swapped = list(record.transactions)
        swapped[place : place + 2] = reversed(swapped[place : place + 2])
        moved = [replace(t, block=record.transactions[i].block) for i, t in enumerate(swapped)]
        assert not undisturbed.audit(replace(record, transactions=tuple(moved))).valid


# ---- blocks and transactions


def important_blocks(case: Case, interface: Interface) -> Iterator[int]:
    """The last anchor's block, the last beacon's, and the last of all."""
    _, emission = last_emission((case,), interface, "ClusterAnchored")
    yield case.record.transactions[emission.transaction].block
    state = case.audit().state
    assert state is not None
    assert state.current is not None
    yield state.current.beacon_block
    yield case.record.head


@pytest.mark.parametrize("field", HEADER_FIELDS)
def test_header__field_altered__is_named_with_its_block(
    field: str, undisturbed: Case, interface: Interface
) -> None:
    def change(value: Any) -> Any:
        if isinstance(value, int):
            return value ^ 1
        return bytes([*value[:-1], value[-1] ^ 1]) if value else b"?"

    for number in important_blocks(undisturbed, interface):
        altered = at_path(undisturbed.record, ("headers", number, field), change)
        places = [
            (finding.place.block, finding.field)
            for finding in undisturbed.audit(altered).checks.findings
        ]
        assert (number, "header.hash") in places


@pytest.mark.parametrize("item", range(len(TRANSACTION_ITEMS)), ids=TRANSACTION_ITEMS)
def test_transaction__item_altered__is_named(
    item: int, undisturbed: Case, interface: Interface
) -> None:
    case, sent = last_call((undisturbed,), interface, "anchor")
    value = [[b"\1" * 20, []]] if TRANSACTION_ITEMS[item] == "list" else b"\7" * 20
    findings = case.audit(with_item(case.record, sent.transaction, item, value)).checks.findings
    found = named(findings, case.record, sent.transaction)
    assert {"transaction.hash", "transaction"} <= found


@pytest.mark.parametrize("item", [0, 1, 2], ids=["status", "gas", "bloom"])
def test_receipt__item_altered__is_named(
    item: int, undisturbed: Case, interface: Interface
) -> None:
    case, emission = last_emission((undisturbed,), interface, "ClusterAnchored")
    altered = with_receipt(
        case.record, emission.transaction, lambda items: items.__setitem__(item, b"\2")
    )
    findings = case.audit(altered).checks.findings
    assert "receipt" in named(findings, case.record, emission.transaction)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (("hash",), "transaction.hash"),
        (("transaction", "proof", 0), "transaction"),
        (("receipt", "proof", 0), "receipt"),
    ],
    ids=["hash", "proof of the transaction", "proof of the receipt"],
)
def test_transaction__what_proves_it_altered__is_named(
    path: tuple[Any, ...], field: str, undisturbed: Case
) -> None:
    place = len(undisturbed.record.transactions) // 2
    altered = at_path(undisturbed.record, ("transactions", place, *path), flip(9, 1))
    findings = undisturbed.audit(altered).checks.findings
    assert field in named(findings, altered, place)


@pytest.mark.parametrize("field", ["block", "index"])
def test_transaction__at_another_place__is_named(field: str, undisturbed: Case) -> None:
    place = len(undisturbed.record.transactions) // 2
    path = ("transactions", place, field)
    altered = at_path(undisturbed.record, path, lambda number: number + 1)
    findings = undisturbed.audit(altered).checks.findings
    found = named(findings, altered, place)
    assert found & {"transaction", "header"}


# ---- accounts, code and views


@pytest.mark.parametrize("field", ["nonce", "balance", "storage_root", "code", "proof"])
def test_account__field_altered__is_named(field: str, undisturbed: Case) -> None:
    def change(value: Any) -> Any:
        if isinstance(value, tuple):
            return (*value[:-1], flip(9, 1)(value[-1]))
        return value + 1 if isinstance(value, int) else flip(9, 1)(value)

    for address in undisturbed.record.accounts:
        altered = at_path(undisturbed.record, ("accounts", address, field), change)
        findings = undisturbed.audit(altered).checks.findings
        assert f"account 0x{address.hex()}" in {finding.field for finding in findings}


def test_code__any_byte_altered__is_named(undisturbed: Case) -> None:
    source = random.Random(1)
    names = {}
    state = undisturbed.audit().state
    assert state is not None
    names[undisturbed.record.contract] = "ContractS.code"
    names |= {
        state.verifier: "Verifier.code",
        state.noise_sampler: "NoiseSampler.code",
        state.judge: "Judge.code",
        state.extension: "Extension.code",
    }
    for address, name in names.items():
        code = undisturbed.record.accounts[address].code
        for place in source.sample(range(len(code)), 30):
            path = ("accounts", address, "code")
            altered = at_path(undisturbed.record, path, flip(place, 1 << source.randrange(8)))
            findings = undisturbed.audit(altered).checks.findings
            parts = [f for f in findings if f.place.part is Part.CODE]
            assert any(f.field.startswith(name) for f in parts), (name, place)


def test_view__each_answer_altered__is_named(eventful: Case) -> None:
    for question, answer in eventful.record.views.items():
        assert answer is not None
        altered = at_path(eventful.record, ("views", question), flip(len(answer) - 1, 1))
        findings = eventful.audit(altered).checks.findings
        assert [f.place.part for f in findings] == [Part.STATE]
        assert findings[0].field.startswith(str(question))


def test_view__without_an_answer__is_named(undisturbed: Case) -> None:
    question = next(q for q in undisturbed.record.views if q.function == "modelDigest")
    altered = at_path(undisturbed.record, ("views", question), lambda _: None)
    (finding,) = undisturbed.audit(altered).checks.findings
    assert (finding.field, finding.found) == ("modelDigest()", "no answer")


@pytest.mark.parametrize("field", ["chain_id", "head"])
def test_record__number_altered__is_found(field: str, undisturbed: Case) -> None:
    altered = at_path(undisturbed.record, (field,), lambda number: number - 1)
    assert not undisturbed.audit(altered).valid


def test_record__any_byte_altered__is_found(cases: tuple[Case, ...]) -> None:
    source = random.Random(2)
    for case in cases:
        strings = list(byte_strings(case.record))
        for path, length in source.choices(strings, k=RANDOM_BYTES):
            change = flip(source.randrange(length), 1 << source.randrange(8))
            altered = at_path(case.record, path, change)
            assert not case.audit(altered).valid, path
