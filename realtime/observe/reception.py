"""How well each participant's media comes in, as Prometheus metrics that exist while the participant does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from realtime.ingest.reception import Reception, TrackReception

_MS_PER_S = 1000
_TRACK_COUNTERS: tuple[tuple[str, str, Callable[[TrackReception], float]], ...] = (
    ("packets", "RTP packets received.", lambda track: track.packets),
    ("lost_packets", "RTP packets given up.", lambda track: track.lost),
    ("recovered_packets", "RTP packets that came late or were sent again.", lambda track: track.recovered),
    ("nacks", "Requests to send packets again.", lambda track: track.nacks),
    ("key_frame_requests", "Requests for a key frame (PLI).", lambda track: track.key_frame_requests),
    ("frames", "Decoded pictures or blocks of audio.", lambda track: track.frames),
    ("damaged_frames", "Frames not passed on because they were damaged.", lambda track: track.damaged),
    ("freezes", "Spans of more than 200 ms without a picture.", lambda track: track.freezes),
    ("missing_seconds", "Media time lost on the network.", lambda track: track.missing_ms / _MS_PER_S),
    ("dropped_frames", "Frames dropped because this host was too slow.", lambda track: track.dropped),
    ("dropped_rtcp_packets", "RTCP that gave way before it was sent.", lambda track: track.feedback_dropped),
)


class ReceptionCollector(Collector):
    """Exposes the newest ``Reception`` of every seat under ``seamwatch_reception_*``.

    The label ``seat`` is a participant's number at the monitor, so there are at most as many values as
    participants are accepted. A seat that is forgotten is exposed no more. Counters are what the source has
    counted since its connection began; a new connection, or another participant on the seat, starts them at
    zero, which Prometheus takes for a counter reset.
    """

    def __init__(self) -> None:
        self._seats: dict[int, tuple[Reception, tuple[int, int]]] = {}

    def set(self, seat: int, reception: Reception, picture_px: tuple[int, int]) -> None:
        """Take the newest reception of a seat, and the width and height of its newest picture."""
        self._seats[seat] = (reception, picture_px)

    def forget(self, seat: int) -> None:
        """Drop a seat; one that is not there is ignored."""
        self._seats.pop(seat, None)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they stand."""
        seats = {str(seat): newest for seat, newest in sorted(self._seats.items())}
        tracks = [
            ((seat, name), track)
            for seat, (reception, _) in seats.items()
            for name, track in (("audio", reception.audio), ("video", reception.video))
            if track is not None
        ]
        for name, documentation, value_of in _TRACK_COUNTERS:
            counter = CounterMetricFamily(
                f"seamwatch_reception_{name}", documentation, labels=("seat", "track")
            )
            for labels, track in tracks:
                counter.add_metric(labels, value_of(track))
            yield counter
        yield _gauge(
            "jitter_seconds",
            "Interarrival jitter (RFC 3550).",
            ("seat", "track"),
            ((labels, track.jitter_ms / _MS_PER_S) for labels, track in tracks),
        )
        yield _gauge(
            "skew_seconds",
            "By how much the sender's clock moves the pictures against their arrival.",
            ("seat",),
            (((seat,), reception.skew_ms / _MS_PER_S) for seat, (reception, _) in seats.items()),
        )
        yield _gauge(
            "uncertainty_seconds",
            "What may be left of a misalignment of sound and picture.",
            ("seat",),
            (((seat,), reception.uncertainty_ms / _MS_PER_S) for seat, (reception, _) in seats.items()),
        )
        for side, index in (("width", 0), ("height", 1)):
            yield _gauge(
                f"{side}_pixels",
                f"The newest picture's {side}.",
                ("seat",),
                (((seat,), picture_px[index]) for seat, (_, picture_px) in seats.items()),
            )


def _gauge(
    name: str, documentation: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(f"seamwatch_reception_{name}", documentation, labels=labels)
    for of, value in values:
        gauge.add_metric(of, value)
    return gauge
