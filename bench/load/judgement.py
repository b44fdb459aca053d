"""What a measured call came to, and why it did not hold real time. Pure."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.latency.figures import on_websocket_ms
from bench.latency.observations import SeenScore as TimedScore
from bench.load.call import CallRecord, participant_name
from bench.load.observations import SeenScore
from realtime.config import WindowConfig
from realtime.timebase import FRAME_RATE_HZ

HOP_S = WindowConfig().hop_ticks / FRAME_RATE_HZ
MIN_SCORED = 0.99
MAX_GROWTH_S = 0.25
MAX_P95_MS = 1000.0
MAX_PUBLISHER_DELAY_S = 0.5
#: Where a subscriber is served the newest score only; nothing of the call is lost.
_SUBSCRIBER = 'stage="subscriber"'
_EDGE_SCORES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFigures:
    """A call in figures.

    Attributes:
        participants: How many.
        scored_per_real_time: Scored time by real time, of the worst participant; allows for one hop.
        growth_s: By how much later the last scores came than the first ones, of the worst participant.
        latency_p50_ms: From a window's last sample to its score at a subscriber.
        latency_p95_ms: The same.
        latency_p99_ms: The same.
        dropped: Items of the call that were dropped, by stage and reason.
        overloaded: Scores that say "overload".
        statuses: Scores by status.
        verdicts: Scores by verdict.
        flagged: Participants that reached the state "alert".
        detection_s: From the beginning of the tampering to the alert; None without one.
        monitor_ms: CPU time of the monitor, ms per participant-second.
        publisher_ms: The same of the publishers.
        publisher_delay_s: The largest delay of a packet that was sent.
        resident_mib: Memory of the monitor at the end.
    """

    participants: int
    scored_per_real_time: float
    growth_s: float
    latency_p50_ms: float
    latency_p95_ms: float
    latency_p99_ms: float
    dropped: dict[str, float]
    overloaded: int
    statuses: dict[str, int]
    verdicts: dict[str, int]
    flagged: tuple[str, ...]
    detection_s: float | None
    monitor_ms: float
    publisher_ms: float
    publisher_delay_s: float
    resident_mib: float

    @property
    def shortcomings(self) -> tuple[str, ...]:
        """Why the call did not hold; empty where it did."""
        tests = (
            (
                self.publisher_delay_s > MAX_PUBLISHER_DELAY_S,
                f"publishers {self.publisher_delay_s:.1f} s late",
            ),
            (
                self.scored_per_real_time < MIN_SCORED,
                f"{self.scored_per_real_time:.3f} of real time scored",
            ),
            (bool(self.dropped), f"{sum(self.dropped.values()):.0f} dropped"),
            (self.overloaded > 0, f"{self.overloaded} scores overloaded"),
            (self.growth_s > MAX_GROWTH_S, f"{self.growth_s:.2f} s later at the end"),
            (self.latency_p95_ms >= MAX_P95_MS, f"p95 {self.latency_p95_ms:.0f} ms"),
        )
        return tuple(words for failed, words in tests if failed)


def call_figures(
    record: CallRecord, *, tampered: int | None = None, tampered_from_s: float = 0.0
) -> CallFigures:
    """Sum a call up.

    Args:
        record: The call.
        tampered: The participant whose face is exchanged; None for nobody.
        tampered_from_s: When, in seconds since that participant began.
    """
    seen = record.observations
    names = [participant_name(index) for index in range(record.participants)]
    within = {
        name: [score for score in seen.scores.get(name, []) if score.seen_s <= record.observed_s[1]]
        for name in names
    }
    scores = [score for series in within.values() for score in series]
    latencies = sorted(delay_ms for series in within.values() for delay_ms in _delays_ms(series))
    alarms = {
        name: next((at_s for at_s, state in seen.alerts.get(name, []) if state == "alert"), None)
        for name in names
    }
    alarm_s = None if tampered is None else alarms[names[tampered]]
    participant_s = record.participants * record.seconds
    return CallFigures(
        participants=record.participants,
        scored_per_real_time=min(
            min(1.0, (len(series) + 1) * HOP_S / record.seconds) for series in within.values()
        ),
        growth_s=max((_growth_s(series) for series in within.values() if series), default=0.0),
        latency_p50_ms=quantile(latencies, 0.50),
        latency_p95_ms=quantile(latencies, 0.95),
        latency_p99_ms=quantile(latencies, 0.99),
        dropped={name: count for name, count in record.dropped.items() if _SUBSCRIBER not in name},
        overloaded=sum(score.overloaded for score in scores),
        statuses=dict(Counter(score.status for score in scores)),
        verdicts=dict(Counter(score.verdict for score in scores)),
        flagged=tuple(name for name, at_s in alarms.items() if at_s is not None),
        detection_s=(
            None
            if alarm_s is None or tampered is None
            else alarm_s - record.started_s[tampered] - tampered_from_s
        ),
        monitor_ms=1000 * record.monitor_cpu_s / participant_s,
        publisher_ms=1000 * record.publisher_cpu_s / participant_s,
        publisher_delay_s=max((report["behind_s"] for report in record.published), default=0.0),
        resident_mib=seen.resident_mib[-1] if seen.resident_mib else 0.0,
    )


def quantile(ordered: Sequence[float], fraction: float) -> float:
    """Return a quantile of ordered values by the nearest rank; 0 of none."""
    return ordered[min(len(ordered) - 1, int(fraction * len(ordered)))] if ordered else 0.0


def _delays_ms(series: Sequence[SeenScore]) -> list[float]:
    return on_websocket_ms(
        [
            TimedScore(received_s=score.seen_s, call_time_s=score.time_s, latency_ms=score.latency_ms)
            for score in series
            if score.latency_ms is not None
        ]
    )


def _growth_s(series: Sequence[SeenScore]) -> float:
    delays_s = [score.seen_s - score.time_s for score in series]
    return statistics.median(delays_s[-_EDGE_SCORES:]) - statistics.median(delays_s[:_EDGE_SCORES])
