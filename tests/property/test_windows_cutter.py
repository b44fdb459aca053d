"""The window cutter against a naive cut of the whole recording, whatever the order of arrival."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.config import WindowConfig
from realtime.timebase import SAMPLES_PER_TICK, sample_time_ns, tick_time_ns
from realtime.types import AudioFrame, FaceFrame, FaceReason, GapReason, MediaGap, TimeSpan, Window
from realtime.windows.cutter import STALL_TICKS, WindowCutter

CONFIG = WindowConfig(length_ticks=10, hop_ticks=4, band_ticks=3)


def lips_of(tick: int) -> np.ndarray:
    return np.full((40, 2), tick + 1, np.float32)


def face(tick: int, present: bool) -> FaceFrame:
    if not present:
        return FaceFrame(tick=tick, reason=FaceReason.NO_FACE)
    return FaceFrame(tick=tick, reason=None, track_id=1, lips=lips_of(tick), arrival_ns=tick)


def sample_values(start: int, count: int) -> np.ndarray:
    return ((np.arange(start, start + count) % 1000) / 1000).astype(np.float32)


def push_audio(cutter: WindowCutter, start: int, count: int) -> None:
    cutter.push_audio(AudioFrame(start_ns=sample_time_ns(start), samples=sample_values(start, count)))
    cutter.push_speech(start, start + count, 0.75)


def feed(cutter: WindowCutter, has_face: list[bool], audio_ticks: int, choices: list[bool]) -> list[Window]:
    """Push both tracks in an order that the choices decide, at most half a second apart."""
    windows: list[Window] = []
    video, audio = 0, 0
    order = iter(choices)
    while video < len(has_face) or audio < audio_ticks:
        take_video = next(order, video <= audio)
        if video - audio > 12 and audio < audio_ticks:
            take_video = False
        if audio - video > 12 and video < len(has_face):
            take_video = True
        if take_video and video < len(has_face):
            cutter.push_face(face(video, has_face[video]))
            video += 1
        elif audio < audio_ticks:
            push_audio(cutter, audio * SAMPLES_PER_TICK, SAMPLES_PER_TICK)
            audio += 1
        else:
            cutter.push_face(face(video, has_face[video]))
            video += 1
        windows.extend(cutter.ready())
    windows.extend(cutter.flush())
    return windows


@settings(max_examples=60, deadline=None)
@given(
    has_face=st.lists(st.booleans(), min_size=1, max_size=120),
    extra_audio=st.integers(-6, 20),
    choices=st.lists(st.booleans(), max_size=300),
)
def test_windows_equal_a_naive_cut(has_face: list[bool], extra_audio: int, choices: list[bool]) -> None:
    audio_ticks = max(0, len(has_face) + extra_audio)
    windows = feed(WindowCutter(CONFIG, 4), has_face, audio_ticks, choices)

    end = max(len(has_face), audio_ticks)
    expected = [start for start in range(0, end, CONFIG.hop_ticks) if start + CONFIG.length_ticks <= end]
    assert [window.index * CONFIG.hop_ticks for window in windows] == expected
    for window in windows:
        start = window.index * CONFIG.hop_ticks
        stop = start + CONFIG.length_ticks
        assert window.span == TimeSpan(start_ns=tick_time_ns(start), end_ns=tick_time_ns(stop))
        for row, tick in enumerate(range(start, stop)):
            present = tick < len(has_face) and has_face[tick]
            assert window.lips_present[row] == present
            assert np.array_equal(window.lips[row], lips_of(tick) if present else np.zeros((40, 2)))
        first = start - CONFIG.band_ticks
        for column, tick in enumerate(range(first, stop + CONFIG.band_ticks)):
            present = 0 <= tick < audio_ticks
            assert window.audio_present[column] == present
            assert window.speech[column] == (0.75 if present else 0.0)
            block = window.audio[column * SAMPLES_PER_TICK : (column + 1) * SAMPLES_PER_TICK]
            wanted = sample_values(tick * SAMPLES_PER_TICK, SAMPLES_PER_TICK) if present else 0.0
            assert np.array_equal(block, np.broadcast_to(wanted, SAMPLES_PER_TICK))


def test_a_silent_track_delays_a_window_by_a_second_at_most() -> None:
    cutter = WindowCutter(CONFIG, 4)
    due = CONFIG.length_ticks + CONFIG.band_ticks + STALL_TICKS
    for tick in range(due - 1):
        cutter.push_face(face(tick, True))
    assert list(cutter.ready()) == []
    cutter.push_face(face(due - 1, True))
    (window,) = cutter.ready()
    assert window.index == 0
    assert not window.audio_present.any()
    assert window.reasons == ("no_audio",)


def test_a_jump_of_an_hour_skips_the_empty_windows_and_counts_them() -> None:
    cutter = WindowCutter(CONFIG, 4)
    cutter.push_face(face(0, True))
    hour = 25 * 3600
    cutter.push_audio_gap(
        MediaGap(track="audio", span=TimeSpan(start_ns=0, end_ns=tick_time_ns(hour)), reason=GapReason.MUTED)
    )
    windows = list(cutter.ready())
    assert len(windows) < 60
    assert cutter.skipped_windows + len(windows) >= hour // CONFIG.hop_ticks - 15
    assert all("muted" in window.reasons for window in windows)


def test_the_newest_media_gives_the_arrival_time() -> None:
    cutter = WindowCutter(CONFIG, 4)
    for tick in range(30):
        cutter.push_face(face(tick, True))
        start = tick * SAMPLES_PER_TICK
        cutter.push_audio(
            AudioFrame(
                start_ns=sample_time_ns(start),
                samples=sample_values(start, SAMPLES_PER_TICK),
                arrival_ns=1000 + tick,
            )
        )
        cutter.push_speech(start, start + SAMPLES_PER_TICK, 0.1)
    first = next(cutter.ready())
    assert first.arrival_ns == 1000 + CONFIG.length_ticks + CONFIG.band_ticks


def test_memory_does_not_grow_in_an_hour_of_call() -> None:
    cutter = WindowCutter(CONFIG, 4)

    def sizes() -> dict[str, int]:
        return {name: len(value) for name, value in vars(cutter).items() if hasattr(value, "__len__")}

    def run(ticks: range) -> None:
        for tick in ticks:
            cutter.push_face(face(tick, True))
            cutter.push_identity(tick, np.ones(4, np.float32) / 2)
            push_audio(cutter, tick * SAMPLES_PER_TICK, SAMPLES_PER_TICK)
            for _ in cutter.ready():
                pass

    run(range(2_000))
    before = sizes()
    run(range(2_000, 90_000))
    assert sizes() == before


@given(
    st.lists(
        st.one_of(
            st.none(),
            st.tuples(st.floats(20, 300), st.floats(0, 500), st.integers(0, 3)),
        ),
        min_size=10,
        max_size=40,
    )
)
@settings(deadline=None, max_examples=40)
def test_quality_is_that_of_the_ticks_with_a_followed_face(shown):
    cutter = WindowCutter(CONFIG, 4)
    for tick, seen in enumerate(shown):
        if seen is None:
            cutter.push_face(FaceFrame(tick=tick, reason=FaceReason.NO_FACE))
        else:
            size, sharpness, others = seen
            cutter.push_face(
                FaceFrame(
                    tick=tick,
                    reason=FaceReason.BLURRED,
                    track_id=1,
                    face_size_px=size,
                    sharpness=sharpness,
                    other_faces=others,
                )
            )
    for window in cutter.flush():
        start = window.index * CONFIG.hop_ticks
        inside = [seen for seen in shown[start : start + CONFIG.length_ticks] if seen is not None]
        if not inside:
            assert window.face_px is window.sharpness is None
            assert window.other_faces == 0
            continue
        sizes, sharpnesses, others = zip(*inside, strict=True)
        assert window.face_px == np.median(sizes)
        assert window.sharpness == np.median(sharpnesses)
        assert window.other_faces == max(others)
