from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import ckzg
import numpy as np
import pytest

from offchain.crypto.hashing import keccak256
from offchain.learning.errors import ShapeError
from offchain.learning.models import ModelKind
from offchain.learning.statistics import Standardiser
from offchain.reporting.errors import ModelFileError, ReportFileError
from offchain.reporting.model_file import (
    ColumnMap,
    encode_model,
    model_record,
    parse_model,
    read_model,
    write_model,
)
from tests.offchain.crypto.oracles import blob_of, ckzg_setup
from tests.offchain.reporting.builders import make_model_file

KINDS = tuple(ModelKind)


def content_of(model) -> dict[str, Any]:
    return json.loads(encode_model(model))


def encoded(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode()


def sealed(content: dict[str, Any]) -> bytes:
    """As one who alters a field would: with a digest that fits."""
    rest = {name: value for name, value in content.items() if name != "digest"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return encoded({**rest, "digest": "0x" + keccak256(text.encode()).hex()})


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
        new: Any = old[:-1] + ("1" if old[-1] == "0" else "0")
    else:
        new = 1.5 if old is None else old + 1
    place[path[-1]] = new
    return copy


@pytest.mark.parametrize("kind", KINDS)
def test_model_file__encoded__parses_to_the_same(kind):
    model = make_model_file(kind)
    assert parse_model(encode_model(model)) == model


@pytest.mark.parametrize("kind", KINDS)
def test_parse_model__any_field_altered__is_refused(kind):
    content = content_of(make_model_file(kind))
    paths = list(leaves(content))
    assert len(paths) > 80
    for path in paths:
        with pytest.raises(ModelFileError):
            parse_model(encoded(altered(content, path)), check_commitment=False)


def test_parse_model__field_altered_with_a_fitting_digest__is_refused_or_changes_the_digest(
    model_file,
):
    original = content_of(model_file)
    for path in leaves(original):
        if path == ("digest",):
            continue
        data = sealed(altered(original, path))
        try:
            parse_model(data)
        except ModelFileError:
            continue
        # What the commitment does not cover: the digest tells the files apart.
        assert json.loads(data)["digest"] != original["digest"]
        assert path[0] not in ("slots", "commitment", "commitment_digest")


def test_sealed__original__keeps_its_digest(model_file):
    content = content_of(model_file)
    assert json.loads(sealed(content))["digest"] == content["digest"]


def test_parse_model__other_slots_with_a_fitting_digest__do_not_give_the_commitment(model_file):
    content = content_of(model_file)
    content["slots"][3] = "0x" + bytes(32).hex()
    with pytest.raises(ModelFileError, match=r"^commitment = .*: is not that of the slots$"):
        parse_model(sealed(content))


Change = Callable[[dict[str, Any]], object]
FALSE_FIELDS: list[tuple[Change, str]] = [
    (lambda c: c.pop("round"), "round = None: is missing"),
    (lambda c: c.update(extra=1), "extra = '…': is no field of this version"),
    (lambda c: c["layout"].update(more=1), "layout.more = "),
    (lambda c: c.update(version=2), "version = 2: must be 1"),
    (lambda c: c.update(version=True), "version = True: must be 1"),
    (lambda c: c.update(format="other"), "format = 'other': must be 'verifog-model'"),
    (lambda c: c.update(round=-1), "round = -1: must be an integer from 0 to"),
    (lambda c: c.update(round=1.0), "round = 1.0: must be an integer from 0 to"),
    (lambda c: c.update(chain_id=True), "chain_id = True: must be an integer from 1 to"),
    (lambda c: c["layout"].update(capacity=63), "layout.capacity = 63: must be an integer from 64"),
    (lambda c: c["layout"].update(capacity=96), "layout = (96, 2, 1, 15): capacity 96 is not a"),
    (lambda c: c["layout"].update(values=14), "layout.values = 14: must be at least 15"),
    (lambda c: c["encoding"].update(step=0), "encoding.step = 0.0: must be above 0"),
    (lambda c: c["encoding"].update(step="1"), "encoding.step = '1': must be a number"),
    (lambda c: c["encoding"].update(fraction_bits=129), "fraction_bits = 129: must be an integer"),
    (lambda c: c["model"].update(kind="forest"), "model.kind = 'forest': must be one of linear"),
    (lambda c: c["model"].update(classes=1), "model = ('softmax', 4, 1): "),
    (lambda c: c["slots"].pop(), "must have 64 items, has 63"),
    (lambda c: c.update(slots={}), "slots = {}: must be a list"),
    (lambda c: c["slots"].__setitem__(2, "0x00"), "slots[2] = '0x00': must be 0x and 64"),
    (lambda c: c["slots"].__setitem__(2, "0x" + "AB" * 32), "slots[2] = "),
    (lambda c: c["slots"].__setitem__(2, "0x" + " " * 64), "slots[2] = "),
    (lambda c: c["slots"].__setitem__(2, "0x" + "ff" * 32), "slots = '…': slots: element 2 is not"),
    (lambda c: c["commitment"].append(c["commitment"][0]), "commitment = "),
    (lambda c: c["commitment"].__setitem__(0, "0x" + "00" * 48), "commitment = "),
    (lambda c: c.update(commitment_digest="0x" + "00" * 32), "commitment_digest = "),
    (lambda c: c.update(contract="0x00"), "contract = '0x00': must be 0x and 40"),
    (lambda c: c.update(feature_names=["a"]), "feature_names = ['a']: must have 4 items, has 1"),
    (lambda c: c["class_names"].__setitem__(1, 7), "class_names[1] = 7: must be a text"),
    (lambda c: c["standardiser"]["weight"].__setitem__(0, -1), "standardiser.weight[0] = -1.0"),
    (lambda c: c["standardiser"]["mean"].__setitem__(0, 10**400), "mean[0] = 1000"),
    (lambda c: c.update(standardiser=None), "standardiser = None: must be an object"),
    (lambda c: c.update(target_standardiser=c["standardiser"]), "target_standardiser = '…': must"),
]


@pytest.mark.parametrize(("change", "message"), FALSE_FIELDS)
def test_parse_model__false_field__is_named_with_value_and_bound(model_file, change, message):
    content = content_of(model_file)
    change(content)
    with pytest.raises(ModelFileError) as caught:
        parse_model(encoded(content))
    assert message in str(caught.value)


def test_parse_model__regression_without_its_target__is_refused():
    content = content_of(make_model_file(ModelKind.LINEAR))
    content["target_standardiser"] = None
    with pytest.raises(ModelFileError, match="target_standardiser = 'null': must be there"):
        parse_model(encoded(content))


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"\xff\xfe", b'{"format": NaN}', b"[" * 100_000, b'{"a":' * 100_000]
)
def test_parse_model__no_object__is_refused(data):
    # As py_ecc sets it: nothing but the decoder's own shape may stop the nesting.
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(2**31 - 1)
    try:
        with pytest.raises(ModelFileError):
            parse_model(data)
    finally:
        sys.setrecursionlimit(limit)


