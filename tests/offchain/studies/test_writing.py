"""The files of a study, and its command."""

from __future__ import annotations

import csv
import json
import math

import pytest
from click.testing import CliRunner

from offchain.learning.errors import UnknownNameError
from offchain.reporting.canvas import new_figure
from offchain.studies import registry
from offchain.studies.study import Findings, Plot, Table, Text
from offchain.studies.writing import cell_text, write_findings
from scripts.study import cli


def draw(theme):
    figure, axes = new_figure(theme, 1, height=2.0)
    axes.plot([1, 2], [1, 2])
    return figure


FOUND = Findings(
    title="<a> & b",
    lead="What was found.",
    parts=(
        Text("Heading", "First.\n\nSecond <b>."),
        Table("numbers", "Some.", ("name", "value"), (("x, y", 0.125), ("z", math.inf))),
        Table("long", "More.", ("n",), ((1,),), shown=False),
        Plot("line", "A line.", draw),
    ),
)


def study(context):
    context.advance(1, 1)
    if context.quick:
        context.results.put("a", {"b": 1})
        raise KeyboardInterrupt
    return FOUND


def test_write_findings__all_parts__become_files(tmp_path):
    page = write_findings(FOUND, tmp_path).read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "index.html",
        "long.csv",
        "numbers.csv",
        "plots",
        "study.json",
    ]
    with (tmp_path / "numbers.csv").open() as file:
        assert list(csv.reader(file)) == [["name", "value"], ["x, y", "0.125"], ["z", "inf"]]
    rows = json.loads((tmp_path / "study.json").read_text())["tables"]["numbers"]["rows"]
    assert rows == [{"name": "x, y", "value": 0.125}, {"name": "z", "value": None}]
    assert (tmp_path / "plots" / "line.png").read_bytes().startswith(b"\x89PNG")
    assert "&lt;a&gt; &amp; b" in page
    assert "<p>Second &lt;b&gt;.</p>" in page
    assert "<td>0.125</td>" in page
    assert "data:image/png;base64," in page
    assert "1 rows" in page
    assert "http" not in page.replace("https://json", "")


@pytest.mark.parametrize(
    ("cell", "text"),
    [(None, "-"), (True, "yes"), (12345, "12,345"), (0.5, "0.5"), (123456.0, "1.23e+05")],
)
def test_cell_text__each_type__for_people(cell, text):
    assert cell_text(cell) == text


def test_registry__all_studies__have_their_function():
    assert {"attacks"} <= set(registry.STUDIES)
    for name in registry.STUDIES:
        assert callable(registry.entry(name).load())


def test_registry__unknown_study__lists_the_known():
    with pytest.raises(UnknownNameError, match="attacks"):
        registry.entry("nothing")


@pytest.fixture
def command(monkeypatch, tmp_path):
    monkeypatch.setitem(registry.STUDIES, "attacks", registry.Entry(__name__, "a stand-in"))
    monkeypatch.setattr(registry.Entry, "load", lambda _self: study)
    return lambda *more: CliRunner().invoke(cli, ["attacks", "--output", str(tmp_path), *more])


def test_command__done__names_the_page(command, tmp_path):
    result = command()
    assert result.exit_code == 0
    assert "1 of 1 runs" in result.output
    assert (tmp_path / "index.html").is_file()


def test_command__interrupted__keeps_what_is_done_and_says_so(command, tmp_path):
    result = command("--quick")
    assert result.exit_code == 1
    assert "the same command goes on from" in result.output.replace("\n", " ")
    assert (tmp_path / "runs.jsonl").read_text().count("\n") == 1
    assert not (tmp_path / "index.html").exists()


def test_command__unreadable_results__one_line(command, tmp_path):
    (tmp_path / "runs.jsonl").write_text("nonsense\n")
    result = command()
    assert result.exit_code == 1
    assert "line 1 is no result of a study" in result.output.replace("\n", " ")
