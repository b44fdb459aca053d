"""Cheap stand-ins for what microphones, rooms, networks and codecs do to a voice; none moves it in time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engines.frontend.mel import SAMPLE_RATE_HZ

Float32 = npt.NDArray[np.float32]
Rng = np.random.Generator

_BLOCK = 512
_ROOT_HANN = np.sqrt(np.hanning(_BLOCK + 1)[:-1]).astype(np.float32)


def degrade_voice(voice: Float32, babble: Float32 | None, rng: Rng) -> Float32:
    """Return a randomly degraded copy of a voice.

    Args:
        voice: float32, shape (n,), in [-1, 1] at 16 kHz.
        babble: float32, shape (n,): other speech to mix in, or None.
        rng: Source of chance.

    Returns:
        float32, shape (n,), in [-1, 1].
    """
    result = voice
    if rng.random() < 0.25:
        result = add_room(result, float(rng.uniform(0.05, 0.4)), float(rng.uniform(-3.0, 12.0)), rng)
    if rng.random() < 0.5:
        result = filter_voice(result, rng)
    if rng.random() < 0.5:
        noise = babble if babble is not None and rng.random() < 0.3 else _coloured_noise(len(voice), rng)
        result = mix(result, noise, float(rng.uniform(5.0, 30.0)))
    choice = rng.random()
    if choice < 0.15:
        result = quantise_spectrum(result, float(rng.uniform(1.5, 6.0)), float(rng.uniform(25.0, 50.0)))
    elif choice < 0.25:
        result = mu_law(result)
    gain = 10.0 ** (float(rng.uniform(-15.0, 6.0)) / 20.0)
    return np.asarray(np.clip(result * gain, -1.0, 1.0), np.float32)


def mix(voice: Float32, noise: Float32, ratio_db: float) -> Float32:
    """Add noise at a signal-to-noise ratio in dB; silence stays as it is."""
    signal, level = float(np.mean(voice**2)), float(np.mean(noise**2))
    if signal <= 0.0 or level <= 0.0:
        return voice
    return np.asarray(voice + noise * np.sqrt(signal / level * 10.0 ** (-ratio_db / 10.0)), np.float32)


def _coloured_noise(length: int, rng: Rng) -> Float32:
    """Noise whose power falls with frequency by an exponent between 0 (white) and 2 (brown)."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    slope = np.maximum(np.arange(len(spectrum)), 8.0) ** (-float(rng.uniform(0.0, 2.0)) / 2.0)
    return np.asarray(np.fft.irfft(spectrum * slope, length), np.float32)


def add_room(voice: Float32, decay_s: float, direct_db: float, rng: Rng) -> Float32:
    """Add an exponentially decaying diffuse tail; the direct sound stays where it is.

    Args:
        voice: float32, shape (n,).
        decay_s: Time after which the tail is down by 60 dB.
        direct_db: Energy of the direct sound over that of the tail.
        rng: Source of chance.
    """
    length = max(1, round(decay_s * SAMPLE_RATE_HZ))
    tail = rng.standard_normal(length) * 10.0 ** (-3.0 * np.arange(length) / length)
    tail *= np.sqrt(10.0 ** (-direct_db / 10.0) / np.sum(tail**2))
    size = len(voice) + length
    wet = np.fft.irfft(np.fft.rfft(voice, size) * np.fft.rfft(np.concatenate([[1.0], tail]), size), size)
    return wet[: len(voice)].astype(np.float32)


def filter_voice(voice: Float32, rng: Rng) -> Float32:
    """Bend the spectrum by a smooth random curve of some dB, and sometimes cut its top."""
    frequency_hz = np.fft.rfftfreq(len(voice), 1 / SAMPLE_RATE_HZ)
    knots_hz = np.array([0.0, 200.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0])
    gain_db = np.interp(frequency_hz, knots_hz, rng.normal(0.0, 4.0, len(knots_hz)))
    if rng.random() < 0.4:
        cut_hz = float(rng.uniform(3000.0, 7500.0))
        gain_db = gain_db - 60.0 * np.clip((frequency_hz - cut_hz) / 400.0, 0.0, 1.0)
    return np.fft.irfft(np.fft.rfft(voice) * 10.0 ** (gain_db / 20.0), len(voice)).astype(np.float32)


def mu_law(voice: Float32) -> Float32:
    """Telephone: 300 to 3400 Hz and 8-bit mu-law."""
    frequency_hz = np.fft.rfftfreq(len(voice), 1 / SAMPLE_RATE_HZ)
    band = np.clip((frequency_hz - 200.0) / 100.0, 0.0, 1.0) * np.clip(
        (3600.0 - frequency_hz) / 200.0, 0.0, 1.0
    )
    narrow = np.clip(np.fft.irfft(np.fft.rfft(voice) * band, len(voice)), -1.0, 1.0)
    code = np.round(np.sign(narrow) * np.log1p(255.0 * np.abs(narrow)) / np.log(256.0) * 127.0) / 127.0
    return np.asarray(np.sign(code) * (256.0 ** np.abs(code) - 1.0) / 255.0, np.float32)


def quantise_spectrum(voice: Float32, step_db: float, floor_db: float) -> Float32:
    """Do what a transform codec does at a low bit rate: coarse magnitudes, and holes where it is quiet.

    Args:
        voice: float32, shape (n,).
        step_db: Quantisation step of the magnitudes.
        floor_db: Bins further than this under the loudest one of their block are dropped.
    """
    hop = _BLOCK // 2
    padded = np.pad(voice, (hop, hop + (-len(voice)) % hop + hop))
    blocks = np.lib.stride_tricks.sliding_window_view(padded, _BLOCK)[::hop] * _ROOT_HANN
    spectrum = np.fft.rfft(blocks, axis=1)
    magnitude = np.abs(spectrum)
    level_db = 20.0 * np.log10(magnitude + 1e-9)
    coarse = 10.0 ** (np.round(level_db / step_db) * step_db / 20.0)
    kept = level_db > level_db.max(axis=1, keepdims=True) - floor_db
    rebuilt = np.fft.irfft(spectrum * np.where(kept, coarse / (magnitude + 1e-9), 0.0), _BLOCK, axis=1)
    result = np.zeros(len(padded))
    for index, block in enumerate(rebuilt * _ROOT_HANN):
        result[index * hop : index * hop + _BLOCK] += block
    return result[hop : hop + len(voice)].astype(np.float32)
