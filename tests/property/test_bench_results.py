"""Results survive their file, and comparisons of them hold what they promise."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bench.report.comparison import change_of, compare_results
from bench.report.figure import Figure
from bench.report.result import BenchResult, BenchResultError
from bench.report.table import Table

VALUES = st.floats(-1e6, 1e6, allow_nan=False)
TEXT = st.text(max_size=8)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | VALUES | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def figures(draw: st.DrawFn, name: str | None = None) -> Figure:
    better = draw(st.sampled_from(["lower", "higher", "neither"]))
    bar = None if better == "neither" else draw(st.none() | VALUES)
    values = tuple(draw(st.lists(VALUES, min_size=1, max_size=4)))
    return Figure(name=name or draw(TEXT), unit=draw(TEXT), values=values, better=better, bar=bar)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    columns = tuple(draw(st.lists(TEXT, min_size=1, max_size=3)))
    row = st.tuples(*[TEXT | st.integers(-(10**9), 10**9) | VALUES for _ in columns])
    return Table(
        title=draw(TEXT), columns=columns, rows=tuple(draw(st.lists(row, max_size=3))), note=draw(TEXT)
    )


@st.composite
def results(draw: st.DrawFn, bench: str | None = None) -> BenchResult:
    names = draw(st.lists(TEXT, max_size=3, unique=True))
    return BenchResult(
        bench=bench or draw(TEXT),
        title=draw(TEXT),
        command=draw(TEXT),
        date=draw(TEXT),
        machine=draw(st.dictionaries(TEXT, PLAIN, max_size=2)),
        configuration=draw(st.dictionaries(TEXT, PLAIN, max_size=2)),
        figures=tuple(draw(figures(name)) for name in names),
        tables=tuple(draw(st.lists(tables(), max_size=2))),
        notes=tuple(draw(st.lists(TEXT, max_size=2))),
        details=draw(st.dictionaries(TEXT, PLAIN, max_size=3)),
        quick=draw(st.booleans()),
        interrupted=draw(st.booleans()),
    )


@given(results())
def test_a_result_survives_its_file(result: BenchResult) -> None:
    read = BenchResult.from_json(result.to_json())
    assert read == result
    cells = [type(cell) for table in read.tables for row in table.rows for cell in row]
    assert cells == [type(cell) for table in result.tables for row in table.rows for cell in row]


def naive_change(before: Figure, after: Figure, tolerance: float) -> str:
    middle, other = statistics.median(before.values), statistics.median(after.values)
    if abs(middle - other) <= tolerance * max(abs(middle), abs(other)):
        return "same"
    all_above = all(new > old for new in after.values for old in before.values)
    all_below = all(new < old for new in after.values for old in before.values)
    if not all_above and not all_below:
        return "same"
    if before.better == "neither":
        return "changed"
    return "worse" if all_above == (before.better == "lower") else "better"


@given(figures("x"), st.lists(VALUES, min_size=1, max_size=4), st.floats(0, 1))
def test_a_change_is_what_the_values_say_one_by_one(
    before: Figure, values: list[float], tolerance: float
) -> None:
    after = Figure(name="x", unit=before.unit, values=tuple(values), better=before.better)
    change = change_of(before, after, tolerance)
    assert change == naive_change(before, after, tolerance)
    opposite = {"better": "worse", "worse": "better", "same": "same", "changed": "changed"}
    assert change_of(after, before, tolerance) == opposite[change]


@given(results(), st.floats(0, 1))
def test_a_result_is_the_same_as_itself(result: BenchResult, tolerance: float) -> None:
    comparison = compare_results(result, result, tolerance)
    assert [change.change for change in comparison.changes] == ["same"] * len(result.figures)
    assert (comparison.missing, comparison.new, comparison.regressions) == ((), (), ())
    assert not [warning for warning in comparison.warnings if warning.startswith("Different")]


@given(results("a"), results("a"))
def test_every_figure_is_compared_missing_or_new(before: BenchResult, after: BenchResult) -> None:
    comparison = compare_results(before, after)
    compared = [change.before.name for change in comparison.changes]
    assert sorted([*compared, *comparison.missing]) == sorted(figure.name for figure in before.figures)
    assert sorted([*compared, *comparison.new]) == sorted(figure.name for figure in after.figures)


@given(results(), results())
def test_different_benches_are_refused(before: BenchResult, after: BenchResult) -> None:
    assume(before.bench != after.bench)
    with pytest.raises(BenchResultError, match="different benches"):
        compare_results(before, after)
