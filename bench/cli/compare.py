"""``seamwatch bench compare``: two results of one bench."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from bench.cli.delivery import screen_table
from bench.report.comparison import DEFAULT_TOLERANCE, Comparison, FigureChange, compare_results
from bench.report.result import BenchResult, BenchResultError
from bench.report.table import number_text

EXIT_REGRESSION = 1
COLUMNS = ("figure", "unit", "before", "spread", "after", "spread", "ratio", "")
_SHOWN = {"better": "better", "worse": "WORSE", "same": "", "changed": "changed"}

RESULT = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("before", type=RESULT)
@click.argument("after", type=RESULT)
@click.option(
    "--tolerance",
    "tolerance_percent",
    type=click.FloatRange(0, 100),
    default=100 * DEFAULT_TOLERANCE,
    show_default=True,
    help="Change of a median, in percent, up to which nothing has changed.",
)
@click.option(
    "--fail-on-regression", is_flag=True, help=f"End with {EXIT_REGRESSION} if something got worse."
)
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
def compare(
    *, before: Path, after: Path, tolerance_percent: float, fail_on_regression: bool, as_json: bool
) -> None:
    """Show by how much each figure changed, and which got worse beyond the spread of the runs."""
    comparison = compare_results(read_result(before), read_result(after), tolerance_percent / 100)
    if as_json:
        click.echo(json.dumps(_plain(comparison), indent=1))
    else:
        _show(comparison)
    if fail_on_regression and comparison.regressions:
        raise SystemExit(EXIT_REGRESSION)


def read_result(path: Path) -> BenchResult:
    """Read a result.

    Raises:
        BenchResultError: If the file is none.
    """
    try:
        return BenchResult.from_json(path.read_bytes())
    except BenchResultError as error:
        raise BenchResultError(f"{path}: {error.message}", fix=error.fix) from error


def _show(comparison: Comparison) -> None:
    console = Console()
    console.print(screen_table(COLUMNS, [_cells(change) for change in comparison.changes]))
    for name in comparison.missing:
        console.print(Text(f"Only in the first: {name}"))
    for name in comparison.new:
        console.print(Text(f"Only in the second: {name}"))
    for warning in comparison.warnings:
        console.print(Text(warning, style="yellow"))


def _cells(change: FigureChange) -> tuple[str, ...]:
    spreads = [
        f"{number_text(figure.lowest)} to {number_text(figure.highest)}"
        for figure in (change.before, change.after)
    ]
    return (
        change.before.name,
        change.before.unit,
        number_text(change.before.median),
        spreads[0],
        number_text(change.after.median),
        spreads[1],
        "" if change.ratio is None else f"{change.ratio:.3f}",
        _SHOWN[change.change],
    )


def _plain(comparison: Comparison) -> dict[str, object]:
    changes = [{**asdict(change), "ratio": change.ratio} for change in comparison.changes]
    return {**asdict(comparison), "changes": changes}
