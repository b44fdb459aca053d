"""One call of several participants against a monitor in a process of its own.

Publishers and subscriber share this process; the clips are encoded before the call, so that sending them
costs next to nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.latency.observations import Observations, follow_metrics, follow_round_trip, follow_scores
from bench.monitor.process import running_monitor
from clients.publisher.whip import WhipPublisher

CALL = "bench"
SETTLE_S = 5.0
"""Time between the start of the last participant and the first score that counts."""


async def measure_call(
    clips: Sequence[Path],
    seen: Observations,
    *,
    seconds: float,
    threads: int,
    folder: Path,
    on_second: Callable[[], None],
) -> None:
    """Run one call; every clip is a participant.

    Args:
        clips: Encoded as they are to be sent.
        seen: Filled from the moment on at which the call has settled, also by a call that is interrupted.
        seconds: How long is observed.
        threads: Worker threads of the monitor.
        folder: For the monitor's store.
        on_second: Called after each observed second.

    Raises:
        BenchProcessError: The monitor did not start.
        SeamwatchError: It refuses a participant.
    """
    async with running_monitor(len(clips), folder, threads=threads) as monitor:
        url = monitor.url
        publishers = [WhipPublisher(f"{url}/whip/{CALL}/p{index}") for index in range(len(clips))]
        try:
            for publisher, clip in zip(publishers, clips, strict=True):
                await publisher.start(clip, loop=True)
            await asyncio.sleep(SETTLE_S)
            async with asyncio.TaskGroup() as followers:
                tasks = [
                    followers.create_task(follow_scores(url, CALL, seen)),
                    followers.create_task(follow_metrics(url, seen)),
                    followers.create_task(follow_round_trip(url, seen)),
                ]
                for _ in range(round(seconds)):
                    await asyncio.sleep(1.0)
                    on_second()
                for task in tasks:
                    task.cancel()
        finally:
            await asyncio.gather(*(publisher.stop() for publisher in publishers))
