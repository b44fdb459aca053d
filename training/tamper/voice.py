"""Exchanged and shifted voices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from realtime.errors import MediaError
from realtime.timebase import SAMPLE_RATE_HZ
from realtime.types import Float32
from training.tamper.loudness import (
    BLOCK_SAMPLES,
    FADE_SAMPLES,
    active_blocks,
    chained,
    matched_level,
    spliced,
)

SHIFTS_S: Final = (0.08, 0.12, 0.16, 0.2, 0.28, 0.4, 0.6, 0.8, 1.0)
LARGEST_SHIFT_SHARE: Final = 0.4

_TRIES: Final = 16


def swapped_voice(
    audio: Float32, donors: Sequence[Float32], first_sample: int, rng: np.random.Generator
) -> Float32:
    """Put another person's speech in place of a voice, at its level.

    Of a donor that is longer than needed the stretch with most speech among some random ones is taken; donors
    that are too short follow one another, over and over.

    Args:
        audio: float32, shape (n,), 16 kHz.
        donors: Sound of other people.
        first_sample: Where the other voice begins.
        rng: Source of chance.

    Returns:
        float32, shape (n,).

    Raises:
        MediaError: If the donors hold nothing but silence.
    """
    needed = len(audio) - first_sample
    spoken = [donor for donor in donors if active_blocks(donor).any()]
    if not spoken:
        raise MediaError("The other voice is silent.", fix="Name a clip in which somebody speaks.")
    supply = _without_edges(spoken[0])
    turn = 1
    while len(supply) < needed:
        supply = chained(supply, _without_edges(spoken[turn % len(spoken)]))
        turn += 1
    starts = rng.integers(0, len(supply) - needed + 1, _TRIES)
    best = max(starts, key=lambda start: int(active_blocks(supply[start : start + needed]).sum()))
    voice = matched_level(supply[best : best + needed], audio[first_sample:])
    return spliced(audio, np.concatenate([audio[:first_sample], voice]).astype(np.float32), first_sample)


def shifted_voice(audio: Float32, shift_s: float, first_sample: int) -> Float32:
    """Move the voice against the picture, in a circle, so that length and silences stay as many.

    Args:
        audio: float32, shape (n,), 16 kHz.
        shift_s: Positive: the voice comes late.
        first_sample: Where the shifted part begins; it is moved within itself.

    Returns:
        float32, shape (n,).
    """
    part = audio[first_sample:]
    moved = np.roll(part, round(shift_s * SAMPLE_RATE_HZ))
    seam = round(shift_s * SAMPLE_RATE_HZ) % max(1, len(part))
    half = min(FADE_SAMPLES // 2, seam, len(part) - seam)
    if half > 0:
        dip = np.abs(np.linspace(-1, 1, 2 * half, dtype=np.float32))
        moved[seam - half : seam + half] *= dip
    return spliced(audio, np.concatenate([audio[:first_sample], moved]).astype(np.float32), first_sample)


def choose_shift_s(duration_s: float, rng: np.random.Generator) -> float:
    """Choose by how much a voice is shifted: 0.08 to 1 s, either sign, at most 40 % of the duration."""
    possible = [shift for shift in SHIFTS_S if shift <= LARGEST_SHIFT_SHARE * duration_s] or [SHIFTS_S[0]]
    return float(rng.choice(possible) * rng.choice([-1, 1]))


def _without_edges(audio: Float32) -> Float32:
    """Cut silence off both ends."""
    active = np.flatnonzero(active_blocks(audio))
    return audio[active[0] * BLOCK_SAMPLES : (active[-1] + 1) * BLOCK_SAMPLES]
