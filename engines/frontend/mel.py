"""Log-mel features of 16 kHz speech, four frames a video tick."""

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
_MARGIN: Final = (_FRAME_LENGTH - FRAME_STEP) // 2
_FFT_LENGTH: Final = 512
_LOW_HZ, _HIGH_HZ = 60.0, 7600.0
_FLOOR: Final = 1e-6


def log_mel(audio: npt.ArrayLike) -> Float32:
    """Return the logarithm of the mel power spectrum.

    Frame i is centred on samples ``[160 i, 160 (i + 1))``; the first and the last frames see zeros beyond the
    ends of the audio.

    Args:
        audio: float, shape (n,) with n a multiple of 160, in [-1, 1], at 16 kHz.

    Returns:
        float32, shape (n / 160, 80).

    Raises:
        ValueError: If n is not a multiple of 160.
    """
    samples = np.asarray(audio, np.float32)
    if samples.ndim != 1 or len(samples) % FRAME_STEP:
        raise ValueError(f"Audio of shape {samples.shape} is not a whole number of 10 ms frames.")
    if not len(samples):
        return np.zeros((0, MEL_BINS), np.float32)
    padded = np.pad(samples, _MARGIN)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME_LENGTH)[::FRAME_STEP]
    power = np.abs(np.fft.rfft(frames * _HANN, _FFT_LENGTH, axis=1)) ** 2
    return np.asarray(np.log(power.astype(np.float32) @ _FILTERS + _FLOOR), np.float32)


def _mel(frequency_hz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    return np.asarray(2595.0 * np.log10(1.0 + np.asarray(frequency_hz, np.float64) / 700.0), np.float64)


def _filters() -> Float32:
    """Triangles of unit height, evenly spaced on the mel scale (O'Shaughnessy), shape (257, 80)."""
    corners = np.linspace(_mel(_LOW_HZ), _mel(_HIGH_HZ), MEL_BINS + 2)
    bins = _mel(np.fft.rfftfreq(_FFT_LENGTH, 1 / SAMPLE_RATE_HZ))[:, None]
    rising = (bins - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - bins) / (corners[2:] - corners[1:-1])
    return np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)


_HANN: Final = np.hanning(_FRAME_LENGTH + 1)[:-1].astype(np.float32)
_FILTERS: Final = _filters()
