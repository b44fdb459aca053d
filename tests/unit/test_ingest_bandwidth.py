from __future__ import annotations

from typing import Any

import pytest

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
    found = [estimate.add(abs_send_time=0, arrival_ms=time, size=1000, ssrc=5) for time in times_ms]
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
    assert estimate._estimator.ssrcs == {7: 1_000}
