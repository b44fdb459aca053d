"""One track on its way from RTP packets to the participant's timeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aiortc import RTCRtpReceiver

from realtime.ingest.aiortc_private.receiver_tap import CLOCK_RATES_HZ, ReceiverTap
from realtime.ingest.alarm import Alarm
from realtime.ingest.decoder import CodecName, DecodedFrame, TrackDecoder
from realtime.ingest.live import LiveTrack
from realtime.ingest.reception import TrackReception
from realtime.ingest.rtp.bundle import Bundle, Bundler
from realtime.ingest.rtp.packet import EncodedFrame
from realtime.ingest.sink import MediaSink
from realtime.ingest.sync import CallClock, TrackClock
from realtime.timebase import NS_PER_MS
from realtime.types import TrackKind


class IncomingTrack:
    """Packets, decoder and timeline of one track; packets of sound pass the latter two in bundles.

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
        self._kind = kind
        self._clock = clock
        self._clock_ns = clock_ns
        self._bundle: Bundle | None = None
        self._joined = 0
        self._alarm = Alarm(clock_ns)
        self._decoder = TrackDecoder(kind, on_frames=self._on_frames, on_damage=self._on_damage)
        self.tap = ReceiverTap(
            receiver,
            kind=kind,
            observer=self,
            clock_ns=clock_ns,
            on_frame=self._put,
            on_end=self._end,
            on_due=self._alarm.set,
        )
        self.live = LiveTrack(kind, clock=call_clock, sink=sink, packets=self.tap)
        self._bundler = Bundler(lambda: self.live.covered_ns)

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

    def on_packet(self, rtp: int, arrival_ns: int) -> None:
        """Tell the track's clock of the first packet of a frame; see ``RtpObserver``."""
        if not self._bundler.follows(rtp):
            self._decode(self._bundler.flush())
        self._clock.on_packet(rtp, arrival_ns)

    def on_report(self, ntp_ns: int, rtp: int, arrival_ns: int) -> None:
        """Tell the track's clock of a sender report; see ``RtpObserver``."""
        self._decode(self._bundler.flush())
        self._clock.on_report(ntp_ns, rtp, arrival_ns)

    def check(self, now_ns: int) -> None:
        """Place sound that has waited too long for more; to be called every 100 ms."""
        self._decode(self._bundler.overdue(now_ns))

    async def close(self) -> None:
        """Place what waits, stop decoding and wait until that has ended. Idempotent."""
        self._decode(self._bundler.flush())
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
            frames=self.live.frames + self._joined,
            damaged=counters.damaged + self._decoder.damaged + self.live.unplaced,
            freezes=counters.freezes,
            missing_ms=self.live.lost_ns // NS_PER_MS,
            dropped=self._decoder.dropped,
            feedback_dropped=self.tap.feedback.dropped,
            jitter_ms=0.0 if statistics is None else round(statistics.jitter_ms, 2),
        )

    def _put(self, codec: CodecName, frame: EncodedFrame) -> bool:
        if self._kind == "video":
            return self._decoder.put(codec, frame)
        self._decode(self._bundler.put(frame, self._clock_ns()))
        return True

    def _end(self) -> None:
        self._decode(self._bundler.flush())
        self._decoder.end()

    def _decode(self, bundles: Sequence[Bundle]) -> None:
        for bundle in bundles:
            self._bundle = bundle
            self._joined += bundle.packets - 1
            self._decoder.put("opus", bundle.frame)

    def _on_frames(self, frames: Sequence[DecodedFrame]) -> None:
        bundle = self._bundle
        if bundle is not None:
            for frame in frames:
                self.live.on_frame(frame, bundle.put_ns, newest_rtp=bundle.newest_timestamp)
            return
        now_ns = self._clock_ns()
        for frame in frames:
            self.live.on_frame(frame, now_ns)

    def _on_damage(self) -> None:
        self.tap.require_key_frame()
