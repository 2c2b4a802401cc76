"""Model files against the chain: the one that S held, and every way to be another."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from offchain.audit.findings import Checks, Finding, Part
from offchain.audit.models import CommittedTask, ModelVerdict, check_model
from offchain.crypto.hashing import keccak256
from offchain.reporting.model_file import encode_model, parse_model
from tests.conftest import Preset
from tests.offchain.audit.cases import Case
from tests.offchain.reporting.builders import make_model_file

RANDOM_BYTES = {"minimal": 300, "full": 10_000}
# What the chain says nothing about: only the file's own digest covers it.
OFF_CHAIN = {
    *("class_names", "feature_names", "standardiser", "target_name", "target_standardiser"),
    *("step", "values"),
}


def check(case: Case, data: bytes) -> tuple[ModelVerdict | None, list[Finding]]:
    state = case.audit().state
    assert state is not None
    checks = Checks()
    record = case.record
    committed = CommittedTask(record.chain_id, record.contract, state.task, state.models)
    return check_model(checks.at(Part.MODEL), data, committed), checks.findings


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from leaves(inner, (*path, key))
    else:
        yield path


def altered(content: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    copy = json.loads(json.dumps(content))
    place = copy
    for key in path[:-1]:
        place = place[key]
    old = place[path[-1]]
    if isinstance(old, str):
        place[path[-1]] = old[:-1] + ("1" if old[-1:] == "0" else "0")
    else:
        place[path[-1]] = 1.5 if old is None else old + 1
    return copy


def written(content: dict[str, Any]) -> bytes:
    """As the project writes files: sorted keys, one space of indentation."""
    text = json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False)
    return text.encode() + b"\n"


def sealed(content: dict[str, Any]) -> bytes:
    """As a forger would write it: with a digest that fits."""
    rest = {name: value for name, value in content.items() if name != "digest"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return written({**rest, "digest": "0x" + keccak256(text.encode()).hex()})


def test_model__newest__is_the_current_one(undisturbed: Case) -> None:
    verdict, findings = check(undisturbed, undisturbed.model)
    assert findings == []
    assert verdict is not None
    assert (verdict.round, verdict.current, verdict.provisional) == (4, True, True)


def test_model__of_an_earlier_round__holds_and_is_not_current(undisturbed: Case) -> None:
    verdict, findings = check(undisturbed, undisturbed.models[2])
    assert findings == []
    assert verdict is not None
    assert (verdict.round, verdict.current) == (2, False)


def test_model__nobody_built_on_it__is_named_as_withdrawn(eventful: Case) -> None:
    _, findings = check(eventful, eventful.models[2])
    (finding,) = findings
    assert finding.field == "model file: round"
    assert finding.found == "withdrawn when round 3 ended without an anchor"
    _, findings = check(eventful, eventful.models[4])
    assert findings == []


def test_model__result_was_rejected__is_named_as_rejected(eventful: Case) -> None:
    state = eventful.audit().state
    assert state is not None
    (digest,) = [d for d, number in state.models.rejected.items() if number == 5]
    checks = Checks()
    record = eventful.record
    committed = CommittedTask(record.chain_id, record.contract, state.task, state.models)
    data = eventful.models[4]
    own = parse_model(data).commitment_digest
    state.models.rejected[own] = 5
    state.models.after[4] = digest
    check_model(checks.at(Part.MODEL), data, committed)
    assert "this one was rejected in round 5" in checks.findings[0].expected


def test_model__of_another_task__is_named(undisturbed: Case) -> None:
    _, findings = check(undisturbed, encode_model(make_model_file()))
    fields = {finding.field for finding in findings}
    assert {"model file: contract", "model file: round", "model file: layout.packing"} <= fields


def test_model__any_field_altered__is_found(undisturbed: Case) -> None:
    content = json.loads(undisturbed.model)
    assert written(content) == undisturbed.model
    paths = list(leaves(content))
    assert len(paths) > 90
    for path in paths:
        _, findings = check_once(undisturbed, written(altered(content, path)))
        assert findings, path


def test_model__any_field_altered_and_sealed_again__is_found_where_the_chain_speaks(
    undisturbed: Case,
) -> None:
    content = json.loads(undisturbed.model)
    for path in leaves(content):
        if OFF_CHAIN & set(path) or path == ("digest",):
            continue
        _, findings = check_once(undisturbed, sealed(altered(content, path)))
        assert findings, path


@pytest.mark.parametrize("length", [1, 2, 32])
def test_model__slots_and_commitment_of_another_vector__are_named(
    length: int, undisturbed: Case
) -> None:
    content = json.loads(undisturbed.model)
    content["slots"][:length] = ["0x" + (7).to_bytes(32, "big").hex()] * length
    _, findings = check_once(undisturbed, sealed(content))
    assert [f.field for f in findings] == ["model file: commitment", "model file: slots"]


def test_model__any_byte_altered__is_found(undisturbed: Case, preset: Preset) -> None:
    source = random.Random(3)
    data = undisturbed.model
    for _ in range(RANDOM_BYTES[preset]):
        place, other = source.randrange(len(data)), source.randrange(1, 256)
        changed = data[:place] + bytes([data[place] ^ other]) + data[place + 1 :]
        _, findings = check_once(undisturbed, changed)
        assert findings, place


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b" ", b"\t", 1),
        lambda data: data.replace(b"\n", b"\r", 1),
        lambda data: data + b"\n",
        lambda data: data[:-1],
        lambda data: data.replace(b"0.5", b"5e-1", 1),
        lambda data: data.replace(b'"tag 0"', b'"\\u0074ag 0"', 1),
    ],
    ids=["tab", "carriage return", "longer", "shorter", "exponent", "escape"],
)
def test_model__the_same_values_spelt_otherwise__is_found(change: Any, undisturbed: Case) -> None:
    changed = change(undisturbed.model)
    assert changed != undisturbed.model
    _, findings = check_once(undisturbed, changed)
    assert [f.field for f in findings] == ["model file: bytes"]


_states: dict[int, CommittedTask] = {}


def check_once(case: Case, data: bytes) -> tuple[ModelVerdict | None, list[Finding]]:
    """As ``check``, rebuilding the chain's side once."""
    if id(case) not in _states:
        state = case.audit().state
        assert state is not None
        record = case.record
        _states[id(case)] = CommittedTask(
            record.chain_id, record.contract, state.task, state.models
        )
    checks = Checks()
    verdict = check_model(checks.at(Part.MODEL), data, _states[id(case)])
    return verdict, checks.findings
