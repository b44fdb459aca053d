"""One track on its way from RTP packets to the participant's timeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aiortc import RTCRtpReceiver

from realtime.ingest.aiortc_tap import CLOCK_RATES_HZ, ReceiverTap
from realtime.ingest.alarm import Alarm
from realtime.ingest.decoder import DecodedFrame, TrackDecoder
from realtime.ingest.live import LiveTrack
from realtime.ingest.reception import TrackReception
from realtime.ingest.sink import MediaSink
from realtime.ingest.sync import CallClock, TrackClock
from realtime.timebase import NS_PER_MS
from realtime.types import TrackKind


class IncomingTrack:
    """Packets, decoder and timeline of one track.

    Args:
        kind: The track's kind.
        receiver: Has its final transport and has not started.
        call_clock: Both tracks' clock.
        sink: Receives the media.
        codec_delay_ns: By how much later than its timestamp says something was recorded.
        clock_ns: Monotonic clock.

    Attributes:
        tap: The packets.
        live: The place on the timeline.
    """

    def __init__(
        self,
        kind: TrackKind,
        receiver: RTCRtpReceiver,
        *,
        call_clock: CallClock,
        sink: MediaSink,
        codec_delay_ns: int,
        clock_ns: Callable[[], int],
    ) -> None:
        clock = TrackClock(clock_hz=CLOCK_RATES_HZ[kind], codec_delay_ns=codec_delay_ns)
        call_clock.add_track(kind, clock)
        self._clock_ns = clock_ns
        self._alarm = Alarm(clock_ns)
        self._decoder = TrackDecoder(kind, on_frames=self._on_frames, on_damage=self._on_damage)
        self.tap = ReceiverTap(
            receiver,
            kind=kind,
            observer=clock,
            clock_ns=clock_ns,
            on_frame=self._decoder.put,
            on_end=self._decoder.end,
            on_due=self._alarm.set,
        )
        self.live = LiveTrack(kind, clock=call_clock, sink=sink, packets=self.tap)

    async def run(self) -> None:
        """Place decoded frames on the timeline until the track ends."""
        self._decoder.start()
        await self._decoder.wait()
        self.live.end()

    async def keep_time(self) -> None:
        """Ask for packets and give them up when it is time; sleep while nothing is missing."""
        while True:
            await self._alarm.wait()
            await self.tap.on_timer()

    async def close(self) -> None:
        """Stop decoding and wait until that has ended. Idempotent."""
        await self._decoder.close()
        self._alarm.set(None)

    def reception(self) -> TrackReception:
        """Return how well the track comes in."""
        counters, statistics = self.tap.track.counters, self.tap.track.statistics
        return TrackReception(
            packets=counters.packets,
            lost=counters.lost,
            recovered=counters.recovered,
            nacks=counters.nacks,
            key_frame_requests=counters.key_frame_requests,
            frames=self.live.frames,
            damaged=counters.damaged + self._decoder.damaged + self.live.unplaced,
            freezes=counters.freezes,
            missing_ms=self.live.lost_ns // NS_PER_MS,
            dropped=self._decoder.dropped,
            jitter_ms=0.0 if statistics is None else round(statistics.jitter_ms, 2),
        )

    def _on_frames(self, frames: Sequence[DecodedFrame]) -> None:
        now_ns = self._clock_ns()
        for frame in frames:
            self.live.on_frame(frame, now_ns)

    def _on_damage(self) -> None:
        self.tap.require_key_frame()
