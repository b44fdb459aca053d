"""``seamwatch bench scan``: how fast a recording is judged."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from bench.cli.command import stated_command
from bench.cli.delivery import deliver, noted_interruption
from bench.cli.options import BenchOptions, bench_options
from bench.cli.picture_size import PictureSize, picture_size
from bench.machine import load_average
from bench.report.result import new_result
from bench.scan_speed.clip import CODECS, Codec, write_recording
from bench.scan_speed.summary import NOTES, Timed, figures, table
from clients.demo.pair import demo_pair
from training.cli.console import counting_bar

FLOOR = 0


def _threads(_ctx: click.Context, _parameter: click.Parameter, value: str) -> tuple[int, ...]:
    try:
        found = tuple(dict.fromkeys(int(part) for part in value.split(",")))
    except ValueError as error:
        raise click.BadParameter("name numbers with commas between, such as 1,2") from error
    if min(found) < 1:
        raise click.BadParameter("a scan has at least one thread")
    return found


@click.command()
@click.option("--threads", callback=_threads, default="1,2", show_default=True, metavar="N,N,...")
@click.option("--size", callback=picture_size, default="1280x720", show_default=True, metavar="WxH")
@click.option(
    "--clips-dir",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Recorded clips with a manifest.csv; without it a synthetic person talks.",
)
@bench_options(runs=5, seconds=30, quick_seconds=8, least_seconds=4)
def scan(
    *, threads: tuple[int, ...], size: PictureSize, clips_dir: Path | None, options: BenchOptions
) -> None:
    """Time seamwatch scan on a recording of one talking participant, cold and warm."""
    before = load_average()
    scans: list[Timed] = []
    floors: list[Timed] = []
    material = ""
    with (
        noted_interruption() as interruption,
        tempfile.TemporaryDirectory(prefix="seamwatch-bench-") as name,
        counting_bar("measuring", len(CODECS) * (1 + len(threads))) as update,
    ):
        folder = Path(name)
        pair = demo_pair(clips_dir, folder, seconds=options.seconds)
        material = pair.description
        for codec in CODECS:
            recording = write_recording(
                pair.genuine, folder, codec, width_px=size.width_px, height_px=size.height_px
            )
            for count in (FLOOR, *threads):
                timed = _timed(recording, codec, count, 1 + options.runs)
                (scans if count else floors).append(timed)
                update(advance=1)
    deliver(
        new_result(
            "scan",
            f"seamwatch scan on one participant at {size}",
            command=stated_command(),
            configuration={
                "threads": list(threads),
                "size": str(size),
                "seconds": options.seconds,
                "material": material,
            },
            figures=figures(scans),
            tables=(table(scans, floors),) if floors else (),
            notes=NOTES,
            load_before=before,
            quick=options.quick,
            interrupted=interruption.happened,
        ),
        options,
    )


def _timed(recording: Path, codec: Codec, threads: int, times: int) -> Timed:
    command = [sys.executable, "-m", "bench.scan_speed.timing", str(recording), "--scans", str(times)]
    command += ["--threads", str(threads)] if threads else ["--floor"]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if run.returncode:
        raise click.ClickException("a scan failed; see its messages above")
    return Timed(codec=codec, threads=threads, **json.loads(run.stdout))
