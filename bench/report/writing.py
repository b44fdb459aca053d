"""Writes a result as JSON, Markdown and PNG."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.report.markdown import markdown, warnings
from bench.report.plotting import plot_figures
from bench.report.result import BenchResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

__all__ = ["markdown", "write_result"]


def write_result(
    result: BenchResult,
    folder: Path,
    plot: Callable[[Picture], None] | None = None,
    *,
    name: str | None = None,
) -> list[Path]:
    """Write NAME.json, NAME.md and NAME.png, which replace older ones.

    Args:
        result: What was measured.
        folder: Made if it is missing.
        plot: Draws on an empty figure of matplotlib; by default the figures are drawn as dots.
        name: Of the files; by default the bench's.

    Returns:
        What was written. Without matplotlib there is no PNG, and the reason is printed on stderr.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / (name or result.bench)
    written = [stem.with_name(f"{stem.name}.json"), stem.with_name(f"{stem.name}.md")]
    written[0].write_text(result.to_json(), encoding="utf-8")
    written[1].write_text(markdown(result), encoding="utf-8")
    if plot is None and result.figures:
        plot = partial(plot_figures, result=result)
    picture = stem.with_name(f"{stem.name}.png")
    if plot is not None and _draw(result, plot, picture):
        written.append(picture)
    return written


def _draw(result: BenchResult, plot: Callable[[Picture], None], path: Path) -> bool:
    try:
        from matplotlib.figure import Figure as Picture  # noqa: PLC0415 - an extra
    except ImportError:
        click.echo(
            f"{path.name} was not drawn: matplotlib is missing; pip install 'seamwatch[bench]'", err=True
        )
        return False
    picture = Picture(figsize=(9, 5), layout="constrained")
    plot(picture)
    for warning in warnings(result):
        picture.text(
            0.5, 0.5, warning.strip("*").split(".")[0], ha="center", alpha=0.3, fontsize=24, rotation=20
        )
    picture.savefig(path, dpi=110, metadata={"Software": None})
    return True
