"""Decoded pictures: onto the grid, and to upright RGB when somebody needs them."""

from __future__ import annotations

import av
import numpy as np

from realtime.ingest.grid import FrameGrid, GridGap, GridPicture
from realtime.ingest.sink import PendingPicture
from realtime.timebase import tick_time_ns
from realtime.types import GapReason, MediaGap, TimeSpan, UInt8, read_only


def upright_rgb(frame: av.VideoFrame) -> UInt8:
    """Convert a decoded picture, applying its display rotation to the nearest quarter turn.

    Returns:
        uint8 RGB, shape (height, width, 3), contiguous and read-only.
    """
    quarter_turns = round(frame.rotation / 90) % 4
    rgb = np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
    return read_only(np.ascontiguousarray(np.rot90(rgb, quarter_turns)))


class _LazyRgb:
    """Converts once; a picture that the grid holds for several ticks is shared by all of them."""

    __slots__ = ("_frame", "_rgb", "arrival_ns")

    def __init__(self, frame: av.VideoFrame, arrival_ns: int | None) -> None:
        self._frame = frame
        self._rgb: UInt8 | None = None
        self.arrival_ns = arrival_ns

    def __call__(self) -> UInt8:
        rgb = self._rgb
        if rgb is None:
            rgb = self._rgb = upright_rgb(self._frame)
        return rgb


class VideoLine:
    """The picture half of a participant's timeline: ticks and gaps, in order, from tick 0."""

    def __init__(self) -> None:
        self._grid: FrameGrid[_LazyRgb] = FrameGrid()
        self.frames = 0

    @property
    def covered_ns(self) -> int:
        """Call time up to which pictures or gaps have been returned."""
        return tick_time_ns(self._grid.next_tick)

    @property
    def late(self) -> int:
        """Pictures dropped because newer ones came before them."""
        return self._grid.late

    def push(
        self, time_ns: int, frame: av.VideoFrame, arrival_ns: int | None = None
    ) -> list[PendingPicture | MediaGap]:
        """Add a decoded picture with its call time, and return what it decides."""
        self.frames += 1
        return [_item(x) for x in self._grid.push(time_ns, _LazyRgb(frame, arrival_ns))]

    def advance(self, time_ns: int, reason: GapReason) -> list[PendingPicture | MediaGap]:
        """Decide everything before a call time; what no picture covers becomes a gap."""
        return [_item(x) for x in self._grid.advance(time_ns, reason)]


def _item(decided: GridPicture[_LazyRgb] | GridGap) -> PendingPicture | MediaGap:
    if isinstance(decided, GridPicture):
        lazy = decided.payload
        return PendingPicture(tick=decided.tick, arrival_ns=lazy.arrival_ns, convert=lazy)
    span = TimeSpan(start_ns=tick_time_ns(decided.first_tick), end_ns=tick_time_ns(decided.end_tick))
    return MediaGap(track="video", span=span, reason=decided.reason)
