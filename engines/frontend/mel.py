"""Whisper's log-mel of 16 kHz speech, four frames a video tick."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]

SAMPLE_RATE_HZ: Final = 16_000
MEL_BINS: Final = 80
FRAME_STEP: Final = 160
FRAMES_PER_TICK: Final = 4

_FRAME_LENGTH: Final = 400
_FLOOR: Final = 1e-10
_RANGE: Final = 8.0
_LINEAR_STEP_HZ: Final = 200.0 / 3.0
_BREAK_HZ, _BREAK_MEL = 1000.0, 15.0
_LOG_STEP: Final = np.log(6.4) / 27.0


def log_mel(audio: npt.ArrayLike) -> Float32:
    """Return the features that Whisper was trained on (Radford et al. 2022, Sec. 2.2).

    80 triangles on Slaney's mel scale, decadic logarithm of the power, at most 8 under its largest value,
    plus 4, divided by 4. Frame i is centred on sample ``160 i``. The first and the last frame mirror the
    sound at its ends.

    Args:
        audio: float, shape (n,) with n a multiple of 160, at least 320, in [-1, 1], at 16 kHz.

    Returns:
        float32, shape (n / 160, 80).

    Raises:
        ValueError: If n is not such a number.
    """
    samples = np.asarray(audio, np.float32)
    if samples.ndim != 1 or len(samples) % FRAME_STEP or len(samples) < 2 * FRAME_STEP:
        raise ValueError(f"Audio of shape {samples.shape} is not a whole number of 10 ms frames.")
    padded = np.pad(samples, _FRAME_LENGTH // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME_LENGTH)[:-1:FRAME_STEP]
    power = np.abs(np.fft.rfft(frames * _HANN, axis=1)).astype(np.float32) ** 2
    level = np.log10(np.maximum(power @ _FILTERS, _FLOOR))
    return np.asarray((np.maximum(level, level.max() - _RANGE) + 4.0) / 4.0, np.float32)


def _mel(frequency_hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Slaney's scale: linear up to 1 kHz, logarithmic above."""
    above = _BREAK_MEL + np.log(np.maximum(frequency_hz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(frequency_hz < _BREAK_HZ, frequency_hz / _LINEAR_STEP_HZ, above)


def _hertz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    above = _BREAK_HZ * np.exp(_LOG_STEP * (mel - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _LINEAR_STEP_HZ, above)


def _filters() -> Float32:
    """Triangles of equal area in Hz, shape (201, 80)."""
    highest = _mel(np.array([SAMPLE_RATE_HZ / 2.0]))[0]
    corners = _hertz(np.linspace(0.0, highest, MEL_BINS + 2))
    bins = np.fft.rfftfreq(_FRAME_LENGTH, 1 / SAMPLE_RATE_HZ)[:, None]
    rising = (bins - corners[:-2]) / np.diff(corners)[:-1]
    falling = (corners[2:] - bins) / np.diff(corners)[1:]
    area = 2.0 / (corners[2:] - corners[:-2])
    return (np.maximum(0.0, np.minimum(rising, falling)) * area).astype(np.float32)


_HANN: Final = np.hanning(_FRAME_LENGTH + 1)[:-1].astype(np.float32)
_FILTERS: Final = _filters()
