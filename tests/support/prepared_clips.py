"""Prepared clips made of chance: an opening mouth, a voice that is as loud as the mouth is open, a face."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from realtime.timebase import SAMPLES_PER_TICK
from training.data.clip import Clip
from training.data.prepared_clip import PreparedClip


def prepared_clip(
    index: int, *, speaker: str = "anna", ticks: int = 120, corpus: str = "corpus", quality: str = "good"
) -> PreparedClip:
    """Return a clip that depends on its arguments alone."""
    rng = np.random.default_rng([index, ticks])
    opening = np.convolve(rng.random(ticks + 4), np.ones(3) / 3, "same")[:ticks]
    way = np.linspace(-0.1, 0.1, 40)[None, :, None]
    lips = (
        rng.normal(0, 0.3, (1, 40, 2)) + opening[:, None, None] * way + rng.normal(0, 0.003, (ticks, 40, 2))
    )
    rows = np.linspace(-1, 1, 64)[None, :, None] / (0.1 + 0.5 * opening[:, None, None])
    mouth = 120 + 80 * np.exp(-(rows**2)) + rng.normal(0, 5, (ticks, 64, 64))
    samples = ticks * SAMPLES_PER_TICK
    loudness = np.interp(np.arange(samples) / SAMPLES_PER_TICK - 0.5, np.arange(ticks), opening)
    voice = np.clip(loudness * rng.normal(0, 0.2, samples), -1, 1)
    person = np.random.default_rng([ord(letter) for letter in speaker]).normal(size=128)
    identity_ticks = np.arange(0, ticks, 10, dtype=np.int32)
    identity = person + rng.normal(0, 0.8, (len(identity_ticks), 128))
    identity /= np.linalg.norm(identity, axis=1, keepdims=True)
    return PreparedClip(
        clip=Clip(
            path=Path(f"{index}.mp4"),
            name=f"{index}.mp4",
            corpus=corpus,
            speaker=speaker,
            source=f"recording {index}",
            quality=quality,
        ),
        lips=lips.astype(np.float32),
        mouth=np.clip(mouth, 0, 255).astype(np.uint8),
        present=np.ones(ticks, bool),
        track=np.zeros(ticks, np.int32),
        audio=(voice * 32767).astype(np.int16),
        speech=np.ones(ticks, np.float32),
        identity=identity.astype(np.float32),
        identity_ticks=identity_ticks,
        face_size_px=100.0,
        sharpness=50.0,
    )


def prepared_clips(count: int = 24, speakers: int = 6, *, short: bool = True) -> list[PreparedClip]:
    """Return clips of several people; every second one is a one-word clip if short ones are wanted."""
    return [
        prepared_clip(
            index,
            speaker=f"person {index % speakers}",
            ticks=30 if short and index // speakers % 2 else 120,
            corpus="words" if short and index // speakers % 2 else "sentences",
        )
        for index in range(count)
    ]
