"""A call of several participants against a running monitor: does it keep up, and how late are its scores?

    python -m bench.live_call --participants 4 --seconds 60 --size 640x480 --out bench/results

The monitor runs in a process of its own. Clips are transcoded once before the call, so that publishing them
costs next to nothing; publisher and subscriber share this process.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import click
import httpx
from rich.console import Console
from rich.progress import Progress
from websockets.asyncio.client import connect

from bench.live_report import write_results
from bench.machine import command_line, describe_machine
from clients.demo.pair import demo_pair
from clients.publisher.prepare import prepare_clip
from clients.publisher.whip import WhipPublisher
from clients.subscriber import Subscriber, alerts_url
from realtime.config import WindowConfig
from realtime.server.wire import ScoreUpdate
from realtime.timebase import FRAME_RATE_HZ

CALL = "bench"
SETTLE_S = 5.0


@dataclass(slots=True)
class Observations:
    """What was seen between settling and the end of the call."""

    latencies_ms: list[float] = field(default_factory=list)
    round_trips_ms: list[float] = field(default_factory=list)
    score_times_s: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    statuses: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    pictures_waiting: list[float] = field(default_factory=list)
    audio_waiting_s: list[float] = field(default_factory=list)
    dropped: dict[str, float] = field(default_factory=dict)
    cpu_s: list[tuple[float, float]] = field(default_factory=list)
    resident_mib: list[float] = field(default_factory=list)


@asynccontextmanager
async def running_monitor(participants: int, threads: int, folder: Path) -> AsyncIterator[str]:
    """Start ``seamwatch serve`` on a free port; yields its URL and ends it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "clients.cli.main", "serve", "--port", "0"),
        *("--max-participants", str(participants), "--threads", str(threads)),
        *("--store", str(folder / "alerts.sqlite3")),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        line = (await process.stdout.readline()).decode()
        url = re.search(r"http://\S+", line)
        if url is None:
            raise click.ClickException(f"the monitor did not start: {line!r}")
        yield url.group()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def follow_scores(url: str, seen: Observations) -> None:
    """Collect scores until cancelled."""
    async with aclosing(Subscriber(url, call=CALL).messages()) as messages:
        async for message in messages:
            if isinstance(message, ScoreUpdate):
                seen.statuses[message.status] += 1
                seen.score_times_s[message.participant].append((time.monotonic(), message.time_s))
                if message.latency_ms is not None:
                    seen.latencies_ms.append(message.latency_ms)


async def follow_round_trip(url: str, seen: Observations) -> None:
    """Ping the alerts socket until cancelled: what the way to a subscriber adds, there and back."""
    async with connect(alerts_url(url), proxy=None) as socket:
        while True:
            seen.round_trips_ms.append(await (await socket.ping()) * 1000)
            await asyncio.sleep(0.2)


async def follow_metrics(url: str, seen: Observations) -> None:
    """Read /metrics once a second until cancelled."""
    async with httpx.AsyncClient(trust_env=False) as client:
        while True:
            values = parse_metrics((await client.get(f"{url}/metrics")).text)
            seen.pictures_waiting.append(values['seamwatch_queue_depth{stage="pictures"}'])
            seen.audio_waiting_s.append(values['seamwatch_queue_depth{stage="audio_seconds"}'])
            seen.dropped = {
                name: value for name, value in values.items() if name.startswith("seamwatch_dropped_total")
            }
            seen.cpu_s.append((time.monotonic(), values["process_cpu_seconds_total"]))
            seen.resident_mib.append(values["process_resident_memory_bytes"] / 2**20)
            await asyncio.sleep(1.0)


def parse_metrics(text: str) -> dict[str, float]:
    """Return the samples of a Prometheus text exposition by name and labels."""
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, value in lines}


