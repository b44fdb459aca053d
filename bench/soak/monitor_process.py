"""A monitor that tells, as lines of JSON on its output, what its process holds.

    python -m bench.soak.monitor_process --store FILE --participants 4 --threads 2 --every 1

The first line is its URL; SIGTERM ends it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from dataclasses import asdict
from pathlib import Path

import click

from bench.soak.sampling import take_sample
from clients import web
from realtime.compose import run_server
from realtime.monitor import Monitor
from realtime.observe.logging import configure_logging
from realtime.server.hub import EventHub


@click.command()
@click.option("--store", required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--participants", required=True, type=click.IntRange(1))
@click.option("--threads", required=True, type=click.IntRange(1))
@click.option("--every", "every_s", required=True, type=click.FloatRange(min=0.1), help="Seconds.")
def main(*, store: Path, participants: int, threads: int, every_s: float) -> None:
    """Serve until SIGTERM, and print a sample every so often."""

    async def tell_samples(monitor: Monitor, _hub: EventHub) -> None:
        begun_s = time.monotonic()
        while True:
            await asyncio.sleep(every_s)
            sample = take_sample(
                (time.monotonic() - begun_s) / 3600,
                tasks=len(asyncio.all_tasks()),
                participants=len(monitor.snapshot()),
            )
            print(json.dumps(asdict(sample)), flush=True)

    configure_logging("console", level=logging.WARNING)
    asyncio.run(
        run_server(
            host="127.0.0.1",
            port=0,
            token=None,
            store_path=store,
            models_dir=None,
            engines_dir=None,
            static_dir=web.FOLDER,
            thumbnails=True,
            max_participants=participants,
            threads=threads,
            ready=lambda url: print(url, flush=True),
            companions=(tell_samples,),
        )
    )


if __name__ == "__main__":
    main()
