"""Prometheus metrics of one monitor. No label names a call or a participant: personal, and unbounded.

What is told of one participant carries its ``seat``: a small number, free again when it has left.
"""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from realtime.ingest.reception import Reception
from realtime.observe.reception import ReceptionCollector

_LATENCY_BUCKETS_S = (0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.6, 1.0, 2.0, 5.0)
_WAIT_BUCKETS_S = (0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_BATCH_BUCKETS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64)


class MonitorMetrics:
    """The metrics, around a registry of their own.

    Attributes:
        registry: Holds everything below, and the process's CPU and memory.
        participants: Participants that publish now.
        subscribers: Connections on ``/alerts``.
        windows_scored: Scored windows, by ``status``.
        latency_s: From the arrival of a window's newest media to the publishing of its score, in seconds.
        queue_depth: Items waiting in a queue, by ``stage``.
        dropped: Items thrown away, by ``stage`` and ``reason``.
        alerts: Stored transitions, by the ``state`` they lead to.
        store_errors: Alerts that could not be stored.
        deliveries: What became of alerts beyond the WebSocket, by kind of ``destination`` and ``outcome``.
        deliveries_pending: Stored alerts that the destinations of a kind have yet to get.
        evidence: Evidence bundles, by ``outcome``: written, failed, dropped.
        engine_batch: Requests that one run of an engine served, by ``role``.
        engine_wait_s: How long a request waited for its engine, in seconds, by ``role``.
        webrtc: Events on peer connections, by ``event``.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.participants = Gauge(
            "seamwatch_participants", "Participants that publish now.", registry=registry
        )
        self.subscribers = Gauge("seamwatch_subscribers", "Connections on /alerts.", registry=registry)
        self.windows_scored = Counter(
            "seamwatch_windows_scored", "Scored windows.", ["status"], registry=registry
        )
        self.latency_s = Histogram(
            "seamwatch_latency_seconds",
            "From the arrival of a window's newest media to the publishing of its score.",
            buckets=_LATENCY_BUCKETS_S,
            registry=registry,
        )
        self.queue_depth = Gauge(
            "seamwatch_queue_depth", "Items waiting in a queue.", ["stage"], registry=registry
        )
        self.dropped = Counter(
            "seamwatch_dropped", "Items thrown away.", ["stage", "reason"], registry=registry
        )
        self.alerts = Counter("seamwatch_alerts", "Stored transitions.", ["state"], registry=registry)
        self.store_errors = Counter(
            "seamwatch_store_errors", "Alerts that could not be stored.", registry=registry
        )
        self.deliveries = Counter(
            "seamwatch_alert_deliveries",
            "What became of alerts beyond the WebSocket.",
            ["destination", "outcome"],
            registry=registry,
        )
        self.deliveries_pending = Gauge(
            "seamwatch_alert_deliveries_pending",
            "Stored alerts that a kind of destination has yet to get.",
            ["destination"],
            registry=registry,
        )
        self.evidence = Counter("seamwatch_evidence", "Evidence bundles.", ["outcome"], registry=registry)
        self.engine_batch = Histogram(
            "seamwatch_engine_batch_requests",
            "Requests that one run of an engine served.",
            ["role"],
            buckets=_BATCH_BUCKETS,
            registry=registry,
        )
        self.engine_wait_s = Histogram(
            "seamwatch_engine_wait_seconds",
            "How long a request waited for its engine.",
            ["role"],
            buckets=_WAIT_BUCKETS_S,
            registry=registry,
        )
        self.webrtc = Counter(
            "seamwatch_webrtc_events", "Events on peer connections.", ["event"], registry=registry
        )
        self._receptions = ReceptionCollector()
        registry.register(self._receptions)

    def reception(self, seat: int, reception: Reception, picture_px: tuple[int, int] = (0, 0)) -> None:
        """Take how well a participant's media comes in, and the width and height of its newest picture."""
        self._receptions.set(seat, reception, picture_px)

    def forget(self, seat: int) -> None:
        """Stop telling of a seat whose participant has left; one that is not there is ignored."""
        self._receptions.forget(seat)

    def drop(self, stage: str, reason: str, count: int = 1) -> None:
        """Count items that a stage threw away."""
        self.dropped.labels(stage=stage, reason=reason).inc(count)

    def engine_ran(self, role: str, waits_s: Sequence[float]) -> None:
        """Count one run of an engine that served these requests."""
        self.engine_batch.labels(role=role).observe(len(waits_s))
        for wait_s in waits_s:
            self.engine_wait_s.labels(role=role).observe(wait_s)

    def engine_dropped(self, role: str, reason: str, count: int) -> None:
        """Count requests that an engine's queue dropped."""
        self.drop(f"engine_{role}", reason, count)

    def exposition(self) -> tuple[bytes, str]:
        """Return the metrics in the Prometheus text format, and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST
