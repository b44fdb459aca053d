"""The picture of a result whose bench draws none of its own: every run as a dot, every bar as a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.result import BenchResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture


def plot_figures(picture: Picture, result: BenchResult) -> None:
    """Draw one panel a unit, one row a figure.

    Args:
        picture: An empty figure of matplotlib.
        result: Has at least one figure.
    """
    units = list(dict.fromkeys(figure.unit for figure in result.figures))
    heights = [sum(figure.unit == unit for figure in result.figures) for unit in units]
    picture.set_size_inches(9, 1.2 * len(units) + 0.35 * len(result.figures))
    grid = picture.add_gridspec(len(units), 1, height_ratios=heights)
    for row, unit in enumerate(units):
        axes = picture.add_subplot(grid[row, 0])
        shown = [figure for figure in result.figures if figure.unit == unit]
        for place, figure in enumerate(shown):
            axes.plot(figure.values, [place] * len(figure.values), "o", color="tab:blue", alpha=0.5)
            axes.plot([figure.median], [place], "|", color="black", markersize=16)
            if figure.bar is not None:
                axes.plot([figure.bar] * 2, [place - 0.4, place + 0.4], "--", color="tab:red")
        axes.set_yticks(range(len(shown)), [figure.name for figure in shown])
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_xlabel(unit or "number")
        axes.grid(axis="x", alpha=0.3)
    picture.suptitle(result.title)
