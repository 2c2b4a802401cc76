"""The plots of the study of attacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from offchain.learning.selection import DEFAULT_RULE
from offchain.reporting.canvas import Axes, Figure, add_legend, grid_figure, new_figure, set_title
from offchain.reporting.style import BLUE, CYCLE, GREY, ORANGE, Theme
from offchain.studies.attack_cells import Cell, Summary
from offchain.studies.federation import KNOWN, NO_ATTACK, NO_RULE
from offchain.studies.grid import ATTACKS, RULES, STEPS
from offchain.studies.study import Plot

SHARE: Final = 0.3
_DEEPEST: Final = -0.3  # changes below have the darkest colour

Cells = Mapping[Cell, Summary]


def heat_map(cells: Cells, split: str) -> Plot:
    """All attacks against all rules at one share, a field for each multiplier."""
    chosen = {
        (c.attack, c.rule, c.multiplier): s.change
        for c, s in cells.items()
        if (c.scenario, c.split) == (STEPS.name, split) and c.share in (0.0, SHARE)
    }
    rows = [a for a in (NO_ATTACK, *ATTACKS) if any(key[0] == a for key in chosen)]
    multipliers = sorted({key[2] for key in chosen if key[2] is not None})
    rules = [rule for rule in RULES if any(key[1] == rule for key in chosen)]

    def draw(theme: Theme) -> Figure:
        widths = [2.0, *[float(len(multipliers))] * len(rules)]
        figure, axes = grid_figure(theme, widths, width=12.5, height=1.6 + 0.36 * len(rows))
        image = None
        names: list[tuple[str, list[tuple[str, float | None]]]] = [
            ("no rule", [(NO_RULE, None), (KNOWN, None)])
        ]
        names += [(rule, [(rule, z) for z in multipliers]) for rule in rules]
        for place, (one, (title, columns)) in enumerate(zip(axes, names, strict=True)):
            values = np.array(
                [[chosen.get((row, *column), np.nan) for column in columns] for row in rows]
            )
            labels = ["none", "known"] if place == 0 else [f"{z:g}" for z in multipliers]
            image = _fields(one, values, labels, rows if place == 0 else None)
            one.set_title(title, fontsize=9, fontweight="bold", color=theme.ink)
            if place:
                one.set_xlabel("noise multiplier", fontsize=8)
        bar = figure.colorbar(image, ax=axes, fraction=0.012, pad=0.008)
        bar.ax.tick_params(colors=theme.muted, labelsize=8, length=0)
        bar.outline.set_visible(False)
        bar.set_label("change of accuracy", color=theme.muted, fontsize=8)
        return figure

    return Plot(
        f"heat-map-{split.partition(':')[0]}",
        f"Change of test accuracy under each attack and rule, 30% attackers, {_words(split)}; "
        "“known” leaves out exactly the attackers.",
        draw,
    )


def _words(split: str) -> str:
    return "even split" if split == "even" else f"uneven split ({split})"


def _fields(axes: Axes, values: Any, columns: Sequence[str], rows: Sequence[str] | None) -> Any:
    image = axes.imshow(values, cmap="YlOrRd_r", vmin=_DEEPEST, vmax=0.0, aspect="auto")
    axes.grid(visible=False)
    axes.spines[["bottom"]].set_visible(False)
    axes.set_xticks(range(len(columns)), columns, fontsize=8)
    axes.set_yticks(range(values.shape[0]), rows or [""] * values.shape[0], fontsize=8)
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            axes.text(
                column,
                row,
                f"{value:+.2f}".replace("+0.00", "0").replace("-0.00", "0").replace("0.", "."),
                ha="center",
                va="center",
                fontsize=7,
                color="#ffffff" if value < 0.6 * _DEEPEST else "#1b1f24",
            )
    return image


def across(cells: Cells) -> Plot:
    """The default rule: who is kept and who is rejected, by attack and multiplier."""
    chosen = {
        (c.attack, c.multiplier): s
        for c, s in cells.items()
        if (c.scenario, c.split, c.rule) == (STEPS.name, "even", DEFAULT_RULE)
        and c.share in (0.0, SHARE)
    }
    attacks = [a for a in (NO_ATTACK, *ATTACKS) if any(key[0] == a for key in chosen)]
    multipliers = sorted({key[1] for key in chosen if key[1] is not None})

    def draw(theme: Theme) -> Figure:
        figure, (upper, lower) = new_figure(theme, 2, height=6.4)
        width = 0.8 / len(multipliers)
        for place, z in enumerate(multipliers):
            at = np.arange(len(attacks)) + (place - (len(multipliers) - 1) / 2) * width
            found = [chosen.get((attack, z)) for attack in attacks]
            kept = [s.kept / s.attackers if s and s.attackers else 0.0 for s in found]
            upper.bar(at, kept, width, color=CYCLE[place], label=f"{z:g}")
            rejected = [s.rejected if s else 0.0 for s in found]
            lower.bar(at, rejected, width, color=CYCLE[place], label=f"{z:g}")
        upper.set_ylabel("share of the attackers kept")
        lower.set_ylabel("honest devices rejected")
        for one in (upper, lower):
            one.set_xticks(range(len(attacks)), attacks, rotation=25, ha="right", fontsize=8)
        set_title(upper, theme, f"{DEFAULT_RULE}: attackers kept, by noise multiplier")
        set_title(lower, theme, f"{DEFAULT_RULE}: honest devices rejected")
        add_legend(upper, theme)
        return figure

    return Plot(
        "default-rule",
        "The default rule over the last quarter of the rounds, 30% attackers, even split. What it "
        "keeps is what does little harm, but for the attacks named in docs/poisoning.md.",
        draw,
    )


def by_share(cells: Cells) -> Plot | None:
    """Accuracy by share of attackers: no rule, the default rule, attackers known."""
    shares = sorted({c.share for c in cells if c.scenario == STEPS.name and c.share > 0.0})
    if len(shares) < 2:
        return None
    shown = ("label-flip", "sign-flip", "scale:-3", "constant")
    multipliers = (0.1, 1.0)

    def value(attack: str, share: float, rule: str, z: float | None) -> float:
        for c, s in cells.items():
            same = (c.scenario, c.split, c.attack) == (STEPS.name, "even", attack)
            if same and (c.share, c.rule, c.multiplier) == (share, rule, z):
                return s.accuracy
        return float("nan")

    def draw(theme: Theme) -> Figure:
        figure, axes = grid_figure(theme, [1.0] * len(shown), width=11.0, height=3.2, share_y=True)
        lines: list[tuple[str, str, float | None, str, str]] = [
            ("no rule", NO_RULE, None, GREY, "--"),
            ("attackers known", KNOWN, None, GREY, ":"),
        ]
        lines += [
            (f"{DEFAULT_RULE}, {z:g}", DEFAULT_RULE, z, colour, "-")
            for z, colour in zip(multipliers, (BLUE, ORANGE), strict=True)
        ]
        for one, attack in zip(axes, shown, strict=True):
            for label, rule, z, colour, style in lines:
                ys = [value(attack, share, rule, z) for share in shares]
                xs = [100.0 * share for share in shares]
                one.plot(xs, ys, style, color=colour, marker="o", markersize=4, label=label)
            one.set_title(attack, fontsize=10, fontweight="bold", color=theme.ink)
            one.set_xlabel("attackers, %")
            one.set_xticks([100.0 * share for share in shares])
            one.set_ylim(0.5, 1.0)
        axes[0].set_ylabel("test accuracy")
        add_legend(axes[-1], theme)
        return figure

    return Plot(
        "shares",
        "Accuracy by share of attackers, even split; the number is the noise multiplier. Above "
        "half of a cluster nothing helps; 40% is close to it.",
        draw,
    )
