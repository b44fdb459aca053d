"""Fixed-size rings over the call's timeline, addressed by absolute tick or sample index."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from realtime.timebase import SAMPLES_PER_TICK
from realtime.types import Bool, Float32


class TickRing:
    """Rows of one dtype, one per 25 fps tick, for the newest ``capacity`` ticks.

    A tick that was never written, or that has been overwritten since, reads as absent.

    Args:
        capacity: Ticks remembered.
        shape: Shape of one row.
        dtype: Type of its elements.
    """

    def __init__(self, capacity: int, shape: tuple[int, ...] = (), dtype: npt.DTypeLike = np.float32) -> None:
        self._rows = np.zeros((capacity, *shape), dtype)
        self._tick = np.full(capacity, -1, np.int64)

    def put(self, tick: int, row: npt.ArrayLike) -> None:
        """Store the row of one tick."""
        slot = tick % len(self._tick)
        self._rows[slot] = row
        self._tick[slot] = tick

    def get(self, start: int, stop: int) -> tuple[npt.NDArray[Any], Bool]:
        """Return rows ``start..stop`` and which of them are present; absent rows are zero."""
        ticks = np.arange(start, stop)
        slots = ticks % len(self._tick)
        present = self._tick[slots] == ticks
        rows = self._rows[slots]
        rows[~present] = 0
        return rows, present


class SampleRing:
    """16 kHz samples of the newest ``capacity_ticks`` ticks, with a count of real samples per tick.

    Args:
        capacity_ticks: Ticks of audio remembered.
    """

    def __init__(self, capacity_ticks: int) -> None:
        self._samples = np.zeros((capacity_ticks, SAMPLES_PER_TICK), np.float32)
        self._filled = np.zeros(capacity_ticks, np.int32)
        self._tick = np.full(capacity_ticks, -1, np.int64)

    def put(self, start: int, samples: Float32) -> None:
        """Store samples from an absolute sample index on."""
        position = 0
        while position < len(samples):
            tick, offset = divmod(start + position, SAMPLES_PER_TICK)
            count = min(SAMPLES_PER_TICK - offset, len(samples) - position)
            slot = tick % len(self._tick)
            if self._tick[slot] != tick:
                self._tick[slot] = tick
                self._filled[slot] = 0
                self._samples[slot] = 0.0
            self._samples[slot, offset : offset + count] = samples[position : position + count]
            self._filled[slot] += count
            position += count

    def get(self, start_tick: int, stop_tick: int) -> tuple[Float32, Bool]:
        """Return the samples of a range of ticks and which ticks are (at least nine tenths) real."""
        ticks = np.arange(start_tick, stop_tick)
        slots = ticks % len(self._tick)
        known = self._tick[slots] == ticks
        samples = self._samples[slots]
        samples[~known] = 0.0
        present = known & (self._filled[slots] * 10 >= SAMPLES_PER_TICK * 9)
        return samples.reshape(-1), present
