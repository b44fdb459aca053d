"""The page over the results of several benches. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.report.figure import Figure
from bench.report.markdown import (
    INTERRUPTED_WARNING,
    QUICK_WARNING,
    figure_cells,
    machine_line,
    markdown_table,
)
from bench.report.result import BenchResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one bench.

    Attributes:
        bench: Name of the sub-command.
        seconds: How long it took; 0 for one that was not run.
        results: Its results by the name of their files.
        problem: Why it was skipped or failed; empty where it did neither.
    """

    bench: str
    seconds: float = 0.0
    results: tuple[tuple[str, BenchResult], ...] = ()
    problem: str = ""


def index_page(outcomes: Sequence[Outcome]) -> str:
    """Return the Markdown page: every bench, every bar, and what was skipped and why."""
    results = [result for outcome in outcomes for _, result in outcome.results]
    blocks = ["# Results of all benches"]
    blocks += [QUICK_WARNING] * any(result.quick for result in results)
    blocks += [INTERRUPTED_WARNING] * any(result.interrupted for result in results)
    if results:
        blocks.append(
            machine_line({**results[0].machine, "load_after": results[-1].machine.get("load_after", [])})
        )
    rows = [row for outcome in outcomes for row in _rows(outcome)]
    blocks.append(markdown_table(("bench", "result", "bars met", "took, s"), rows))
    bars = [
        (outcome.bench, *figure_cells(figure))
        for outcome in outcomes
        for _, result in outcome.results
        for figure in _with_bar(result)
    ]
    if bars:
        blocks.append("## Bars")
        blocks.append(
            markdown_table(
                ("bench", "figure", "unit", "median", "lowest", "highest", "runs", "bar", "met"), bars
            )
        )
    return "\n\n".join(blocks) + "\n"


def _rows(outcome: Outcome) -> list[tuple[str, ...]]:
    if not outcome.results:
        return [(outcome.bench, outcome.problem or "no result", "", _whole(outcome.seconds))]
    rows: list[tuple[str, ...]] = []
    for stem, result in outcome.results:
        bars = _with_bar(result)
        met = f"{sum(figure.met is True for figure in bars)} of {len(bars)}" if bars else ""
        text = f"[{result.title}]({stem}.md)"
        problem = f"; {outcome.problem}" if outcome.problem else ""
        rows.append((outcome.bench, text + problem, met, _whole(outcome.seconds)))
    return rows


def _with_bar(result: BenchResult) -> list[Figure]:
    return [figure for figure in result.figures if figure.bar is not None]


def _whole(seconds: float) -> str:
    return f"{seconds:.0f}" if seconds else ""
