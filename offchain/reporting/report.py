"""Writes the folder of a report, all or nothing: report.json, model.json, plots and page."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any, Final

import msgspec

from offchain.reporting.errors import ReportFileError
from offchain.reporting.model_file import ModelFile, encode_model
from offchain.reporting.page import render_page
from offchain.reporting.plots import draw_plots
from offchain.reporting.record import RunRecord
from offchain.reporting.style import DARK
from offchain.reporting.sums_file import SumsFile, encode_sums

REPORT_FILE: Final = "report.json"
MODEL_FILE: Final = "model.json"
SUMS_FILE: Final = "sums.json"
PAGE_FILE: Final = "index.html"
PLOTS_FOLDER: Final = "plots"
_OWN: Final = frozenset({REPORT_FILE, MODEL_FILE, SUMS_FILE, PAGE_FILE, PLOTS_FOLDER})
_DECODER: Final = msgspec.json.Decoder(RunRecord)


def encode_report(record: RunRecord) -> bytes:
    """Return a record as indented JSON with sorted keys. What is not finite becomes ``null``."""
    plain = msgspec.json.encode(record, order="sorted")
    return msgspec.json.format(plain, indent=2) + b"\n"


def parse_report(data: bytes, path: str = REPORT_FILE) -> RunRecord:
    """Read a report.

    Raises
    ------
    ReportFileError
        Naming the first field that is missing or not of its type.
    """
    try:
        return _DECODER.decode(data)
    except msgspec.DecodeError as error:
        raise ReportFileError(path, str(error)) from error


def report_schema() -> dict[str, Any]:
    """Return the JSON schema of report.json."""
    schema = msgspec.json.schema(RunRecord)
    for definition in schema["$defs"].values():
        # The first paragraph; the attributes are explained in docs/report.md.
        text = definition.get("description", "").split("\n\n")[0]
        definition["description"] = " ".join(text.split()).replace("``", "`")
        # Fields with defaults are always written.
        if "properties" in definition:
            definition["required"] = list(definition["properties"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Verifog report, version 1",
        **schema,
    }


def schema_text() -> str:
    """Return the text of ``docs/report.schema.json``."""
    return json.dumps(report_schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def check_report_folder(folder: Path) -> None:
    """Check, before a run, that a report can be written to a folder.

    Raises
    ------
    ReportFileError
        If it is no folder, holds files but no report, or cannot be written.
    """
    folder = folder.resolve()
    if folder.exists() and not folder.is_dir():
        raise ReportFileError(str(folder), "is a file, a report needs a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / REPORT_FILE).is_file():
        raise ReportFileError(str(folder), f"is not empty and holds no {REPORT_FILE}")
    parent = next(place for place in folder.parents if place.exists())
    for place in (parent, folder):
        if place.exists() and not os.access(place, os.W_OK | os.X_OK):
            raise ReportFileError(str(place), "cannot be written")


def write_report(
    record: RunRecord,
    folder: Path,
    model: ModelFile | None = None,
    sums: SumsFile | None = None,
) -> Path:
    """Write the whole report beside ``folder``, then put it in its place.

    A report that stands there is kept until the new one is complete; files in the folder that are
    not of a report are kept.

    Returns
    -------
    Path
        The folder, absolute.

    Raises
    ------
    ReportFileError
        As ``check_report_folder``, or when a file cannot be written.
    """
    folder = folder.resolve()
    finish_replacement(folder)
    check_report_folder(folder)
    partial = folder.with_name(f".{folder.name}.partial-{os.getpid()}")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        _write_files(record, model, sums, partial)
        _replace(partial, folder)
    except OSError as error:
        raise ReportFileError(str(folder), f"cannot be written: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def finish_replacement(folder: Path) -> None:
    """Finish what an interruption between the two renames of a replacement left behind."""
    previous = _previous(folder)
    if not previous.is_dir():
        return
    if not folder.exists():
        previous.rename(folder)
        return
    for entry in previous.iterdir():
        if entry.name not in _OWN and not (folder / entry.name).exists():
            entry.rename(folder / entry.name)
    shutil.rmtree(previous)


def _write_files(
    record: RunRecord, model: ModelFile | None, sums: SumsFile | None, folder: Path
) -> None:
    plots = folder / PLOTS_FOLDER
    plots.mkdir()
    light, dark = draw_plots(record), draw_plots(record, DARK)
    for name, image in light.items():
        (plots / f"{name}.png").write_bytes(image)
    (folder / PAGE_FILE).write_text(render_page(record, light, dark), "utf-8")
    if model is not None:
        (folder / MODEL_FILE).write_bytes(encode_model(model))
    if sums is not None:
        (folder / SUMS_FILE).write_bytes(encode_sums(sums))
    (folder / REPORT_FILE).write_bytes(encode_report(record))


def _replace(partial: Path, folder: Path) -> None:
    previous = _previous(folder)
    if folder.exists():
        folder.rename(previous)
    try:
        partial.rename(folder)
    except OSError:
        if previous.exists():
            previous.rename(folder)
        raise
    finish_replacement(folder)


def _previous(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.previous")
