"""The file of released sums: round trip, and everything that is none refused by its field."""

from __future__ import annotations

import json

import pytest

from offchain.crypto.field import FieldVector
from offchain.crypto.layout import SlotLayout
from offchain.learning.encoding import UpdateEncoding
from offchain.learning.errors import LearningError
from offchain.learning.models import Model, ModelKind
from offchain.reporting.errors import ModelFileError
from offchain.reporting.sums_file import SumsFile, encode_sums, parse_sums

FILE = SumsFile(
    contract=b"\x0c" * 20,
    chain_id=31_337,
    layout=SlotLayout(128, 1, 1, 60),
    model=Model(ModelKind.LINEAR, 4),
    method="ridge",
    l2=1e-3,
    encoding=UpdateEncoding(1.0, 2_000.0, 1, 500),
    sums={2: FieldVector.from_ints(range(128)), 5: FieldVector.zeros(128)},
)


def changed(**changes: object) -> bytes:
    return json.dumps({**json.loads(encode_sums(FILE)), **changes}).encode()


def test_file__written_and_read__is_the_same_and_solves():
    read = parse_sums(encode_sums(FILE))
    assert read == FILE
    assert parse_sums(changed(count=0, rounds=[], sums=[])).sums == {}
    assert len(read.solver().next_model([0] * 61, [9, *range(1, 61)], 100)) == 5


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"format": "verifog-model"}, "format"),
        ({"version": 2}, "version"),
        ({"contract": "0x00"}, "contract"),
        ({"chain_id": 0}, "chain_id"),
        ({"l2": 0}, "l2"),
        ({"count": 1}, "rounds"),
        ({"rounds": [5, 2]}, "rounds"),
        ({"sums": ["0x00", "0x00"]}, "sums[0]"),
        ({"sums": ["0x" + "ff" * 32 * 128] * 2}, "sums"),
        ({"more": 1}, "more"),
        ({"model": {"kind": "tree", "features": 4, "classes": 0}}, "model.kind"),
        ({"encoding": 3}, "encoding"),
    ],
    ids=str,
)
def test_parse__field_out_of_bound__is_named(changes: dict[str, object], field: str):
    with pytest.raises(ModelFileError) as caught:
        parse_sums(changed(**changes))
    assert caught.value.field == field


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[]"], ids=str)
def test_parse__no_json_object__is_refused(data: bytes):
    with pytest.raises(ModelFileError):
        parse_sums(data)


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "sgd"},
        {"method": "newton"},
        {"layout": {"capacity": 64, "packing": 1, "chunks": 1, "values": 20}},
    ],
    ids=str,
)
def test_solver__method_that_does_not_fit__is_refused(changes: dict[str, object]):
    data = json.loads(changed(**changes))
    if "layout" in changes:
        data["sums"] = ["0x" + "00" * 32 * 64] * 2
    with pytest.raises(LearningError):
        parse_sums(json.dumps(data).encode()).solver()
