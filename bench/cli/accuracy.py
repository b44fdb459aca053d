"""``seamwatch bench accuracy``: how well fakes are told, and whether a verdict changed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from bench.accuracy.clip_record import clip_key, record_of, records_from, records_json, scores_in_order
from bench.accuracy.figures import accuracy_figures, accuracy_rows, accuracy_tables
from bench.accuracy.parity import DEFAULT_TOLERANCE, parity_of, parity_table
from bench.cli.command import stated_command
from bench.cli.compare import RESULT, read_result
from bench.cli.delivery import deliver, noted_interruption
from bench.cli.options import BenchOptions, bench_options
from bench.machine import load_average
from bench.report.result import new_result
from realtime.config import MonitorConfig
from training.cli.console import counting_bar
from training.evaluate.clips import ClipScore, EvaluationClip
from training.evaluate.datasets import tamper
from training.evaluate.evaluation import limited
from training.evaluate.runner import score_clips
from training.evaluate.scorer import ScorerSettings, load_measure, with_minimum_windows

EXIT_DIFFERENT = 1
SEED = 20261123


@click.command()
@click.argument(
    "folders", type=click.Path(exists=True, file_okay=False, path_type=Path), nargs=-1, required=True
)
@click.option(
    "--against",
    type=RESULT,
    metavar="RESULT.json",
    help=f"Compare clip by clip with an earlier result; end with {EXIT_DIFFERENT} if one differs.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0.0),
    default=DEFAULT_TOLERANCE,
    show_default=True,
    help="How much a clip's score may differ from the earlier one. A verdict may not.",
)
@click.option("--at-most", type=click.IntRange(1), help="Files of each kind and condition, drawn at random.")
@click.option(
    "--min-windows",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Score clips from so many windows on; 1 for clips of one word.",
)
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes.")
@click.option(
    "--detection-hours",
    type=click.FloatRange(min=0.01),
    help="Also measure false alarms in so many genuine hours, and the time to alert (bench.detection).",
)
@bench_options()
def accuracy(
    *,
    folders: tuple[Path, ...],
    against: Path | None,
    tolerance: float,
    at_most: int | None,
    min_windows: int,
    workers: int,
    detection_hours: float | None,
    options: BenchOptions,
) -> None:
    """Run the pipeline over FOLDERS from `seamwatch tamper` or `python -m bench.tamper_benchmark`.

    Every clip is measured anew each time: what an earlier version of the program made of it is never reused.
    The result keeps the verdict and scores of every clip under a digest of its name, for --against.
    """
    if detection_hours is not None and options.out is None:
        raise click.UsageError("--detection-hours writes files and needs --out")
    earlier = None if against is None else records_from(read_result(against))
    at_most = at_most or (1 if options.quick else None)
    config = with_minimum_windows(MonitorConfig(), min_windows)
    keys = _keys(folders, at_most)
    before = load_average()
    scores: dict[str, ClipScore] = {}

    def keep(score: ClipScore) -> None:
        scores[keys[score.clip]] = score
        update(advance=1)

    with (
        noted_interruption() as interruption,
        tempfile.TemporaryDirectory(prefix="seamwatch-accuracy-") as scratch,
        counting_bar("scoring", len(keys)) as update,
    ):
        settings = ScorerSettings(config=config, cache_folder=Path(scratch))
        score_clips(list(keys), partial(load_measure, settings), workers=workers, on_done=keep)
    records = {key: record_of(score) for key, score in scores.items()}
    ordered = scores_in_order(scores)
    metrics = accuracy_rows(ordered)
    tables = accuracy_tables(ordered, metrics) if scores else []
    parity = None if earlier is None else parity_of(earlier, records, tolerance)
    if parity is not None:
        tables.insert(0, parity_table(parity, tolerance))
    deliver(
        new_result(
            "accuracy",
            "Fakes told from genuine clips",
            command=stated_command(),
            configuration={
                "folders": [folder.name for folder in folders],
                "clips": len(keys),
                "at most a kind and condition": at_most or "all",
                "windows needed": min_windows,
                "engines": next((dict(score.engines) for score in ordered if score.engines), {}),
            },
            figures=accuracy_figures(ordered, metrics) if scores else (),
            tables=tables,
            details=records_json(records),
            load_before=before,
            quick=options.quick,
            interrupted=interruption.happened,
        ),
        options,
    )
    if detection_hours is not None:
        _measure_detection(folders, detection_hours, options)
    if parity is not None and not parity.holds:
        raise SystemExit(EXIT_DIFFERENT)


def _keys(folders: Sequence[Path], at_most: int | None) -> dict[EvaluationClip, str]:
    return {
        clip: clip_key(folder.resolve().name, clip.path.relative_to(folder))
        for folder in folders
        for clip in limited(tamper(folder).clips, at_most, SEED)
    }


def _measure_detection(folders: Sequence[Path], hours: float, options: BenchOptions) -> None:
    arguments = ["--hours", str(hours), "--out", str(options.out), *map(str, folders)]
    done = subprocess.run([sys.executable, "-m", "bench.detection", *arguments], check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
