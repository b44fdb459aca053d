"""What the monitor says about a call while it runs: scores, alerts, queues, drops."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

import httpx

from bench.monitor.metrics import parse_metrics
from bench.monitor.process import BenchProcessError
from clients.subscriber import Subscriber
from realtime.server.wire import AlertMessage, ScoreUpdate

METRICS_INTERVAL_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenScore:
    """A score as it came.

    Attributes:
        seen_s: When, on the monotonic clock.
        time_s: Call time that it is about.
        latency_ms: What the monitor says it took; None where it does not say.
        status: Of the score.
        verdict: Of the score.
        overloaded: Whether something was left out of it for want of time.
    """

    seen_s: float
    time_s: float
    latency_ms: float | None
    status: str
    verdict: str
    overloaded: bool


@dataclass(slots=True)
class Observations:
    """All that was seen since following began.

    Attributes:
        scores: By participant, in order.
        alerts: By participant: when it was seen, on the monotonic clock, and the state it leads to.
        dropped: Items dropped since the monitor began, by stage and reason; the newest reading.
        pictures_waiting: One reading every ``METRICS_INTERVAL_S``.
        resident_mib: The same of the monitor's memory.
    """

    scores: dict[str, list[SeenScore]] = field(default_factory=lambda: defaultdict(list))
    alerts: dict[str, list[tuple[float, str]]] = field(default_factory=lambda: defaultdict(list))
    dropped: dict[str, float] = field(default_factory=dict)
    pictures_waiting: list[float] = field(default_factory=list)
    resident_mib: list[float] = field(default_factory=list)


@asynccontextmanager
async def followed(url: str, call: str, token: str | None = None) -> AsyncIterator[Observations]:
    """Follow a call until the end of the block.

    Raises:
        BenchProcessError: Following failed.
    """
    seen = Observations()
    tasks = [
        asyncio.create_task(_follow_messages(url, call, token, seen)),
        asyncio.create_task(_follow_metrics(url, token, seen)),
    ]
    try:
        yield seen
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise BenchProcessError(
                "The monitor could not be followed.", fix="See whether it still runs."
            ) from result


async def _follow_messages(url: str, call: str, token: str | None, seen: Observations) -> None:
    async with aclosing(Subscriber(url, call=call, token=token).messages()) as messages:
        async for message in messages:
            now_s = time.monotonic()
            if isinstance(message, ScoreUpdate):
                seen.scores[message.participant].append(
                    SeenScore(
                        seen_s=now_s,
                        time_s=message.time_s,
                        latency_ms=message.latency_ms,
                        status=message.status,
                        verdict=message.verdict,
                        overloaded="overload" in message.reasons,
                    )
                )
            elif isinstance(message, AlertMessage):
                seen.alerts[message.participant].append((now_s, message.state))


async def _follow_metrics(url: str, token: str | None, seen: Observations) -> None:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
        while True:
            values = parse_metrics((await client.get(f"{url}/metrics")).text)
            seen.dropped = {
                name: value for name, value in values.items() if name.startswith("seamwatch_dropped_total")
            }
            seen.pictures_waiting.append(values.get('seamwatch_queue_depth{stage="pictures"}', 0.0))
            seen.resident_mib.append(values.get("process_resident_memory_bytes", 0.0) / 2**20)
            await asyncio.sleep(METRICS_INTERVAL_S)
