"""Where a recording is loud, how loud, and joins without a click."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from realtime.timebase import SAMPLE_RATE_HZ
from realtime.types import Float32

BLOCK_SAMPLES: Final = SAMPLE_RATE_HZ // 100
FADE_SAMPLES: Final = SAMPLE_RATE_HZ // 100

_FLOOR: Final = 1e-4
_BELOW_LOUDEST: Final = 0.05


def active_blocks(audio: Float32) -> npt.NDArray[np.bool_]:
    """Return which blocks of 10 ms are louder than 26 dB below the loudest ones, shape (whole blocks,)."""
    rms = _block_rms(audio)
    if len(rms) == 0:
        return np.zeros(0, np.bool_)
    return np.asarray(rms > max(_FLOOR, _BELOW_LOUDEST * float(np.quantile(rms, 0.98))))


def active_level(audio: Float32) -> float:
    """Return the root mean square over the active blocks; 0 without any."""
    active = active_blocks(audio)
    if not active.any():
        return 0.0
    return float(np.sqrt(np.square(_block_rms(audio)[active]).mean()))


def matched_level(audio: Float32, reference: Float32) -> Float32:
    """Scale sound so that its active level is that of a reference, short of clipping."""
    own, wanted = active_level(audio), active_level(reference)
    if own == 0 or wanted == 0:
        return audio
    gain = min(wanted / own, 0.99 / max(float(np.abs(audio).max()), _FLOOR))
    return np.asarray(audio * np.float32(gain), np.float32)


def spliced(head: Float32, tail: Float32, at: int) -> Float32:
    """Return ``head`` up to a sample and ``tail`` from there on, with a fade of 10 ms about it.

    Args:
        head: float32, shape (n,).
        tail: float32, shape (n,).
        at: Index in [0, n].
    """
    position = np.arange(len(head))
    weight = ((position - at) / FADE_SAMPLES + 0.5).clip(0, 1) if at > 0 else np.ones(len(head))
    return np.asarray((1 - weight) * head + weight * tail, np.float32)


def chained(first: Float32, second: Float32) -> Float32:
    """Return the one after the other, overlapping by a fade of 10 ms."""
    overlap = min(FADE_SAMPLES, len(first), len(second))
    weight = np.linspace(0, 1, overlap, dtype=np.float32)
    body = first[: len(first) - overlap]
    seam = (1 - weight) * first[len(first) - overlap :] + weight * second[:overlap]
    return np.concatenate([body, seam, second[overlap:]]).astype(np.float32)


def _block_rms(audio: Float32) -> npt.NDArray[np.float64]:
    blocks = audio[: len(audio) // BLOCK_SAMPLES * BLOCK_SAMPLES].reshape(-1, BLOCK_SAMPLES)
    return np.asarray(np.sqrt(np.square(blocks.astype(np.float64)).mean(axis=1)))
