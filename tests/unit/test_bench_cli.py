"""The commands of ``seamwatch bench``: what they are told, print, write and end with."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bench.cli import everything as everything_module
from bench.cli import group
from bench.cli.command import relative_argument, remember_arguments, stated_command
from bench.cli.compare import compare
from bench.cli.delivery import deliver, noted_interruption
from bench.cli.everything import arguments_for, outcome_of
from bench.cli.options import BenchOptions, bench_options
from bench.cli.picture_size import picture_size
from bench.encoder_variants import TurnCost
from bench.network.namespaces import LinkUnavailableError
from bench.report.figure import Figure
from bench.report.result import BenchResult, new_result
from clients.cli.main import main
from engines.spec import Role
from realtime.errors import ConfigurationError


def result(*values: float, bench: str = "latency", **changes: object) -> BenchResult:
    figures = [Figure(name="delay", unit="ms", values=values, better="lower", bar=5)] if values else []
    return new_result(bench, "A call", command="c", configuration={}, figures=figures, **changes)


def told(**changes: object) -> BenchOptions:
    return BenchOptions(**{"out": None, "as_json": False, "quick": False, **changes})


def test_the_help_names_every_bench_and_each_can_be_imported() -> None:
    shown = CliRunner().invoke(main, ["bench", "--help"])
    assert shown.exit_code == 0
    assert all(f"\n  {name} " in shown.output for name in group.COMMANDS)
    context = click.Context(group.bench)
    found = [group.bench.get_command(context, name) for name in group.COMMANDS]
    assert [command.name for command in found if command is not None] == list(group.COMMANDS)


@pytest.mark.parametrize(("package", "extra"), [("torch", "training"), ("matplotlib", "bench")])
def test_a_missing_package_is_told_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, package: str, extra: str
) -> None:
    def missing(_name: str) -> None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=f"{package}.nn")

    monkeypatch.setattr(group.importlib, "import_module", missing)
    with pytest.raises(ConfigurationError) as refused:
        group.bench.get_command(click.Context(group.bench), "latency")
    assert refused.value.fix == f"pip install 'seamwatch[{extra}]'"


def test_a_module_of_our_own_that_is_missing_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_name: str) -> None:
        raise ModuleNotFoundError("No module named 'realtime.nothing'", name="realtime.nothing")

    monkeypatch.setattr(group.importlib, "import_module", missing)
    with pytest.raises(ModuleNotFoundError):
        group.bench.get_command(click.Context(group.bench), "latency")


@pytest.mark.parametrize(
    ("arguments", "runs", "seconds", "quick"),
    [
        ([], 3, 60, False),
        (["--quick"], 1, 10, True),
        (["--quick", "--runs", "2", "--seconds", "7"], 2, 7, True),
        (["--runs", "5"], 5, 60, False),
    ],
)
def test_shared_options_have_defaults_that_a_quick_run_changes(arguments, runs, seconds, quick) -> None:
    given: list[BenchOptions] = []

    @click.command()
    @bench_options(runs=3, seconds=60)
    def measure(*, options: BenchOptions) -> None:
        given.append(options)

    assert CliRunner().invoke(measure, arguments).exit_code == 0
    assert given == [told(runs=runs, seconds=seconds, quick=quick)]


def test_an_option_that_means_nothing_to_a_bench_is_not_there() -> None:
    @click.command()
    @bench_options()
    def measure(*, options: BenchOptions) -> None: ...

    assert CliRunner().invoke(measure, ["--runs", "2"]).exit_code == 2


def test_the_stated_command_has_no_folders_of_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert relative_argument(str(tmp_path / "a" / "clip.mp4")) == "a/clip.mp4"
    assert relative_argument(str(tmp_path.parent / "clips")) == "../clips"
    assert relative_argument("/somewhere/else/clips") == "clips"
    assert relative_argument("--out=/somewhere/else/results") == "--out=results"
    assert relative_argument("../clips") == "../clips"
    assert relative_argument("--runs") == "--runs"


def test_a_result_states_the_command_that_made_it() -> None:
    @click.command()
    def measure() -> None:
        click.echo(stated_command())

    context = click.Context(measure, info_name="measure")
    remember_arguments(context, ["measure", "--size", "64x64", "two words"])
    with context:
        assert stated_command() == "seamwatch bench measure --size 64x64 'two words'"
    assert CliRunner().invoke(measure).output.strip() == "seamwatch bench measure"


def test_sizes_are_read_and_odd_ones_refused() -> None:
    context = click.Context(compare)
    assert str(picture_size(context, compare.params[0], "640x360")) == "640x360"
    for wrong in ("640", "640x", "641x360", "0x0", "axb", "-2x64"):
        with pytest.raises(click.BadParameter):
            picture_size(context, compare.params[0], wrong)


def test_a_result_is_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deliver(result(1, 2, 9, quick=True), told(out=tmp_path))
    printed = capsys.readouterr()
    assert "quick run" in printed.out
    assert "delay" in printed.out
    assert (tmp_path / "latency.json").exists()
    assert f"wrote {tmp_path / 'latency.json'}" in printed.err


def test_json_is_the_only_thing_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    deliver(result(1), told(as_json=True))
    assert BenchResult.from_json(capsys.readouterr().out).figures[0].values == (1.0,)


def test_an_interrupted_result_is_kept_and_ends_with_130(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        deliver(result(1, interrupted=True), told(out=tmp_path))
    assert ended.value.code == 130
    assert BenchResult.from_json((tmp_path / "latency.json").read_bytes()).interrupted


def test_an_interruption_before_the_first_figure_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "latency.json").write_text("earlier")
    with pytest.raises(SystemExit) as ended:
        deliver(result(interrupted=True), told(out=tmp_path))
    assert ended.value.code == 130
    assert (tmp_path / "latency.json").read_text() == "earlier"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_both_signals_end_the_measurement_and_not_the_report(number: int) -> None:
    measured = []
    with noted_interruption() as interruption:
        measured.append(1)
        os.kill(os.getpid(), number)
        measured.append(2)
    assert measured == [1]
    assert interruption.happened


@pytest.fixture
def two_results(tmp_path: Path) -> tuple[str, str]:
    paths = []
    for name, values in (("before", (10.0, 11.0, 12.0)), ("after", (20.0, 21.0, 22.0))):
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(result(*values).to_json())
    return str(paths[0]), str(paths[1])


def test_a_regression_is_marked_and_fails_where_asked(two_results: tuple[str, str]) -> None:
    before, after = two_results
    shown = CliRunner().invoke(compare, [before, after])
    assert (shown.exit_code, "WORSE" in shown.output) == (0, True)
    assert CliRunner().invoke(compare, [before, after, "--fail-on-regression"]).exit_code == 1
    assert CliRunner().invoke(compare, [after, before, "--fail-on-regression"]).exit_code == 0
    assert (
        CliRunner().invoke(compare, [before, after, "--fail-on-regression", "--tolerance", "60"]).exit_code
        == 0
    )


def test_a_comparison_as_json(two_results: tuple[str, str]) -> None:
    compared = json.loads(CliRunner().invoke(compare, [*two_results, "--json"]).output)
    assert [(change["change"], round(change["ratio"], 3)) for change in compared["changes"]] == [
        ("worse", 1.909)
    ]


def test_results_of_different_benches_are_refused(two_results: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text(result(1, bench="floor").to_json())
    refused = CliRunner().invoke(main, ["bench", "compare", two_results[0], str(tmp_path / "other.json")])
    assert refused.exit_code == 1
    assert "different benches" in refused.output


def test_a_file_that_is_no_result_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.json").write_text("{}")
    refused = CliRunner().invoke(main, ["bench", "compare", *[str(tmp_path / "notes.json")] * 2])
    assert refused.exit_code == 1
    assert "notes.json" in refused.output


@click.command()
@click.argument("clips", nargs=-1, required=True)
@click.option("--clips-dir")
def needs_clips(*, clips: tuple[str, ...], clips_dir: str | None) -> None:
    """Stand for a bench that needs ground truth."""


def test_a_bench_is_called_with_what_it_needs() -> None:
    called = arguments_for(needs_clips, clips_dir=Path("c"), tamper_dirs=(Path("t1"), Path("t2")))
    assert sorted(called) == sorted(["t1", "t2", "--clips-dir", "c"])
    with pytest.raises(ConfigurationError) as refused:
        arguments_for(needs_clips, clips_dir=None, tamper_dirs=())
    assert "--tamper-dir" in refused.value.fix


def test_what_a_bench_said_becomes_its_outcome(tmp_path: Path) -> None:
    (tmp_path / "latency_4.json").write_text(result(1).to_json())
    lines = [f"wrote {tmp_path / 'latency_4.json'}", f"wrote {tmp_path / 'latency_4.md'}"]
    done = outcome_of("latency", lines, 0, 3.0)
    assert [(stem, one.bench) for stem, one in done.results] == [("latency_4", "latency")]
    assert done.problem == ""
    assert (
        outcome_of("network", ["error: no link", "  fix: be root"], 1, 1.0).problem == "ended with 1: no link"
    )
    assert outcome_of("network", [], 130, 1.0).problem == "interrupted"


@pytest.fixture
def benches_that_did_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Sequence[str]]:
    """Every bench in turn, without the work."""
    started: list[Sequence[str]] = []

    def run(arguments: Sequence[str], outcomes: list[everything_module.Outcome]) -> None:
        started.append(arguments)
        outcomes.append(everything_module.Outcome(bench=arguments[0], results=((arguments[0], result(1)),)))
        if arguments[0] == "latency":
            raise KeyboardInterrupt

    monkeypatch.setattr(everything_module, "_run", run)
    return started


def test_the_page_over_all_is_written_even_if_interrupted(
    benches_that_did_run: list[Sequence[str]], tmp_path: Path
) -> None:
    ended = CliRunner().invoke(main, ["bench", "all", "--out", str(tmp_path), "--quick", "--skip", "floor"])
    assert ended.exit_code == 130
    assert benches_that_did_run[-1] == ["latency", "--quick", "--out", str(tmp_path)]
    page = (tmp_path / "index.md").read_text()
    assert "| floor | skipped as asked |" in page
    assert "| latency | [A call](latency.md) | 1 of 1 |" in page


def test_without_a_link_the_network_bench_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = LinkUnavailableError("The lossy link needs root.", fix="Run it as root.")
    monkeypatch.setattr("bench.cli.network.why_unavailable", lambda: problem)
    refused = CliRunner().invoke(main, ["bench", "network", "--quick"])
    assert refused.exit_code == 1
    assert "Run it as root." in refused.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["soak", "--minutes", "1", "--virtual-hours", "1"],
        ["latency", "--size", "641x480"],
        ["latency", "--seconds", "3"],
        ["accuracy"],
        ["accuracy", ".", "--detection-hours", "1"],
        ["all"],
    ],
)
def test_what_cannot_be_measured_is_a_usage_error(arguments: list[str]) -> None:
    assert CliRunner().invoke(main, ["bench", *arguments]).exit_code == 2


def test_the_encoders_take_turns_and_an_uneven_last_round_is_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def turns(kinds: Sequence[str], rounds: int, costs: dict[str, list[TurnCost]], _on_round: object) -> None:
        for place, name in enumerate(kinds):
            count = rounds if place == 0 else rounds - 1
            costs[name] += [TurnCost(total_ms=50.0 + place, by_role_ms={Role.VAD: 1.0})] * count
        raise KeyboardInterrupt

    monkeypatch.setattr("bench.cli.encoders.take_turns", turns)
    ended = CliRunner().invoke(main, ["bench", "encoders", "--runs", "4", "--out", str(tmp_path)])
    assert ended.exit_code == 130
    kept = BenchResult.from_json((tmp_path / "encoders.json").read_bytes())
    assert kept.interrupted
    assert {len(figure.values) for figure in kept.figures} == {3}
