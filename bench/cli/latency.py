"""``seamwatch bench latency``: a call of several participants, and how late its scores are."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import click

from bench.cli.command import stated_command
from bench.cli.delivery import deliver, noted_interruption
from bench.cli.options import BenchOptions, bench_options
from bench.cli.picture_size import PictureSize, picture_size
from bench.latency.call import SETTLE_S, measure_call
from bench.latency.figures import is_enough, latency_figures, latency_tables
from bench.latency.observations import Observations
from bench.machine import load_average
from bench.report.result import new_result
from clients.demo.pair import DemoPair, demo_pair
from clients.publisher.prepare import prepare_clip
from training.cli.console import counting_bar

CLIP_S = 40.0


@click.command()
@click.option("--participants", type=click.IntRange(1, 64), default=4, show_default=True)
@click.option("--size", callback=picture_size, default="640x480", show_default=True, metavar="WxH")
@click.option(
    "--threads",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="Worker threads of the monitor.",
)
@click.option(
    "--clips-dir",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Recorded clips with a manifest.csv; without it synthetic people are sent.",
)
@bench_options(runs=3, seconds=60, quick_seconds=12, least_seconds=10)
def latency(
    *, participants: int, size: PictureSize, threads: int, clips_dir: Path | None, options: BenchOptions
) -> None:
    """Measure how late scores are, in a call over real WebRTC.

    The monitor runs in a process of its own, on a free port; the participants are sent from this one.
    """
    before = load_average()
    calls: list[Observations] = []
    pair: DemoPair | None = None
    with (
        noted_interruption() as interruption,
        tempfile.TemporaryDirectory(prefix="seamwatch-bench-") as name,
        counting_bar("measuring", round(options.seconds) * options.runs) as update,
    ):
        folder = Path(name)
        pair = demo_pair(clips_dir, folder / "pair", seconds=CLIP_S)
        webms = [
            prepare_clip(clip, folder / f"{clip.stem}.webm", width=size.width_px, height=size.height_px)
            for clip in (pair.genuine, pair.tampered)
        ]
        for _ in range(options.runs):
            calls.append(Observations())
            asyncio.run(
                measure_call(
                    [webms[index % 2] for index in range(participants)],
                    calls[-1],
                    seconds=options.seconds,
                    threads=threads,
                    folder=folder,
                    on_second=lambda: update(advance=1),
                )
            )
    complete = [seen for seen in calls if is_enough(seen)]
    if not complete and not interruption.happened:
        raise click.ClickException("the monitor gave too few scores to sum up; see its messages above")
    material = "" if pair is None else pair.description
    deliver(
        new_result(
            "latency",
            f"Live call: {participants} participants at {size}",
            command=stated_command(),
            configuration={
                "participants": participants,
                "size": str(size),
                "threads": threads,
                "seconds a run": options.seconds,
                "material": material,
            },
            figures=latency_figures(complete) if complete else (),
            tables=latency_tables(complete),
            notes=(
                f"The first {SETTLE_S:g} s of a call do not count. The monitor has a process of its own; "
                "sending and subscribing share another on the same cores, and their delays count.",
                "Publishing: as every score states it. On the WebSocket: until a subscriber has read it; the "
                "fastest score's delivery is taken as nothing, and media that was sent late counts.",
            ),
            load_before=before,
            quick=options.quick,
            interrupted=interruption.happened,
        ),
        options,
        name=f"latency_{participants}x{size}",
    )
