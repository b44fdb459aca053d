"""The untrained encoders: their dot product is the correlation of lip opening and loudness."""

from __future__ import annotations

import numpy as np
import pytest

from realtime.encoders.baseline import BaselineAudioEncoder, BaselineVisualEncoder
from realtime.timebase import SAMPLES_PER_TICK, TICK_NS
from realtime.types import TimeSpan, Window

LENGTH, BAND = 25, 7


def lips_with_height(height: np.ndarray) -> np.ndarray:
    lips = np.zeros((len(height), 40, 2), np.float32)
    lips[:, :20, 0] = np.cos(np.linspace(0, 2 * np.pi, 20, endpoint=False))
    lips[:, :20, 1] = np.sin(np.linspace(0, 2 * np.pi, 20, endpoint=False)) * height[:, None] / 2
    return lips


def tone(loudness: np.ndarray) -> np.ndarray:
    """A 700 Hz tone whose log amplitude per tick follows a curve."""
    time = np.arange(len(loudness) * SAMPLES_PER_TICK) / 16_000
    return (np.sin(2 * np.pi * 700 * time) * np.repeat(0.1 * np.exp(loudness), SAMPLES_PER_TICK)).astype(
        np.float32
    )


def window(
    height: np.ndarray,
    loudness: np.ndarray,
    *,
    lips: np.ndarray | None = None,
    audio: np.ndarray | None = None,
) -> Window:
    lips_present = np.ones(LENGTH, np.bool_) if lips is None else lips
    audio_present = np.ones(LENGTH + 2 * BAND, np.bool_) if audio is None else audio
    return Window(
        index=3,
        span=TimeSpan(start_ns=0, end_ns=LENGTH * TICK_NS),
        lips=lips_with_height(height) * lips_present[:, None, None],
        lips_present=lips_present,
        identity_embeddings=np.zeros((0, 4), np.float32),
        track_ids=(),
        audio=tone(loudness) * np.repeat(audio_present, SAMPLES_PER_TICK),
        audio_present=audio_present,
        speech=np.ones(LENGTH + 2 * BAND, np.float32),
    )


def profile(case: Window) -> np.ndarray:
    visual = BaselineVisualEncoder(0.6).encode(case)
    audio = BaselineAudioEncoder(BAND, 0.8).encode(case)
    assert visual is not None
    assert audio is not None
    return audio.vectors @ visual.vector


def curves(lag: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Lips, and a voice that follows them ``lag`` ticks later."""
    signal = np.random.default_rng(seed).normal(size=LENGTH + 2 * BAND + 20)
    loudness = signal[10 : 10 + LENGTH + 2 * BAND]
    height = 0.5 + 0.1 * signal[10 + BAND + lag : 10 + BAND + lag + LENGTH]
    return height, loudness


@pytest.mark.parametrize("lag", [-6, -2, 0, 1, 5])
def test_the_best_lag_is_where_the_voice_follows_the_lips(lag: int) -> None:
    similarities = profile(window(*curves(lag)))
    assert similarities.argmax() - BAND == lag
    assert similarities.max() > 0.95
    assert np.abs(np.delete(similarities, similarities.argmax())).max() < 0.7


def test_still_lips_fit_nothing() -> None:
    _, loudness = curves(0)
    jitter = np.random.default_rng(1).normal(size=LENGTH) * 0.0005
    assert np.abs(profile(window(0.4 + jitter, loudness))).max() < 0.1


def test_embeddings_have_unit_norm_and_missing_lags_are_marked() -> None:
    height, loudness = curves(0)
    present = np.ones(LENGTH + 2 * BAND, np.bool_)
    present[-BAND:] = False
    audio = BaselineAudioEncoder(BAND, 0.8).encode(window(height, loudness, audio=present))
    assert audio is not None
    assert audio.valid.tolist() == [True] * 13 + [False] * 2
    assert np.linalg.norm(audio.vectors[audio.valid], axis=1) == pytest.approx(1.0, abs=1e-5)
    assert not audio.vectors[~audio.valid].any()


def test_a_short_gap_in_the_lips_is_bridged_and_a_long_one_refused() -> None:
    height, loudness = curves(0)
    short = np.ones(LENGTH, np.bool_)
    short[10:13] = False
    assert profile(window(height, loudness, lips=short)).argmax() == BAND
    long = np.zeros(LENGTH, np.bool_)
    long[:10] = True
    assert BaselineVisualEncoder(0.6).encode(window(height, loudness, lips=long)) is None


def test_silence_and_constant_sound_have_no_shape_to_compare() -> None:
    height, _ = curves(0)
    flat = np.zeros(LENGTH + 2 * BAND)
    assert BaselineAudioEncoder(BAND, 0.8).encode(window(height, flat)) is None
    assert BaselineAudioEncoder(BAND, 0.8).encode(window(height, flat - 20)) is None
