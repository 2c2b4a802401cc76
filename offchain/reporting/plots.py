"""The plots of a run, as PNG. matplotlib is imported only when a plot is drawn."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Sequence
from statistics import mean
from typing import Final

from offchain.reporting.canvas import Axes, Figure, add_legend, new_figure, png, set_title
from offchain.reporting.outcome import LEFT, OUTCOMES, TOOK_PART, device_outcomes
from offchain.reporting.phases import PHASES
from offchain.reporting.record import RoundKind, RoundRecord, RoundStatus, RunRecord
from offchain.reporting.style import (
    BLUE,
    CYCLE,
    GREEN,
    GREY,
    LIGHT,
    ORANGE,
    VERMILION,
    Theme,
)
from offchain.reporting.totals import CLAIM, add_up

_WIDE_BAR: Final = 0.8
_BARS_WITH_GAPS: Final = 80  # beyond so many rounds, gaps between bars would only shimmer
_ROLE_COLOURS: Final = {"device": BLUE, "fog": ORANGE, "cloud": GREEN}


def draw_plots(record: RunRecord, theme: Theme = LIGHT) -> dict[str, bytes]:
    """Draw every plot that the record has data for.

    Returns
    -------
    dict
        PNG images by name, in the order in which to show them.
    """
    drawings: dict[str, Callable[[RunRecord, Theme], Figure | None]] = {
        "learning": _learning,
        "participation": _participation,
        "gas": _gas,
        "seconds": _seconds,
    }
    images = {}
    for name, draw in drawings.items():
        figure = draw(record, theme)
        if figure is not None:
            images[name] = png(figure, theme)
    return images


# ---- loss and metric


def _learning(record: RunRecord, theme: Theme) -> Figure | None:
    rounds = [r for r in record.rounds if r.kind is RoundKind.TRAINING]
    losses = [(r.round, r.loss) for r in rounds if r.loss is not None]
    scores = [(r.round, r.metric.value) for r in rounds if r.metric and r.metric.value is not None]
    if not losses and not scores:
        return None
    figure, (upper, lower) = new_figure(theme, 2, height=6.0)
    failed = [r.round for r in rounds if r.status is RoundStatus.FAILED]
    _line(upper, losses, theme.line, "federated", failed)
    set_title(upper, theme, "Training loss over all rows, after each round")
    upper.set_ylabel("mean loss per row")
    name = next((r.metric.name for r in rounds if r.metric), "metric")
    _line(lower, scores, theme.line, "federated", failed)
    lower.set_ylabel("R²" if name == "R2" else name)
    lower.set_xlabel("round")
    title = f"{_capital(name)} on {record.head.task.test_rows:,} test rows"
    central = record.comparison.central.value if record.comparison else None
    if central is not None:
        lower.axhline(central, color=VERMILION, linestyle="--", linewidth=1.4, label="central")
        title += f": {_last(scores)} federated, {central:.3f} central"
    set_title(lower, theme, title)
    _bound_metric(lower, [value for _, value in scores], central)
    for axes in (upper, lower):
        _whole_rounds(axes, record)
        add_legend(axes, theme, inside=True)
    return figure


def _line(
    axes: Axes,
    points: Sequence[tuple[int, float]],
    colour: str,
    label: str,
    failed: Sequence[int],
) -> None:
    if not points:
        return
    xs, ys = zip(*points, strict=True)
    marker = "o" if len(points) <= _BARS_WITH_GAPS else ""
    axes.plot(xs, ys, color=colour, marker=marker, markersize=4, linewidth=1.8, label=label)
    at = [(x, y) for x, y in points if x in set(failed)]
    if at:
        fx, fy = zip(*at, strict=True)
        axes.plot(
            fx, fy, "x", color=VERMILION, markersize=8, markeredgewidth=2, label="round failed"
        )


def _bound_metric(axes: Axes, scores: Sequence[float], central: float | None) -> None:
    """Keep one wild value (an R2 far below 0) from flattening all others."""
    seen = [*scores, *([] if central is None else [central])]
    if not seen:
        return
    low, high = max(min(seen), -1.0), max(seen)
    margin = max(0.06 * (high - low), 0.002)
    axes.set_ylim(low - margin, high + 1.5 * margin)


def _last(scores: Sequence[tuple[int, float]]) -> str:
    return f"{scores[-1][1]:.3f}" if scores else "none"


# ---- participation


def _participation(record: RunRecord, theme: Theme) -> Figure | None:
    if not record.rounds:
        return None
    tables = [device_outcomes(entry) for entry in record.rounds]
    present = {name for table in tables for name, count in table.items() if count}
    reasons = sorted(name for name in present if name not in OUTCOMES)
    order = [name for name in OUTCOMES if name in present]
    colours = dict(OUTCOMES)
    spare = [colour for colour in CYCLE if colour not in set(OUTCOMES.values())]
    for position, reason in enumerate(reasons):
        colours[reason] = spare[position % len(spare)]
    inside = [name for name in order if name in (TOOK_PART, LEFT)]
    stack = [*inside, *reasons, *(name for name in order if name not in inside)]
    figure, axes = new_figure(theme, 1, height=3.9)
    series = {name: [table.get(name, 0) for table in tables] for name in stack}
    _stacked(axes, [r.round for r in record.rounds], series, colours, theme)
    _mark_failed(axes, record.rounds)
    set_title(axes, theme, "What became of the devices in each round")
    axes.set_ylabel("devices")
    axes.set_xlabel("round")
    _whole_rounds(axes, record)
    axes.yaxis.get_major_locator().set_params(integer=True)
    add_legend(axes, theme)
    return figure


# ---- gas


def _gas(record: RunRecord, theme: Theme) -> Figure | None:
    tables = [
        add_up((g.kind, g.gas) for g in entry.gas if g.kind != CLAIM) for entry in record.rounds
    ]
    kinds = list(add_up(pair for table in tables for pair in table.items()))
    if not kinds:
        return None
    figure, (upper, lower) = new_figure(theme, 2, height=6.0)
    rounds = [r.round for r in record.rounds]
    colours = {kind: CYCLE[position % len(CYCLE)] for position, kind in enumerate(kinds)}
    series = {kind: [table.get(kind, 0) / 1e3 for table in tables] for kind in kinds}
    _stacked(upper, rounds, series, colours, theme)
    _mark_failed(upper, record.rounds)
    set_title(upper, theme, "Gas of each round, by transaction")
    upper.set_ylabel("thousand gas")
    add_legend(upper, theme)
    each = [
        sum(table.values()) / max(1, r.counts.devices)
        for table, r in zip(tables, record.rounds, strict=True)
    ]
    width = _bar_width(len(rounds))
    lower.bar(rounds, each, color=BLUE, width=width)
    average = record.totals.gas_per_device_round
    lower.axhline(average, color=VERMILION, linestyle="--", linewidth=1.4)
    set_title(lower, theme, f"Gas per device and round (dashed: {average:,.0f} over the whole run)")
    lower.set_ylabel("gas per device")
    lower.set_xlabel("round")
    for axes in (upper, lower):
        _whole_rounds(axes, record)
        _thousands(axes)
    return figure


# ---- time


def _seconds(record: RunRecord, theme: Theme) -> Figure | None:
    settled = [r for r in record.rounds if r.status is RoundStatus.SETTLED]
    if not settled:
        return None
    phases = [p for p in PHASES if any(r.seconds.by_phase.get(p, 0.0) > 0.0 for r in settled)]
    if not phases:
        return None
    figure, (upper, lower) = new_figure(theme, 2, height=2.2 + 0.26 * len(phases) + 1.6, ratio=2.4)
    values = [mean(r.seconds.by_phase.get(p, 0.0) for r in settled) for p in phases]
    bars = upper.barh([p.replace("_", " ") for p in phases], values, color=BLUE, height=0.7)
    upper.bar_label(bars, [_duration(v) for v in values], padding=4, color=theme.muted, fontsize=8)
    upper.invert_yaxis()
    upper.margins(x=0.12)
    set_title(
        upper, theme, "Computing time of a settled round by phase, all parties together (mean)"
    )
    upper.set_xlabel("seconds")
    upper.grid(visible=False, axis="y")
    upper.grid(visible=True, axis="x", color=theme.grid, linewidth=0.8)
    lower.bar(
        [r.round for r in record.rounds],
        [r.seconds.total for r in record.rounds],
        color=GREY,
        width=_bar_width(len(record.rounds)),
    )
    _mark_failed(lower, record.rounds)
    set_title(lower, theme, "Wall-clock time of each round")
    lower.set_ylabel("seconds")
    lower.set_xlabel("round")
    _whole_rounds(lower, record)
    return figure


# ---- shared


def _stacked(
    axes: Axes,
    rounds: Sequence[int],
    series: dict[str, list[float]] | dict[str, list[int]],
    colours: dict[str, str],
    theme: Theme,
) -> None:
    bottom = [0.0] * len(rounds)
    gaps = len(rounds) <= _BARS_WITH_GAPS
    for name, values in series.items():
        axes.bar(
            rounds,
            values,
            bottom=bottom,
            label=_words(name),
            color=colours[name],
            width=_bar_width(len(rounds)),
            edgecolor=theme.background if gaps else "none",
            linewidth=0.5 if gaps else 0.0,
        )
        bottom = [low + value for low, value in zip(bottom, values, strict=True)]


def _mark_failed(axes: Axes, rounds: Sequence[RoundRecord]) -> None:
    failed = [r.round for r in rounds if r.status is RoundStatus.FAILED]
    if failed:
        # Above the axes' upper edge, whatever the bars' heights.
        axes.plot(
            failed,
            [1.035] * len(failed),
            "x",
            color=VERMILION,
            markersize=7,
            markeredgewidth=2,
            transform=axes.get_xaxis_transform(),
            clip_on=False,
            label="round failed",
        )


def _bar_width(count: int) -> float:
    return _WIDE_BAR if count <= _BARS_WITH_GAPS else 1.0


def _whole_rounds(axes: Axes, record: RunRecord) -> None:
    """Give every plot the same range of rounds, so that they can be read one below the other."""
    ticker = importlib.import_module("matplotlib.ticker")
    axes.set_xlim(record.rounds[0].round - 0.7, record.rounds[-1].round + 0.7)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True, min_n_ticks=1))


def _thousands(axes: Axes) -> None:
    ticker = importlib.import_module("matplotlib.ticker")
    axes.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))


def _duration(seconds: float) -> str:
    if seconds < 0.001:
        return "<1 ms"
    return f"{seconds:.2f} s" if seconds >= 1.0 else f"{1000 * seconds:.0f} ms"


def _words(name: str) -> str:
    """Return an identifier as words: ``openRound`` as ``open round``."""
    return re.sub(r"(?<=[a-z])([A-Z])", lambda found: f" {found.group().lower()}", name)


def _capital(text: str) -> str:
    return "R²" if text == "R2" else text[:1].upper() + text[1:]
