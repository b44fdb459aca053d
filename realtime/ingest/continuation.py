"""Several connections of one participant, one after the other, on one timeline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from realtime.ingest.sink import EndReason, MediaSink, PendingPicture, TrackState
from realtime.timebase import TICK_NS, sample_time_ns
from realtime.types import AudioFrame, GapReason, MediaGap, TimeSpan, TrackKind

_KINDS: tuple[TrackKind, ...] = ("audio", "video")


class Continuation:
    """Hands the media of one connection after another to a sink, which sees a single timeline.

    Every connection's own timeline starts at zero. The first one is handed on as it is; a later one is moved
    to where the earlier ones ended plus the time that has passed since, a whole number of ticks, and the time
    between is covered by gaps with the reason ``ENDED``.

    Args:
        sink: Hears ``on_end`` at the end of every connection.
        clock_ns: Monotonic clock.
    """

    def __init__(self, sink: MediaSink, *, clock_ns: Callable[[], int]) -> None:
        self._sink = sink
        self._clock_ns = clock_ns
        self._covered_ns: dict[TrackKind, int] = dict.fromkeys(_KINDS, 0)
        self._ended_ns: int | None = None
        self._current: _Connection | None = None

    def connection(self) -> MediaSink:
        """Return the sink of a new connection; what the earlier one still says is not handed on."""
        if self._current is not None:
            self._current.over = True
        self._current = _Connection(self)
        return self._current

    def begin(self) -> int:
        """Cover the time since the last connection; return where the new one's zero is, in ns."""
        if self._ended_ns is None:
            return 0
        passed_ns = max(0, self._clock_ns() - self._ended_ns)
        start_ns = -(-(max(self._covered_ns.values()) + passed_ns) // TICK_NS) * TICK_NS
        for kind in _KINDS:
            if self._covered_ns[kind] < start_ns:
                span = TimeSpan(start_ns=self._covered_ns[kind], end_ns=start_ns)
                self.take_gap(MediaGap(track=kind, span=span, reason=GapReason.ENDED))
        return start_ns

    def take_audio(self, frame: AudioFrame) -> None:
        """Hand on a block of audio."""
        self._covered_ns["audio"] = frame.start_ns + sample_time_ns(len(frame.samples))
        self._sink.on_audio(frame)

    def take_picture(self, picture: PendingPicture) -> None:
        """Hand on a picture."""
        self._covered_ns["video"] = (picture.tick + 1) * TICK_NS
        self._sink.on_picture(picture)

    def take_gap(self, gap: MediaGap) -> None:
        """Hand on a gap."""
        self._covered_ns[gap.track] = gap.span.end_ns
        self._sink.on_gap(gap)

    def take_state(self, kind: TrackKind, state: TrackState) -> None:
        """Hand on what a track is doing."""
        self._sink.on_track(kind, state)

    def end(self, connection: MediaSink, reason: EndReason) -> None:
        """Hand on that the current connection ended."""
        if self._current is connection:
            self._current = None
            self._ended_ns = self._clock_ns()
            self._sink.on_end(reason)


class _Connection:
    """One connection's media, moved to its place."""

    def __init__(self, owner: Continuation) -> None:
        self._owner = owner
        self._offset_ns: int | None = None
        self.over = False

    def on_audio(self, frame: AudioFrame) -> None:
        if not self.over:
            self._owner.take_audio(replace(frame, start_ns=frame.start_ns + self._offset()))

    def on_picture(self, picture: PendingPicture) -> None:
        if not self.over:
            self._owner.take_picture(replace(picture, tick=picture.tick + self._offset() // TICK_NS))

    def on_gap(self, gap: MediaGap) -> None:
        if self.over:
            return
        offset_ns = self._offset()
        span = TimeSpan(start_ns=gap.span.start_ns + offset_ns, end_ns=gap.span.end_ns + offset_ns)
        self._owner.take_gap(replace(gap, span=span))

    def on_track(self, kind: TrackKind, state: TrackState) -> None:
        if not self.over:
            self._owner.take_state(kind, state)

    def on_end(self, reason: EndReason) -> None:
        if not self.over:
            self.over = True
            self._owner.end(self, reason)

    def _offset(self) -> int:
        if self._offset_ns is None:
            self._offset_ns = self._owner.begin()
        return self._offset_ns
