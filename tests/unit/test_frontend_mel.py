"""Log-mel features: time axis, frequency axis, independence of what lies outside."""

from __future__ import annotations

import numpy as np
import pytest

from engines.frontend.mel import FRAME_STEP, MEL_BINS, log_mel


def tone(frequency_hz: float, seconds: float = 0.4) -> np.ndarray:
    return np.sin(2 * np.pi * frequency_hz * np.arange(int(16_000 * seconds)) / 16_000) * 0.5


def test_four_frames_a_tick() -> None:
    assert log_mel(np.zeros(640 * 3)).shape == (12, MEL_BINS)
    assert log_mel(np.zeros(0)).shape == (0, MEL_BINS)
    with pytest.raises(ValueError, match="10 ms"):
        log_mel(np.zeros(641))


def test_a_higher_tone_lies_in_a_higher_band() -> None:
    peaks = [int(log_mel(tone(hz))[10:-10].mean(axis=0).argmax()) for hz in (150, 400, 1000, 2500, 6000)]
    assert peaks == sorted(set(peaks))


def test_a_click_is_loudest_in_the_frame_that_holds_it() -> None:
    for position in (1605, 1675, 1685, 1755):
        audio = np.zeros(3200)
        audio[position] = 1.0
        assert log_mel(audio).mean(axis=1).argmax() == position // FRAME_STEP


def test_inner_frames_do_not_depend_on_where_the_audio_is_cut() -> None:
    audio = np.random.default_rng(0).normal(size=16_000) * 0.1
    assert log_mel(audio[3200:9600])[2:-2] == pytest.approx(log_mel(audio)[22:58], abs=1e-4)


def test_ten_times_the_amplitude_adds_a_constant() -> None:
    audio = np.random.default_rng(1).normal(size=6400) * 0.01
    assert log_mel(audio * 10) - log_mel(audio) == pytest.approx(np.log(100), abs=0.05)
