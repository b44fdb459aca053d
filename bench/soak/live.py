"""A real monitor over real WebRTC, with participants and subscribers who come and go."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from pathlib import Path

from bench.monitor.process import BenchProcess, running_module
from bench.soak.sampling import Sample
from bench.soak.trend import Quantity
from bench.soak.visits import Visit, visits
from clients.publisher.whip import WhipPublisher
from clients.subscriber import Subscriber
from realtime.server.wire import AlertMessage, ScoreUpdate

CALL = "soak"
SUBSCRIBERS = 3
SAMPLE_EVERY_S = 1.0

#: A participant's place is kept for a minute after it left, so that some come back to it and some begin anew.
STAYS_S, AWAY_S = (45.0, 150.0), (3.0, 90.0)
LOOKS_S, LOOKS_AWAY_S = (5.0, 40.0), (2.0, 30.0)

QUANTITIES = (
    Quantity(field="resident_mib", name="resident memory", unit="MiB", allowance=24.0),
    Quantity(field="blocks", name="Python's memory blocks", unit="", allowance=20_000.0),
    Quantity(field="descriptors", name="file descriptors", unit="", allowance=2.0),
    Quantity(field="threads", name="threads", unit="", allowance=1.0),
    Quantity(field="tasks", name="tasks of the event loop", unit="", allowance=2.0),
)

SETTLED_SHARE = 0.2
"""The beginning, in which memories fill up and allocators settle, is left out."""


async def soak_live(
    clips: Sequence[Path],
    seconds: float,
    *,
    threads: int,
    seed: int,
    folder: Path,
    samples: list[Sample],
    events: Counter[str],
    on_second: Callable[[], None],
) -> None:
    """Run one call.

    Args:
        clips: Encoded as they are to be sent; every clip is a participant.
        seconds: How long.
        threads: Worker threads of the monitor.
        seed: Fixes who comes and goes when.
        folder: For the monitor's store.
        samples: Filled as they come, also by a call that is interrupted.
        events: Counts what happened, likewise.
        on_second: Called once a second.

    Raises:
        BenchProcessError: The monitor did not start or ended early.
        SeamwatchError: It refuses a participant.
    """
    arguments = (
        *("--store", str(folder / "alerts.sqlite3"), "--participants", str(len(clips))),
        *("--threads", str(threads), "--every", str(SAMPLE_EVERY_S)),
    )
    async with running_module("bench.soak.monitor_process", *arguments) as monitor:
        url = await monitor.line()
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(_read_samples(monitor, samples))
            for index, clip in enumerate(clips):
                coming = visits(seed + index, stays_s=STAYS_S, away_s=AWAY_S, until_s=seconds)
                group.create_task(_participate(f"{url}/whip/{CALL}/p{index}", clip, coming, events))
            for index in range(SUBSCRIBERS):
                coming = visits(seed - 1 - index, stays_s=LOOKS_S, away_s=LOOKS_AWAY_S, until_s=seconds)
                group.create_task(_look(url, coming, events, matrices=index == 0))
            for _ in range(round(seconds)):
                await asyncio.sleep(1.0)
                on_second()
            reading.cancel()


def comparable(samples: Sequence[Sample]) -> list[Sample]:
    """Return the samples behind the beginning at which the usual number of participants was there.

    A participant takes threads, descriptors and tasks, so that who happens to be there is no growth.
    """
    later = samples[round(len(samples) * SETTLED_SHARE) :]
    usual = statistics.mode(sample.participants for sample in later) if later else 0
    return [sample for sample in later if sample.participants == usual]


async def _read_samples(monitor: BenchProcess, samples: list[Sample]) -> None:
    while True:
        samples.append(Sample(**await monitor.json_line()))


async def _participate(url: str, clip: Path, coming: Iterable[Visit], events: Counter[str]) -> None:
    for visit in coming:
        async with WhipPublisher(url) as publisher:
            await publisher.start(clip, loop=True)
            events["participants came"] += 1
            await asyncio.sleep(visit.stays_s)
        await asyncio.sleep(visit.away_s)


async def _look(url: str, coming: Iterable[Visit], events: Counter[str], *, matrices: bool) -> None:
    for visit in coming:
        events["subscribers came"] += 1
        with contextlib.suppress(TimeoutError):
            async with (
                asyncio.timeout(visit.stays_s),
                aclosing(Subscriber(url, call=CALL, after=0, matrices=matrices).messages()) as messages,
            ):
                async for message in messages:
                    events["scores seen"] += isinstance(message, ScoreUpdate)
                    events["alerts seen"] += isinstance(message, AlertMessage)
        await asyncio.sleep(visit.away_s)
