from __future__ import annotations

import json
import math
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from offchain.reporting import report as module
from offchain.reporting.errors import ReportFileError
from offchain.reporting.record import Metric
from offchain.reporting.report import (
    check_report_folder,
    encode_report,
    parse_report,
    report_schema,
    schema_text,
    write_report,
)
from offchain.reporting.totals import totals_of
from tests.offchain.reporting.builders import make_record
from tests.offchain.reporting.schema_check import errors_of

DOCS = Path(__file__).parents[3] / "docs"
FILES = {"report.json", "model.json", "index.html", "plots"}
SKIP_AS_ROOT = pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")


@pytest.fixture
def fast(monkeypatch):
    """Without plots: they have their own tests."""
    monkeypatch.setattr(module, "draw_plots", lambda record, theme=None: {"gas": b"an image"})


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "reports" / "latest"


def entries(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_report__encoded__parses_to_the_same_record(record):
    assert parse_report(encode_report(record)) == record


def test_report__encoded__has_sorted_keys_and_its_version(record):
    text = encode_report(record)
    content = json.loads(text)
    assert content["version"] == 1
    assert list(content) == sorted(content)
    assert text == encode_report(parse_report(text))


def test_report__not_finite__becomes_null(record):
    rounds = (replace(record.rounds[3], loss=math.nan, metric=Metric("R2", -math.inf)),)
    content = json.loads(encode_report(replace(record, rounds=rounds)))
    assert content["rounds"][0]["loss"] is None
    assert content["rounds"][0]["metric"] == {"name": "R2", "value": None}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda c: c.pop("head"), "missing required field `head`"),
        (lambda c: c.update(version=2), "$.version"),
        (lambda c: c["rounds"][0].update(round="1"), "$.rounds[0].round"),
        (lambda c: c["rounds"][0]["gas"][0].update(gas=-1), "$.rounds[0].gas[0].gas"),
        (lambda c: c["head"].update(contract="0xZZ"), "$.head.contract"),
    ],
)
def test_parse_report__field_altered__is_refused_by_name(record, change, named):
    content = json.loads(encode_report(record))
    change(content)
    with pytest.raises(ReportFileError) as caught:
        parse_report(json.dumps(content).encode())
    assert named in str(caught.value)


def test_schema__a_written_report__validates(record, model_file, folder, fast):
    write_report(record, folder, model_file)
    schema = json.loads((DOCS / "report.schema.json").read_text())
    assert errors_of(json.loads((folder / "report.json").read_bytes()), schema, schema) == []


def test_schema__a_report_with_a_false_field__does_not_validate(record):
    schema = report_schema()
    content = json.loads(encode_report(record))
    content["totals"]["gas"] = "much"
    del content["rounds"][0]["status"]
    content["head"]["contract"] = "S"
    assert [line.split(":")[0] for line in errors_of(content, schema, schema)] == [
        "$.head.contract",
        "$.rounds[0]",
        "$.totals.gas",
    ]


def test_schema__kept_in_docs__is_that_of_the_code():
    assert (DOCS / "report.schema.json").read_text("utf-8") == schema_text()


def test_documentation__every_field_of_the_schema__is_named():
    text = (DOCS / "report.md").read_text("utf-8")
    definitions = report_schema()["$defs"].values()
    names = {name for definition in definitions for name in definition.get("properties", {})}
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []


def test_totals__of_rounds__add_up(record):
    totals = totals_of(record.rounds, record.outside)
    assert totals.rounds == totals.settled + totals.failed == 16
    assert totals.gas == sum(totals.gas_by_kind.values())
    assert totals.gas_per_device_round == totals.gas / (16 * 16)
    assert totals.bytes_per_device_round == 2_400_000 / 16
    assert "claim" not in totals.gas_by_kind
    assert totals.gas_outside_by_kind["claim"] == 61_000
    assert totals.seconds == pytest.approx(sum(totals.seconds_by_phase.values()))


