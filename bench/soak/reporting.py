"""Figures, tables and the picture of a soak."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.report.figure import Figure
from bench.report.table import Table
from bench.soak.sampling import Sample
from bench.soak.trend import Quantity, trend_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

LEAST_SAMPLES = 5


def soak_figures(samples: Sequence[Sample], quantities: Sequence[Quantity]) -> list[Figure]:
    """Return growth, slope and end of each quantity; nothing for too few samples."""
    if len(samples) < LEAST_SAMPLES:
        return []
    figures = []
    for quantity in quantities:
        trend = trend_of(*_series(samples, quantity), quantity.allowance)
        for name, unit, value, bar in (
            ("growth", quantity.unit, trend.growth, quantity.allowance),
            ("slope", f"{quantity.unit}/h".lstrip("/") if quantity.unit else "1/h", trend.slope_per_h, None),
            ("at the end", quantity.unit, trend.end, None),
        ):
            figures.append(
                Figure(
                    name=f"{quantity.name}, {name}",
                    unit=unit,
                    values=(round(value, 3),),
                    better="lower",
                    bar=bar,
                )
            )
    return figures


def verdict_table(samples: Sequence[Sample], quantities: Sequence[Quantity]) -> Table:
    """Return what grew and what did not."""
    rows = []
    if len(samples) >= LEAST_SAMPLES:
        for quantity in quantities:
            hours, values = _series(samples, quantity)
            trend = trend_of(hours, values, quantity.allowance)
            cells = (
                trend.start,
                trend.end,
                max(values),
                trend.slope_per_h,
                quantity.allowance,
                trend.verdict,
            )
            rows.append(
                (_labelled(quantity), *(cell if isinstance(cell, str) else round(cell, 2) for cell in cells))
            )
    return Table(
        title="What grew",
        columns=("quantity", "start", "end", "highest", "slope an hour", "allowed growth", "verdict"),
        rows=tuple(rows),
        note="Growing: the median slope over all pairs of samples, times the length of the measurement, is "
        "more than the allowed growth. Start and end are medians of the first and the last tenth.",
    )


def sample_details(samples: Sequence[Sample], quantities: Sequence[Quantity]) -> dict[str, Any]:
    """Return the samples as columns."""
    columns = {
        quantity.field: [getattr(sample, quantity.field) for sample in samples] for quantity in quantities
    }
    return {
        "hours": [round(sample.hours, 5) for sample in samples],
        **{name: [round(value, 2) for value in values] for name, values in columns.items()},
        "participants": [sample.participants for sample in samples],
    }


def plot_samples(picture: Picture, samples: Sequence[Sample], quantities: Sequence[Quantity]) -> None:
    """Draw each quantity over time."""
    picture.set_size_inches(9, 1.8 * len(quantities))
    panels = picture.subplots(len(quantities), 1, sharex=True, squeeze=False)[:, 0]
    for axes, quantity in zip(panels, quantities, strict=True):
        hours, values = _series(samples, quantity)
        axes.plot(hours, values, linewidth=1)
        axes.set_ylim(bottom=0, top=1.15 * max(values) or 1)
        axes.set_ylabel(_labelled(quantity), fontsize=8)
        axes.grid(alpha=0.3)
    panels[-1].set_xlabel("hours of call")


def _series(samples: Sequence[Sample], quantity: Quantity) -> tuple[list[float], list[float]]:
    return [sample.hours for sample in samples], [
        float(getattr(sample, quantity.field)) for sample in samples
    ]


def _labelled(quantity: Quantity) -> str:
    return f"{quantity.name}, {quantity.unit}" if quantity.unit else quantity.name
