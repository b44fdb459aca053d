"""How much of the other face is shown, tick by tick."""

from __future__ import annotations

from typing import Final

import numpy as np

from realtime.timebase import FRAME_RATE_HZ
from realtime.types import Float32

_FLICKER_S: Final = (0.2, 1.0)


def drift_weights(ticks: int, first_tick: int, rng: np.random.Generator) -> Float32:
    """Let the other face come slowly: from nothing to all of it, over 60-100 % of what is left.

    Args:
        ticks: Length.
        first_tick: Where it begins.
        rng: Source of chance.

    Returns:
        float32, shape (ticks,), in [0, 1], never falling.
    """
    duration = max(1.0, (ticks - first_tick) * rng.uniform(0.6, 1.0))
    done = ((np.arange(ticks) - first_tick) / duration).clip(0, 1)
    return np.asarray(done * done * (3 - 2 * done), np.float32)


def flicker_weights(ticks: int, first_tick: int, rng: np.random.Generator) -> Float32:
    """Let the other face come and go, 0.2 to 1 s each.

    Args:
        ticks: Length.
        first_tick: Where it comes for the first time.
        rng: Source of chance.

    Returns:
        float32, shape (ticks,), each 0 or 1.
    """
    weights = np.zeros(ticks, np.float32)
    tick, shown = first_tick, True
    while tick < ticks:
        length = max(1, round(rng.uniform(*_FLICKER_S) * FRAME_RATE_HZ))
        weights[tick : tick + length] = shown
        tick, shown = tick + length, not shown
    return weights
