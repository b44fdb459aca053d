"""One participant over WebRTC: an offer in, an answer out, then media to a sink until either side ends it."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import structlog
from aiortc import (
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcrtpparameters import RTCRtpCodecCapability
from aiortc.rtcrtptransceiver import RTCRtpTransceiver
from av import AudioFrame, VideoFrame

from realtime.errors import SeamwatchError, SignallingError
from realtime.ingest.aiortc_tap import ReceiverTap, close_peer, offer_loopback_as_last_resort
from realtime.ingest.live import SILENT_AFTER_NS, LiveTrack
from realtime.ingest.offer import CODECS, check_offer
from realtime.ingest.sink import EndReason, MediaSink, TrackState
from realtime.ingest.sync import CallClock, TrackClock
from realtime.timebase import NS_PER_S
from realtime.types import TrackKind

CHECK_INTERVAL_S = 0.1
CONNECT_TIMEOUT_NS = 20 * NS_PER_S
OPUS_LOOKAHEAD_NS = 6_500_000
CLOCK_RATES_HZ: dict[TrackKind, int] = {"audio": 48_000, "video": 90_000}
KINDS: tuple[TrackKind, ...] = ("audio", "video")

_log = structlog.get_logger(__name__)


class WebRtcReceiver:
    """Receives one audio and one video track of a participant.

    Further tracks are answered ``inactive`` and data channels are closed. All tasks belong to the receiver
    and have ended when ``close`` returns. The sink hears ``on_end`` exactly once after a successful
    ``accept``.

    Args:
        sink: Receives the media.
        clock_ns: Monotonic clock.
    """

    def __init__(self, sink: MediaSink, *, clock_ns: Callable[[], int]) -> None:
        self._sink = sink
        self._clock_ns = clock_ns
        self._call_clock = CallClock()
        self._peer: RTCPeerConnection | None = None
        self._taps: dict[TrackKind, ReceiverTap] = {}
        self._tracks: dict[TrackKind, LiveTrack] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._ending: asyncio.Task[None] | None = None
        self._connected = False

    async def accept(self, offer_sdp: str) -> str:
        """Accept an offer and return the answer; connecting goes on in the background.

        Raises:
            SignallingError: The offer cannot be accepted (400, 406, 413), or the receiver already has a
                session (405).
        """
        if self._peer is not None:
            raise SignallingError(
                "Renegotiation is not supported.", fix="End this session and send a new offer.", status=405
            )
        offer = check_offer(offer_sdp)
        offer_loopback_as_last_resort()
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._peer = peer
        try:
            for kind in offer.sections:
                peer.addTransceiver(kind, direction="recvonly").setCodecPreferences(_preferred_codecs(kind))
            await self._answer(peer, offer.mids, offer_sdp)
        except SeamwatchError:
            await close_peer(peer)
            raise
        except Exception as error:
            await close_peer(peer)
            raise SignallingError(
                "The offer cannot be accepted.",
                fix="Send the offer that a WebRTC stack made, with Opus audio and VP8 or H.264 video.",
                status=406,
            ) from error
        except asyncio.CancelledError:
            await close_peer(peer)
            raise
        self._start(peer, offer.mids)
        return str(peer.localDescription.sdp)

    async def close(self) -> None:
        """End the session and wait until all of it has ended. Idempotent."""
        if self._peer is not None:
            await asyncio.shield(self._end(EndReason.CLOSED))

    def stats(self) -> dict[str, int]:
        """Return counters: frames, packets, reports, gaps and what was dropped, per track."""
        counters = {"sync_uncertainty_us": self._call_clock.state().uncertainty_ns // 1000}
        for kind, track in self._tracks.items():
            counters[f"{kind}_frames"] = track.frames
            counters[f"{kind}_gaps"] = track.gaps
            counters["audio_late_ms" if kind == "audio" else "video_late"] = track.late
        for kind, tap in self._taps.items():
            counters[f"{kind}_packets"] = tap.packets
            counters[f"{kind}_reports"] = tap.reports
            counters[f"{kind}_dropped"] = tap.dropped_encoded + tap.dropped_decoded
        return counters

    async def _answer(self, peer: RTCPeerConnection, mids: Mapping[TrackKind, str], offer_sdp: str) -> None:
        peer.on("datachannel", lambda channel: channel.close())
        peer.on("connectionstatechange", self._on_connection_state)
        await peer.setRemoteDescription(RTCSessionDescription(sdp=offer_sdp, type="offer"))
        for transceiver in peer.getTransceivers():
            kind: TrackKind = "audio" if transceiver.kind == "audio" else "video"
            if transceiver.mid == mids.get(kind):
                self._tap(kind, transceiver)
            else:
                transceiver.direction = "inactive"
        await peer.setLocalDescription(await peer.createAnswer())

    def _tap(self, kind: TrackKind, transceiver: RTCRtpTransceiver) -> None:
        clock = TrackClock(
            clock_hz=CLOCK_RATES_HZ[kind], codec_delay_ns=OPUS_LOOKAHEAD_NS if kind == "audio" else 0
        )
        self._call_clock.add_track(kind, clock)
        self._taps[kind] = ReceiverTap(
            transceiver.receiver, kind=kind, observer=clock, clock_ns=self._clock_ns
        )

    def _start(self, peer: RTCPeerConnection, mids: Mapping[TrackKind, str]) -> None:
        for kind in KINDS:
            self._tracks[kind] = LiveTrack(
                kind, clock=self._call_clock, sink=self._sink, packets=self._taps.get(kind)
            )
        for transceiver in peer.getTransceivers():
            if transceiver.mid in mids.values():
                self._own(self._drain(transceiver.receiver))
        self._own(self._watch())

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(self._on_task_done)
        self._tasks.append(task)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            trace = "".join(traceback.format_exception(error))
            _log.error("ingest_task_failed", error=type(error).__name__, trace=trace)
            self._end(EndReason.INTERNAL_ERROR)

    async def _drain(self, receiver: RTCRtpReceiver) -> None:
        kind: TrackKind = "audio" if receiver.track.kind == "audio" else "video"
        track = self._tracks[kind]
        while True:
            try:
                frame = await receiver.track.recv()
            except MediaStreamError:
                break
            if isinstance(frame, AudioFrame | VideoFrame):
                track.on_frame(frame, self._clock_ns())
        track.end()
        if all(self._tracks[kind].state is TrackState.ENDED for kind in self._taps):
            self._end(EndReason.PEER_LEFT)

    async def _watch(self) -> None:
        started_ns = self._clock_ns()
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            now_ns = self._clock_ns()
            if not self._connected and now_ns - started_ns > CONNECT_TIMEOUT_NS:
                self._end(EndReason.CONNECT_TIMEOUT)
                return
            self._check_tracks(now_ns)

    def _check_tracks(self, now_ns: int) -> None:
        packet_times = [tap.last_packet_ns for tap in self._taps.values() if tap.last_packet_ns is not None]
        alive = bool(packet_times) and now_ns - max(packet_times) < SILENT_AFTER_NS
        front_ns = max(track.covered_ns for track in self._tracks.values())
        for track in self._tracks.values():
            track.check(now_ns, front_ns=front_ns, connection_alive=alive)

    def _on_connection_state(self) -> None:
        if self._peer is None or not self._tracks:
            return
        state = self._peer.connectionState
        if state == "connected":
            self._connected = True
        elif state == "failed":
            self._end(EndReason.CONNECTION_LOST)
        elif state == "closed":
            self._end(EndReason.PEER_LEFT)

    def _end(self, reason: EndReason) -> asyncio.Task[None]:
        if self._ending is None:
            self._ending = asyncio.create_task(self._shut_down(reason))
        return self._ending

    async def _shut_down(self, reason: EndReason) -> None:
        for tap in self._taps.values():
            tap.discard_pending()
        if self._peer is not None:
            await close_peer(self._peer)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if reason is not EndReason.INTERNAL_ERROR:
            for track in self._tracks.values():
                track.end()
        _log.info("ingest_ended", reason=reason.value)
        if self._tracks:
            self._sink.on_end(reason)


def _preferred_codecs(kind: TrackKind) -> list[RTCRtpCodecCapability]:
    known = RTCRtpReceiver.getCapabilities(kind)
    wanted = (*CODECS[kind], "rtx")
    return [] if known is None else [codec for codec in known.codecs if codec.name.lower() in wanted]
