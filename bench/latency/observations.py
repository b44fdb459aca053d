"""What a subscriber and a reader of the metrics see of one call."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from contextlib import aclosing
from dataclasses import dataclass, field

import httpx
from websockets.asyncio.client import connect

from bench.monitor.metrics import parse_metrics
from clients.subscriber import Subscriber, alerts_url
from realtime.server.wire import ScoreUpdate

_ROUND_TRIP_EVERY_S = 0.2
_METRICS_EVERY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenScore:
    """A score as it came in.

    Attributes:
        received_s: When the subscriber had it, monotonic.
        call_time_s: End of its window in call time.
        latency_ms: From the arrival of the window's newest media to publishing, as the monitor says.
    """

    received_s: float
    call_time_s: float
    latency_ms: float


@dataclass(slots=True)
class Observations:
    """What was seen between settling and the end of the call.

    Attributes:
        scores: By participant, in order; those without a latency are left out.
        statuses: Number of scores by status.
        round_trips_ms: Of pings on the alerts socket.
        pictures_waiting: Of all participants together, once a second.
        audio_waiting_s: Likewise.
        dropped: Newest value of each drop counter of the monitor.
        cpu_s: Processor time of the monitor: pairs of monotonic time and seconds spent.
        resident_mib: Resident memory of the monitor, once a second.
    """

    scores: dict[str, list[SeenScore]] = field(default_factory=lambda: defaultdict(list))
    statuses: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    round_trips_ms: list[float] = field(default_factory=list)
    pictures_waiting: list[float] = field(default_factory=list)
    audio_waiting_s: list[float] = field(default_factory=list)
    dropped: dict[str, float] = field(default_factory=dict)
    cpu_s: list[tuple[float, float]] = field(default_factory=list)
    resident_mib: list[float] = field(default_factory=list)


async def follow_scores(url: str, call: str, seen: Observations) -> None:
    """Collect scores until cancelled."""
    async with aclosing(Subscriber(url, call=call).messages()) as messages:
        async for message in messages:
            if not isinstance(message, ScoreUpdate):
                continue
            seen.statuses[message.status] += 1
            if message.latency_ms is not None:
                seen.scores[message.participant].append(
                    SeenScore(
                        received_s=time.monotonic(),
                        call_time_s=message.time_s,
                        latency_ms=message.latency_ms,
                    )
                )


async def follow_round_trip(url: str, seen: Observations) -> None:
    """Ping the alerts socket until cancelled."""
    async with connect(alerts_url(url), proxy=None) as socket:
        while True:
            seen.round_trips_ms.append(await (await socket.ping()) * 1000)
            await asyncio.sleep(_ROUND_TRIP_EVERY_S)


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
            await asyncio.sleep(_METRICS_EVERY_S)
