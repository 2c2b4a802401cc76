"""The closing table of a run, for the terminal and the page."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from offchain.reporting.record import Metric, PrivacySpent, RunRecord


@dataclass(frozen=True)
class SummaryRow:
    """One line. ``good`` is None where there is nothing to judge."""

    name: str
    value: str
    good: bool | None = None


def summary_rows(record: RunRecord) -> tuple[SummaryRow, ...]:
    """Return the closing table's lines, only those that the record has data for."""
    totals, head = record.totals, record.head
    rows = [*_results(record)]
    failed = f", {totals.failed} failed" if totals.failed else ""
    unfinished = ", interrupted" if record.interrupted else ""
    rows += [
        SummaryRow("data", f"{head.task.dataset}: {head.task.origin}"),
        SummaryRow("devices", f"{head.devices} in {plural(len(head.clusters), 'cluster')}"),
        SummaryRow(
            "rounds",
            f"{totals.settled} settled{failed}{unfinished}",
            not (totals.failed or record.interrupted),
        ),
        *([SummaryRow("stopped", record.stopped)] if record.stopped else []),
        SummaryRow("time", _time(record)),
        SummaryRow("gas per device and round", f"{totals.gas_per_device_round:,.0f}"),
        SummaryRow("gas by transaction", amounts(totals.gas_by_kind)),
    ]
    if totals.gas_outside_by_kind:
        rows.append(SummaryRow("gas outside rounds", amounts(totals.gas_outside_by_kind)))
    sent = byte_size(totals.bytes_per_device_round)
    rows.append(SummaryRow("sent per device and round", sent))
    if record.privacy is not None:
        rows.append(SummaryRow("privacy against the fog", privacy_text(record.privacy.spent)))
        if record.privacy.released is not None:
            text = privacy_text(record.privacy.released)
            rows.append(SummaryRow("privacy against cloud and public", text))
    rows.append(SummaryRow("contract", f"{head.contract} on chain {head.chain_id}"))
    rows += _model(record)
    return tuple(rows)


def summary_table(record: RunRecord) -> Table:
    """Return the closing table for a terminal."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    styles = {True: "green", False: "bold red", None: ""}
    for row in summary_rows(record):
        table.add_row(row.name, Text(row.value, style=styles[row.good]))
    return table


def print_summary(record: RunRecord, console: Console) -> None:
    """Print the closing table: with colours on a terminal, as aligned lines elsewhere."""
    if console.is_terminal:
        console.print()
        console.print(summary_table(record))
        return
    rows = summary_rows(record)
    width = max(len(row.name) for row in rows)
    for row in rows:
        line = f"{row.name:<{width}}  {row.value}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def metric_text(metric: Metric | None, digits: int = 4) -> str:
    """Return a metric's value, or a dash."""
    if metric is None or metric.value is None:
        return "-"
    return f"{metric.value:.{digits}f}"


def epsilon_text(spent: PrivacySpent | None) -> str:
    """Return epsilon, or a dash."""
    return "-" if spent is None or spent.epsilon is None else f"{spent.epsilon:.2f}"


def privacy_text(spent: PrivacySpent) -> str:
    """Return (epsilon, delta) in words."""
    bound = "no finite bound" if spent.epsilon is None else f"epsilon {spent.epsilon:.3g}"
    return f"{bound} at delta {spent.delta:g}"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def amounts(table: dict[str, int]) -> str:
    """Return amounts by name, largest first."""
    ordered = sorted(table.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{name} {amount:,}" for name, amount in ordered) or "none"


def byte_size(count: float) -> str:
    """Return a number of bytes for people, in steps of 1,000."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:,.0f} B" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1000
    raise AssertionError  # the loop returns at the last unit


def _results(record: RunRecord) -> list[SummaryRow]:
    comparison = record.comparison
    if comparison is None:
        return []
    name = comparison.federated.name
    central = metric_text(comparison.central)
    return [
        SummaryRow(f"{name}, federated", metric_text(comparison.federated)),
        SummaryRow(f"{name}, central", f"{central}  ({comparison.central_description})"),
    ]


def _time(record: RunRecord) -> str:
    totals = record.totals
    each = totals.seconds / totals.rounds if totals.rounds else 0.0
    return f"{totals.seconds:.1f} s, {each:.2f} s a round"


def _model(record: RunRecord) -> list[SummaryRow]:
    model = record.model
    if model is None:
        return []
    points = model.commitment[0]
    if len(model.commitment) > 1:
        points += f" and {len(model.commitment) - 1} more"
    return [
        SummaryRow("model commitment", points),
        SummaryRow(
            "equals the commitment held by Contract S",
            "yes" if model.matches else "NO",
            model.matches,
        ),
    ]
