"""A live track: decoded frames and silences onto the participant's timeline."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import av

from realtime.ingest.picture import VideoLine
from realtime.ingest.resample import AudioLine
from realtime.ingest.sink import MediaItem, MediaSink, PendingPicture, TrackState
from realtime.ingest.sync import CallClock
from realtime.timebase import NS_PER_MS, NS_PER_S
from realtime.types import AudioFrame, GapReason, TrackKind

SILENT_AFTER_NS = 500 * NS_PER_MS
LATE_MARGIN_NS = 250 * NS_PER_MS
FIRST_FRAME_MARGIN_NS = NS_PER_S
#: Less than a packet of audio, so that a single lost one is a gap.
MAX_TIMESTAMP_JITTER_NS = 8 * NS_PER_MS


class PacketLog(Protocol):
    """What is known about the packets of a track; ``ReceiverTap`` is one."""

    last_packet_ns: int | None

    def arrival_ns(self, rtp: int) -> int | None:
        """Return when the last packet of a frame arrived, None if that is not known."""


class LiveTrack:
    """One of a participant's two tracks. Time is an argument; nothing here waits.

    The frames' pts are raw RTP timestamps. A track that delivers nothing for ``SILENT_AFTER_NS`` is covered
    by gaps that follow the clock at a distance of ``LATE_MARGIN_NS``, so that later stages never wait.

    Args:
        kind: Which track.
        clock: Both tracks' clock.
        sink: Receives the items.
        packets: The track's packets; None for a kind of media that the participant does not send.

    Attributes:
        state: What the track is doing; None before its first frame.
        gaps: Gaps handed on.
        lost_ns: Media time covered by gaps with the reason ``LOSS``.
        unplaced: Frames whose timestamps have no place on the timeline.
    """

    def __init__(
        self, kind: TrackKind, *, clock: CallClock, sink: MediaSink, packets: PacketLog | None
    ) -> None:
        self.kind = kind
        self._clock = clock
        self._sink = sink
        self._packets = packets
        self._audio = AudioLine(jitter_tolerance_ns=MAX_TIMESTAMP_JITTER_NS)
        self._video = VideoLine()
        self._line = self._audio if kind == "audio" else self._video
        self._last_frame: tuple[int, int] | None = None
        self.state: TrackState | None = None
        self.gaps = 0
        self.lost_ns = 0
        self.unplaced = 0

    @property
    def covered_ns(self) -> int:
        """Call time up to which media or gaps have been handed on."""
        return self._line.covered_ns

    @property
    def frames(self) -> int:
        """Decoded frames so far."""
        return self._line.frames

    @property
    def late(self) -> int:
        """Late pictures, or milliseconds of late audio, that were dropped."""
        return self._line.late

    def on_frame(
        self, frame: av.AudioFrame | av.VideoFrame, now_ns: int, *, newest_rtp: int | None = None
    ) -> None:
        """Place a decoded frame on the timeline and hand on what it completes.

        Args:
            frame: A picture, or the sound of one packet or several.
            now_ns: When its newest packet was there to be decoded.
            newest_rtp: Timestamp of the newest packet; None for that of the frame.
        """
        rtp = frame.pts
        time_ns = None if rtp is None else self._clock.time_ns(self.kind, rtp)
        if rtp is None or time_ns is None or self._packets is None:
            self.unplaced += 1
            return
        newest_rtp = rtp if newest_rtp is None else newest_rtp
        arrival_ns = self._packets.arrival_ns(newest_rtp) or now_ns
        self._enter(TrackState.LIVE)
        if isinstance(frame, av.AudioFrame):
            self._deliver(self._audio.push(time_ns, frame, arrival_ns))
        else:
            self._deliver(self._video.push(time_ns, frame, arrival_ns))
        self._last_frame = (time_ns + self._clock.span_ns(self.kind, rtp, newest_rtp), now_ns)

    def check(self, now_ns: int, *, front_ns: int, connection_alive: bool) -> None:
        """Cover the time in which nothing came.

        Args:
            now_ns: The monotonic clock.
            front_ns: How far the furthest of the participant's tracks is covered.
            connection_alive: Whether any packet came within the last ``SILENT_AFTER_NS``.
        """
        if self.state is TrackState.ENDED:
            self._cover(front_ns, GapReason.ENDED)
        elif self._packets is None:
            self._cover(front_ns, GapReason.NO_TRACK)
        elif self._last_frame is None:
            self._cover(front_ns - FIRST_FRAME_MARGIN_NS, GapReason.NO_TRACK)
        else:
            last_ns, delivered_ns = self._last_frame
            silent_ns = now_ns - delivered_ns
            if silent_ns >= SILENT_AFTER_NS:
                self._enter(TrackState.GAP)
                reason = self._silence_reason(now_ns, connection_alive)
                self._cover(last_ns + silent_ns - LATE_MARGIN_NS, reason)

    def end(self) -> None:
        """The track delivers nothing more; hand on what is still held."""
        if self.state is TrackState.ENDED:
            return
        self._deliver(self._audio.flush())
        if self._packets is not None:
            self._enter(TrackState.ENDED)

    def _silence_reason(self, now_ns: int, connection_alive: bool) -> GapReason:
        last_ns = None if self._packets is None else self._packets.last_packet_ns
        packets_come = last_ns is not None and now_ns - last_ns < SILENT_AFTER_NS
        return GapReason.MUTED if connection_alive and not packets_come else GapReason.LOSS

    def _cover(self, to_ns: int, reason: GapReason) -> None:
        self._deliver(self._line.advance(to_ns, reason))

    def _enter(self, state: TrackState) -> None:
        if self.state is not state:
            self.state = state
            self._sink.on_track(self.kind, state)

    def _deliver(self, items: Iterable[MediaItem]) -> None:
        for item in items:
            if isinstance(item, AudioFrame):
                self._sink.on_audio(item)
            elif isinstance(item, PendingPicture):
                self._sink.on_picture(item)
            else:
                self.gaps += 1
                if item.reason is GapReason.LOSS:
                    self.lost_ns += item.span.duration_ns
                self._sink.on_gap(item)
