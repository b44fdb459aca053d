"""Drives a ``Batcher`` in virtual time, before an engine of known cost."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

from realtime.encoders.batching import Batch, Batcher, BatchPolicy, Drop, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A request that somebody will make; times in ns."""

    time_ns: int
    deadline_ns: int
    key: Hashable = "key"
    rows: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A batch that ran."""

    batch: Batch
    end_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DroppedAt:
    """A request that was dropped, and when."""

    drop: Drop
    time_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of all arrivals.

    Attributes:
        requests: In the order of arrival.
        runs: In the order in which they started.
        dropped: In the order in which they were dropped.
        waiting_max: Most requests that waited at a time.
        running_max: Most runs at a time.
    """

    requests: tuple[Request, ...]
    runs: tuple[Run, ...]
    dropped: tuple[DroppedAt, ...]
    waiting_max: int
    running_max: int


def simulate(arrivals: Iterable[Arrival], policy: BatchPolicy, cost_ns: Callable[[Batch], int]) -> Outcome:
    """Run every arrival through a fresh ``Batcher``.

    Args:
        arrivals: In order of time.
        policy: How the engine is driven.
        cost_ns: How long a run takes; runs at the same time do not slow each other down.
    """
    batcher = Batcher(policy)
    coming = list(arrivals)
    requests: list[Request] = []
    runs: list[Run] = []
    dropped: list[DroppedAt] = []
    going: list[tuple[int, int]] = []
    waiting_max = running_max = next_arrival = 0
    wake_ns: int | None = None
    while next_arrival < len(coming) or going or batcher.waiting:
        times = [going[0][0]] if going else []
        if next_arrival < len(coming):
            times.append(coming[next_arrival].time_ns)
        if wake_ns is not None:
            times.append(wake_ns)
        now_ns = min(times)
        while going and going[0][0] == now_ns:
            batcher.finished(now_ns, runs[heapq.heappop(going)[1]].batch)
        drops: list[Drop] = []
        while next_arrival < len(coming) and coming[next_arrival].time_ns == now_ns:
            arrival = coming[next_arrival]
            next_arrival += 1
            request, gave_way = batcher.submit(now_ns, arrival.key, arrival.rows, arrival.deadline_ns)
            requests.append(request)
            drops += gave_way
            waiting_max = max(waiting_max, batcher.waiting)
        while True:
            step = batcher.step(now_ns)
            drops += step.dropped
            if step.batch is None:
                break
            end_ns = now_ns + cost_ns(step.batch)
            heapq.heappush(going, (end_ns, len(runs)))
            runs.append(Run(batch=step.batch, end_ns=end_ns))
            running_max = max(running_max, batcher.running)
        wake_ns = step.wake_ns
        dropped += (DroppedAt(drop=drop, time_ns=now_ns) for drop in drops)
    return Outcome(
        requests=tuple(requests),
        runs=tuple(runs),
        dropped=tuple(dropped),
        waiting_max=waiting_max,
        running_max=running_max,
    )
