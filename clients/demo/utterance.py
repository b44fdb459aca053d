"""What a synthetic person says: nonsense syllables, from which lips and voice both follow."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from realtime.timebase import FRAME_RATE_HZ
from realtime.types import Float32

CONTROL_RATE_HZ = 200
"""Rate of an utterance's control signals."""

_SMOOTHING_S = 0.022


@dataclass(frozen=True, slots=True)
class Vowel:
    """A vowel: three formants in Hz, the mouth's opening (0 to 1) and its roundness (-1 to 1)."""

    formants_hz: tuple[float, float, float]
    opening: float
    roundness: float


VOWELS = (
    Vowel((750, 1250, 2550), 1.0, 0.0),
    Vowel((660, 1700, 2450), 0.85, -0.3),
    Vowel((500, 1850, 2500), 0.58, -0.5),
    Vowel((310, 2200, 2950), 0.32, -0.8),
    Vowel((490, 900, 2400), 0.62, 0.7),
    Vowel((340, 820, 2300), 0.30, 1.0),
    Vowel((520, 1450, 2450), 0.50, 0.0),
)


class Onset(Enum):
    """How a syllable begins: (mouth opening at the onset, whether noise precedes the vowel)."""

    LABIAL = (0.0, False)
    NASAL = (0.04, False)
    STOP = (0.12, True)
    FRICATIVE = (0.14, True)
    GLIDE = (0.25, False)


@dataclass(frozen=True, slots=True)
class Syllable:
    """One syllable: span in seconds, vowel, onset and stress (about 1)."""

    start_s: float
    duration_s: float
    vowel: Vowel
    onset: Onset
    stress: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """A whole speech as control signals at ``CONTROL_RATE_HZ``; all arrays float32 of shape (n,) or (n, 3).

    Attributes:
        duration_s: Length.
        syllables: What is said.
        phrases: Start and end of every phrase in seconds; between phrases there is silence.
        opening: Mouth opening, in [0, 1].
        roundness: Mouth roundness, in [-1, 1].
        formants_hz: The three formants.
        phrase_position: 0 to 1 within a phrase, -1 in a pause.
    """

    duration_s: float
    syllables: tuple[Syllable, ...]
    phrases: tuple[tuple[float, float], ...]
    opening: Float32
    roundness: Float32
    formants_hz: Float32
    phrase_position: Float32

    def lips_at_frames(self) -> tuple[Float32, Float32]:
        """Return opening and roundness at the middle of every 25 fps picture."""
        times = (np.arange(round(self.duration_s * FRAME_RATE_HZ)) + 0.5) / FRAME_RATE_HZ
        control = np.arange(self.opening.size) / CONTROL_RATE_HZ
        return (
            np.interp(times, control, self.opening).astype(np.float32),
            np.interp(times, control, self.roundness).astype(np.float32),
        )


def _smooth(values: Float32, sigma_s: float) -> Float32:
    reach = int(4 * sigma_s * CONTROL_RATE_HZ) + 1
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (sigma_s * CONTROL_RATE_HZ)) ** 2)
    padded = np.pad(values, reach, mode="edge")
    return np.convolve(padded, taps / taps.sum(), mode="valid").astype(np.float32)


def _draw_syllables(
    rng: np.random.Generator, duration_s: float
) -> tuple[list[Syllable], list[tuple[float, float]]]:
    syllables: list[Syllable] = []
    phrases: list[tuple[float, float]] = []
    onsets = list(Onset)
    time_s = 0.25
    while time_s < duration_s - 0.8:
        start_s = time_s
        count = int(rng.integers(9, 19))
        for index in range(count):
            length_s = float(rng.uniform(0.15, 0.27)) * (1.35 if index == count - 1 else 1.0)
            if time_s + length_s > duration_s - 0.25:
                break
            vowel = VOWELS[int(rng.integers(len(VOWELS)))]
            onset = onsets[int(rng.integers(len(onsets)))]
            syllables.append(Syllable(time_s, length_s, vowel, onset, float(rng.uniform(0.75, 1.1))))
            time_s += length_s
        phrases.append((start_s, time_s))
        time_s += float(rng.uniform(0.35, 0.8))
    return syllables, phrases


def draw_utterance(duration_s: float, seed: int) -> Utterance:
    """Draw an utterance at random.

    Args:
        duration_s: Length in seconds, at least 1.
        seed: The same seed gives the same utterance.
    """
    rng = np.random.default_rng([seed, 0x5AE])
    syllables, phrases = _draw_syllables(rng, duration_s)
    times = np.arange(round(duration_s * CONTROL_RATE_HZ)) / CONTROL_RATE_HZ
    knots: list[tuple[float, float, float]] = [(0.0, 0.02, 0.0)]
    formants = np.tile(np.asarray(VOWELS[-1].formants_hz), (times.size, 1))
    for syllable in syllables:
        start_s, length_s, vowel = syllable.start_s, syllable.duration_s, syllable.vowel
        closed = syllable.onset.value[0]
        peak = min(vowel.opening * syllable.stress, 1.0)
        knots.append((start_s + 0.12 * length_s, closed, 0.6 * vowel.roundness))
        knots.append((start_s + 0.48 * length_s, peak, vowel.roundness))
        knots.append((start_s + 0.74 * length_s, 0.85 * peak, vowel.roundness))
        formants[(times >= start_s) & (times < start_s + length_s)] = vowel.formants_hz
    position = np.full(times.size, -1.0)
    for start_s, end_s in phrases:
        inside = (times >= start_s) & (times < end_s)
        position[inside] = (times[inside] - start_s) / (end_s - start_s)
        knots += [(start_s - 0.05, 0.02, 0.0), (end_s + 0.08, 0.02, 0.0)]
    at, opening, roundness = np.asarray(sorted(knots)).T
    return Utterance(
        duration_s=duration_s,
        syllables=tuple(syllables),
        phrases=tuple(phrases),
        opening=np.clip(_smooth(np.interp(times, at, opening), _SMOOTHING_S), 0, 1),
        roundness=_smooth(np.interp(times, at, roundness), 2 * _SMOOTHING_S),
        formants_hz=np.stack([_smooth(formants[:, i], _SMOOTHING_S) for i in range(3)], 1),
        phrase_position=position.astype(np.float32),
    )
