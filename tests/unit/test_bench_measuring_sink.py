from __future__ import annotations

import numpy as np
import pytest

from bench.janus.measuring_sink import MeasuringSink
from bench.janus.numbered_clip import BEEP_S
from realtime.timebase import NS_PER_MS, NS_PER_S, SAMPLE_RATE_HZ, sample_at, sample_time_ns
from realtime.types import AudioFrame, GapReason, MediaGap, TimeSpan

BLOCK = SAMPLE_RATE_HZ // 50


def heard_with(lost_ms: set[int]) -> MeasuringSink:
    """Play a beep at 1 s, in blocks of 20 ms of which some are lost."""
    sound = np.zeros(2 * SAMPLE_RATE_HZ, np.float32)
    sound[SAMPLE_RATE_HZ : SAMPLE_RATE_HZ + round(BEEP_S * SAMPLE_RATE_HZ)] = 0.5
    sink = MeasuringSink()
    for first in range(0, len(sound), BLOCK):
        start_ns = sample_time_ns(first)
        if start_ns // NS_PER_MS in lost_ms:
            span = TimeSpan(start_ns=start_ns, end_ns=sample_time_ns(first + BLOCK))
            sink.on_gap(MediaGap(track="audio", span=span, reason=GapReason.LOSS))
        else:
            block = sound[first : first + BLOCK]
            sink.on_audio(AudioFrame(start_ns=start_ns, samples=block, arrival_ns=start_ns))
    return sink


@pytest.mark.parametrize("lost_ms", [set(), {960}, {1020}, {500, 1040}])
def test_a_beep_whose_start_came_through_is_heard_where_it_is(lost_ms: set[int]) -> None:
    sink = heard_with(lost_ms)
    assert [heard.time_ns for heard in sink.heard] == [NS_PER_S]
    assert sample_at(sink.heard[0].time_ns) == SAMPLE_RATE_HZ
    assert sink.cut == 0


@pytest.mark.parametrize("lost_ms", [{1000}, {980, 1000}, {1000, 1020}])
def test_a_beep_whose_start_was_lost_is_not_measured(lost_ms: set[int]) -> None:
    sink = heard_with(lost_ms)
    assert sink.heard == []
    assert sink.cut == 1
