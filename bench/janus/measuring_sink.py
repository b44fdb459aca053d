"""Takes a participant's media in place of the analysis, and notes when pictures and beeps were placed."""

from __future__ import annotations

from bench.janus.alignment import Heard, Seen
from bench.janus.numbered_clip import BeepFinder, read_number
from realtime.ingest.sink import EndReason, PendingPicture, TrackState
from realtime.timebase import NS_PER_MS, NS_PER_S, SAMPLE_RATE_HZ, tick_time_ns
from realtime.types import AudioFrame, MediaGap, TrackKind

#: A beep that is heard so soon after a gap began in it: nobody knows when.
CUT_NS = 5 * NS_PER_MS


class MeasuringSink:
    """A ``MediaSink``.

    Attributes:
        seen: Every picture at its tick.
        heard: Every beep whose start came through.
        cut: Beeps whose start was lost.
    """

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.heard: list[Heard] = []
        self.cut = 0
        self._gap_end_ns = -CUT_NS
        self._beeps = BeepFinder(SAMPLE_RATE_HZ)

    def on_audio(self, frame: AudioFrame) -> None:
        """Note beeps."""
        for index in self._beeps.push(frame.samples):
            time_ns = frame.start_ns + index * NS_PER_S // SAMPLE_RATE_HZ
            if time_ns - self._gap_end_ns < CUT_NS:
                self.cut += 1
            elif frame.arrival_ns is not None:
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
        """Note where sound goes on."""
        if gap.track == "audio":
            self._gap_end_ns = gap.span.end_ns

    def on_track(self, kind: TrackKind, state: TrackState) -> None:
        """Nothing to note."""

    def on_end(self, reason: EndReason) -> None:
        """Nothing to note."""
