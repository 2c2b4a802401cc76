"""What all plots share: figures in a theme. matplotlib is imported only when a plot is drawn."""

from __future__ import annotations

import importlib
import io
from collections.abc import Sequence
from typing import Any, Final

from offchain.reporting.style import Theme

DOTS_PER_INCH: Final = 150
WIDTH: Final = 8.0  # inches

Figure = Any
Axes = Any


def png(figure: Figure, theme: Theme) -> bytes:
    """Render a figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, facecolor=theme.background)
    return buffer.getvalue()


def new_figure(theme: Theme, rows: int, height: float, ratio: float = 1.0) -> tuple[Figure, Axes]:
    """Return a figure without global state, styled, with its axes one above the other."""
    figures = importlib.import_module("matplotlib.figure")
    figure = figures.Figure(figsize=(WIDTH, height), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.1, w_pad=0.08)
    heights = [ratio, *[1.0] * (rows - 1)]
    axes = figure.subplots(rows, 1, gridspec_kw={"height_ratios": heights})
    for one in [axes] if rows == 1 else axes:
        dress(one, theme)
    return figure, axes


def grid_figure(
    theme: Theme, widths: Sequence[float], *, width: float, height: float, share_y: bool = False
) -> tuple[Figure, Axes]:
    """Return a styled figure with its axes side by side, as wide as `widths` say."""
    figures = importlib.import_module("matplotlib.figure")
    figure = figures.Figure(figsize=(width, height), layout="constrained")
    ratios = {"width_ratios": list(widths)}
    axes = figure.subplots(1, len(widths), gridspec_kw=ratios, sharey=share_y, squeeze=False)[0]
    for one in axes:
        dress(one, theme)
    return figure, axes


def dress(axes: Axes, theme: Theme) -> None:
    """Give axes the theme's colours and horizontal lines only."""
    axes.set_facecolor(theme.background)
    axes.set_axisbelow(True)
    axes.grid(visible=True, axis="y", color=theme.grid, linewidth=0.8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(theme.grid)
    axes.tick_params(colors=theme.muted, labelsize=9, length=0)
    axes.xaxis.label.set_color(theme.muted)
    axes.yaxis.label.set_color(theme.muted)


def set_title(axes: Axes, theme: Theme, text: str) -> None:
    """Set the title above the left edge."""
    axes.set_title(text, loc="left", fontsize=11, fontweight="bold", color=theme.ink, pad=18)


def add_legend(axes: Axes, theme: Theme, *, inside: bool = False) -> None:
    """Add a legend, by default to the right of the axes in the order in which bars are stacked."""
    place = {"loc": "best"} if inside else {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
    handles, labels = axes.get_legend_handles_labels()
    if not inside:
        handles, labels = handles[::-1], labels[::-1]
    legend = axes.legend(handles, labels, frameon=False, fontsize=9, labelcolor=theme.ink, **place)
    legend.set_zorder(5)
