"""Decoded pictures: onto the grid, and to what the later stages work on when somebody needs it."""

from __future__ import annotations

import av

from engines.frontend.decoded import upright_picture, upright_rgb
from engines.frontend.picture import Picture
from realtime.ingest.grid import FrameGrid, GridGap, GridPicture
from realtime.ingest.sink import PendingPicture
from realtime.timebase import tick_time_ns
from realtime.types import GapReason, MediaGap, TimeSpan, UInt8


class _LazyPicture:
    """Converts once; a picture that the grid holds for several ticks is shared by all of them."""

    __slots__ = ("_frame", "_picture", "_rgb", "arrival_ns")

    def __init__(self, frame: av.VideoFrame, arrival_ns: int | None) -> None:
        self._frame = frame
        self._picture: Picture | None = None
        self._rgb: UInt8 | None = None
        self.arrival_ns = arrival_ns

    def picture(self) -> Picture:
        picture = self._picture
        if picture is None:
            picture = self._picture = upright_picture(self._frame)
        return picture

    def rgb(self) -> UInt8:
        rgb = self._rgb
        if rgb is None:
            rgb = self._rgb = upright_rgb(self._frame)
        return rgb


class VideoLine:
    """The picture half of a participant's timeline: ticks and gaps, in order, from tick 0."""

    def __init__(self) -> None:
        self._grid: FrameGrid[_LazyPicture] = FrameGrid()
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
        return [_item(x) for x in self._grid.push(time_ns, _LazyPicture(frame, arrival_ns))]

    def advance(self, time_ns: int, reason: GapReason) -> list[PendingPicture | MediaGap]:
        """Decide everything before a call time; what no picture covers becomes a gap."""
        return [_item(x) for x in self._grid.advance(time_ns, reason)]


def _item(decided: GridPicture[_LazyPicture] | GridGap) -> PendingPicture | MediaGap:
    if isinstance(decided, GridPicture):
        lazy = decided.payload
        return PendingPicture(
            tick=decided.tick, arrival_ns=lazy.arrival_ns, convert=lazy.rgb, picture=lazy.picture
        )
    span = TimeSpan(start_ns=tick_time_ns(decided.first_tick), end_ns=tick_time_ns(decided.end_tick))
    return MediaGap(track="video", span=span, reason=decided.reason)
