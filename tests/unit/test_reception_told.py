"""How a participant's reception reaches subscribers and Prometheus."""

from __future__ import annotations

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from realtime.ingest.reception import Reception, TrackReception
from realtime.messages import Narrator
from realtime.observe.metrics import MonitorMetrics
from realtime.server.wire import MESSAGE, ReceptionUpdate, TrackCounters
from realtime.timebase import NS_PER_S

AUDIO = TrackReception(packets=500, lost=3, recovered=5, nacks=8, frames=490, missing_ms=1500, jitter_ms=4.25)
VIDEO = TrackReception(
    packets=900,
    lost=1,
    key_frame_requests=2,
    frames=300,
    damaged=4,
    freezes=6,
    dropped=7,
    feedback_dropped=8,
    jitter_ms=9.0,
)


def told(narrator: Narrator, seconds: float, reception: Reception) -> ReceptionUpdate:
    return narrator.reception(
        reception, seat=3, picture_px=(640, 360), now_ns=round((1000 + seconds) * NS_PER_S)
    )


def frames(count: int) -> Reception:
    return Reception(audio=None, video=TrackReception(frames=count))


def sample(metrics: MonitorMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"seamwatch_reception_{name}", labels)


def test_a_message_carries_every_counter_as_it_is() -> None:
    message = told(
        Narrator("c1", "ann", {}, 0),
        0,
        Reception(audio=AUDIO, video=VIDEO, sync="reports", skew_ms=-12.34, uncertainty_ms=6.78),
    )
    assert (message.call, message.participant, message.seat) == ("c1", "ann", 3)
    assert (message.width, message.height) == (640, 360)
    assert (message.sync, message.skew_ms, message.uncertainty_ms) == ("reports", -12.3, 6.8)
    for sent, track in ((message.audio, AUDIO), (message.video, VIDEO)):
        assert sent is not None
        for name in TrackCounters.model_fields.keys() - {"rate_hz"}:
            assert getattr(sent, name) == pytest.approx(getattr(track, name), abs=0.06)
    assert MESSAGE.validate_json(message.model_dump_json()) == message


def test_frame_rates_are_those_since_the_message_before() -> None:
    narrator = Narrator("c1", "ann", {}, 0)
    rates = []
    for seconds, count in [(0, 100), (2, 150), (6, 190), (6, 190), (8, 190), (10, 20), (12, 80)]:
        video = told(narrator, seconds, frames(count)).video
        assert video is not None
        rates.append(video.rate_hz)
    assert rates == [None, 25.0, 10.0, None, 0.0, None, 30.0]


def test_a_track_that_appears_or_goes_has_no_rate() -> None:
    narrator = Narrator("c1", "ann", {}, 0)
    assert told(narrator, 0, Reception(audio=AUDIO, video=None)).video is None
    message = told(narrator, 2, Reception(audio=AUDIO, video=VIDEO))
    assert message.video is not None
    assert message.audio is not None
    assert (message.audio.rate_hz, message.video.rate_hz) == (0.0, None)


def test_metrics_name_a_seat_and_nobody() -> None:
    metrics = MonitorMetrics()
    reception = Reception(audio=AUDIO, video=VIDEO, sync="reports", skew_ms=-12.0, uncertainty_ms=6.0)
    metrics.reception(3, reception, (640, 360))
    assert sample(metrics, "packets_total", seat="3", track="audio") == 500
    assert sample(metrics, "lost_packets_total", seat="3", track="video") == 1
    assert sample(metrics, "recovered_packets_total", seat="3", track="audio") == 5
    assert sample(metrics, "nacks_total", seat="3", track="audio") == 8
    assert sample(metrics, "key_frame_requests_total", seat="3", track="video") == 2
    assert sample(metrics, "frames_total", seat="3", track="video") == 300
    assert sample(metrics, "damaged_frames_total", seat="3", track="video") == 4
    assert sample(metrics, "freezes_total", seat="3", track="video") == 6
    assert sample(metrics, "dropped_frames_total", seat="3", track="video") == 7
    assert sample(metrics, "dropped_rtcp_packets_total", seat="3", track="video") == 8
    assert sample(metrics, "missing_seconds_total", seat="3", track="audio") == 1.5
    assert sample(metrics, "jitter_seconds", seat="3", track="audio") == pytest.approx(0.00425)
    assert sample(metrics, "skew_seconds", seat="3") == pytest.approx(-0.012)
    assert sample(metrics, "uncertainty_seconds", seat="3") == pytest.approx(0.006)
    assert sample(metrics, "width_pixels", seat="3") == 640
    assert sample(metrics, "height_pixels", seat="3") == 360


def test_a_forgotten_seat_leaves_no_series_and_a_new_connection_replaces_the_old() -> None:
    metrics = MonitorMetrics()
    metrics.reception(1, Reception(audio=AUDIO, video=None))
    metrics.reception(2, Reception(audio=AUDIO, video=VIDEO))
    metrics.reception(1, Reception(audio=TrackReception(packets=2), video=None))
    assert sample(metrics, "packets_total", seat="1", track="audio") == 2
    assert sample(metrics, "packets_total", seat="1", track="video") is None
    metrics.forget(1)
    metrics.forget(1)
    text = metrics.exposition()[0].decode()
    assert 'seat="1"' not in text
    assert 'seat="2"' in text


def test_the_exposition_parses_with_and_without_seats() -> None:
    metrics = MonitorMetrics()
    for seats in (0, 1, 3):
        for seat in range(1, seats + 1):
            metrics.reception(seat, Reception(audio=AUDIO, video=VIDEO))
        families = list(text_string_to_metric_families(metrics.exposition()[0].decode()))
        received = [family for family in families if family.name.startswith("seamwatch_reception_")]
        assert len(received) == 16
        assert {sample.labels["seat"] for family in received for sample in family.samples} == {
            str(seat) for seat in range(1, seats + 1)
        }
        for family in received:
            assert family.documentation
            assert re.search(r"_(packets|nacks|requests|frames|freezes|seconds|pixels)$", family.name)
