"""The plots of the study of methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from offchain.reporting.canvas import Figure, add_legend, grid_figure, new_figure, set_title
from offchain.reporting.style import CYCLE, Theme
from offchain.studies.study import Plot


def gaps(found: Mapping[str, tuple[float, float]]) -> Plot:
    """Difference to the central result by name, over what it may be: (difference, tolerance)."""
    names = list(found)

    def draw(theme: Theme) -> Figure:
        figure, axes = new_figure(theme, 1, height=1.4 + 0.4 * len(names))
        for place, (difference, tolerance) in enumerate(found.values()):
            axes.barh(place, 2 * tolerance, left=-tolerance, height=0.55, color=theme.grid)
            axes.plot(difference, place, "o", color=theme.line, markersize=8)
            axes.annotate(
                f"{difference:+.4f}",
                (difference, place),
                (0, -14),
                textcoords="offset points",
                ha="center",
                fontsize=8,
                color=theme.ink,
            )
        axes.axvline(0.0, color=theme.muted, linewidth=1.0)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.3, -0.7)
        axes.grid(visible=False)
        axes.set_xlabel("test result on the protocol less the central one")
        set_title(axes, theme, "Difference to central scikit-learn")
        return figure

    return Plot(
        "difference",
        "Difference of the test result (accuracy or R2) to scikit-learn's. Grey: what it may be.",
        draw,
    )


def approach(curves: Mapping[str, tuple[Sequence[float | None], float]]) -> Plot:
    """Test accuracy by round, a field for each data set: (values, central) by `set, method`."""
    sets = list(dict.fromkeys(name.split(", ")[0] for name in curves))
    methods = list(dict.fromkeys(name.split(", ")[1] for name in curves))
    colours = dict(zip(methods, CYCLE, strict=False))

    def draw(theme: Theme) -> Figure:
        figure, axes = grid_figure(theme, [1.0] * len(sets), width=9.0, height=3.6)
        for one, dataset in zip(axes, sets, strict=True):
            for name, (values, central) in curves.items():
                which, method = name.split(", ")
                if which != dataset:
                    continue
                rounds = range(1, len(values) + 1)
                shown = [float("nan") if v is None else v for v in values]
                one.plot(rounds, shown, "o-", color=colours[method], markersize=4, label=method)
                one.axhline(central, color=theme.muted, linewidth=1.0, linestyle="--")
            one.set_title(dataset, fontsize=10, fontweight="bold", color=theme.ink)
            one.set_xlabel("training round")
        axes[0].set_ylabel("test accuracy")
        add_legend(axes[-1], theme)
        return figure

    return Plot(
        "rounds",
        "Test accuracy after each training round, by method. Dashed: the central result.",
        draw,
    )
