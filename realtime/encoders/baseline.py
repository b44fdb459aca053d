"""gamma and alpha without training: lip opening against speech envelope.

An honest stand-in behind the encoder interface until trained encoders are loaded. Both embed a window as a
mean-free 25 Hz curve of unit length, so that their dot product is the correlation coefficient of the mouth's
height and the loudness of the band in which vowels carry their energy. One extra coordinate, used by the
lips alone, holds a noise floor: lips that hardly move correlate with nothing instead of with chance.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engines.frontend.lips import lip_height
from realtime.timebase import SAMPLE_RATE_HZ, SAMPLES_PER_TICK
from realtime.types import Bool, Embedding, Float32, LagEmbeddings, Window, read_only

#: Change of lip height (in eye distances) that landmark jitter alone produces.
HEIGHT_NOISE = 0.01
#: Loudness in nepers under which an envelope counts as flat.
ENVELOPE_NOISE = 0.1
LOW_HZ, HIGH_HZ = 300.0, 1500.0
#: Added to the band's mean power before the logarithm: the loudness of a quiet room.
ROOM_POWER = 1e-4

_HANN = np.hanning(SAMPLES_PER_TICK)
_FREQUENCIES_HZ = np.fft.rfftfreq(SAMPLES_PER_TICK, 1 / SAMPLE_RATE_HZ)
_IN_BAND = (_FREQUENCIES_HZ > LOW_HZ) & (_FREQUENCIES_HZ < HIGH_HZ)


class BaselineVisualEncoder:
    """Lip opening over the window, mean-free.

    Args:
        min_face_ratio: Fraction of the window's ticks that must carry lips.
    """

    id = "baseline-lip-opening"

    def __init__(self, min_face_ratio: float) -> None:
        self._min_face_ratio = min_face_ratio

    def encode(self, window: Window) -> Embedding | None:
        """Embed the lips as F + 1 numbers; gaps are bridged linearly."""
        if window.lips_present.mean() < self._min_face_ratio:
            return None
        height = _bridge(np.asarray(lip_height(window.lips), np.float64), window.lips_present)
        curve = np.append(height - height.mean(), HEIGHT_NOISE * np.sqrt(len(height)))
        return Embedding(window_index=window.index, span=window.span, vector=_unit(curve), engine_id=self.id)


class BaselineAudioEncoder:
    """Log loudness over the window at every lag, mean-free.

    Args:
        band_ticks: Lags on each side of zero.
        min_audio_ratio: Fraction of ticks that must carry audio for a lag to be valid.
    """

    id = "baseline-loudness"

    def __init__(self, band_ticks: int, min_audio_ratio: float) -> None:
        self._band_ticks = band_ticks
        self._min_audio_ratio = min_audio_ratio

    def encode(self, window: Window) -> LagEmbeddings | None:
        """Embed the audio as L x (F + 1) numbers."""
        lags = 2 * self._band_ticks + 1
        length = len(window.audio_present) - lags + 1
        loudness = _loudness(window.audio)
        vectors = np.zeros((lags, length + 1), np.float32)
        valid = np.zeros(lags, np.bool_)
        for lag in range(lags):
            present = window.audio_present[lag : lag + length]
            if present.mean() < self._min_audio_ratio:
                continue
            curve = _bridge(loudness[lag : lag + length], present)
            curve = curve - curve.mean()
            if np.sqrt(np.mean(curve**2)) < ENVELOPE_NOISE:
                continue
            vectors[lag, :length] = _unit(curve)
            valid[lag] = True
        if not valid.any():
            return None
        return LagEmbeddings(
            window_index=window.index,
            span=window.span,
            vectors=read_only(vectors),
            valid=read_only(valid),
            engine_id=self.id,
        )


def _loudness(audio: Float32) -> npt.NDArray[np.float64]:
    """Return the log amplitude of the band per tick, in nepers."""
    blocks = audio.reshape(-1, SAMPLES_PER_TICK)
    power = np.abs(np.fft.rfft(blocks * _HANN, axis=1)) ** 2
    return np.asarray(0.5 * np.log(power[:, _IN_BAND].mean(axis=1) + ROOM_POWER), np.float64)


def _bridge(curve: npt.NDArray[np.float64], present: Bool) -> npt.NDArray[np.float64]:
    index = np.arange(len(curve))
    return np.asarray(np.interp(index, index[present], curve[present]), np.float64)


def _unit(curve: npt.NDArray[np.float64]) -> Float32:
    return read_only(np.asarray(curve / np.linalg.norm(curve), np.float32))
