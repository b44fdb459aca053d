"""Two results of one bench, figure by figure. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bench.report.figure import Figure
from bench.report.result import BenchResult, BenchResultError

Change = Literal["better", "worse", "same", "changed"]

DEFAULT_TOLERANCE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureChange:
    """How one figure changed.

    Attributes:
        before: The figure in the first result.
        after: The figure in the second one.
        change: ``same`` within the spread or the tolerance; ``changed`` where no direction is better.
    """

    before: Figure
    after: Figure
    change: Change

    @property
    def ratio(self) -> float | None:
        """Median after by median before; None where that is zero."""
        return self.after.median / self.before.median if self.before.median else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How a result changed.

    Attributes:
        changes: Figures that both results have, in the order of the first one.
        missing: Names of figures that only the first one has.
        new: Names of figures that only the second one has.
        warnings: Why the figures may not be comparable.
    """

    changes: tuple[FigureChange, ...]
    missing: tuple[str, ...]
    new: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def regressions(self) -> tuple[FigureChange, ...]:
        """What got worse beyond spread and tolerance."""
        return tuple(change for change in self.changes if change.change == "worse")


def compare_results(
    before: BenchResult, after: BenchResult, tolerance: float = DEFAULT_TOLERANCE
) -> Comparison:
    """Compare two results.

    Args:
        before: The first one.
        after: The second one.
        tolerance: Change of the median, as a fraction of the larger one, up to which nothing has changed.

    Raises:
        BenchResultError: If they come from different benches.
    """
    if before.bench != after.bench:
        raise BenchResultError(
            f"results of different benches cannot be compared: {before.bench} and {after.bench}",
            fix="name two results of one bench",
        )
    earlier, later = (
        {(figure.name, figure.unit, figure.better): figure for figure in result.figures}
        for result in (before, after)
    )
    return Comparison(
        changes=tuple(
            FigureChange(before=figure, after=later[key], change=change_of(figure, later[key], tolerance))
            for key, figure in earlier.items()
            if key in later
        ),
        missing=tuple(figure.name for key, figure in earlier.items() if key not in later),
        new=tuple(figure.name for key, figure in later.items() if key not in earlier),
        warnings=tuple(_warnings(before, after)),
    )


def change_of(before: Figure, after: Figure, tolerance: float) -> Change:
    """Return how a figure changed: not at all while the runs' values overlap, or the medians are close."""
    overlap = before.lowest <= after.highest and after.lowest <= before.highest
    larger = max(abs(before.median), abs(after.median))
    if overlap or abs(after.median - before.median) <= tolerance * larger:
        return "same"
    if before.better == "neither":
        return "changed"
    return "worse" if (after.median > before.median) == (before.better == "lower") else "better"


def _warnings(before: BenchResult, after: BenchResult) -> Iterator[str]:
    for name, result in (("first", before), ("second", after)):
        if result.quick:
            yield f"The {name} result is a quick run; its figures mean nothing."
        if result.interrupted:
            yield f"The {name} result was interrupted."
        if any(len(figure.values) == 1 for figure in result.figures):
            yield f"The {name} result has figures of one run, whose spread is not known."
    machines = (_without_load(before.machine), _without_load(after.machine))
    for what, (one, other) in (
        ("machine", machines),
        ("configuration", (before.configuration, after.configuration)),
    ):
        for key in [*one, *(key for key in other if key not in one)]:
            values = [side.get(key, "not stated") for side in (one, other)]
            if values[0] != values[1]:
                yield f"Different {what}: {key}: {values[0]} and {values[1]}."


def _without_load(machine: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is expected to be equal, package by package."""
    kept = {
        key: value for key, value in machine.items() if key not in ("load_before", "load_after", "versions")
    }
    return kept | dict(machine.get("versions", {}))
