"""Fills the ticks between two measurements: positions between detections, lips under overload. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from realtime.types import FaceFrame, FaceReason, read_only

Float64 = npt.NDArray[np.float64]

SMOOTHING_TICKS: Final = 7


class SmoothPath:
    """Values observed now and then, linear in between, averaged over a few ticks.

    Before the first and after the last observation the value stays. The average is centred; near the newest
    observation it ends there.

    Args:
        smoothing_ticks: Length of the average, odd.
    """

    def __init__(self, smoothing_ticks: int = SMOOTHING_TICKS) -> None:
        self._half = smoothing_ticks // 2
        self._ticks: deque[int] = deque()
        self._values: deque[Float64] = deque()

    def __len__(self) -> int:
        """Number of observations in memory."""
        return len(self._ticks)

    def observe(self, tick: int, values: npt.ArrayLike) -> None:
        """Take an observation; ticks increase, and the shape of the values stays."""
        if self._ticks and tick <= self._ticks[-1]:
            raise ValueError(f"Observation at tick {tick} after the one at tick {self._ticks[-1]}.")
        self._ticks.append(tick)
        self._values.append(np.asarray(values, dtype=np.float64))

    def at(self, ticks: Sequence[int]) -> Float64:
        """Return the smoothed values, and forget what no later tick depends on.

        Args:
            ticks: Increasing, and not before those of an earlier call.

        Returns:
            float64, shape (len(ticks), *shape of the values).
        """
        grid = np.arange(ticks[0] - self._half, ticks[-1] + self._half + 1)
        raw = self._interpolated(grid)
        smooth = []
        for tick in ticks:
            newest = max(self._ticks[-1], tick)
            first, stop = tick - self._half, min(tick + self._half, newest) + 1
            smooth.append(raw[first - grid[0] : stop - grid[0]].mean(axis=0))
        while len(self._ticks) > 1 and self._ticks[1] <= ticks[-1] - self._half:
            self._ticks.popleft()
            self._values.popleft()
        return np.stack(smooth)

    def _interpolated(self, grid: npt.NDArray[np.int64]) -> Float64:
        known = np.array(self._ticks)
        values = np.stack(self._values)
        right = np.searchsorted(known, grid).clip(1, max(1, len(known) - 1))
        left = right - 1
        right = right.clip(max=len(known) - 1)
        gap = np.maximum(known[right] - known[left], 1)
        weight = ((grid - known[left]) / gap).clip(0, 1).reshape(-1, *(1,) * (values.ndim - 1))
        return np.asarray((1 - weight) * values[left] + weight * values[right])


def bridge_overload(before: FaceFrame | None, frames: Sequence[FaceFrame]) -> list[FaceFrame]:
    """Interpolate the lips of ticks that overload left out, between usable neighbours of one track.

    Args:
        before: The frame ahead of the first one.
        frames: Frames in tick order; those left out have the reason ``overload``.

    Returns:
        The frames in the same order; those without two usable neighbours keep their reason. Those of which a
        neighbour awaits its lips await theirs.
    """
    bridged: list[FaceFrame] = []
    left = before if before is not None and before.reason is None else None
    for index, frame in enumerate(frames):
        if frame.reason is not FaceReason.OVERLOAD:
            left = frame if frame.reason is None else None
            bridged.append(frame)
            continue
        right = next((later for later in frames[index:] if later.reason is not FaceReason.OVERLOAD), None)
        bridged.append(_between(left, frame, right))
    return bridged


def _between(left: FaceFrame | None, frame: FaceFrame, right: FaceFrame | None) -> FaceFrame:
    if left is None or right is None or right.reason is not None or left.track_id != right.track_id:
        return frame
    bridged = replace(
        frame,
        reason=None,
        track_id=right.track_id,
        face_size_px=right.face_size_px,
        box=right.box,
    )
    if left.lips is None or right.lips is None:
        return bridged
    weight = np.float32((frame.tick - left.tick) / (right.tick - left.tick))
    return replace(bridged, lips=read_only((1 - weight) * left.lips + weight * right.lips))
