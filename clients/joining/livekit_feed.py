"""One participant of a LiveKit room: the camera and the microphone, as far as they are there."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog

from realtime.ingest.concealment import PlayoutCounters
from realtime.ingest.decoded import KINDS, DecodedSource
from realtime.ingest.reception import TrackReception
from realtime.ingest.sink import EndReason, MediaSink
from realtime.ingest.source import MediaSource
from realtime.timebase import NS_PER_MS, NS_PER_S
from realtime.types import TrackKind

SAMPLE_RATE_HZ = 48_000
#: Measured: Opus lookahead (6.5 ms), playout in blocks, and pictures handed out 8.5 ms before they are due.
AUDIO_DELAY_NS = 23_500_000
#: One second of pictures, and ten of sound in blocks of 10 ms: the SDK drops the oldest beyond that.
MAX_PICTURES = 30
MAX_BLOCKS = 1000
#: Sound waits for the counters, so this is also the longest delay that asking adds.
ASK_INTERVAL_S: dict[TrackKind, float] = {"audio": 0.2, "video": 0.5}
SUBSCRIBE_AGAIN_NS = NS_PER_S
PATIENT_QUESTIONS = 10
ANSWER_TIMEOUT_S = 2.0
MAX_ANSWER_AGE_NS = 2 * NS_PER_S
CLOSE_TIMEOUT_S = 2.0
ROTATION_DEGREES = 90

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Attachment:
    """A publication that is followed, and the tasks that read its track once it has one."""

    publication: Any
    track: Any
    asked_ns: int
    tasks: tuple[asyncio.Task[None], ...] = ()


class LiveKitFeed:
    """Reads a participant's tracks into one source, whichever of them are there.

    Args:
        rtc: The module ``livekit.rtc``.
        clock_ns: Monotonic clock.
    """

    def __init__(self, rtc: Any, *, clock_ns: Callable[[], int]) -> None:
        self._rtc = rtc
        self._clock_ns = clock_ns
        self._source: DecodedSource | None = None
        self._attached: dict[TrackKind, _Attachment] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, sink: MediaSink) -> MediaSource:
        """Begin a source; nothing comes before ``follow`` is called."""
        source = DecodedSource(
            sink, clock_ns=self._clock_ns, audio_delay_ns=AUDIO_DELAY_NS, conceals_loss=True
        )
        source.start()
        self._source = source
        return source

    def follow(self, publications: Mapping[TrackKind, Any]) -> None:
        """Subscribe to what is published now, read what is subscribed, and cover the rest as muted."""
        source = self._source
        if source is None:
            return
        if source.ended:
            for attachment in self._attached.values():
                attachment.publication.set_subscribed(False)
            publications = {}
        for kind in KINDS:
            followed = self._attach(kind, publications.get(kind), source)
            paused = followed is None or followed.track is None or followed.publication.muted
            source.set_muted(kind, paused)

    async def close(self) -> None:
        """Stop reading and wait until all of it has stopped. The source is its owner's to close."""
        self._attached.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _attach(self, kind: TrackKind, publication: Any, source: DecodedSource) -> _Attachment | None:
        before = self._attached.get(kind)
        track = None if publication is None else publication.track
        if before is not None and before.publication is publication and before.track is track:
            self._ask_again(before)
            return before
        for task in () if before is None else before.tasks:
            task.cancel()
        if publication is None:
            self._attached.pop(kind, None)
            return None
        if before is None or before.publication is not publication:
            publication.set_subscribed(True)
        after = self._attached[kind] = _Attachment(publication, track, self._clock_ns())
        if track is not None:
            read = self._read_audio if kind == "audio" else self._read_video
            after.tasks = self._own(read(track, source)), self._own(self._ask(kind, track, source))
        return after

    def _ask_again(self, attachment: _Attachment) -> None:
        """Repeat a request that came to nothing: while it reconnects, the SDK loses what it is asked."""
        now_ns = self._clock_ns()
        if attachment.track is None and now_ns - attachment.asked_ns >= SUBSCRIBE_AGAIN_NS:
            attachment.asked_ns = now_ns
            attachment.publication.set_subscribed(True)

    async def _read_audio(self, track: Any, source: DecodedSource) -> None:
        stream = self._rtc.AudioStream(track, sample_rate=SAMPLE_RATE_HZ, num_channels=1, capacity=MAX_BLOCKS)
        try:
            async for event in stream:
                frame = event.frame
                samples = np.frombuffer(frame.data, dtype=np.int16).reshape(-1, frame.num_channels)
                source.push_audio(samples, rate_hz=frame.sample_rate, arrival_ns=self._clock_ns())
        finally:
            await _close_stream(stream)

    async def _read_video(self, track: Any, source: DecodedSource) -> None:
        stream = self._rtc.VideoStream(track, format=self._rtc.VideoBufferType.I420, capacity=MAX_PICTURES)
        try:
            async for event in stream:
                frame = event.frame
                source.push_picture(
                    np.frombuffer(frame.data, dtype=np.uint8),
                    width=frame.width,
                    height=frame.height,
                    arrival_ns=self._clock_ns(),
                    timestamp_ns=event.timestamp_us * 1000,
                    clockwise_degrees=int(event.rotation) * ROTATION_DEGREES,
                )
        finally:
            await _close_stream(stream)

    async def _ask(self, kind: TrackKind, track: Any, source: DecodedSource) -> None:
        unanswered = 0
        while True:
            counters = await self._counters(track)
            unanswered = unanswered + 1 if counters is None else 0
            if counters is not None:
                self._tell(kind, counters, source)
            if unanswered == PATIENT_QUESTIONS:
                _log.warning("livekit_counters_missing", track=kind)
            await asyncio.sleep(ASK_INTERVAL_S[kind])

    def _tell(self, kind: TrackKind, counters: Any, source: DecodedSource) -> None:
        age_ns = time.time_ns() - counters.rtc.timestamp * 1000
        at_ns = self._clock_ns() - min(max(age_ns, 0), MAX_ANSWER_AGE_NS)
        source.note(kind, _reception(counters))
        if kind == "audio":
            source.judge_audio(_playout(counters), asked_ns=at_ns)
        if counters.inbound.estimated_playout_timestamp > 0:
            sender_ns = int(counters.inbound.estimated_playout_timestamp * NS_PER_MS)
            source.note_sender_time(kind, sender_ns=sender_ns, at_ns=at_ns)

    async def _counters(self, track: Any) -> Any:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                stats = await track.get_stats()
        except Exception as error:
            _log.debug("livekit_counters_refused", error=type(error).__name__)
            return None
        found = [one.inbound_rtp for one in stats if one.WhichOneof("stats") == "inbound_rtp"]
        return found[0] if found else None

    def _own(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name="livekit-track")
        task.add_done_callback(self._on_task_done)
        self._tasks.add(task)
        return task

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and self._source is not None:
            trace = "".join(traceback.format_exception(error))
            _log.error("ingest_task_failed", error=type(error).__name__, trace=trace)
            self._source.end(EndReason.INTERNAL_ERROR)


def _playout(counters: Any) -> PlayoutCounters:
    return PlayoutCounters(
        samples=counters.inbound.total_samples_received,
        concealed=counters.inbound.concealed_samples,
        packets=counters.received.packets_received,
    )


def _reception(counters: Any) -> TrackReception:
    received, inbound = counters.received, counters.inbound
    return TrackReception(
        packets=received.packets_received,
        lost=max(0, received.packets_lost),
        recovered=inbound.retransmitted_packets_received + inbound.fec_packets_received,
        nacks=inbound.nack_count,
        key_frame_requests=inbound.pli_count + inbound.fir_count,
        freezes=inbound.freeze_count,
        dropped=inbound.frames_dropped,
        jitter_ms=received.jitter * 1000,
    )


async def _close_stream(stream: Any) -> None:
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await stream.aclose()
    except TimeoutError:
        _log.warning("livekit_stream_not_closed")