def test_parse_model__too_big__is_refused(monkeypatch):
    monkeypatch.setattr("offchain.reporting.model_file.MAX_MODEL_BYTES", 10)
    with pytest.raises(ModelFileError, match="model file = 11: at most 10 bytes"):
        parse_model(b" " * 11)


def test_model_file__commitment__equals_that_of_ckzg(model_file):
    content = content_of(model_file)
    coefficients = [int(slot, 16) for slot in content["slots"]]
    blob = blob_of(coefficients + [0] * (4096 - len(coefficients)))
    expected = ckzg.blob_to_kzg_commitment(blob, ckzg_setup())
    assert content["commitment"] == ["0x" + expected.hex()]


def test_model_record__digest_of_the_contract__is_compared(model_file):
    digest = model_file.commitment.digest
    assert model_record(model_file, digest).matches
    other = model_record(model_file, bytes(32))
    assert not other.matches
    assert other.on_chain_digest == "0x" + "00" * 32
    assert other.digest == "0x" + digest.hex()


@pytest.mark.parametrize("kind", KINDS)
def test_predict__rows_in_the_plants_units__equals_a_plain_computation(kind):
    model = parse_model(encode_model(make_model_file(kind)))
    rows = np.random.default_rng(5).normal(size=(20, 4)) * 3
    standard = (rows - np.array([1.0, 2.0, 3.0, 4.0])) * np.array([0.5, 2.0, 0.0, 1.5])
    table = model.parameters().reshape(-1, 5)
    z = standard @ table[:, :4].T + table[:, 4]
    predicted = model.predict(rows)
    if kind is ModelKind.LINEAR:
        np.testing.assert_allclose(predicted, z[:, 0] / 0.25 + 10.0)
    elif kind is ModelKind.LOGISTIC:
        np.testing.assert_array_equal(predicted, z[:, 0] > 0)
    else:
        np.testing.assert_array_equal(predicted, z.argmax(axis=1))
        exponentials = np.exp(z)
        expected = exponentials / exponentials.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(model.probabilities(rows), expected)


def test_predict__wrong_number_of_columns__is_refused(model_file):
    with pytest.raises(ShapeError):
        model_file.predict(np.zeros((3, 5)))


def test_parameters__from_slots__are_slots_times_the_unit(model_file):
    integers = model_file.layout.extract(model_file.vector)[1:16]
    unit = model_file.step / 2**28
    np.testing.assert_allclose(model_file.parameters(), np.array(integers, dtype=float) * unit)


def test_column_map__of_a_standardiser__maps_alike():
    rows = np.random.default_rng(1).normal(size=(30, 3))
    rows[:, 1] = 4.0
    standardiser = Standardiser.from_rows(rows, [[-9, 9], [3, 5], [-9, 9]])
    columns = ColumnMap.of(standardiser)
    np.testing.assert_array_equal(columns.apply(rows), standardiser.apply(rows))
    target = ColumnMap.of(standardiser.column(-1))
    np.testing.assert_allclose(target.invert(standardiser.apply(rows)[:, 2]), rows[:, 2])


def test_column_map__constant_target__predicts_the_constant():
    np.testing.assert_array_equal(ColumnMap((4.0,), (0.0,)).invert(np.ones(2)), [4.0, 4.0])


def test_write_model__to_disk__reads_back_and_leaves_nothing_else(model_file, tmp_path):
    path = tmp_path / "model.json"
    write_model(model_file, path)
    assert read_model(path) == model_file
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.json"]


def test_write_model__folder_missing__is_refused(model_file, tmp_path):
    with pytest.raises(ReportFileError, match="cannot be written"):
        write_model(model_file, tmp_path / "nowhere" / "model.json")


def test_read_model__no_such_file__is_refused(tmp_path):
    with pytest.raises(ReportFileError, match="cannot be read"):
        read_model(tmp_path / "model.json")


def test_parse_model__bytes_that_are_no_text__is_refused():
    with pytest.raises(ModelFileError, match="must be JSON of a model file"):
        parse_model(b'{"format": "\xff\xfe"}')
