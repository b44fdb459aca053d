"""Voices are exchanged, shifted and synthesised without leaving a shortcut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("scipy", reason="needs the training extra")

from realtime.errors import MediaError
from training.tamper import machine_voice as machine
from training.tamper.loudness import active_blocks, active_level, chained, matched_level, spliced
from training.tamper.vocoder import resynthesise
from training.tamper.voice import SHIFTS_S, choose_shift_s, shifted_voice, swapped_voice

RATE = 16_000
FADE = 160


def noise(seconds: float, seed: int = 0, level: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal(round(seconds * RATE))).clip(-1, 1).astype(np.float32)


def vowel(pitch_hz: float, seconds: float, *, pause: tuple[float, float] | None = None) -> np.ndarray:
    """Pulses through two resonances, silent in the pause."""
    pulses = np.zeros(round(seconds * RATE))
    pulses[:: round(RATE / pitch_hz)] = 1
    out = pulses
    for frequency, width in ((700, 90), (1200, 110)):
        radius = np.exp(-np.pi * width / RATE)
        a1, a2 = -2 * radius * np.cos(2 * np.pi * frequency / RATE), radius**2
        filtered = np.zeros_like(out)
        for n in range(len(out)):
            filtered[n] = out[n] - a1 * filtered[n - 1] - a2 * filtered[n - 2] if n > 1 else out[n]
        out = filtered
    if pause is not None:
        out[round(pause[0] * RATE) : round(pause[1] * RATE)] = 0
    return (0.5 * out / np.abs(out).max()).astype(np.float32)


@given(
    shift_s=st.sampled_from([*SHIFTS_S, *(-shift for shift in SHIFTS_S)]),
    first=st.integers(0, 16_000),
    seed=st.integers(0, 10),
)
def test_a_shift_moves_every_sample_but_those_at_a_seam(shift_s: float, first: int, seed: int) -> None:
    audio = noise(3, seed)
    shifted = shifted_voice(audio, shift_s, first)
    assert len(shifted) == len(audio)
    expected = np.concatenate([audio[:first], np.roll(audio[first:], round(shift_s * RATE))])
    seam = first + round(shift_s * RATE) % (len(audio) - first)
    position = np.arange(len(audio))
    near = (np.abs(position - seam) <= FADE) | ((np.abs(position - first) <= FADE) if first else False)
    np.testing.assert_allclose(shifted[~near], expected[~near], atol=1e-6)
    assert active_blocks(shifted[first:]).mean() > 0.97


@given(duration_s=st.floats(1.0, 20.0), seed=st.integers(0, 1000))
def test_a_chosen_shift_is_allowed(duration_s: float, seed: int) -> None:
    shift_s = choose_shift_s(duration_s, np.random.default_rng(seed))
    assert 0.08 <= abs(shift_s) <= min(1.0, 0.4 * duration_s)


def test_both_signs_and_all_sizes_are_chosen() -> None:
    rng = np.random.default_rng(0)
    assert {choose_shift_s(10, rng) for _ in range(1000)} == {s * sign for s in SHIFTS_S for sign in (-1, 1)}


@given(donor_s=st.floats(0.3, 6), first=st.integers(0, 24_000), seed=st.integers(0, 50))
def test_a_swap_keeps_length_level_and_what_came_before(donor_s: float, first: int, seed: int) -> None:
    audio, donor = noise(3, 1, level=0.05), noise(donor_s, 2, level=0.2)
    swapped = swapped_voice(audio, [donor], first, np.random.default_rng(seed))
    assert len(swapped) == len(audio)
    np.testing.assert_array_equal(swapped[: max(0, first - FADE)], audio[: max(0, first - FADE)])
    after = swapped[first + FADE :]
    assert active_level(after) == pytest.approx(active_level(audio[first:]), rel=0.1)
    own = audio[first + FADE :]
    assert abs(np.corrcoef(after, own)[0, 1]) < 0.1


def test_a_swap_takes_the_stretch_that_speaks() -> None:
    donor = np.concatenate([noise(0.2, 1), np.zeros(4 * RATE, np.float32), noise(4, 2)])
    swapped = swapped_voice(noise(2), [donor], 0, np.random.default_rng(0))
    assert active_blocks(swapped).mean() > 0.8


def test_short_donors_follow_one_another() -> None:
    swapped = swapped_voice(noise(5), [noise(1, 1), noise(1, 2)], 0, np.random.default_rng(0))
    assert active_blocks(swapped).mean() > 0.95


def test_a_silent_donor_is_refused() -> None:
    with pytest.raises(MediaError, match="silent"):
        swapped_voice(noise(2), [np.zeros(RATE, np.float32)], 0, np.random.default_rng(0))


def test_levels_are_matched_without_clipping() -> None:
    quiet, loud = noise(1, 0, 0.01), noise(1, 1, 0.3)
    matched = matched_level(quiet, loud)
    assert np.abs(matched).max() <= 0.991
    assert active_level(matched_level(loud, quiet)) == pytest.approx(active_level(quiet), rel=1e-3)


def test_joins_do_not_jump() -> None:
    one, other = np.full(1000, 0.5, np.float32), np.full(1000, -0.5, np.float32)
    for joined in (chained(one, other), spliced(one, other, 500)):
        assert np.abs(np.diff(joined)).max() < 0.01
    np.testing.assert_array_equal(spliced(one, other, 0), other)


@pytest.mark.parametrize("factor", [0.8, 1.3])
def test_the_vocoder_changes_the_pitch(factor: float) -> None:
    voice = vowel(125, 1.5)
    spoken = resynthesise(voice, factor, np.random.default_rng(0))
    middle = spoken[RATE // 2 : RATE].astype(np.float64)
    likeness = np.correlate(middle, middle, "full")[len(middle) - 1 :]
    period = RATE / (125 * factor)
    first, end = round(0.6 * period), round(1.6 * period)
    lag = first + int(np.argmax(likeness[first:end]))
    assert RATE / lag == pytest.approx(125 * factor, rel=0.03)


def test_the_vocoder_keeps_timing_and_envelope() -> None:
    voice = vowel(125, 2.0, pause=(0.8, 1.2))
    spoken = resynthesise(voice, 1.25, np.random.default_rng(0))
    assert len(spoken) == len(voice)
    assert active_level(spoken[int(0.85 * RATE) : int(1.15 * RATE)]) < 0.02 * active_level(spoken)
    one = np.sqrt(np.square(voice.reshape(-1, 160)).mean(axis=1))
    other = np.sqrt(np.square(spoken.reshape(-1, 160)).mean(axis=1))
    lags = range(-5, 6)
    likeness = [np.corrcoef(one[10:-10], np.roll(other, lag)[10:-10])[0, 1] for lag in lags]
    assert abs(lags[int(np.argmax(likeness))]) <= 1
    spectra = [np.abs(np.fft.rfft(x[RATE // 4 : RATE // 2], 2048)) for x in (voice, spoken)]
    tops = [np.argmax(np.convolve(s, np.ones(40), "same")) * RATE / 2048 for s in spectra]
    assert tops[1] == pytest.approx(tops[0], abs=150)


def test_the_vocoder_keeps_silence_silent() -> None:
    assert np.abs(resynthesise(np.zeros(RATE, np.float32), 1.2, np.random.default_rng(0))).max() == 0


def test_a_missing_program_is_a_stated_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.shutil, "which", lambda _name: None)
    assert machine.unavailable() == "espeak-ng is not installed"
    with pytest.raises(MediaError, match="not installed"):
        machine.machine_voice(RATE, np.random.default_rng(0))


@pytest.mark.skipif(machine.unavailable() is not None, reason=str(machine.unavailable()))
def test_a_machine_voice_is_long_enough_and_repeats_with_the_seed() -> None:
    spoken = machine.machine_voice(3 * RATE, np.random.default_rng(5))
    assert len(spoken) >= 3 * RATE
    assert active_blocks(spoken).mean() > 0.3
    np.testing.assert_array_equal(spoken, machine.machine_voice(3 * RATE, np.random.default_rng(5)))
