"""A synthetic voice: glottal pulses through formant resonances, with aspiration and fricative noise.

Source and filter as in Klatt, "Software for a cascade/parallel formant synthesizer" (JASA 67(3), 1980); the
glottal pulse is Rosenberg's (JASA 49(2B), 1971). The filter runs on overlapping frames, in the frequency
domain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clients.demo.utterance import CONTROL_RATE_HZ, Onset, Utterance
from realtime.timebase import SAMPLE_RATE_HZ
from realtime.types import Float32

_FRAME = 512
_STEP = 128
_TRANSFORM = 1024
_PEAK = 0.5
_FLOOR = 10 ** (-62 / 20)
_OPEN_QUOTIENT = 0.62


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceIdentity:
    """Whose voice it is.

    Attributes:
        pitch_hz: Mean pitch.
        formant_scale: Factor on the formants; above 1 for a shorter vocal tract.
        breath: Share of breath noise, in [0, 1].
        tilt_db: How many dB an octave the source falls beyond the glottal pulse's own slope.
        seed: Seed of jitter and noise.
    """

    pitch_hz: float = 118.0
    formant_scale: float = 1.0
    breath: float = 0.12
    tilt_db: float = 1.0
    seed: int = 0


def _to_samples(control: Float32, count: int) -> npt.NDArray[np.float64]:
    """Interpolate a control signal to the sample rate, shape (count,)."""
    return np.interp(np.arange(count) / SAMPLE_RATE_HZ, np.arange(control.size) / CONTROL_RATE_HZ, control)


def _slow_noise(rng: np.random.Generator, count: int, step_s: float) -> npt.NDArray[np.float64]:
    knots = rng.standard_normal(int(count / SAMPLE_RATE_HZ / step_s) + 3)
    return np.interp(np.arange(count) / SAMPLE_RATE_HZ / step_s, np.arange(knots.size), knots)


def _glottal_source(
    voice: VoiceIdentity, utterance: Utterance, rng: np.random.Generator, count: int
) -> npt.NDArray[np.float64]:
    position = np.clip(_to_samples(utterance.phrase_position, count), 0, 1)
    accent = _to_samples(utterance.opening, count)
    pitch_hz = voice.pitch_hz * (1.14 - 0.28 * position) * (1 + 0.07 * accent)
    pitch_hz *= 1 + 0.03 * _slow_noise(rng, count, 0.12) + 0.008 * _slow_noise(rng, count, 0.009)
    cycles = np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    phase = np.mod(cycles, 1.0)
    shimmer = 1 + 0.06 * rng.standard_normal(int(cycles[-1]) + 2)
    rising = 0.7 * _OPEN_QUOTIENT
    falling = _OPEN_QUOTIENT - rising
    flow = np.where(phase < rising, 0.5 * (1 - np.cos(np.pi * phase / rising)), 0.0)
    closing = (phase >= rising) & (phase < _OPEN_QUOTIENT)
    flow = np.where(closing, np.cos(0.5 * np.pi * (phase - rising) / falling), flow)
    pulses = np.diff(flow, prepend=0.0) * shimmer[cycles.astype(int)]
    pulses *= 1 / max(float(np.sqrt(np.mean(pulses**2))), 1e-9)
    breath = rng.standard_normal(count) * (0.35 + 0.65 * flow)
    return np.asarray(pulses + voice.breath * breath)


def _resonate(
    voice: VoiceIdentity, utterance: Utterance, source: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Filter by formants that move: a cascade of resonators on overlapping frames."""
    frames = int(np.ceil((source.size + _FRAME) / _STEP))
    padded = np.pad(source, (_FRAME // 2, frames * _STEP + _FRAME - source.size))
    starts = np.arange(frames) * _STEP
    windowed = padded[starts[:, None] + np.arange(_FRAME)] * np.hanning(_FRAME + 1)[:_FRAME]
    control = np.clip(starts * CONTROL_RATE_HZ // SAMPLE_RATE_HZ, 0, len(utterance.formants_hz) - 1)
    formants = np.concatenate(
        [utterance.formants_hz[control], np.full((frames, 1), 3500.0), np.full((frames, 1), 4500.0)], axis=1
    )
    formants = formants * voice.formant_scale
    bandwidths_hz = np.array([70.0, 95.0, 130.0, 220.0, 280.0])
    unit = np.exp(-2j * np.pi * np.arange(_TRANSFORM // 2 + 1) / _TRANSFORM)
    octaves = np.log2(np.maximum(np.arange(unit.size) * SAMPLE_RATE_HZ / _TRANSFORM / 500.0, 1.0))
    response = np.broadcast_to(10 ** (-voice.tilt_db * octaves / 20), (frames, unit.size)).astype(complex)
    for index, bandwidth_hz in enumerate(bandwidths_hz):
        radius = np.exp(-np.pi * bandwidth_hz / SAMPLE_RATE_HZ)
        turn = 2 * radius * np.cos(2 * np.pi * formants[:, index, None] / SAMPLE_RATE_HZ)
        gain = 1 - turn + radius**2
        response = response * gain / (1 - turn * unit + radius**2 * unit**2)
    filtered = np.fft.irfft(np.fft.rfft(windowed, _TRANSFORM) * response, _TRANSFORM)
    out = np.zeros(frames * _STEP + _TRANSFORM)
    for start, frame in zip(starts, filtered, strict=True):
        out[start : start + _TRANSFORM] += frame
    return out[_FRAME // 2 : _FRAME // 2 + source.size]


def _consonant_noise(utterance: Utterance, rng: np.random.Generator, count: int) -> npt.NDArray[np.float64]:
    white = rng.standard_normal(count)
    sharp = np.convolve(white, [0.25, -0.5, 0.25], mode="same")
    loudness = np.zeros(count)
    for syllable in utterance.syllables:
        if not syllable.onset.value[1]:
            continue
        long = syllable.onset is Onset.FRICATIVE
        length_s = min(0.4 * syllable.duration_s, 0.085) if long else 0.018
        first = int(syllable.start_s * SAMPLE_RATE_HZ)
        ramp = np.hanning(int(length_s * SAMPLE_RATE_HZ))[: max(count - first, 0)]
        loudness[first : first + ramp.size] = np.maximum(
            loudness[first : first + ramp.size], (0.16 if long else 0.22) * ramp
        )
    return np.asarray(sharp * loudness)


def synthesise(utterance: Utterance, voice: VoiceIdentity) -> Float32:
    """Speak an utterance.

    The voice's loudness follows the mouth's opening, and it is silent but for a noise floor between phrases.

    Args:
        utterance: What is said.
        voice: Who says it.

    Returns:
        float32, shape (duration at 16 kHz,), peak 0.5.
    """
    rng = np.random.default_rng([voice.seed, 0x701CE])
    count = round(utterance.duration_s * SAMPLE_RATE_HZ)
    tone = _resonate(voice, utterance, _glottal_source(voice, utterance, rng, count))
    speaking = _to_samples((utterance.phrase_position >= 0).astype(np.float32), count)
    edge = np.hanning(int(0.03 * SAMPLE_RATE_HZ))
    speaking = np.convolve(speaking, edge / edge.sum(), mode="same")
    opening = _to_samples(utterance.opening, count)
    tone *= speaking * (0.05 + opening) / max(float(np.sqrt(np.mean(tone**2))), 1e-9)
    speech = tone + _consonant_noise(utterance, rng, count)
    speech *= _PEAK / max(float(np.abs(speech).max()), 1e-9)
    return (speech + _FLOOR * rng.standard_normal(count)).astype(np.float32)
