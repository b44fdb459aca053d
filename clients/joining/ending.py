"""Learning that a participant's media has ended, whoever else listens."""

from __future__ import annotations

import asyncio

from realtime.ingest.sink import EndReason, MediaSink, PendingPicture, TrackState
from realtime.types import AudioFrame, MediaGap, TrackKind


class EndNotice:
    """Passes everything on to a sink, and keeps why the media ended.

    Args:
        sink: Where the media goes.
        ended: Gets the reason; left alone where it is done already.
    """

    def __init__(self, sink: MediaSink, ended: asyncio.Future[EndReason]) -> None:
        self._sink = sink
        self._ended = ended

    def on_audio(self, frame: AudioFrame) -> None:
        """Pass the next block of audio on."""
        self._sink.on_audio(frame)

    def on_picture(self, picture: PendingPicture) -> None:
        """Pass the next picture on."""
        self._sink.on_picture(picture)

    def on_gap(self, gap: MediaGap) -> None:
        """Pass a gap on."""
        self._sink.on_gap(gap)

    def on_track(self, kind: TrackKind, state: TrackState) -> None:
        """Pass a track's state on."""
        self._sink.on_track(kind, state)

    def on_end(self, reason: EndReason) -> None:
        """Pass the end on, and keep it."""
        if not self._ended.done():
            self._ended.set_result(reason)
        self._sink.on_end(reason)
