"""A participant whose media somebody else's WebRTC stack has received and decoded."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import structlog

from realtime.ingest.concealment import ConcealmentGate, Judged, PlayoutCounters
from realtime.ingest.live import LiveTrack
from realtime.ingest.loss_meter import LossMeter
from realtime.ingest.planar import frame_from_i420
from realtime.ingest.playout_skew import PlayoutSkew
from realtime.ingest.reception import Reception, SyncSource, TrackReception
from realtime.ingest.sample_clock import SampleClock
from realtime.ingest.sink import EndReason, MediaSink
from realtime.ingest.sync import CallClock, TrackClock
from realtime.timebase import NS_PER_MS, NS_PER_S
from realtime.types import TrackKind, UInt8

CHECK_INTERVAL_S = 0.1
CLOCK_RATES_HZ: dict[TrackKind, int] = {"audio": 48_000, "video": 90_000}
KINDS: tuple[TrackKind, ...] = ("audio", "video")
#: What the other stack's own alignment of sound and pictures may leave, and what is left with sender times.
UNCERTAINTY_NS: dict[SyncSource, int] = {"single": 0, "arrival": 100 * NS_PER_MS, "reports": 20 * NS_PER_MS}

Pcm = npt.NDArray[np.int16] | npt.NDArray[np.float32]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Block:
    samples: Pcm
    rate_hz: int
    arrival_ns: int


class DecodedSource:
    """Implements ``realtime.ingest.source.MediaSource`` for pictures and sound that arrive decoded.

    Sound is placed by counting its samples from their first arrival, pictures by their timestamps or else by
    their arrival. The earliest arrivals tie the two together, until ``note_sender_time`` knows better. Either
    kind may begin, pause and come back at any time.

    Args:
        sink: Receives the media.
        clock_ns: Monotonic clock; the arrivals are on it.
        audio_delay_ns: By how much sound arrives later than the pictures that are shown with it.
        conceals_loss: Whether the other stack makes lost sound up. Sound then waits until ``judge_audio``
            lets it pass.
    """

    def __init__(
        self,
        sink: MediaSink,
        *,
        clock_ns: Callable[[], int],
        audio_delay_ns: int = 0,
        conceals_loss: bool = False,
    ) -> None:
        self._sink = LossMeter(sink)
        self._clock_ns = clock_ns
        self._gate: ConcealmentGate[_Block] | None = ConcealmentGate() if conceals_loss else None
        self._samples = SampleClock()
        self._call_clock = CallClock()
        self._clocks: dict[TrackKind, TrackClock] = {}
        self._arrivals: dict[TrackKind, _Arrivals] = {}
        self._tracks: dict[TrackKind, LiveTrack] = {}
        for kind in KINDS:
            delay_ns = audio_delay_ns if kind == "audio" else 0
            self._clocks[kind] = TrackClock(clock_hz=CLOCK_RATES_HZ[kind], codec_delay_ns=delay_ns)
            self._call_clock.add_track(kind, self._clocks[kind])
            self._arrivals[kind] = _Arrivals()
            self._tracks[kind] = LiveTrack(
                kind, clock=self._call_clock, sink=self._sink, packets=self._arrivals[kind]
            )
        self._muted: set[TrackKind] = set()
        self._awaited: set[TrackKind] = set()
        self._noted: dict[TrackKind, TrackReception] = {}
        self._skew = PlayoutSkew()
        self._watching: asyncio.Task[None] | None = None
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether the source has ended; it then takes nothing more."""
        return self._ended

    def start(self) -> None:
        """Begin to cover with gaps what does not come. Needs a running event loop."""
        self._watching = asyncio.create_task(self._watch(), name="decoded-source")
        self._watching.add_done_callback(self._on_watch_done)

    def push_audio(self, samples: Pcm, *, rate_hz: int, arrival_ns: int) -> None:
        """Take the next block of sound.

        Args:
            samples: int16, or float32 in [-1, 1]; shape (n, 1) or (n, 2). It must not change afterwards.
            rate_hz: Sample rate.
            arrival_ns: When it arrived.

        Raises:
            ValueError: The shape or the type is not as stated.
        """
        if samples.ndim != 2 or samples.shape[1] not in (1, 2) or samples.dtype not in (np.int16, np.float32):
            raise ValueError(f"sound of shape {samples.shape} and type {samples.dtype}")
        if self._ended or "audio" in self._muted or len(samples) == 0:
            return
        block = _Block(samples, rate_hz, arrival_ns)
        if self._gate is None:
            self._place(block)
        else:
            self._gate.push(block, arrival_ns)
            self._settle(self._gate.overdue(arrival_ns))

    def judge_audio(self, counters: PlayoutCounters, *, asked_ns: int) -> None:
        """Pass on what was received of the sound up to now, and leave out what was made up.

        Args:
            counters: The other stack's.
            asked_ns: When they were asked for.
        """
        if self._gate is not None and not self._ended:
            self._settle(self._gate.judge(counters, asked_ns))

    def push_picture(
        self,
        data: UInt8,
        *,
        width: int,
        height: int,
        arrival_ns: int,
        timestamp_ns: int | None = None,
        clockwise_degrees: int = 0,
    ) -> None:
        """Take the next picture.

        Args:
            data: I420 as in ``realtime.ingest.planar``.
            width: Width in px before the rotation.
            height: Height in px before the rotation.
            arrival_ns: When it arrived.
            timestamp_ns: When it was taken, or is to be shown, on a clock with any origin; None to go by the
                arrival. Either all pictures have one or none.
            clockwise_degrees: By how much the picture must be turned to be upright.

        Raises:
            ValueError: The size does not fit the data.
        """
        if self._ended or "video" in self._muted:
            return
        frame = frame_from_i420(data, width, height, clockwise_degrees=clockwise_degrees)
        self._deliver("video", arrival_ns if timestamp_ns is None else timestamp_ns, frame, arrival_ns)

    def set_muted(self, kind: TrackKind, muted: bool) -> None:
        """Take note that a track is paused at its sender, or goes on; meanwhile its media is ignored."""
        if muted and kind not in self._muted:
            self._muted.add(kind)
            if kind == "audio":
                self._samples.resume()
                if self._gate is not None:
                    self._gate.clear()
        elif not muted and kind in self._muted:
            self._muted.discard(kind)
            self._awaited.add(kind)

    def note(self, kind: TrackKind, counters: TrackReception) -> None:
        """Keep the other stack's counters; what is counted here replaces theirs."""
        self._noted[kind] = counters

    def note_sender_time(self, kind: TrackKind, *, sender_ns: int, at_ns: int) -> None:
        """Take note of what the other stack knows from RTCP sender reports; see ``PlayoutSkew.note``."""
        self._skew.note(kind, sender_ns=sender_ns, at_ns=at_ns)

    def reception(self) -> Reception:
        """Return how well the media comes in."""
        state = self._call_clock.state()
        sync: SyncSource = "reports" if state.source == "arrival" and self._skew.is_known else state.source
        left_ns = max(UNCERTAINTY_NS[sync] + self._skew.spread_ns, state.uncertainty_ns)
        return Reception(
            audio=self._track_reception("audio"),
            video=self._track_reception("video"),
            sync=sync,
            skew_ms=self._skew.skew_ns / NS_PER_MS,
            uncertainty_ms=0.0 if sync == "single" else left_ns / NS_PER_MS,
        )

    def end(self, reason: EndReason) -> None:
        """End at once; the sink hears why. Idempotent."""
        if self._ended:
            return
        self._ended = True
        if self._watching is not None:
            self._watching.cancel()
        for kind in KINDS:
            if self._tracks[kind].frames:
                self._tracks[kind].end()
        _log.info("ingest_ended", reason=reason.value)
        self._sink.on_end(reason)

    async def close(self) -> None:
        """End it and wait until all of it has ended. Idempotent."""
        self.end(EndReason.CLOSED)
        if self._watching is not None:
            await asyncio.wait({self._watching})

    def _settle(self, judged: list[Judged[_Block]]) -> None:
        for one in judged:
            if one.genuine:
                self._place(one.block)
            else:
                self._samples.count(len(one.block.samples), rate_hz=one.block.rate_hz)

    def _place(self, block: _Block) -> None:
        channels = block.samples.shape[1]
        media_ns = self._samples.place(len(block.samples), rate_hz=block.rate_hz, arrival_ns=block.arrival_ns)
        samples: Any = np.ascontiguousarray(block.samples).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(
            samples,
            format="s16" if samples.dtype == np.int16 else "flt",
            layout="mono" if channels == 1 else "stereo",
        )
        frame.sample_rate = block.rate_hz
        self._deliver("audio", media_ns, frame, block.arrival_ns)

    def _deliver(
        self, kind: TrackKind, time_ns: int, frame: av.AudioFrame | av.VideoFrame, arrival_ns: int
    ) -> None:
        moved_ns = self._skew.skew_ns if kind == "video" else 0
        ticks = (time_ns + moved_ns) * CLOCK_RATES_HZ[kind] // NS_PER_S % (1 << 32)
        self._awaited.discard(kind)
        self._arrivals[kind].last_packet_ns = arrival_ns
        self._clocks[kind].on_packet(ticks, arrival_ns + moved_ns)
        frame.pts = ticks
        self._tracks[kind].on_frame(frame, self._clock_ns())

    def _track_reception(self, kind: TrackKind) -> TrackReception | None:
        frames = self._tracks[kind].frames
        if frames == 0 and kind not in self._noted:
            return None
        lost_ms = self._sink.lost_ns[kind] // NS_PER_MS
        return replace(self._noted.get(kind, TrackReception()), frames=frames, missing_ms=lost_ms)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            self.check(self._clock_ns())

    def check(self, now_ns: int) -> None:
        """Cover the time in which nothing came; a started source does this by itself."""
        if self._ended:
            return
        if self._gate is not None:
            self._settle(self._gate.overdue(now_ns))
        front_ns = max(track.covered_ns for track in self._tracks.values())
        paused = self._muted | self._awaited
        for kind, track in self._tracks.items():
            track.check(now_ns, front_ns=front_ns, connection_alive=kind in paused)

    def _on_watch_done(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            trace = "".join(traceback.format_exception(error))
            _log.error("ingest_task_failed", error=type(error).__name__, trace=trace)
            self.end(EndReason.INTERNAL_ERROR)


class _Arrivals:
    """What ``LiveTrack`` asks about a track's packets; every frame counts as one."""

    def __init__(self) -> None:
        self.last_packet_ns: int | None = None

    def arrival_ns(self, rtp: int) -> int | None:
        """Return when the newest frame arrived, which is the one that is being placed."""
        del rtp
        return self.last_packet_ns
