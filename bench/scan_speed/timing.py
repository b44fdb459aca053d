"""Times scans of one recording in a process of its own, and the floor under them.

    python -m bench.scan_speed.timing CLIP --threads 2 --scans 3

Prints one JSON object. The clock starts before anything of Seamwatch is imported.
"""

from __future__ import annotations

import time

_STARTED_S = time.perf_counter()

import json  # noqa: E402
from pathlib import Path  # noqa: E402

import click  # noqa: E402


@click.command()
@click.argument("clip", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option("--scans", type=click.IntRange(1, 100), default=3, show_default=True)
@click.option("--floor", is_flag=True, help="Only decode and convert to RGB.")
def main(*, clip: Path, threads: int, scans: int, floor: bool) -> None:
    """Scan a recording several times: the first is cold, the others are warm."""
    click.echo(json.dumps(_floor(clip, scans) if floor else _scans(clip, threads, scans)))


def _scans(clip: Path, threads: int, scans: int) -> dict[str, object]:
    from bench.scan_speed.scanner import Scanner  # noqa: PLC0415 - the import is part of a cold start

    scanner = Scanner(threads)
    wall_s, cpu_s, verdict, duration_s = [], [], "", 0.0
    for number in range(scans):
        started_s = _STARTED_S if number == 0 else time.perf_counter()
        cpu_before_s = 0.0 if number == 0 else time.process_time()
        result = scanner.scan(clip)
        wall_s.append(time.perf_counter() - started_s)
        cpu_s.append(time.process_time() - cpu_before_s)
        verdict, duration_s = str(result.verdict), result.duration_s
    return {"wall_s": wall_s, "cpu_s": cpu_s, "duration_s": duration_s, "verdict": verdict}


def _floor(clip: Path, scans: int) -> dict[str, object]:
    from realtime.ingest.file import read_media  # noqa: PLC0415 - as above
    from realtime.ingest.sink import PendingPicture  # noqa: PLC0415 - as above

    wall_s, cpu_s, duration_s = [], [], 0.0
    for _ in range(scans):
        started_s, cpu_before_s = time.perf_counter(), time.process_time()
        with read_media(clip) as media:
            for item in media:
                if isinstance(item, PendingPicture):
                    item.convert()
            duration_s = media.position_ns / 1e9
        wall_s.append(time.perf_counter() - started_s)
        cpu_s.append(time.process_time() - cpu_before_s)
    return {"wall_s": wall_s, "cpu_s": cpu_s, "duration_s": duration_s}


if __name__ == "__main__":
    main()
