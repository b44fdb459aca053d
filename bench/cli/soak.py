"""``seamwatch bench soak``: whether anything grows in hours of call."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from bench.cli.command import stated_command
from bench.cli.delivery import deliver, noted_interruption
from bench.cli.options import BenchOptions, bench_options
from bench.machine import load_average
from bench.report.result import new_result
from bench.report.table import Table
from bench.soak import live, virtual
from bench.soak.reporting import LEAST_SAMPLES, plot_samples, sample_details, soak_figures, verdict_table
from bench.soak.sampling import Sample
from bench.soak.trend import Quantity
from bench.soak.virtual_call import read_material
from clients.demo.pair import demo_pair
from clients.publisher.prepare import prepare_clip
from training.cli.console import counting_bar

SEED = 20261123
CLIP_S = 40.0
SIZE_PX = 320, 240


@click.command()
@click.option(
    "--virtual-hours",
    type=click.FloatRange(min=0.1),
    help="Of call in accelerated time, with engines that answer from memory.  [default: 8, quick 0.1]",
)
@click.option("--minutes", type=click.FloatRange(min=0.5), help="Over real WebRTC and in real time instead.")
@click.option(
    "--participants", type=click.IntRange(1, 16), default=4, show_default=True, help="With --minutes."
)
@click.option("--threads", type=click.IntRange(1, 64), default=2, show_default=True, help="With --minutes.")
@click.option(
    "--clips-dir",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Recorded clips with a manifest.csv; without it synthetic people are sent.",
)
@bench_options()
def soak(
    *,
    virtual_hours: float | None,
    minutes: float | None,
    participants: int,
    threads: int,
    clips_dir: Path | None,
    options: BenchOptions,
) -> None:
    """Watch memory, descriptors, threads and tasks while calls go on.

    In accelerated time one participant goes through the pipeline, now and then without sound or picture. With
    --minutes a monitor is watched while participants and subscribers come and go.
    """
    if minutes is not None and virtual_hours is not None:
        raise click.UsageError("--virtual-hours and --minutes are two measurements; give one of them")
    with tempfile.TemporaryDirectory(prefix="seamwatch-soak-") as name:
        folder = Path(name)
        pair = demo_pair(clips_dir, folder / "pair", seconds=CLIP_S)
        webms = [
            prepare_clip(clip, folder / f"{clip.stem}.webm", width=SIZE_PX[0], height=SIZE_PX[1])
            for clip in (pair.genuine, pair.tampered)
        ]
        if minutes is None:
            hours = virtual_hours or (0.1 if options.quick else 8.0)
            _soak_virtually(webms[0], round(60 * hours), pair.description, options)
        else:
            clips = [webms[index % 2] for index in range(participants)]
            _soak_live(clips, minutes, threads, pair.description, options)


def _soak_virtually(clip: Path, minutes: int, material: str, options: BenchOptions) -> None:
    before = load_average()
    samples: list[Sample] = []
    tables: list[Table] = []
    total = minutes + sum(virtual.lengths(minutes))
    with noted_interruption() as interruption, counting_bar("minutes of call", total) as update:
        tables.append(
            virtual.soak_virtually(read_material(clip), minutes, samples, on_minute=lambda: update(advance=1))
        )
    deliver(
        new_result(
            "soak_virtual",
            f"{minutes / 60:g} hours of one participant's call in accelerated time",
            command=stated_command(),
            configuration={"hours": minutes / 60, "material": material},
            figures=soak_figures(samples, virtual.QUANTITIES),
            tables=(verdict_table(samples, virtual.QUANTITIES), *tables),
            notes=(
                f"Sampled every minute of call, from minute {virtual.lengths(minutes)[0]} on. The engines "
                "answer from memory; everything else is the live pipeline, evidence of alerts included.",
            ),
            details=sample_details(samples, virtual.QUANTITIES),
            load_before=before,
            quick=options.quick,
            interrupted=interruption.happened,
        ),
        options,
        plot=_plot(samples, virtual.QUANTITIES),
    )


def _soak_live(
    clips: Sequence[Path], minutes: float, threads: int, material: str, options: BenchOptions
) -> None:
    before = load_average()
    seconds = 60 * minutes
    samples: list[Sample] = []
    events = Counter[str]()
    with (
        noted_interruption() as interruption,
        tempfile.TemporaryDirectory(prefix="seamwatch-soak-") as folder,
        counting_bar("watching", round(seconds)) as update,
    ):
        asyncio.run(
            live.soak_live(
                clips,
                seconds,
                threads=threads,
                seed=SEED,
                folder=Path(folder),
                samples=samples,
                events=events,
                on_second=lambda: update(advance=1),
            )
        )
    kept = live.comparable(samples)
    happened = Table(title="What happened", columns=("event", "times"), rows=tuple(sorted(events.items())))
    deliver(
        new_result(
            "soak_live",
            f"{minutes:g} minutes of {len(clips)} participants who come and go, over WebRTC",
            command=stated_command(),
            configuration={
                "minutes": minutes,
                "participants": len(clips),
                "threads": threads,
                "seed": SEED,
                "material": material,
            },
            figures=soak_figures(kept, live.QUANTITIES),
            tables=(verdict_table(kept, live.QUANTITIES), happened),
            notes=(
                f"The monitor's process, sampled every second. The first {live.SETTLED_SHARE:.0%}, and "
                "samples with another than the usual number of participants, are in the picture only, not in "
                "the figures. Less than half an hour says little.",
            ),
            details=sample_details(samples, live.QUANTITIES),
            load_before=before,
            quick=options.quick,
            interrupted=interruption.happened,
        ),
        options,
        plot=_plot(samples, live.QUANTITIES),
    )


def _plot(samples: Sequence[Sample], quantities: Sequence[Quantity]) -> partial[None] | None:
    if len(samples) < LEAST_SAMPLES:
        return None
    return partial(plot_samples, samples=samples, quantities=quantities)
