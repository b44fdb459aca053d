from __future__ import annotations

import random
from typing import Any

import pytest
from aiortc.rate import RemoteBitrateEstimator

from realtime.ingest.bandwidth import EXPIRES_MS, LEAST_INTERVAL_MS, BandwidthEstimate


class Scripted:
    """Stands for aiortc's estimator: says what it is told to say."""

    def __init__(self, answers: list[int | None]) -> None:
        self.answers = answers
        self.ssrcs: dict[int, int] = {}

    def add(self, **packet: Any) -> tuple[int, list[int]] | None:
        self.ssrcs[packet["ssrc"]] = packet["arrival_time_ms"]
        bits = self.answers.pop(0)
        return None if bits is None else (bits, [packet["ssrc"]])


def told(answers: list[int | None], times_ms: list[int]) -> list[int | None]:
    estimate = BandwidthEstimate()
    scripted: Any = Scripted(answers)
    estimate._estimator = scripted
    packets = [*times_ms, times_ms[-1] + 1]
    found = [estimate.add(abs_send_time=0, arrival_ms=time, size=1000, ssrc=5) for time in packets]
    assert found.pop(0) is None
    return [None if one is None else one[0] for one in found]


def test_what_hardly_changes_is_told_at_intervals() -> None:
    times_ms = list(range(0, 3 * LEAST_INTERVAL_MS, 10))
    found = told([1_000_000 + time for time in times_ms], times_ms)
    assert [time for time, bits in zip(times_ms, found, strict=True) if bits is not None] == [
        0,
        LEAST_INTERVAL_MS,
        2 * LEAST_INTERVAL_MS,
    ]


def test_a_fall_is_told_at_once_and_a_rise_is_not() -> None:
    assert told([1_000_000, 980_000, 969_000, 950_000, 2_000_000], [0, 10, 20, 30, 40]) == [
        1_000_000,
        None,
        969_000,
        None,
        None,
    ]


def test_nothing_is_told_where_nothing_is_known() -> None:
    assert told([None, 500], [0, 10]) == [None, 500]


@pytest.mark.parametrize("pause_ms", [EXPIRES_MS, EXPIRES_MS + 1])
def test_after_a_long_pause_it_begins_anew(pause_ms: int) -> None:
    estimate = BandwidthEstimate()
    estimate.add(abs_send_time=0, arrival_ms=1_000, size=1000, ssrc=5)
    before = estimate._estimator
    estimate.add(abs_send_time=0, arrival_ms=1_000 + pause_ms, size=1000, ssrc=5)
    assert (estimate._estimator is before) == (pause_ms == EXPIRES_MS)


def test_it_never_mixes_two_sources() -> None:
    estimate = BandwidthEstimate()
    for ssrc in (5, 6, 7):
        estimate.add(abs_send_time=0, arrival_ms=1_000, size=1000, ssrc=ssrc)
        estimate.add(abs_send_time=0, arrival_ms=1_020, size=1000, ssrc=ssrc)
        estimate.add(abs_send_time=0, arrival_ms=1_040, size=1000, ssrc=ssrc)
    assert estimate._estimator.ssrcs == {7: 1_020}


@pytest.mark.parametrize("congested", [False, True])
def test_packets_that_travel_together_count_as_each_of_them_would(congested: bool) -> None:
    single, grouped = RemoteBitrateEstimator(), BandwidthEstimate()
    rng = random.Random(3)
    singles: list[int] = []
    now_ms = 1_000
    for picture in range(1_500):
        delay_ms = rng.randrange(4) + (max(0, picture - 1_000) // 5 if congested else 0)
        now_ms = max(now_ms, 1_000 + 40 * picture + delay_ms)
        for part in range(rng.randrange(1, 9)):
            sent = ((40 * picture << 18) // 1000 + 20 * part) % (1 << 24)
            packet = {"abs_send_time": sent, "ssrc": 5}
            one = single.add(arrival_time_ms=now_ms, payload_size=1_000, **packet)
            grouped.add(arrival_ms=now_ms, size=1_000, **packet)
            singles += [] if one is None else [one[0]]
    grouped.add(abs_send_time=0, arrival_ms=now_ms + 1, size=1_000, ssrc=5)
    estimator = grouped._estimator
    assert estimator.detector.state() is single.detector.state()
    assert estimator.rate_control.current_bitrate == pytest.approx(singles[-1], rel=0.05)
    assert estimator.incoming_bitrate.rate(now_ms) == pytest.approx(
        single.incoming_bitrate.rate(now_ms), rel=0.05
    )
