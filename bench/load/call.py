"""One measured call: a monitor, participants that cost it nothing but their packets, and what is seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.load.observations import Observations, followed
from bench.load.publisher_process import PublishPlan
from bench.load.schedule import Schedule
from bench.load.streams import Codec
from bench.monitor.process import (
    Cores,
    RunningMonitor,
    pin,
    process_cpu_s,
    running_module,
    running_monitor,
)

CALL = "bench"
#: How long after the last participant began a call is observed from.
SETTLE_S = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSetup:
    """A call to be measured.

    Attributes:
        streams: From ``bench.load.streams.prepare_streams``.
        codec: Of the pictures there.
        schedule: Who sends what.
        cores: Who computes where.
        seconds: How long it is observed.
        settle_s: How long after the last participant began.
        profiled: Whether the monitor tells where its time goes.
        monitor_options: More options of ``seamwatch serve``.
    """

    streams: Path
    codec: Codec
    schedule: Schedule
    cores: Cores
    seconds: float
    settle_s: float = SETTLE_S
    profiled: bool = False
    monitor_options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """What was seen of a call.

    Attributes:
        participants: How many.
        observed_s: From when to when, on the monotonic clock.
        observations: Of that time; alerts from the beginning on.
        monitor_cpu_s: CPU time of the monitor in that time.
        publisher_cpu_s: CPU time of the publishers in that time.
        dropped: Items dropped in that time, by stage and reason.
        started_s: When each participant began.
        published: What each participant sent, as ``clients.publisher.peer.PublishReport``.
        profile: What the profiled monitor said at the beginning and at the end; None without a profile.
    """

    participants: int
    observed_s: tuple[float, float]
    observations: Observations
    monitor_cpu_s: float
    publisher_cpu_s: float
    dropped: dict[str, float]
    started_s: tuple[float, ...]
    published: tuple[dict[str, Any], ...]
    profile: tuple[dict[str, Any], dict[str, Any]] | None = None

    @property
    def seconds(self) -> float:
        """How long it was observed."""
        return self.observed_s[1] - self.observed_s[0]


def participant_name(index: int) -> str:
    """Return a participant's name."""
    return f"p{index}"


async def run_call(setup: CallSetup, folder: Path, on_progress: Callable[[float], None]) -> CallRecord:
    """Run one call.

    Args:
        setup: The call.
        folder: For the monitor's store.
        on_progress: Told how much of the observed time is over, from 0 to 1.

    Raises:
        BenchProcessError: A process did not start, or ended too early.
    """
    count = setup.schedule.participants
    pin(0, setup.cores.others)
    async with running_monitor(
        count,
        folder,
        threads=len(setup.cores.monitor),
        cores=setup.cores.monitor,
        profiled=setup.profiled,
        options=setup.monitor_options,
    ) as monitor:
        plan = PublishPlan(
            urls=tuple(f"{monitor.url}/whip/{CALL}/{participant_name(index)}" for index in range(count)),
            token=None,
            folder=str(setup.streams),
            codec=setup.codec,
            schedule=setup.schedule,
        )
        async with (
            followed(monitor.url, CALL) as seen,
            running_module(
                "bench.load.publisher_process", plan.to_json(), cores=setup.cores.others
            ) as publishers,
        ):
            started = tuple((await publishers.json_line())["started_s"])
            await asyncio.sleep(setup.settle_s)
            for series in seen.scores.values():
                series.clear()
            seen.pictures_waiting.clear()
            before = await _reading(monitor, publishers.pid, seen, profiled=setup.profiled)
            await _pass_time(setup.seconds, on_progress)
            after = await _reading(monitor, publishers.pid, seen, profiled=setup.profiled)
            published = tuple(await publishers.finish())
    return CallRecord(
        participants=count,
        observed_s=(before.at_s, after.at_s),
        observations=seen,
        monitor_cpu_s=after.monitor_cpu_s - before.monitor_cpu_s,
        publisher_cpu_s=after.publisher_cpu_s - before.publisher_cpu_s,
        dropped={
            name: value - before.dropped.get(name, 0.0)
            for name, value in after.dropped.items()
            if value > before.dropped.get(name, 0.0)
        },
        started_s=started,
        published=published,
        profile=None if before.profile is None or after.profile is None else (before.profile, after.profile),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    at_s: float
    monitor_cpu_s: float
    publisher_cpu_s: float
    dropped: dict[str, float]
    profile: dict[str, Any] | None


async def _reading(
    monitor: RunningMonitor, publishers: int, seen: Observations, *, profiled: bool
) -> _Reading:
    profile = await monitor.process.ask() if profiled else None
    return _Reading(
        at_s=time.monotonic(),
        monitor_cpu_s=monitor.cpu_s,
        publisher_cpu_s=process_cpu_s(publishers),
        dropped=dict(seen.dropped),
        profile=profile,
    )


async def _pass_time(seconds: float, on_progress: Callable[[float], None]) -> None:
    loop = asyncio.get_running_loop()
    start_s = loop.time()
    while (passed_s := loop.time() - start_s) < seconds:
        on_progress(passed_s / seconds)
        await asyncio.sleep(min(1.0, seconds - passed_s))
    on_progress(1.0)
