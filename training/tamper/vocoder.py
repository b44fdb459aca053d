"""A linear-prediction vocoder: the voice taken apart and put together again at another pitch.

What it keeps is the timing, the loudness and the envelope of the spectrum, hence the words; what it loses is
the speaker's pitch and the fine structure of the voice source.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_toeplitz
from scipy.ndimage import median_filter
from scipy.signal import lfilter

from realtime.timebase import SAMPLE_RATE_HZ
from realtime.types import Float32

Float64 = npt.NDArray[np.float64]

_HOP: Final = SAMPLE_RATE_HZ // 100
_ANALYSIS: Final = 3 * _HOP
_PITCH_WINDOW: Final = 4 * _HOP
_ORDER: Final = 18
_PREEMPHASIS: Final = 0.97
_LOWEST_HZ: Final = 70
_HIGHEST_HZ: Final = 400
_VOICED: Final = 0.45
_NEAR_BEST: Final = 0.9
_BREATH: Final = 0.12
_WHITENING: Final = 1e-4


def resynthesise(audio: Float32, pitch_factor: float, rng: np.random.Generator) -> Float32:
    """Analyse a voice and synthesise it anew.

    Autocorrelation LPC of order 18 every 10 ms (Makhoul, Proc. IEEE 63(4), 1975); the source is a train of
    pulses where the voice is voiced and noise elsewhere, each frame at the energy of the original residual.

    Args:
        audio: float32, shape (n,), 16 kHz mono.
        pitch_factor: Pitch of the result over that of the original.
        rng: Source of the noise.

    Returns:
        float32, shape (n,); each 10 ms at their original time.
    """
    emphasised = np.asarray(lfilter([1, -_PREEMPHASIS], [1], audio.astype(np.float64)))
    frames = -(-len(audio) // _HOP)
    pitch_hz = _pitch(audio.astype(np.float64), frames)
    source = _source(pitch_hz * pitch_factor, frames * _HOP, rng)
    window = np.hanning(_ANALYSIS)
    fade = np.hanning(2 * _HOP + 1)[:-1]
    voiceless = np.pad(emphasised, (_ANALYSIS, _ANALYSIS))
    excitation = np.pad(source, (_HOP, 2 * _HOP))
    out = np.zeros(frames * _HOP + 3 * _HOP)
    for frame in range(frames):
        centre = frame * _HOP + _HOP // 2
        part = voiceless[_ANALYSIS + centre - _ANALYSIS // 2 :][:_ANALYSIS] * window
        predictor, energy = _predict(part)
        begin = frame * _HOP - _HOP // 2 + _HOP
        block = excitation[begin : begin + 2 * _HOP] * fade
        loudness = np.sqrt(np.square(block).sum())
        if energy <= 0 or loudness <= 0:
            continue
        gain = np.sqrt(energy / np.square(window).sum() * np.square(fade).sum()) / loudness
        tail = np.concatenate([block * gain, np.zeros(_HOP)])
        out[begin : begin + 3 * _HOP] += np.asarray(lfilter([1], predictor, tail))[: len(out) - begin]
    spoken = np.asarray(lfilter([1], [1, -_PREEMPHASIS], out[_HOP : _HOP + len(audio)]))
    return np.asarray(spoken.clip(-1, 1), np.float32)


def _predict(part: Float64) -> tuple[Float64, float]:
    """Return the prediction filter and the energy that it leaves."""
    correlation = np.correlate(part, part, "full")[len(part) - 1 : len(part) + _ORDER]
    if correlation[0] <= 1e-9:
        return np.ones(1), 0.0
    correlation[0] *= 1 + _WHITENING
    weights = np.asarray(solve_toeplitz(correlation[:-1], correlation[1:]))
    return np.concatenate([[1.0], -weights]), float(correlation[0] - weights @ correlation[1:])


def _pitch(audio: Float64, frames: int) -> Float64:
    """Return the pitch of each frame in Hz, 0 where it is not voiced."""
    shortest, longest = SAMPLE_RATE_HZ // _HIGHEST_HZ, SAMPLE_RATE_HZ // _LOWEST_HZ
    padded = np.pad(audio, (_PITCH_WINDOW, _PITCH_WINDOW + longest))
    found = np.zeros(frames)
    for frame in range(frames):
        start = _PITCH_WINDOW + frame * _HOP + _HOP // 2 - _PITCH_WINDOW // 2
        part = padded[start : start + _PITCH_WINDOW]
        ahead = padded[start : start + _PITCH_WINDOW + longest]
        energy = np.square(part).sum()
        if energy < 1e-6 * _PITCH_WINDOW:
            continue
        products = np.correlate(ahead, part, "valid")
        energies = np.convolve(np.square(ahead), np.ones(_PITCH_WINDOW), "valid")
        likeness = products / np.sqrt(np.maximum(energy * energies, 1e-12))
        peaks = shortest + np.flatnonzero(
            (likeness[shortest:longest] > likeness[shortest - 1 : longest - 1])
            & (likeness[shortest:longest] >= likeness[shortest + 1 : longest + 1])
        )
        strong = peaks[likeness[peaks] > _VOICED]
        if len(strong):
            close = strong[likeness[strong] > _NEAR_BEST * likeness[strong].max()]
            found[frame] = SAMPLE_RATE_HZ / close[0]
    return np.asarray(median_filter(found, 5, mode="nearest"))


def _source(pitch_hz: Float64, samples: int, rng: np.random.Generator) -> Float64:
    """Return the voice source: pulses, or noise where the pitch is 0, each at about unit power."""
    every = np.repeat(pitch_hz, _HOP)[:samples]
    phase = np.cumsum(every / SAMPLE_RATE_HZ)
    pulses = np.diff(np.floor(phase), prepend=0.0)
    pulses *= np.sqrt(SAMPLE_RATE_HZ / np.maximum(every, _LOWEST_HZ))
    noise = rng.standard_normal(samples)
    return np.where(every > 0, (1 - _BREATH) * pulses + _BREATH * noise, noise)
