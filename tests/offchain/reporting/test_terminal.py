from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from offchain.reporting.progress import Progress, round_line
from offchain.reporting.record import Metric, PrivacySpent
from offchain.reporting.recorder import LiveRound
from offchain.reporting.summary import (
    amounts,
    byte_size,
    metric_text,
    print_summary,
    privacy_text,
    summary_rows,
)


def console_of(terminal: bool) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=terminal, width=120, color_system=None), out


def live_of(record, phase: str, planned: int = 16) -> LiveRound:
    return LiveRound(
        record.round, record.round, planned, record.kind, phase, record.counts, record.gas_total
    )


def follow(record, console: Console, *, quiet: bool = False) -> None:
    with Progress(console, quiet=quiet) as progress:
        progress.say("deploying Contract S")
        for entry in record.rounds:
            progress.changed(live_of(entry, "verify_result"))
            progress.closed(entry)


def test_progress__no_terminal__writes_one_plain_line_a_round(record):
    console, out = console_of(terminal=False)
    follow(record, console)
    lines = out.getvalue().splitlines()
    assert lines[0] == "deploying Contract S"
    assert len(lines) == 1 + len(record.rounds)
    assert lines[1].startswith("round 1 of 16, statistics, settled, selected 16/16, rejected 0")
    assert lines[7].endswith(": attestations: 3, quorum is 6")
    assert "\x1b" not in out.getvalue()


def test_progress__terminal__shows_every_round_and_the_open_one(record):
    console, out = console_of(terminal=True)
    with Progress(console) as progress:
        for entry in record.rounds[:3]:
            progress.changed(live_of(entry, "open"))
            progress.closed(entry)
        progress.changed(live_of(record.rounds[3], "verify_result"))
        console.print(progress._table())
    text = out.getvalue()
    for wanted in ("3 of 16", "settled", "4 of 16", "verify result", "accuracy", "epsilon"):
        assert wanted in text


def test_progress__terminal_and_failed_round__says_why(record):
    console, out = console_of(terminal=True)
    follow(record, console)
    assert "round 7 failed: attestations: 3, quorum is 6" in out.getvalue()


def test_progress__terminal_and_many_rounds__shows_the_last_ones(record):
    console, _ = console_of(terminal=True)
    with Progress(console) as progress:
        for _ in range(30):
            progress.closed(record.rounds[1])
        assert progress._table().row_count == 20


@pytest.mark.parametrize("terminal", [False, True])
def test_progress__quiet__writes_nothing(record, terminal):
    console, out = console_of(terminal)
    follow(record, console, quiet=True)
    assert out.getvalue() == ""


def test_progress__error_inside__stops_the_display_and_passes_on(record):
    console, _ = console_of(terminal=True)
    progress = Progress(console)

    def run() -> None:
        with progress:
            progress.changed(live_of(record.rounds[0], "open"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run()
    assert progress._live is None


def test_round_line__training_round__holds_its_figures(record):
    line = round_line(record.rounds[1], 2, 16)
    assert line == (
        "round 2 of 16, settled, selected 16/16, rejected 0, dropped 0, "
        f"loss {record.rounds[1].loss:.4f}, accuracy {record.rounds[1].metric.value:.4f}, "
        f"gas {record.rounds[1].gas_total:,}, {record.rounds[1].seconds.total:.1f} s, epsilon 3.25"
    )


def test_summary__a_run__compares_and_says_whether_the_commitment_is_held(record):
    rows = {row.name: row for row in summary_rows(record)}
    assert rows["accuracy, federated"].value == "0.9370"
    assert rows["accuracy, central"].value.startswith("0.9400  (scikit-learn")
    assert rows["rounds"].value == "15 settled, 1 failed"
    assert rows["gas per device and round"].value == "75,258"
    assert rows["sent per device and round"].value == "150.0 kB"
    assert rows["privacy against the fog"].value == "epsilon 9.2 at delta 1e-05"
    held = rows["equals the commitment held by Contract S"]
    assert (held.value, held.good) == ("yes", True)


def test_summary__commitment_differs__is_judged_bad(record):
    other = replace(record, model=replace(record.model, matches=False))
    held = summary_rows(other)[-1]
    assert (held.value, held.good) == ("NO", False)


def test_summary__several_chunks__shows_the_first_commitment(record):
    points = record.model.commitment * 3
    other = replace(record, model=replace(record.model, commitment=points))
    assert summary_rows(other)[-2].value == f"{points[0]} and 2 more"


@pytest.mark.parametrize("terminal", [False, True])
def test_print_summary__anywhere__prints_every_line(record, terminal):
    console, out = console_of(terminal)
    print_summary(record, console)
    for row in summary_rows(record):
        assert row.name in out.getvalue()


def test_print_summary__no_terminal__keeps_one_line_a_row(record):
    console, out = console_of(terminal=False)
    print_summary(record, console)
    assert len(out.getvalue().splitlines()) == len(summary_rows(record))


def test_texts__edge_values__are_legible():
    assert [byte_size(n) for n in (0, 999, 1000, 2_500_000, 3e12)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "2.5 MB",
        "3,000.0 GB",
    ]
    assert metric_text(None) == metric_text(Metric("R2", None)) == "-"
    assert privacy_text(PrivacySpent(None, 1e-5)) == "no finite bound at delta 1e-05"
    assert amounts({}) == "none"
    assert amounts({"a": 1, "b": 2000}) == "b 2,000, a 1"
