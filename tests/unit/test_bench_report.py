"""Results of benches: figures, pages, files."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.report.figure import Figure
from bench.report.index_page import Outcome, index_page
from bench.report.markdown import INTERRUPTED_WARNING, QUICK_WARNING, markdown
from bench.report.result import BenchResult, BenchResultError, new_result
from bench.report.table import Table, number_text
from bench.report.writing import write_result


def figure(*values: float, name: str = "delay", better: str = "lower", bar: float | None = None) -> Figure:
    return Figure(name=name, unit="ms", values=values, better=better, bar=bar)


def result(*figures: Figure, **changes: object) -> BenchResult:
    given = {"command": "seamwatch bench latency", "configuration": {"size": "64x64"}, "figures": figures}
    return new_result("latency", "A call", **given, **changes)


@pytest.mark.parametrize(
    ("values", "better", "bar"),
    [
        ((), "lower", None),
        ((float("nan"),), "lower", None),
        ((float("inf"),), "higher", None),
        ((1.0,), "neither", 2.0),
        ((1.0,), "lower", float("inf")),
    ],
)
def test_a_figure_refuses_what_cannot_be_compared(values, better, bar) -> None:
    with pytest.raises(ValueError, match="delay"):
        figure(*values, better=better, bar=bar)


def test_the_median_decides_whether_a_bar_is_met() -> None:
    assert figure(1, 9, 2, bar=2).met is True
    assert figure(1, 9, 3, bar=2).met is False
    assert figure(1, 9, 3, better="higher", bar=2).met is True
    assert figure(1, 9, 1, better="higher", bar=2).met is False
    assert figure(1).met is None
    assert (figure(3, 1, 2).lowest, figure(3, 1, 2).median, figure(3, 1, 2).highest) == (1, 2, 3)


def test_two_figures_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="one name"):
        result(figure(1), figure(2))


def test_rows_of_a_table_fit_its_columns() -> None:
    with pytest.raises(ValueError, match="2 cells"):
        Table(title="t", columns=("a", "b"), rows=(("1", "2"), ("1",)))


def test_the_page_says_what_a_reader_must_know() -> None:
    shown = result(
        figure(1.0, 2.0, 3.0, bar=2.5),
        tables=[Table(title="Statuses", columns=("status", "n"), rows=(("a|b", 3),), note="A note.")],
        notes=["The end."],
        load_before=[0.5, 0.25, 0.1],
        quick=True,
        interrupted=True,
    )
    page = markdown(shown)
    assert QUICK_WARNING in page
    assert INTERRUPTED_WARNING in page
    assert "| delay | ms | 2 | 1 | 3 | 3 | <= 2.5 | yes |" in page
    assert "| a\\|b | 3 |" in page
    assert "before 0.50 0.25 0.10" in page
    assert page.index("A note.") < page.index("The end.")
    assert QUICK_WARNING not in markdown(result(figure(1)))


@pytest.mark.parametrize(
    ("value", "text"), [(0.123456, "0.1235"), (12345.6, "12346"), (7, "7"), (0.0, "0"), (-1234.5, "-1234")]
)
def test_numbers_are_short_and_plain(value, text) -> None:
    assert number_text(value) == text


def test_a_result_is_written_as_three_files(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    written = write_result(result(figure(1, 2)), tmp_path / "new")
    assert [path.name for path in written] == ["latency.json", "latency.md", "latency.png"]
    assert BenchResult.from_json(written[0].read_bytes()).figures == (figure(1, 2),)
    assert written[1].read_text().startswith("# A call\n")
    assert written[2].read_bytes().startswith(b"\x89PNG")


def test_a_bench_may_draw_its_own_picture_and_choose_the_name(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    drawn = []
    written = write_result(
        result(), tmp_path, lambda picture: drawn.append(picture.add_subplot()), name="own"
    )
    assert [path.name for path in written] == ["own.json", "own.md", "own.png"]
    assert len(drawn) == 1


def test_without_matplotlib_the_picture_is_left_out_and_the_reason_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    written = write_result(result(figure(1)), tmp_path)
    assert [path.suffix for path in written] == [".json", ".md"]
    assert "pip install 'seamwatch[bench]'" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"bench": "latency"}', "not json"])
def test_another_file_is_refused_with_the_way_out(text) -> None:
    with pytest.raises(BenchResultError) as refused:
        BenchResult.from_json(text)
    assert "--out" in refused.value.fix


def test_a_damaged_figure_in_a_file_is_refused() -> None:
    text = result(figure(1.0)).to_json().replace('"values": [\n    1.0\n   ]', '"values": []')
    with pytest.raises(BenchResultError):
        BenchResult.from_json(text)


def test_what_is_not_a_number_is_never_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        result(figure(1), details={"x": float("nan")}).to_json()


def test_the_index_names_every_bench_its_bars_and_what_was_skipped() -> None:
    page = index_page(
        [
            Outcome(bench="latency", seconds=12.3, results=(("latency_4", result(figure(3, bar=2))),)),
            Outcome(bench="peers", problem="skipped: no clips; name some"),
            Outcome(
                bench="soak", seconds=1, results=(("soak", result(figure(1, bar=2))),), problem="interrupted"
            ),
        ]
    )
    assert "| latency | [A call](latency_4.md) | 0 of 1 | 12 |" in page
    assert "| peers | skipped: no clips; name some |  |  |" in page
    assert "| soak | [A call](soak.md); interrupted | 1 of 1 | 1 |" in page
    assert "| latency | delay | ms | 3 | 3 | 3 | 1 | <= 2 | no |" in page
