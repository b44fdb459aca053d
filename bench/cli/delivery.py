"""How a bench's command hands over its result, and what Ctrl-C leaves of it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import click
from rich import box
from rich.console import Console
from rich.table import Table as ScreenTable
from rich.text import Text

from bench.cli.options import BenchOptions
from bench.report.markdown import FIGURE_COLUMNS, figure_cells, warnings
from bench.report.result import BenchResult
from bench.report.table import cell_text
from bench.report.writing import write_result
from clients.cli.errors import EXIT_INTERRUPTED
from realtime.interrupt import sigterm_as_interrupt

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture


@dataclasses.dataclass(slots=True)
class Interruption:
    """Whether Ctrl-C or SIGTERM ended the block.

    Attributes:
        happened: Set behind the block.
    """

    happened: bool = False


@contextlib.contextmanager
def noted_interruption() -> Iterator[Interruption]:
    """Let Ctrl-C and SIGTERM end the block early; what follows can still report what was measured."""
    state = Interruption()
    with sigterm_as_interrupt():
        try:
            yield state
        except KeyboardInterrupt:
            state.happened = True


def deliver(
    result: BenchResult,
    options: BenchOptions,
    *,
    plot: Callable[[Picture], None] | None = None,
    name: str | None = None,
) -> None:
    """Print a result and write it where ``--out`` says.

    Args:
        result: What was measured.
        options: What every bench is told.
        plot: As ``write_result`` takes it.
        name: Of the files, as ``write_result`` takes it.

    Raises:
        SystemExit: With 130 for an interrupted result; one without figures is not written.
    """
    if result.interrupted and not result.figures:
        click.echo("interrupted before the first figure; nothing was written", err=True)
        raise SystemExit(EXIT_INTERRUPTED)
    if options.as_json:
        click.echo(result.to_json(), nl=False)
    else:
        show(result, Console())
    if options.out is not None:
        for path in write_result(result, options.out, plot, name=name):
            click.echo(f"wrote {path}", err=True)
    if result.interrupted:
        raise SystemExit(EXIT_INTERRUPTED)


def show(result: BenchResult, console: Console) -> None:
    """Print the figures, tables and notes."""
    console.print(Text(result.title, style="bold"))
    for warning in warnings(result):
        console.print(Text(warning.strip("*"), style="yellow"))
    if result.figures:
        console.print(screen_table(FIGURE_COLUMNS, [figure_cells(figure) for figure in result.figures]))
    for table in result.tables:
        console.print(Text(table.title, style="bold"))
        console.print(screen_table(table.columns, [tuple(map(cell_text, row)) for row in table.rows]))
        if table.note:
            console.print(Text(table.note))
    for note in result.notes:
        console.print(Text(note))


def screen_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> ScreenTable:
    """Return a table whose cells are shown as they are, numbers to the right."""
    table = ScreenTable(box=box.SIMPLE)
    for index, column in enumerate(columns):
        table.add_column(Text(column), justify="left" if index == 0 else "right")
    for row in rows:
        table.add_row(*map(Text, row))
    return table
