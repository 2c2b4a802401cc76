"""The page of the study of privacy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any, Final

from offchain.reporting.canvas import Figure, add_legend, new_figure, set_title
from offchain.reporting.style import BLUE, CYCLE, GREY, ORANGE, Theme
from offchain.studies.study import Findings, Plot, Table, Text

_Rows = Sequence[Mapping[str, Any]]

_EPSILON: Final = """
A fog sees a device's clipped update through its mask, in every round anew. Epsilon bounds what it
learns of the device's whole update, neighbouring meaning that the update is replaced by any other;
at delta 1e-5, by dp-accounting, without the few per cent that counts and rounding add. Below 1 is
strong, above 10 next to nothing in theory, though simple attacks may still fail there.
"""
_INVERSION: Final = """
A device with a single row sends its gradient of the first round. Unmasked, one division recovers
the row, to the last digit. The error is the distance to the row over its length; guessing the
average row has error 1. Masks are drawn anew each round: a device whose update stays the same gives
an observer the average, and the noise falls with the square root of the rounds. That is what the
accounting over rounds is about. The sum over many rows hides single rows by itself, but not from
every attack.
"""
_MEMBERSHIP: Final = """
The released model is exact: masks cancel. Whoever has it can ask whether a row was among those it
was trained on: its loss is smaller there. The area under the curve says how well: 0.5 is guessing.
Members and others are halves of the same rows. A linear model on many rows tells little; one
trained long on few rows tells much, masks or not. Only noise that stays in the released sum
(--release-noise) bounds this, and it costs accuracy: with 16 devices a bound that means something
leaves no model. It is for many devices, since the noise stays the same and the sum grows.
"""


def findings_of(tables: Mapping[str, _Rows]) -> Findings:
    """Return the page from the results by kind."""
    released = _released(tables["release"])
    return Findings(
        title="what masks hide, and what they do not",
        lead=(
            "Accounting for the masks, and two test attacks: inversion of a device's update, and "
            "membership in the rows behind a released model. Fault set of 7 classes."
        ),
        parts=(
            Text("What the mask is worth", _EPSILON),
            _epsilon_plot(tables["epsilon"]),
            _table("epsilon", "Epsilon against the fog.", tables["epsilon"]),
            Text("Inverting one device's update", _INVERSION),
            _inversion_plot(tables["inversion"]),
            _table(
                "inversion",
                "Median error over single rows; z = 0 is unmasked.",
                tables["inversion"],
            ),
            _table("rows", "Unmasked, several rows on a device: nearest row.", tables["rows"]),
            Text("Membership in the released model", _MEMBERSHIP),
            _membership_plot(tables["member"], released),
            _table("membership", "Trained centrally on so many rows, 400 steps.", tables["member"]),
            _table(
                "release",
                "Trained by 16 devices in 15 rounds with noise left in the sum; epsilon against "
                "cloud and public, 6 honest survivors.",
                released,
            ),
        ),
    )


def _table(name: str, caption: str, rows: _Rows) -> Table:
    columns = tuple(rows[0])
    return Table(name, caption, columns, tuple(tuple(row[c] for c in columns) for row in rows))


def _released(rows: _Rows) -> _Rows:
    """Means over seeds."""
    found = []
    for multiplier in dict.fromkeys(row["multiplier"] for row in rows):
        group = [row for row in rows if row["multiplier"] == multiplier]
        means = {name: mean(row[name] for row in group) for name in ("auc", "train", "test")}
        found.append({"multiplier": multiplier, "epsilon": group[0]["epsilon"], **means})
    return found


def _epsilon_plot(rows: _Rows) -> Plot:
    def draw(theme: Theme) -> Figure:
        figure, axes = new_figure(theme, 1, height=4.0)
        for colour, z in zip(CYCLE, dict.fromkeys(row["z"] for row in rows), strict=False):
            points = [(row["rounds"], row["epsilon"]) for row in rows if row["z"] == z]
            xs, ys = zip(*points, strict=True)
            axes.plot(xs, ys, color=colour, marker="o", markersize=4, label=f"z = {z:g}")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(sorted({row["rounds"] for row in rows}))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_xlabel("rounds in which the device sent an update")
        axes.set_ylabel("epsilon at delta 1e-5")
        set_title(axes, theme, "Epsilon of one device against its fog, by noise multiplier")
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(
            handles,
            labels,
            frameon=False,
            fontsize=9,
            labelcolor=theme.ink,
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
        )
        return figure

    return Plot("epsilon", "Each doubling of z halves epsilon at least; rounds add up.", draw)


def _inversion_plot(rows: _Rows) -> Plot:
    def draw(theme: Theme) -> Figure:
        figure, axes = new_figure(theme, 1, height=3.8)
        for colour, averaged in zip((BLUE, ORANGE), (1, 16), strict=True):
            points = [
                (row["z"], row["error"]) for row in rows if row["averaged"] == averaged and row["z"]
            ]
            xs, ys = zip(*points, strict=True)
            label = "one round" if averaged == 1 else f"averaged over {averaged} rounds"
            axes.plot(xs, ys, color=colour, marker="o", markersize=4, label=label)
        axes.axhline(1.0, color=GREY, linestyle="--", label="guessing the average row")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_xlabel("noise multiplier of the mask")
        axes.set_ylabel("relative error")
        set_title(axes, theme, "Recovering the only row of a device from its masked update")
        add_legend(axes, theme, inside=True)
        return figure

    return Plot(
        "inversion",
        "Without a mask the error is zero. From z = 0.1 on guessing is as good as inverting one "
        "round.",
        draw,
    )


def _bound(epsilon: float | None) -> str:
    if epsilon is None:
        return "no bound"
    if epsilon > 10_000:
        return "ε > 10,000"
    return f"ε {epsilon:,.0f}" if epsilon >= 10 else f"ε {epsilon:.2g}"


def _membership_plot(central: _Rows, released: _Rows) -> Plot:
    def draw(theme: Theme) -> Figure:
        figure, (upper, lower) = new_figure(theme, 2, height=6.6)
        rows = sorted(central, key=lambda row: row["rows"])
        places = range(len(rows))
        upper.bar(places, [row["auc"] for row in rows], 0.6, color=BLUE)
        upper.set_xticks(places, [f"{row['rows']:,}" for row in rows])
        upper.set_xlabel("rows that the model was trained on")
        places = range(len(released))
        for name, label, colour in (
            ("auc", "area under the curve", BLUE),
            ("test", "test accuracy", ORANGE),
        ):
            ys = [row[name] for row in released]
            lower.plot(places, ys, color=colour, marker="o", label=label)
        ticks = [f"{row['multiplier']:g}\n{_bound(row['epsilon'])}" for row in released]
        lower.set_xticks(places, ticks, fontsize=8)
        lower.set_xlabel("noise left in the sum, over the clip norm; epsilon below")
        for one in (upper, lower):
            one.axhline(0.5, color=GREY, linestyle="--", label="guessing")
            one.set_ylim(0.0, 1.02)
        upper.set_ylabel("area under the curve")
        set_title(upper, theme, "Membership: central models, trained long on few rows")
        set_title(lower, theme, "Membership and accuracy: 16 devices, 15 rounds, noise in the sum")
        add_legend(lower, theme)
        return figure

    return Plot("membership", "Overfitting gives members away; masks do not change that.", draw)
