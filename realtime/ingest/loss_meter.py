"""How much of a participant's media was lost on its way."""

from __future__ import annotations

from realtime.ingest.sink import EndReason, MediaSink, PendingPicture, TrackState
from realtime.types import AudioFrame, GapReason, MediaGap, TrackKind


class LossMeter:
    """Passes everything on to a sink, and adds up the gaps with the reason "loss".

    Attributes:
        lost_ns: Media time that was lost, per track.
    """

    def __init__(self, sink: MediaSink) -> None:
        self._sink = sink
        self.lost_ns: dict[TrackKind, int] = {"audio": 0, "video": 0}

    def on_audio(self, frame: AudioFrame) -> None:
        """Pass the next block of audio on."""
        self._sink.on_audio(frame)

    def on_picture(self, picture: PendingPicture) -> None:
        """Pass the next picture on."""
        self._sink.on_picture(picture)

    def on_gap(self, gap: MediaGap) -> None:
        """Pass a gap on."""
        if gap.reason is GapReason.LOSS:
            self.lost_ns[gap.track] += gap.span.duration_ns
        self._sink.on_gap(gap)

    def on_track(self, kind: TrackKind, state: TrackState) -> None:
        """Pass a track's state on."""
        self._sink.on_track(kind, state)

    def on_end(self, reason: EndReason) -> None:
        """Pass the end on."""
        self._sink.on_end(reason)
