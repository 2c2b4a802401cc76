"""Writes what a study found: CSV and JSON tables, plots, and one page that holds them."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
from html import escape
from pathlib import Path
from typing import Final

from offchain.reporting.canvas import png
from offchain.reporting.page_style import STYLE
from offchain.reporting.style import DARK, LIGHT
from offchain.studies.study import Cell, Findings, Plot, Table, Text

PAGE_FILE: Final = "index.html"
DATA_FILE: Final = "study.json"
PLOTS_FOLDER: Final = "plots"

_STYLE: Final = (
    STYLE
    + """\
.note { color: var(--muted); font-size: 13px; margin: 6px 4px 20px; }
p { max-width: 80ch; }
.wide th:nth-child(n), .wide td:nth-child(n) { text-align: right; }
.wide th.left, .wide td.left { text-align: left; }
"""
)


def write_findings(findings: Findings, folder: Path) -> Path:
    """Write all files into a folder; return the page's path. Other files stay."""
    plots = folder / PLOTS_FOLDER
    plots.mkdir(parents=True, exist_ok=True)
    body = []
    for part in findings.parts:
        if isinstance(part, Text):
            body.append(_text(part))
        elif isinstance(part, Table):
            (folder / f"{part.name}.csv").write_text(table_csv(part), encoding="utf-8")
            body.append(_table(part))
        else:
            light, dark = png(part.draw(LIGHT), LIGHT), png(part.draw(DARK), DARK)
            (plots / f"{part.name}.png").write_bytes(light)
            body.append(_plot(part, light, dark))
    (folder / DATA_FILE).write_text(tables_json(findings), encoding="utf-8")
    page = folder / PAGE_FILE
    page.write_text(_page(findings, "".join(body)), encoding="utf-8")
    return page


def table_csv(table: Table) -> str:
    """Return a table as CSV, a heading first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(["" if cell is None else cell for cell in row] for row in table.rows)
    return text.getvalue()


def tables_json(findings: Findings) -> str:
    """Return all tables as JSON: by name, a list of objects; what is not finite becomes null."""
    tables = {
        part.name: {
            "caption": part.caption,
            "rows": [dict(zip(part.columns, map(_plain, row), strict=True)) for row in part.rows],
        }
        for part in findings.parts
        if isinstance(part, Table)
    }
    return json.dumps({"title": findings.title, "tables": tables}, indent=1) + "\n"


def _plain(cell: Cell) -> Cell:
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell


def _page(findings: Findings, body: str) -> str:
    title = escape(f"Verifog: {findings.title}")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{title}</title>\n<style>\n{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{title}</h1>\n<p class=lead>{escape(findings.lead)}</p>\n{body}"
        "</main>\n</body>\n</html>\n"
    )


def _text(text: Text) -> str:
    paragraphs = "".join(
        f"<p>{escape(paragraph.strip())}</p>\n"
        for paragraph in text.body.split("\n\n")
        if paragraph.strip()
    )
    return f"<h2>{escape(text.heading)}</h2>\n{paragraphs}"


def _table(table: Table) -> str:
    file = f"{table.name}.csv"
    link = f'<a href="{escape(file)}">{escape(file)}</a>'
    if not table.shown:
        return f"<p class=note>{escape(table.caption)} {len(table.rows):,} rows: {link}</p>\n"
    words = [
        any(isinstance(row[place], str) for row in table.rows)
        for place in range(len(table.columns))
    ]
    heading = "".join(
        f"<th{_side(left)}>{escape(name)}</th>"
        for name, left in zip(table.columns, words, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td{_side(left)}>{escape(cell_text(cell))}</td>"
            for cell, left in zip(row, words, strict=True)
        )
        + "</tr>\n"
        for row in table.rows
    )
    return (
        f"<div class=wide><table>\n<tr>{heading}</tr>\n{rows}</table></div>\n"
        f"<p class=note>{escape(table.caption)} {link}</p>\n"
    )


def _side(left: bool) -> str:
    return " class=left" if left else ""


def cell_text(cell: Cell) -> str:
    """Return a cell for people: numbers with four digits behind the point at most."""
    match cell:
        case None:
            return "-"
        case bool():
            return "yes" if cell else "no"
        case float():
            return f"{cell:.3g}" if abs(cell) >= 1e4 else f"{cell:.4f}".rstrip("0").rstrip(".")
        case int():
            return f"{cell:,}"
        case _:
            return cell


def _plot(plot: Plot, light: bytes, dark: bytes) -> str:
    caption = escape(plot.caption)
    return (
        f"<figure>\n<picture>"
        f'<source media="(prefers-color-scheme: dark)" srcset="{_embedded(dark)}">'
        f'<img src="{_embedded(light)}" alt="{caption}"></picture>\n'
        f"<figcaption>{caption}</figcaption>\n</figure>\n"
    )


def _embedded(image: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(image).decode()