def test_totals__no_round__are_zero():
    record = make_record(rounds=0)
    assert (record.totals.rounds, record.totals.gas_per_device_round) == (0, 0.0)
    assert parse_report(encode_report(record)) == record


def test_write_report__new_folder__holds_everything(record, model_file, folder, fast):
    assert write_report(record, folder, model_file) == folder
    assert entries(folder) == FILES
    assert entries(folder / "plots") == {"gas.png"}
    assert entries(folder.parent) == {"latest"}


def test_write_report__over_an_old_one__replaces_it_and_keeps_foreign_files(record, folder, fast):
    write_report(make_record(rounds=2), folder)
    (folder / "notes.txt").write_text("mine")
    write_report(record, folder)
    assert parse_report((folder / "report.json").read_bytes()) == record
    assert (folder / "notes.txt").read_text() == "mine"
    assert entries(folder.parent) == {"latest"}


@pytest.mark.parametrize("step", ["draw_plots", "render_page", "encode_report", "_replace"])
def test_write_report__interrupted__leaves_the_old_report(record, folder, fast, monkeypatch, step):
    old = make_record(rounds=2)
    write_report(old, folder)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, step, interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_report(record, folder)
    assert parse_report((folder / "report.json").read_bytes()) == old
    assert entries(folder.parent) == {"latest"}


def test_write_report__killed_between_the_renames__is_repaired_by_the_next(record, folder, fast):
    old = make_record(rounds=2)
    write_report(old, folder)
    (folder / "notes.txt").write_text("mine")
    folder.rename(folder.with_name(".latest.previous"))
    module.finish_replacement(folder)
    assert parse_report((folder / "report.json").read_bytes()) == old
    write_report(record, folder)
    assert parse_report((folder / "report.json").read_bytes()) == record
    assert (folder / "notes.txt").read_text() == "mine"
    assert entries(folder.parent) == {"latest"}


def test_write_report__second_rename_fails__puts_the_old_report_back(
    record, folder, fast, monkeypatch
):
    old = make_record(rounds=2)
    write_report(old, folder)
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if ".partial-" in self.name:
            raise OSError("no space left")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(ReportFileError, match="no space left"):
        write_report(record, folder)
    assert parse_report((folder / "report.json").read_bytes()) == old


def test_check_report_folder__missing_or_empty_or_a_report__passes(record, folder, fast):
    check_report_folder(folder)
    folder.mkdir(parents=True)
    check_report_folder(folder)
    write_report(record, folder)
    check_report_folder(folder)


def test_check_report_folder__other_peoples_files__is_refused(record, tmp_path, fast):
    (tmp_path / "thesis.tex").write_text("years of work")
    for action in (check_report_folder, lambda place: write_report(record, place)):
        with pytest.raises(ReportFileError, match=r"is not empty and holds no report\.json"):
            action(tmp_path)
    assert entries(tmp_path) == {"thesis.tex"}


def test_check_report_folder__a_file__is_refused(tmp_path):
    place = tmp_path / "report"
    place.write_text("")
    with pytest.raises(ReportFileError, match="is a file, a report needs a folder"):
        check_report_folder(place)


@SKIP_AS_ROOT
def test_check_report_folder__read_only__is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ReportFileError, match="cannot be written"):
        check_report_folder(tmp_path / "latest")


def test_write_report__long_hexadecimal__is_only_what_is_public(record, model_file, folder, fast):
    """Seeds, keys, shares and slots are 32 bytes or more: none may appear but the public ones."""
    write_report(record, folder, model_file)
    public = {record.head.domain_separator, record.model.digest, *record.model.commitment}
    for name in ("report.json", "index.html"):
        text = (folder / name).read_text("utf-8")
        found = set(re.findall(r"(?:0x)?[0-9a-f]{41,}", re.sub(r"base64,[\w+/=]+", "", text)))
        assert found <= public
    slots = set(json.loads((folder / "model.json").read_bytes())["slots"])
    assert slots.isdisjoint((folder / "report.json").read_text().split('"'))
