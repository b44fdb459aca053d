"""The rows of the lossy link in the common form of results. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress
from typing import Any

from bench.network.link_report import COLUMNS, cells_of, value_at
from bench.report.figure import Figure
from bench.report.table import Table

PRODUCT = "seamwatch"


def link_figures(rows: Sequence[dict[str, Any]]) -> Iterator[Figure]:
    """Yield the figures of Seamwatch's receiver that the screen shows; what no run could tell is left out."""
    for row in rows:
        if row["receiver"] != PRODUCT:
            continue
        for heading, place, factor, on_screen in COLUMNS:
            found = [value_at(run["figures"], place) for run in row["runs"]]
            values = tuple(round(value * factor, 4) for value in found if value is not None)
            if not on_screen or not values:
                continue
            name, _, unit = heading.rpartition(", ") if ", " in heading else (heading, "", "")
            yield Figure(
                name=f"{row['title']}, {row['source']}: {name}", unit=unit, values=values, better="lower"
            )


def link_table(rows: Sequence[dict[str, Any]]) -> Table:
    """Return all receivers side by side: medians, with the lowest and the highest run in brackets."""
    shown = [on_screen for _, _, _, on_screen in COLUMNS]
    return Table(
        title="All receivers",
        columns=("network", "source", "receiver", *compress([heading for heading, *_ in COLUMNS], shown)),
        rows=tuple(
            (row["title"], row["source"], row["receiver"], *compress(cells_of(row["runs"]), shown))
            for row in rows
        ),
    )
