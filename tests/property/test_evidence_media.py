"""Kept loudness against a naive oracle, and kept media through the files of a bundle and back."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.evidence.media import Envelope, FacePicture, KeptMedia, MediaMemory
from realtime.evidence.media_files import media_files, read_media
from realtime.timebase import SAMPLES_PER_TICK, sample_time_ns
from realtime.types import AudioFrame, read_only


def naive_envelope(samples: np.ndarray, capacity_ticks: int) -> dict[int, float]:
    """Root mean square of every tick with at least nine tenths of its samples, for the newest ticks."""
    known = {}
    newest = -1
    for tick in range(-(-len(samples) // SAMPLES_PER_TICK)):
        piece = samples[tick * SAMPLES_PER_TICK : (tick + 1) * SAMPLES_PER_TICK]
        present = piece[~np.isnan(piece)]
        if present.size:
            newest = tick
        if present.size >= SAMPLES_PER_TICK * 9 // 10:
            known[tick] = float(np.sqrt(np.mean(present.astype(np.float64) ** 2)))
    return {tick: rms for tick, rms in known.items() if tick > newest - capacity_ticks}


@settings(max_examples=60)
@given(
    blocks=st.lists(st.tuples(st.integers(1, 1500), st.sampled_from([0, 0, 0, 37, 700, 3000])), max_size=40),
    windows=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_loudness_is_that_of_the_samples_however_they_come(
    blocks: list[tuple[int, int]], windows: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    memory = MediaMemory(windows)
    heard = np.full(sum(length + gap for length, gap in blocks), np.nan, np.float32)
    position = 0
    for length, gap in blocks:
        samples = rng.uniform(-1, 1, length).astype(np.float32)
        heard[position : position + length] = samples
        memory.take_audio(AudioFrame(start_ns=sample_time_ns(position), samples=samples))
        position += length + gap
    envelope = memory.snapshot(()).envelope
    got = {
        tick: rms for tick, rms in enumerate(envelope.rms.tolist(), envelope.first_tick) if not np.isnan(rms)
    }
    expected = naive_envelope(heard, windows * 15)
    assert got.keys() == expected.keys()
    np.testing.assert_allclose(list(got.values()), list(expected.values()), atol=1e-5)


@settings(max_examples=60)
@given(
    ticks=st.lists(st.integers(0, 10**7), unique=True, max_size=12).map(sorted),
    first_tick=st.integers(0, 10**7),
    rms=st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=60),
    offset_ns=st.integers(0, 10**13),
)
def test_what_is_written_is_read_again(
    ticks: list[int], first_tick: int, rms: list[float | None], offset_ns: int
) -> None:
    values = np.array([np.nan if value is None else value for value in rms], np.float32)
    faces = tuple(
        FacePicture(tick=tick, track_id=tick % 3 or None, jpeg=b"\xff\xd8\xff" + bytes([tick % 256]))
        for tick in ticks
    )
    media = KeptMedia(faces=faces, envelope=Envelope(first_tick=first_tick, rms=read_only(values)))
    again = read_media(media_files(media, offset_ns))
    assert again is not None
    assert again.faces == faces
    present = np.flatnonzero(~np.isnan(values))
    if present.size:
        assert again.envelope.first_tick == first_tick + present[0]
        expected = values[present[0] : present[-1] + 1]
        np.testing.assert_allclose(again.envelope.rms, expected, atol=0.6e-5)
    else:
        assert len(again.envelope.rms) == 0
