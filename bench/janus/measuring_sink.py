"""Takes a participant's media in place of the analysis, and notes when pictures and beeps were placed."""

from __future__ import annotations

from bench.janus.alignment import Heard, Seen
from bench.janus.numbered_clip import BeepFinder, read_number
from realtime.ingest.sink import EndReason, PendingPicture, TrackState
from realtime.timebase import NS_PER_S, SAMPLE_RATE_HZ, tick_time_ns
from realtime.types import AudioFrame, MediaGap, TrackKind


class MeasuringSink:
    """A ``MediaSink``.

    Attributes:
        seen: Every picture at its tick.
        heard: Every beep.
    """

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.heard: list[Heard] = []
        self._beeps = BeepFinder(SAMPLE_RATE_HZ)

    def on_audio(self, frame: AudioFrame) -> None:
        """Note beeps."""
        for index in self._beeps.push(frame.samples):
            if frame.arrival_ns is not None:
                time_ns = frame.start_ns + index * NS_PER_S // SAMPLE_RATE_HZ
                self.heard.append(Heard(time_ns=time_ns, arrival_ns=frame.arrival_ns))

    def on_picture(self, picture: PendingPicture) -> None:
        """Note the picture's number."""
        if picture.arrival_ns is not None:
            self.seen.append(
                Seen(
                    number=read_number(picture.convert()),
                    time_ns=tick_time_ns(picture.tick),
                    arrival_ns=picture.arrival_ns,
                )
            )

    def on_gap(self, gap: MediaGap) -> None:
        """Nothing to note."""

    def on_track(self, kind: TrackKind, state: TrackState) -> None:
        """Nothing to note."""

    def on_end(self, reason: EndReason) -> None:
        """Nothing to note."""
