"""``seamwatch bench similarity``: an update of the rings against recomputing everything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial

import click

from bench.cli.command import stated_command
from bench.cli.delivery import deliver, noted_interruption
from bench.cli.options import BenchOptions, bench_options
from bench.machine import load_average
from bench.report.result import new_result
from bench.similarity.material import IDENTITY_DIMENSION, SPEECH_DIMENSION
from bench.similarity.summary import NOTES, figures, plot, table
from realtime.similarity.cross_similarity import MAX_CAPACITY
from training.cli.console import counting_bar

SIZES = (64, 128, 256, 512, 1024, 2048, 4096)
QUICK_SIZES = (64, 512, 1024)
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def _sizes(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    if value is None:
        return None
    try:
        sizes = tuple(sorted({int(part) for part in value.split(",")}))
    except ValueError as error:
        raise click.BadParameter("name numbers with commas between, such as 64,256,1024") from error
    if not 2 <= sizes[0] <= sizes[-1] <= MAX_CAPACITY:
        raise click.BadParameter(f"memories hold 2 to {MAX_CAPACITY} windows")
    return sizes


@click.command()
@click.option(
    "--sizes",
    callback=_sizes,
    metavar="T,T,...",
    help=f"Windows in memory.  [default: {','.join(map(str, SIZES))}]",
)
@bench_options(runs=5)
def similarity(*, sizes: tuple[int, ...] | None, options: BenchOptions) -> None:
    """Compare an incremental update with computing all similarities anew, for many memory lengths."""
    before = load_average()
    wanted = sizes or (QUICK_SIZES if options.quick else SIZES)
    measured: dict[int, list[dict[str, float]]] = {}
    with (
        noted_interruption() as interruption,
        counting_bar("measuring", options.runs * len(wanted)) as update,
    ):
        for seed in range(options.runs):
            for size in wanted:
                measured.setdefault(size, []).append(_measured(size, seed))
                update(advance=1)
    deliver(
        new_result(
            "similarity",
            "Similarities: one window, incrementally and from scratch",
            command=stated_command(),
            configuration={
                "sizes": list(wanted),
                "identity dimension": IDENTITY_DIMENSION,
                "speech dimension": SPEECH_DIMENSION,
                "BLAS threads": 1,
            },
            figures=figures(measured) if measured else (),
            tables=(table(measured),) if measured else (),
            notes=NOTES,
            details={"measured": {str(size): runs for size, runs in measured.items()}},
            load_before=before,
            quick=options.quick,
            interrupted=interruption.happened,
        ),
        options,
        plot=partial(plot, measured=measured) if len(measured) > 1 else None,
    )


def _measured(size: int, seed: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.similarity.measuring", "--size", str(size), "--seed", str(seed)]
    run = subprocess.run(
        command, env={**os.environ, **ONE_THREAD}, stdout=subprocess.PIPE, text=True, check=False
    )
    if run.returncode:
        raise click.ClickException(f"the measurement of T = {size} failed; see its messages above")
    return dict(json.loads(run.stdout))
