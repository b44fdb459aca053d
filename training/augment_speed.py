"""A segment played faster or slower, picture and sound alike: another pace, and another voice."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from realtime.timebase import SAMPLES_PER_TICK
from training.pool import MEL_MARGIN_TICKS

Float32 = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]


def play_pictures(lips: Float32, mouth: UInt8, ticks: int, speed: float) -> tuple[Float32, UInt8]:
    """Show a segment at another speed; what falls between two pictures is mixed of both.

    Args:
        lips: float32, shape (S, 40, 2), S at least (ticks - 1) speed + 1.
        mouth: uint8, shape (S, 64, 64).
        ticks: Length of the result.
        speed: Greater than 1 is faster.

    Returns:
        Shapes (ticks, 40, 2) and (ticks, 64, 64).
    """
    place = np.minimum(np.arange(ticks) * speed, len(lips) - 1)
    before = np.floor(place).astype(np.intp)
    after = np.minimum(before + 1, len(lips) - 1)
    part = (place - before).astype(np.float32)[:, None, None]
    moved = lips[before] * (1 - part) + lips[after] * part
    blended = mouth[before] * (1 - part) + mouth[after] * part
    return moved, np.round(blended).astype(np.uint8)


def play_voice(voice: Float32, ticks: int, speed: float) -> Float32:
    """Play a voice from ``training.pool.voice_of`` at another speed, pitch and all.

    Args:
        voice: float32, shape (640 (S + 2),), with a margin of one tick at both ends.
        ticks: Length of the result without its margins.
        speed: Greater than 1 is faster.

    Returns:
        float32, shape (640 (ticks + 2),). Where the sound is too short for a margin, its last value goes on.
    """
    margin = MEL_MARGIN_TICKS * SAMPLES_PER_TICK
    wanted = (np.arange(ticks * SAMPLES_PER_TICK + 2 * margin) - margin) * speed + margin
    return np.asarray(np.interp(wanted, np.arange(len(voice)), voice), np.float32)
