"""The figures of calls, from what was seen of them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from bench.latency.observations import Observations, SeenScore
from bench.report.figure import Better, Figure
from bench.report.table import Table
from realtime.config import WindowConfig
from realtime.timebase import FRAME_RATE_HZ

ON_WEBSOCKET_BAR_MS = 150.0
QUANTILES = (("p50", 50.0), ("p95", 95.0), ("p99", 99.0), ("max", 100.0))
LEAST_SCORES = 20
"""A call with fewer scores has no quantiles worth stating."""

_LAST_SCORES = 5
_REPLACED = 'reason="score_replaced"'
"""A subscriber that is behind gets the newest score only; no media is lost with the older one."""


def is_enough(seen: Observations) -> bool:
    """Return whether a call, possibly interrupted, can be summed up."""
    return sum(map(len, seen.scores.values())) >= LEAST_SCORES and len(seen.cpu_s) > 1


def on_websocket_ms(series: Sequence[SeenScore]) -> list[float]:
    """Return, for each score of a participant, how long after its window's last sample the subscriber had it.

    The monitor's clock for media and the subscriber's differ by a constant. It is taken from the score that
    came through fastest, whose way from publishing to the subscriber counts as nothing; what the others took
    longer, also by the media's own late arrival, counts in full.
    """
    if not series:
        return []
    fastest_s = min(seen.received_s - seen.call_time_s - seen.latency_ms / 1000 for seen in series)
    return [1000 * (seen.received_s - seen.call_time_s - fastest_s) for seen in series]


def latency_figures(calls: Sequence[Observations]) -> list[Figure]:
    """Return the figures; one value a call.

    Args:
        calls: At least one, each with enough scores.
    """
    figures = []
    for name, share in QUANTILES:
        figures.append(_figure(calls, f"last sample to publishing, {name}", "ms", _latency(share)))
    for name, share in QUANTILES:
        bar = ON_WEBSOCKET_BAR_MS if name == "p95" else None
        figures.append(
            _figure(
                calls, f"last sample to score on the WebSocket, {name}", "ms", _on_websocket(share), bar=bar
            )
        )
    figures += [
        _figure(calls, "WebSocket round trip, p95", "ms", _round_trip),
        _figure(calls, "scores per real time, worst participant", "", _per_real_time, better="higher"),
        _figure(calls, "later at the end than at the start", "s", _falling_behind),
        _figure(
            calls, "pictures waiting, max of all participants", "", lambda seen: max(seen.pictures_waiting)
        ),
        _figure(calls, "audio waiting, max of all participants", "s", lambda seen: max(seen.audio_waiting_s)),
        _figure(calls, "pictures, sound and windows dropped", "", _dropped_media),
        _figure(calls, "monitor, cores", "", _cores),
        _figure(calls, "monitor, cores a participant", "", lambda seen: _cores(seen) / len(seen.scores)),
        _figure(calls, "monitor, memory at the end", "MiB", lambda seen: seen.resident_mib[-1]),
    ]
    return figures


def latency_tables(calls: Sequence[Observations]) -> list[Table]:
    """Return what the scores said of themselves, and what was dropped where."""
    statuses, dropped = Counter[str](), Counter[str]()
    for seen in calls:
        statuses.update(seen.statuses)
        dropped.update({name: round(value) for name, value in seen.dropped.items() if value})
    tables = [
        Table(
            title="Scores by status, all runs",
            columns=("status", "scores"),
            rows=tuple(sorted(statuses.items())),
        )
    ]
    if dropped:
        rows = tuple(sorted(dropped.items()))
        tables.append(Table(title="Dropped, all runs", columns=("counter", "dropped"), rows=rows))
    return tables


def _figure(
    calls: Sequence[Observations],
    name: str,
    unit: str,
    value: Callable[[Observations], float],
    *,
    better: Better = "lower",
    bar: float | None = None,
) -> Figure:
    values = tuple(round(float(value(seen)), 4) for seen in calls)
    return Figure(name=name, unit=unit, values=values, better=better, bar=bar)


def _latency(share: float) -> Callable[[Observations], Any]:
    def value(seen: Observations) -> Any:
        return np.percentile([one.latency_ms for one in chain.from_iterable(seen.scores.values())], share)

    return value


def _on_websocket(share: float) -> Callable[[Observations], Any]:
    def value(seen: Observations) -> Any:
        late = chain.from_iterable(map(on_websocket_ms, seen.scores.values()))
        return np.percentile(list(late), share)

    return value


def _dropped_media(seen: Observations) -> float:
    return sum(value for name, value in seen.dropped.items() if _REPLACED not in name)


def _round_trip(seen: Observations) -> Any:
    return np.percentile(seen.round_trips_ms, 95)


def _per_real_time(seen: Observations) -> float:
    hop_s = WindowConfig().hop_ticks / FRAME_RATE_HZ
    return min(
        len(series) * hop_s / (series[-1].received_s - series[0].received_s + hop_s)
        for series in seen.scores.values()
    )


def _falling_behind(seen: Observations) -> float:
    return max(
        (one.received_s - series[0].received_s) - (one.call_time_s - series[0].call_time_s)
        for series in seen.scores.values()
        for one in series[-_LAST_SCORES:]
    )


def _cores(seen: Observations) -> float:
    (first_s, first_cpu_s), (last_s, last_cpu_s) = seen.cpu_s[0], seen.cpu_s[-1]
    return (last_cpu_s - first_cpu_s) / (last_s - first_s)
