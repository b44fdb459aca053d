from dataclasses import dataclass

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from realtime.ingest.resample import JITTER_TOLERANCE_NS, AudioItem, AudioLine
from realtime.timebase import NS_PER_S, SAMPLE_RATE_HZ, sample_at, sample_time_ns
from realtime.types import AudioFrame, GapReason, MediaGap
from tests.support.media import audio_frame

MS = 1_000_000
EDGE_SAMPLES = 48


def wave(time_s: np.ndarray) -> np.ndarray:
    return 0.4 * np.sin(2 * np.pi * 90 * time_s) + 0.2 * np.sin(2 * np.pi * 410 * time_s + 1)


@dataclass(frozen=True)
class Run:
    """A stretch without a hole in one format, after a pause."""

    pause_ms: int
    blocks: int
    rate: int
    channels: int
    format_name: str
    jitter_ms: int


runs = st.builds(
    Run,
    pause_ms=st.sampled_from([0, 0, 60, 300, 2000]),
    blocks=st.integers(1, 8),
    rate=st.sampled_from([8000, 16000, 44100, 48000]),
    channels=st.sampled_from([1, 2]),
    format_name=st.sampled_from(["s16", "flt", "fltp"]),
    jitter_ms=st.integers(0, 9),
)


def check_tiling(items: list[AudioItem]) -> None:
    position_ns = 0
    for item in items:
        if isinstance(item, MediaGap):
            assert item.track == "audio"
            assert item.span.start_ns == position_ns
            assert item.span.duration_ns > 0
            position_ns = item.span.end_ns
        else:
            assert item.start_ns == position_ns
            assert len(item.samples) > 0
            assert item.samples.dtype == np.float32
            assert not item.samples.flags.writeable
            position_ns = sample_time_ns(sample_at(item.start_ns) + len(item.samples))


@settings(max_examples=60, deadline=None)
@given(st.lists(runs, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_samples_lie_where_they_were_captured(plan: list[Run], random: object) -> None:
    line = AudioLine()
    items: list[AudioItem] = []
    cursor_ns = 0
    pauses_ns = []
    for run in plan:
        if run.pause_ms:
            pauses_ns.append((cursor_ns, cursor_ns + run.pause_ms * MS))
        cursor_ns += run.pause_ms * MS
        start_ns, count = cursor_ns, run.rate // 50
        for block in range(run.blocks):
            time_ns = start_ns + block * count * NS_PER_S // run.rate
            times_s = time_ns / NS_PER_S + np.arange(count) / run.rate
            samples = np.tile(wave(times_s).astype(np.float32), (run.channels, 1))
            jitter_ns = random.randint(-run.jitter_ms, run.jitter_ms) * MS if block else 0
            frame = audio_frame(samples, rate=run.rate, format_name=run.format_name)
            items += line.push(time_ns + jitter_ns, frame)
        cursor_ns = start_ns + run.blocks * count * NS_PER_S // run.rate
    items += line.flush()

    check_tiling(items)
    gaps = [item.span for item in items if isinstance(item, MediaGap)]
    assert len(gaps) == len(pauses_ns)
    for gap, (start_ns, end_ns) in zip(gaps, pauses_ns, strict=True):
        assert abs(gap.start_ns - start_ns) <= 2 * NS_PER_S // SAMPLE_RATE_HZ
        assert abs(gap.end_ns - end_ns) <= 2 * NS_PER_S // SAMPLE_RATE_HZ
    assert abs(line.covered_ns - cursor_ns) <= 2 * NS_PER_S // SAMPLE_RATE_HZ

    heard = np.concatenate([item.samples for item in items if isinstance(item, AudioFrame)])
    times_s = np.concatenate(
        [
            item.start_ns / NS_PER_S + np.arange(len(item.samples)) / SAMPLE_RATE_HZ
            for item in items
            if isinstance(item, AudioFrame)
        ]
    )
    edges_s = [0.0, cursor_ns / NS_PER_S, *(edge / NS_PER_S for pause in pauses_ns for edge in pause)]
    edges_s += _format_changes(plan)
    inside = np.min([np.abs(times_s - edge) for edge in edges_s], axis=0) > EDGE_SAMPLES / SAMPLE_RATE_HZ
    assert np.max(np.abs(heard - wave(times_s))[inside], initial=0) < 0.05


def _format_changes(plan: list[Run]) -> list[float]:
    cursor_s = 0.0
    edges = []
    for run in plan:
        edges.append(cursor_s + run.pause_ms / 1000)
        cursor_s += run.pause_ms / 1000 + run.blocks * 0.02
    return edges


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-400, 400), st.booleans()),
        min_size=1,
        max_size=25,
    )
)
@example([(-61, True), (41, True), (41, True)])
def test_any_times_tile_the_timeline(moves: list[tuple[int, bool]]) -> None:
    line = AudioLine()
    items: list[AudioItem] = []
    time_ms = 0
    pushed = 0
    for step_ms, is_push in moves:
        time_ms += step_ms
        if is_push:
            pushed += 160
            items += line.push(time_ms * MS, audio_frame(np.zeros((1, 160), np.float32), rate=8000))
        else:
            items += line.advance(time_ms * MS, GapReason.MUTED)
            assert line.covered_ns >= time_ms * MS - MS
    items += line.flush()
    check_tiling(items)
    assert sum(len(item.samples) for item in items if isinstance(item, AudioFrame)) <= 2 * pushed


@settings(max_examples=20, deadline=None)
@given(st.floats(-2e-3, 2e-3))
def test_drift_of_the_source_stays_bounded(drift: float) -> None:
    line = AudioLine()
    items: list[AudioItem] = []
    for block in range(1500):
        time_ns = round(block * 20 * MS * (1 + drift))
        items += line.push(time_ns, audio_frame(np.zeros((1, 320), np.float32), rate=16000))
        assert abs(line.covered_ns - (time_ns + 20 * MS)) <= 2 * JITTER_TOLERANCE_NS + 20 * MS
    check_tiling(items)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 14), min_size=1, max_size=12),
    st.sampled_from([8000, 44100, 48000]),
    st.sampled_from(["s16", "flt", "fltp"]),
)
def test_lost_packets_leave_gaps_of_their_own_length(steps: list[int], rate: int, format_name: str) -> None:
    line = AudioLine(jitter_tolerance_ns=8 * MS)
    items = line.push(
        0, audio_frame(np.zeros((1, rate // 50), np.float32), rate=rate, format_name=format_name)
    )
    lost: list[tuple[int, int]] = []
    packet = 0
    for step in steps:
        if step > 1:
            lost.append(((packet + 1) * 20 * MS, (packet + step) * 20 * MS))
        packet += step
        times_s = packet / 50 + np.arange(rate // 50) / rate
        samples = (0.9 * np.sign(np.sin(2 * np.pi * 100 * times_s))).astype(np.float32)[None]
        items += line.push(packet * 20 * MS, audio_frame(samples, rate=rate, format_name=format_name))
    items += line.flush()
    check_tiling(items)
    gaps = [(item.span.start_ns, item.span.end_ns) for item in items if isinstance(item, MediaGap)]
    assert len(gaps) == len(lost)
    for gap, expected in zip(gaps, lost, strict=True):
        assert max(abs(a - b) for a, b in zip(gap, expected, strict=True)) <= 2 * NS_PER_S // SAMPLE_RATE_HZ
    for item in items:
        if isinstance(item, AudioFrame) and item.start_ns >= 20 * MS:
            middle = item.samples[EDGE_SAMPLES:-EDGE_SAMPLES]
            assert np.abs(middle).max(initial=0.5) > 0.4
