"""The intake keeps media in order, stays bounded, and what it drops shows as gaps without holes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realtime.ingest.sink import PendingPicture
from realtime.intake import MAX_AUDIO_SAMPLES, MAX_PICTURES, Intake
from realtime.timebase import SAMPLE_RATE_HZ, sample_at, sample_time_ns, tick_time_ns
from realtime.types import AudioFrame, GapReason, MediaGap, TimeSpan


def picture(tick: int) -> PendingPicture:
    return PendingPicture(tick=tick, arrival_ns=None, convert=lambda: np.zeros((2, 2, 3), np.uint8))


def video_gap(start: int, stop: int) -> MediaGap:
    span = TimeSpan(start_ns=tick_time_ns(start), end_ns=tick_time_ns(stop))
    return MediaGap(track="video", span=span, reason=GapReason.LOSS)


def ticks_of(item: PendingPicture | MediaGap) -> range:
    if isinstance(item, PendingPicture):
        return range(item.tick, item.tick + 1)
    return range(item.span.start_ns // tick_time_ns(1), item.span.end_ns // tick_time_ns(1))


@given(st.lists(st.one_of(st.just("picture"), st.just("gap"), st.integers(1, 12)), max_size=150))
def test_pictures_tile_the_timeline_whatever_is_dropped(steps: list[str | int]) -> None:
    intake = Intake()
    tick = taken_to = pictures_in = pictures_out = 0
    for step in [*steps, MAX_PICTURES]:
        if step == "picture":
            intake.put_picture(picture(tick))
            tick += 1
            pictures_in += 1
        elif step == "gap":
            intake.put_gap(video_gap(tick, tick + 2))
            tick += 2
        else:
            for item in intake.take(int(step)).pictures:
                ticks = ticks_of(item)
                assert ticks.start == taken_to
                taken_to = ticks.stop
                pictures_out += isinstance(item, PendingPicture)
        assert intake.pictures_waiting <= MAX_PICTURES
        assert intake.pictures_waiting == pictures_in - pictures_out - intake.dropped_pictures
    assert intake.pictures_waiting == 0


def test_audio_drops_its_oldest_seconds_only_and_counts_them() -> None:
    intake = Intake()
    block = SAMPLE_RATE_HZ
    for second in range(14):
        start = sample_time_ns(second * block)
        intake.put_audio(AudioFrame(start_ns=start, samples=np.zeros(block, np.float32)))
        assert intake.samples_waiting <= MAX_AUDIO_SAMPLES
    gap, *frames = intake.take(0).audio
    assert isinstance(gap, MediaGap)
    assert gap.reason is GapReason.DROPPED
    assert gap.span == TimeSpan(start_ns=0, end_ns=sample_time_ns(4 * block))
    assert [sample_at(frame.start_ns) for frame in frames if isinstance(frame, AudioFrame)] == [
        second * block for second in range(4, 14)
    ]
    assert intake.dropped_samples == 4 * block


def test_adjoining_gaps_of_one_reason_become_one() -> None:
    intake = Intake()
    for tick in range(0, 1000, 5):
        intake.put_gap(video_gap(tick, tick + 5))
    (gap,) = intake.take(1).pictures
    assert gap == video_gap(0, 1000)


def test_a_long_backlog_is_taken_in_portions() -> None:
    intake = Intake()
    for tick in range(20):
        intake.put_picture(picture(tick))
    sizes = []
    while batch := intake.take(8):
        sizes.append(len(batch.pictures))
    assert sizes == [8, 8, 4]
