"""The report as one HTML page that needs nothing else: opened from disk, light or dark."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from typing import Final

from offchain.reporting.page_style import STYLE
from offchain.reporting.record import RoundRecord, RoundStatus, RunRecord
from offchain.reporting.summary import byte_size, epsilon_text, metric_text, plural, summary_rows

_CAPTIONS: Final = {
    "learning": "How the model gets better. The dashed line is what one central model, trained on "
    "all rows together, reaches on the same test rows.",
    "participation": "One device counts once a round. Refused devices are named by the check that "
    "their message failed; “not-selected” is the selection rule, no fault.",
    "gas": "What Contract S costs. Noise roots are recorded once for several rounds.",
    "seconds": "Computing times are added over all parties, which work side by side on a network; "
    "“mask” includes the check of the model against Contract S, “reveal” the reconstruction.",
}
_COLUMNS: Final = (
    "round",
    "kind",
    "result",
    "selected",
    "rejected",
    "dropped",
    "in the sum",
    "loss",
    "{metric}",
    "gas",
    "sent",
    "seconds",
    "epsilon",
)


def render_page(record: RunRecord, light: Mapping[str, bytes], dark: Mapping[str, bytes]) -> str:
    """Return the page.

    Parameters
    ----------
    light, dark
        PNG images by name, for either colour scheme; in the order in which to show them.
    """
    task = record.head.task
    title = f"Verifog: {task.dataset}, {task.model}"
    plots = "".join(_plot(name, light[name], dark.get(name, light[name])) for name in light)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(title)}</h1>\n<p class=lead>{_lead(record)}</p>\n{_tiles(record)}"
        f"<h2>Summary</h2>\n{_summary(record)}"
        f"{plots}"
        f"<h2>Rounds</h2>\n{_rounds(record)}"
        f"{_refusals(record)}"
        f"<h2>Options</h2>\n{_options(record)}"
        f"{_privacy(record)}"
        "</main>\n</body>\n</html>\n"
    )


def _lead(record: RunRecord) -> str:
    head = record.head
    text = escape(
        f"{head.devices} devices in {plural(len(head.clusters), 'cluster')} trained a "
        f"{head.task.model} model of {head.task.parameters:,} parameters together, held to the "
        f"protocol by Contract S. Started "
    )
    return f"{text}<span class=date>{escape(head.started)}</span>."


def _tiles(record: RunRecord) -> str:
    comparison, totals = record.comparison, record.totals
    tiles = []
    if comparison:
        name = comparison.federated.name
        tiles.append((f"{name}, federated", metric_text(comparison.federated, 3)))
        tiles.append((f"{name}, central", metric_text(comparison.central, 3)))
    tiles.append(("rounds settled", f"{totals.settled} of {totals.rounds}"))
    tiles.append(("gas per device and round", f"{totals.gas_per_device_round:,.0f}"))
    tiles.append(("sent per device and round", byte_size(totals.bytes_per_device_round)))
    if record.model:
        tiles.append(("model is the one S holds", "yes" if record.model.matches else "NO"))
    cells = "".join(
        f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for name, value in tiles
    )
    return f"<section class=tiles>{cells}</section>\n"


def _summary(record: RunRecord) -> str:
    marks = {None: "", True: " class=good", False: " class=bad"}
    rows = "".join(
        f"<tr><th>{escape(row.name)}</th><td{marks[row.good]}>{escape(row.value)}</td></tr>\n"
        for row in summary_rows(record)
    )
    return f"<table class=pairs>\n{rows}</table>\n"


def _plot(name: str, light: bytes, dark: bytes) -> str:
    caption = _CAPTIONS.get(name, "")
    return (
        f"<figure>\n<picture>"
        f'<source media="(prefers-color-scheme: dark)" srcset="{_embedded(dark)}">'
        f'<img src="{_embedded(light)}" alt="{escape(name)}: {escape(caption)}"></picture>\n'
        f"<figcaption>{escape(caption)}</figcaption>\n</figure>\n"
    )


def _embedded(image: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(image).decode()


def _rounds(record: RunRecord) -> str:
    metric = next((entry.metric.name for entry in record.rounds if entry.metric), "metric")
    names = (metric if name == "{metric}" else name for name in _COLUMNS)
    heading = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(_round(entry) for entry in record.rounds)
    return f"<div class=wide><table>\n<tr>{heading}</tr>\n{body}</table></div>\n"


def _round(entry: RoundRecord) -> str:
    settled = entry.status is RoundStatus.SETTLED
    counts = entry.counts
    cells = (
        str(entry.round),
        entry.kind.value,
        entry.status.value,
        f"{counts.selected} of {counts.devices}",
        str(counts.rejected),
        str(counts.dropped),
        str(counts.qualified),
        "-" if entry.loss is None else f"{entry.loss:.4f}",
        metric_text(entry.metric),
        f"{entry.gas_total:,}",
        byte_size(entry.bytes_by_role.get("device", 0)),
        f"{entry.seconds.total:.2f}",
        epsilon_text(entry.privacy),
    )
    marked = [
        f"<td{' class=' + ('good' if settled else 'bad') if position == 2 else ''}>{text}</td>"
        for position, text in enumerate(map(escape, cells))
    ]
    row = f"<tr>{''.join(marked)}</tr>\n"
    remarks = [entry.why] if entry.why else []
    remarks += [f"{note.kind}: {note.detail}" for note in entry.notes if note.detail != entry.why]
    if remarks:
        text = escape("; ".join(remarks))
        row += f"<tr class=remark><td></td><td colspan={len(cells) - 1}>{text}</td></tr>\n"
    return row


def _refusals(record: RunRecord) -> str:
    by_reason: dict[tuple[str, str], tuple[int, str]] = {}
    for entry in record.rounds:
        for refusal in entry.rejected:
            key = (refusal.reason, refusal.by)
            count, detail = by_reason.get(key, (0, refusal.detail))
            by_reason[key] = (count + refusal.count, detail)
    if not by_reason:
        return ""
    rows = "".join(
        f"<tr><td><code>{escape(reason)}</code></td><td>{escape(by)}</td><td>{count}</td>"
        f"<td class=text>{escape(detail)}</td></tr>\n"
        for (reason, by), (count, detail) in sorted(by_reason.items())
    )
    return (
        "<h2>What was refused</h2>\n<div class=wide><table>\n<tr><th>check</th><th>refused by</th>"
        f"<th>times</th><th class=text>first message</th></tr>\n{rows}</table></div>\n"
    )


def _options(record: RunRecord) -> str:
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>\n"
        for name, value in sorted(record.head.options.items())
    )
    return f"<table class=pairs>\n{rows}</table>\n"


def _privacy(record: RunRecord) -> str:
    if record.privacy is None:
        return ""
    return f"<h2>What the privacy figure covers</h2>\n<p>{escape(record.privacy.statement)}</p>\n"
