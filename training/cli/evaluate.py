"""``seamwatch evaluate``: how well the shipped pipeline tells fakes from genuine clips, on a data set."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import cast

import click
from rich.console import Console

from engines.checkpoint import DEFAULT_CHECKPOINT
from engines.processors import usable_processors
from realtime.config import MonitorConfig
from realtime.errors import ConfigurationError
from realtime.interrupt import sigterm_as_interrupt
from training.cli.console import counting_bar
from training.evaluate.datasets import DATASETS, Split
from training.evaluate.evaluation import EvaluationSettings, evaluate_dataset
from training.evaluate.plots import write_plots
from training.evaluate.report import CLIPS_NAME, MARKDOWN_NAME, REPORT_NAME, report_json, write_clips
from training.evaluate.run_facts import run_facts
from training.evaluate.scorer import ScorerSettings, load_measure, with_minimum_windows
from training.evaluate.text import markdown, terminal_view
from training.evaluate.variants import Quality

EXIT_UNREADABLE = 3

_EPILOG = """\b
Examples:
  seamwatch evaluate --dataset manifest clips/ --out results/
  seamwatch evaluate --dataset tamper bench/ --workers 4 --out results/
  seamwatch evaluate --dataset fakeavceleb FakeAVCeleb_v1.2/ --quality lq --trim --out lq/
"""


@click.command(epilog=_EPILOG)
@click.argument("path", metavar="PATH", type=click.Path(exists=True, path_type=Path))
@click.option("--dataset", required=True, type=click.Choice(list(DATASETS)), help="How PATH is laid out.")
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder of the report: JSON, Markdown and PNG.",
)
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test", "all"]),
    help="Genuine clips of which speakers.  [default: test for a manifest, else all]",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=lambda: min(2, usable_processors()),
    show_default="processors, at most 2",
    help="Processes.",
)
@click.option(
    "--trim/--no-trim",
    default=False,
    show_default=True,
    help="Cut away the silence before the first word.",
)
@click.option(
    "--quality",
    type=click.Choice(["as-is", "hq", "lq"]),
    default="as-is",
    show_default=True,
    help="Re-encode first: hq is H.264 CRF 23, lq is CRF 40 and audio of 16 kHz.",
)
@click.option(
    "--min-windows",
    type=click.IntRange(min=1),
    help="Score clips from so many windows on; 1 for clips of one word.  [default: as shipped]",
)
@click.option(
    "--checkpoint",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    default=DEFAULT_CHECKPOINT,
    show_default="the one that ships",
    help="Trained encoders, as written by seamwatch export.",
)
@click.option("--baseline", is_flag=True, help="Measure the untrained lips and voice encoders instead.")
@click.option(
    "--reference",
    type=click.Path(exists=True, path_type=Path),
    metavar="RUN",
    help="Folder of an earlier evaluation whose genuine clips are the reference of the two-sided evidence."
    "  [default: the validation split where the test split is evaluated, else none]",
)
@click.option(
    "--at-most",
    type=click.IntRange(min=1),
    metavar="N",
    help="Evaluate at most N clips, drawn at random, of each kind and condition.",
)
@click.option("--seed", type=int, default=20261123, show_default=True, help="Seed of everything random.")
@click.option(
    "--resamples",
    type=click.IntRange(min=100),
    default=1000,
    show_default=True,
    help="Bootstrap resamples behind an interval.",
)
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where measurements and re-encoded clips are kept.  [default: OUT/cache]",
)
@click.option("--fresh", is_flag=True, help="Measure again what the cache holds.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON, and nothing else.")
def evaluate(
    *,
    path: Path,
    dataset: str,
    out: Path,
    split: str | None,
    workers: int,
    trim: bool,
    quality: str,
    min_windows: int | None,
    checkpoint: Path,
    baseline: bool,
    reference: Path | None,
    at_most: int | None,
    seed: int,
    resamples: int,
    cache: Path | None,
    fresh: bool,
    as_json: bool,
) -> None:
    """Measure AUC and average precision by kind of fake, with intervals and coverage.

    PATH is the folder of a data set. Every clip runs through the pipeline of seamwatch scan. What is measured
    is kept, so the same command continues after an interruption. With --quality or --trim the re-encoded
    clips, faces and voices included, stay in the cache folder.
    """
    clips = DATASETS[dataset](path, cast(Split | None, split))
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{out} cannot be made.", fix="Choose another --out.") from error
    scorer_settings = ScorerSettings(
        config=with_minimum_windows(MonitorConfig(), min_windows),
        cache_folder=cache or out / "cache",
        quality=cast(Quality, quality),
        trim=trim,
        fresh=fresh,
        checkpoint=None if baseline else checkpoint,
    )
    settings = EvaluationSettings(
        name=dataset,
        quality=quality,
        trim=trim,
        min_windows=min_windows,
        reference=reference,
        at_most=at_most,
        seed=seed,
        resamples=resamples,
        workers=workers,
    )
    with sigterm_as_interrupt(), counting_bar("scoring") as update:
        evaluation = evaluate_dataset(
            clips,
            partial(load_measure, scorer_settings),
            settings,
            run_facts(),
            lambda _score, total: update(advance=1, total=total),
        )
    report = report_json(evaluation)
    text = json.dumps(report, indent=2, ensure_ascii=False)
    (out / REPORT_NAME).write_text(text + "\n", encoding="utf-8")
    (out / MARKDOWN_NAME).write_text(markdown(evaluation), encoding="utf-8")
    write_clips(evaluation, out / CLIPS_NAME)
    write_plots(evaluation.scores, out)
    if as_json:
        click.echo(text)
    else:
        Console(highlight=False).print(terminal_view(evaluation))
        click.echo(f"report: {out / MARKDOWN_NAME}", err=True)
    if evaluation.unreadable:
        click.echo(f"{len(evaluation.unreadable)} clips could not be read; the report lists them.", err=True)
        sys.exit(EXIT_UNREADABLE)
