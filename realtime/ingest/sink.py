"""What ingest hands on, and to whom."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from engines.frontend.picture import Picture, RgbPicture
from realtime.types import AudioFrame, MediaGap, TrackKind, UInt8, VideoFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingPicture:
    """A picture that the 25 fps grid chose, as it was decoded.

    Attributes:
        tick: Index on the grid.
        arrival_ns: Monotonic time at which the picture reached the process; None for files.
        convert: Returns all of it as uint8 RGB, shape (height, width, 3), upright and read-only. Costs
            milliseconds and may run in any thread; a repeated call returns the same array.
        picture: Returns the picture without converting all of it, upright; a repeated call returns the same
            object. None where there is only the conversion.
    """

    tick: int
    arrival_ns: int | None
    convert: Callable[[], UInt8]
    picture: Callable[[], Picture] | None = None

    def resolve(self) -> VideoFrame:
        """Return the frame that the later stages work on."""
        image = RgbPicture(self.convert()) if self.picture is None else self.picture()
        return VideoFrame(tick=self.tick, image=image, arrival_ns=self.arrival_ns)


MediaItem = AudioFrame | PendingPicture | MediaGap


class TrackState(enum.StrEnum):
    """What a live track is doing."""

    LIVE = "live"
    GAP = "gap"
    ENDED = "ended"


class EndReason(enum.StrEnum):
    """Why a live source ended."""

    CLOSED = "closed"
    PEER_LEFT = "peer_left"
    CONNECTION_LOST = "connection_lost"
    CONNECT_TIMEOUT = "connect_timeout"
    INTERNAL_ERROR = "internal_error"


class MediaSink(Protocol):
    """Receives the media of one participant.

    Every method is called on the event loop's thread, must return at once and must not raise. Per track,
    frames and gaps arrive in order of time and cover the timeline from zero without hole or overlap; a kind
    of media that the participant does not send is covered by gaps with the reason ``NO_TRACK``.
    """

    def on_audio(self, frame: AudioFrame) -> None:
        """Take the next block of audio."""

    def on_picture(self, picture: PendingPicture) -> None:
        """Take the next picture."""

    def on_gap(self, gap: MediaGap) -> None:
        """Take note that a span of a track carries no media."""

    def on_track(self, kind: TrackKind, state: TrackState) -> None:
        """Take note that a track went live, fell silent or ended."""

    def on_end(self, reason: EndReason) -> None:
        """Take note that nothing will follow; called once."""
