"""A result as a Markdown page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.report.figure import Figure
from bench.report.result import BenchResult
from bench.report.table import cell_text, number_text

QUICK_WARNING = "**A quick run, to see that the bench works. Its figures mean nothing.**"
INTERRUPTED_WARNING = "**Interrupted: only what was measured until then.**"
FIGURE_COLUMNS = ("figure", "unit", "median", "lowest", "highest", "runs", "bar", "met")


def markdown(result: BenchResult) -> str:
    """Return the page of a result."""
    blocks = [f"# {result.title}"]
    blocks += warnings(result)
    blocks.append(f"`{result.command}`, {result.date}.\n{machine_line(result.machine)}")
    if result.configuration:
        blocks.append(f"Configuration: {_listed(result.configuration)}.")
    if result.figures:
        blocks.append(markdown_table(FIGURE_COLUMNS, [figure_cells(figure) for figure in result.figures]))
    for table in result.tables:
        blocks.append(f"## {table.title}")
        blocks.append(markdown_table(table.columns, [tuple(map(cell_text, row)) for row in table.rows]))
        blocks += [table.note] * bool(table.note)
    blocks += result.notes
    return "\n\n".join(blocks) + "\n"


def warnings(result: BenchResult) -> Iterator[str]:
    """Yield what a reader has to know before the first figure."""
    if result.quick:
        yield QUICK_WARNING
    if result.interrupted:
        yield INTERRUPTED_WARNING


def figure_cells(figure: Figure) -> tuple[str, ...]:
    """Return a figure's row under ``FIGURE_COLUMNS``."""
    bar = "" if figure.bar is None else f"{_SIGNS[figure.better]} {number_text(figure.bar)}"
    met = {None: "", True: "yes", False: "no"}[figure.met]
    return (
        figure.name,
        figure.unit,
        *map(number_text, (figure.median, figure.lowest, figure.highest)),
        str(len(figure.values)),
        bar,
        met,
    )


def machine_line(machine: Mapping[str, Any]) -> str:
    """Return processor, cores, memory, system, load and versions as one sentence."""
    parts = [
        machine.get("processor"),
        f"{machine['cores']} cores" if "cores" in machine else None,
        f"{machine['memory_gib']} GiB" if "memory_gib" in machine else None,
        machine.get("system"),
        f"Python {machine['python']}" if "python" in machine else None,
        *(f"{name} {version}" for name, version in machine.get("versions", {}).items()),
    ]
    line = ", ".join(str(part) for part in parts if part)
    loads = [
        f"{name} {' '.join(f'{load:.2f}' for load in machine[key])}"
        for name, key in (("before", "load_before"), ("after", "load_after"))
        if key in machine
    ]
    return f"{line}. Load average {', '.join(loads)}." if loads else f"{line}."


_SIGNS = {"lower": "<=", "higher": ">="}


def _listed(configuration: Mapping[str, object]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in configuration.items())


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(str, value)) or "none"
    return str(value)


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; a pipe in a cell is escaped."""
    lines = (columns, ["---"] * len(columns), *rows)
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
