"""Log-mel features: time axis, frequency axis, range, and the numbers of the reference implementation."""

from __future__ import annotations

import numpy as np
import pytest

from engines.frontend.mel import FRAME_STEP, MEL_BINS, log_mel


def tone(frequency_hz: float, seconds: float = 0.4) -> np.ndarray:
    return np.sin(2 * np.pi * frequency_hz * np.arange(int(16_000 * seconds)) / 16_000) * 0.5


def test_four_frames_a_tick() -> None:
    assert log_mel(np.zeros(640 * 3)).shape == (12, MEL_BINS)
    for wrong in (np.zeros(641), np.zeros(160), np.zeros((2, 640))):
        with pytest.raises(ValueError, match="10 ms"):
            log_mel(wrong)


def test_a_higher_tone_lies_in_a_higher_band() -> None:
    peaks = [int(log_mel(tone(hz))[10:-10].mean(axis=0).argmax()) for hz in (150, 400, 1000, 2500, 6000)]
    assert peaks == sorted(set(peaks))


def test_a_click_is_loudest_in_the_frame_whose_centre_is_nearest() -> None:
    for position in (1605, 1675, 1685, 1755):
        audio = np.zeros(3200)
        audio[position] = 1.0
        assert log_mel(audio).mean(axis=1).argmax() == round(position / FRAME_STEP)


def test_inner_frames_do_not_depend_on_where_the_audio_is_cut_as_long_as_the_loudest_is_in_it() -> None:
    audio = np.random.default_rng(0).normal(size=16_000) * 0.1
    whole, part = log_mel(audio), log_mel(audio[3200:9600])
    loudest = (part[2:-2].max() - whole[22:58].max()) * 4
    assert loudest == pytest.approx(0.0, abs=1e-4)
    assert part[2:-2] == pytest.approx(whole[22:58], abs=1e-4)


def test_nothing_lies_more_than_eight_decades_under_the_loudest() -> None:
    audio = np.concatenate([tone(440), np.zeros(6400)])
    assert np.ptp(log_mel(audio)) == pytest.approx(2.0, abs=1e-5)


def test_ten_times_the_amplitude_adds_two_decades() -> None:
    audio = np.random.default_rng(1).normal(size=6400) * 0.01
    assert log_mel(audio * 10) - log_mel(audio) == pytest.approx(0.5, abs=1e-3)


def test_the_numbers_are_those_of_the_reference_implementation() -> None:
    transformers = pytest.importorskip("transformers", reason="needs the paper extra")
    audio = np.random.default_rng(2).normal(size=640 * 39).astype(np.float32) * 0.05
    extractor = transformers.WhisperFeatureExtractor()
    expected = extractor(audio, sampling_rate=16_000, padding="longest")["input_features"][0].T
    assert log_mel(audio) == pytest.approx(np.asarray(expected), abs=1e-4)