async def measure(clips: list[Path], seconds: float, threads: int, folder: Path) -> Observations:
    """Run one call; every clip is a participant."""
    seen = Observations()
    async with running_monitor(len(clips), threads, folder) as url:
        publishers = [WhipPublisher(f"{url}/whip/{CALL}/p{index}") for index in range(len(clips))]
        try:
            for publisher, clip in zip(publishers, clips, strict=True):
                await publisher.start(clip, loop=True)
            await asyncio.sleep(SETTLE_S)
            followers = [
                asyncio.create_task(follow_scores(url, seen)),
                asyncio.create_task(follow_metrics(url, seen)),
                asyncio.create_task(follow_round_trip(url, seen)),
            ]
            with Progress(console=Console(stderr=True)) as progress:
                bar = progress.add_task("Measuring", total=seconds)
                for _ in range(round(seconds)):
                    await asyncio.sleep(1.0)
                    progress.advance(bar)
            for task in followers:
                task.cancel()
            await asyncio.gather(*followers, return_exceptions=True)
        finally:
            await asyncio.gather(*(publisher.stop() for publisher in publishers))
    return seen


def summarise(seen: Observations, participants: int) -> dict[str, object]:
    """Return the figures of one call."""
    hop_s = WindowConfig().hop_ticks / FRAME_RATE_HZ
    behind = [
        (wall - series[0][0]) - (call - series[0][1])
        for series in seen.score_times_s.values()
        for wall, call in series[-5:]
    ]
    scored = [
        len(series) * hop_s / (series[-1][0] - series[0][0] + hop_s) for series in seen.score_times_s.values()
    ]
    (first_s, first_cpu), (last_s, last_cpu) = seen.cpu_s[0], seen.cpu_s[-1]
    cores = (last_cpu - first_cpu) / (last_s - first_s)
    quantiles = statistics.quantiles(seen.latencies_ms, n=100)
    return {
        "participants": participants,
        "scores": len(seen.latencies_ms),
        "participants_scored": len(seen.score_times_s),
        "latency_ms": {
            "p50": round(quantiles[49], 1),
            "p95": round(quantiles[94], 1),
            "p99": round(quantiles[98], 1),
            "max": round(max(seen.latencies_ms), 1),
        },
        "websocket_round_trip_p95_ms": round(statistics.quantiles(seen.round_trips_ms, n=20)[18], 2),
        "scored_per_real_time": round(min(scored), 3),
        "falling_behind_s": round(max(behind), 3),
        "pictures_waiting_max": max(seen.pictures_waiting),
        "audio_waiting_s_max": round(max(seen.audio_waiting_s), 3),
        "dropped": seen.dropped,
        "statuses": dict(seen.statuses),
        "monitor_cores": round(cores, 3),
        "monitor_cores_per_participant": round(cores / participants, 3),
        "monitor_memory_mib": [round(seen.resident_mib[0]), round(seen.resident_mib[-1])],
    }


@click.command()
@click.option("--participants", type=click.IntRange(1, 64), default=4, show_default=True)
@click.option("--seconds", type=click.FloatRange(10, 3600), default=60, show_default=True)
@click.option("--runs", type=click.IntRange(1, 20), default=3, show_default=True)
@click.option("--size", default="640x480", show_default=True, metavar="WxH")
@click.option("--threads", type=click.IntRange(1, 64), default=2, show_default=True)
@click.option("--clips-dir", type=click.Path(path_type=Path, file_okay=False))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for JSON and Markdown.")
def main(
    *,
    participants: int,
    seconds: float,
    runs: int,
    size: str,
    threads: int,
    clips_dir: Path | None,
    out: Path | None,
) -> None:
    """Measure a call of several participants against a running monitor."""
    width, height = (int(side) for side in size.split("x"))
    with tempfile.TemporaryDirectory(prefix="seamwatch-bench-") as name:
        folder = Path(name)
        pair = demo_pair(clips_dir, folder / "pair", seconds=40, seed=0, progress=lambda *_: None)
        webms = [
            prepare_clip(clip, folder / f"{clip.stem}.webm", width=width, height=height)
            for clip in (pair.genuine, pair.tampered)
        ]
        clips = [webms[index % 2] for index in range(participants)]
        figures = [
            summarise(asyncio.run(measure(clips, seconds, threads, folder)), participants)
            for _ in range(runs)
        ]
    result = {
        "command": command_line("bench.live_call"),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "material": pair.description,
        "size": size,
        "threads": threads,
        "seconds_a_run": seconds,
        "runs": figures,
    }
    click.echo(json.dumps(result, indent=2))
    if out is not None:
        write_results(result, out / f"live_call_{participants}x{size}")


if __name__ == "__main__":
    main()
