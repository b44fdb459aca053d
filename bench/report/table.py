"""A table that a result shows beside its figures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under named columns.

    Attributes:
        title: What the table shows.
        columns: Headings.
        rows: Cells in the order of the columns.
        note: What a reader has to know of it.

    Raises:
        ValueError: If a row has another number of cells than there are columns.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float | int, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"{self.title}: every row needs {len(self.columns)} cells")


def cell_text(cell: str | float) -> str:
    """Return a cell as it is shown: numbers with four significant digits."""
    return cell if isinstance(cell, str) else number_text(cell)


def number_text(value: float) -> str:
    """Return a number with at least four significant digits and never in powers of ten up to a billion."""
    if isinstance(value, int) or (abs(value) >= 1000 and abs(value) < 1e9):
        return f"{round(value)}"
    return f"{value:.4g}"
