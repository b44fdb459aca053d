"""One participant over WebRTC: an offer and an answer, then media to a sink until either side ends it."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiortc import RTCBundlePolicy, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.rtcrtpparameters import RTCRtpCodecCapability

from realtime.errors import SeamwatchError, SignallingError
from realtime.ingest.aiortc_private.peer import close_peer, create_peer
from realtime.ingest.answer import check_answer
from realtime.ingest.candidates import add_candidate
from realtime.ingest.ice import IceServer
from realtime.ingest.incoming import IncomingTrack
from realtime.ingest.live import SILENT_AFTER_NS, LiveTrack
from realtime.ingest.offer import CODECS, OPUS_LOOKAHEAD_NS, check_offer
from realtime.ingest.reception import Reception
from realtime.ingest.sink import EndReason, MediaSink, TrackState
from realtime.ingest.sync import CallClock
from realtime.timebase import NS_PER_MS, NS_PER_S
from realtime.types import TrackKind

CHECK_INTERVAL_S = 0.1
CONNECT_TIMEOUT_NS = 20 * NS_PER_S
KINDS: tuple[TrackKind, ...] = ("audio", "video")

_log = structlog.get_logger(__name__)


class WebRtcReceiver:
    """Receives one audio and one video track of a participant; implements ``MediaSource``.

    Either ``accept`` an offer, or ``request`` an offer and have it ``answered``. Further tracks are answered
    ``inactive`` and data channels are closed. All tasks belong to the receiver and have ended when ``close``
    returns. The sink hears ``on_end`` exactly once after a successful ``accept`` or ``answered``.

    Args:
        sink: Receives the media.
        clock_ns: Monotonic clock.
        hold_channel: Leave the peer's data channels open, for peers that take a closed one for a hang-up.
        ice_servers: STUN and TURN servers; none are needed where the peer can be reached directly.
    """

    def __init__(
        self,
        sink: MediaSink,
        *,
        clock_ns: Callable[[], int],
        hold_channel: bool = False,
        ice_servers: Sequence[IceServer] = (),
    ) -> None:
        self._sink = sink
        self._clock_ns = clock_ns
        self._hold_channel = hold_channel
        self._ice_servers = ice_servers
        self._call_clock = CallClock()
        self._peer: RTCPeerConnection | None = None
        self._requested_sdp: str | None = None
        self._incoming: dict[TrackKind, IncomingTrack] = {}
        self._tracks: dict[TrackKind, LiveTrack] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._ending: asyncio.Task[None] | None = None
        self._connected = False

    async def accept(self, offer_sdp: str) -> str:
        """Accept an offer and return the answer; connecting goes on in the background.

        Raises:
            SignallingError: The offer cannot be accepted (400, 406, 413), or the receiver already has a
                session (405).
            ConfigurationError: The installed aiortc does not fit.
        """
        self._require_no_session()
        offer = check_offer(offer_sdp)
        peer = self._create_peer(RTCBundlePolicy.BALANCED)
        async with self._negotiation("offer"):
            for kind in offer.sections:
                peer.addTransceiver(kind, direction="recvonly").setCodecPreferences(_preferred_codecs(kind))
            await peer.setRemoteDescription(RTCSessionDescription(sdp=offer_sdp, type="offer"))
            self._take_tracks(peer, offer.mids, offer.opus_delay_ns)
            await peer.setLocalDescription(await peer.createAnswer())
        self._start()
        return str(peer.localDescription.sdp)

    async def request(self) -> str:
        """Return an offer to receive audio and video, candidates included, for a server that plays out.

        Raises:
            SignallingError: The receiver already has a session (405).
            ConfigurationError: The installed aiortc does not fit.
        """
        self._require_no_session()
        peer = self._create_peer(RTCBundlePolicy.MAX_BUNDLE)
        async with self._negotiation("offer"):
            for kind in KINDS:
                peer.addTransceiver(kind, direction="recvonly").setCodecPreferences(_preferred_codecs(kind))
            await peer.setLocalDescription(await peer.createOffer())
        self._requested_sdp = str(peer.localDescription.sdp)
        return self._requested_sdp

    async def answered(self, answer_sdp: str) -> None:
        """Take the answer to ``request``; connecting goes on in the background.

        Raises:
            SignallingError: The answer cannot be used (400, 406, 413), or none is waited for (405). After it
                the receiver cannot be used again.
        """
        offer_sdp, self._requested_sdp = self._requested_sdp, None
        if self._peer is None or offer_sdp is None or self._ending is not None:
            raise SignallingError(
                "No answer is waited for.", fix="Request an offer first and answer it once.", status=405
            )
        async with self._negotiation("answer"):
            answer = check_answer(answer_sdp, offer_sdp=offer_sdp)
            await self._peer.setRemoteDescription(RTCSessionDescription(sdp=answer.sdp, type="answer"))
            self._take_tracks(self._peer, answer.mids, OPUS_LOOKAHEAD_NS)
        self._start()

    async def add_candidate(self, line: str, mid: str | None, index: int | None) -> None:
        """Add a candidate that comes after the session description; see ``realtime.ingest.candidates``.

        Raises:
            SignallingError: There is no session, or the candidate cannot be used (400).
        """
        if self._peer is None:
            raise SignallingError("There is no session.", fix="Send an offer first.", status=400)
        await add_candidate(self._peer, line, mid, index)

    async def close(self) -> None:
        """End the session and wait until all of it has ended. Idempotent."""
        if self._peer is not None:
            await asyncio.shield(self._end(EndReason.CLOSED))

    def reception(self) -> Reception:
        """Return how well the media comes in."""
        receptions = {kind: track.reception() for kind, track in self._incoming.items()}
        sync = self._call_clock.state()
        return Reception(
            audio=receptions.get("audio"),
            video=receptions.get("video"),
            sync=sync.source,
            skew_ms=sync.skew_ns / NS_PER_MS,
            uncertainty_ms=sync.uncertainty_ns / NS_PER_MS,
        )

    def _require_no_session(self) -> None:
        if self._peer is not None:
            raise SignallingError(
                "Renegotiation is not supported.", fix="End this session and send a new offer.", status=405
            )

    def _create_peer(self, bundle_policy: RTCBundlePolicy) -> RTCPeerConnection:
        peer = self._peer = create_peer(self._ice_servers, bundle_policy=bundle_policy)
        if not self._hold_channel:
            peer.on("datachannel", lambda channel: channel.close())
        peer.on("connectionstatechange", self._on_connection_state)
        return peer

    @asynccontextmanager
    async def _negotiation(self, name: str) -> AsyncIterator[None]:
        try:
            yield
        except BaseException as error:
            if self._peer is not None:
                await close_peer(self._peer)
            if isinstance(error, SeamwatchError) or not isinstance(error, Exception):
                raise
            raise SignallingError(
                f"The {name} cannot be accepted.",
                fix=f"Send the {name} that a WebRTC stack made, with Opus audio and VP8 or H.264 video.",
                status=406,
            ) from error

    def _take_tracks(
        self, peer: RTCPeerConnection, mids: Mapping[TrackKind, str], opus_delay_ns: int
    ) -> None:
        for transceiver in peer.getTransceivers():
            kind: TrackKind = "audio" if transceiver.kind == "audio" else "video"
            if transceiver.mid != mids.get(kind):
                transceiver.direction = "inactive"
                continue
            self._incoming[kind] = IncomingTrack(
                kind,
                transceiver.receiver,
                call_clock=self._call_clock,
                sink=self._sink,
                codec_delay_ns=opus_delay_ns if kind == "audio" else 0,
                clock_ns=self._clock_ns,
            )

    def _start(self) -> None:
        for kind in KINDS:
            incoming = self._incoming.get(kind)
            self._tracks[kind] = (
                LiveTrack(kind, clock=self._call_clock, sink=self._sink, packets=None)
                if incoming is None
                else incoming.live
            )
        for incoming in self._incoming.values():
            self._own(self._run(incoming))
            self._own(incoming.keep_time())
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

    async def _run(self, incoming: IncomingTrack) -> None:
        await incoming.run()
        if all(track.live.state is TrackState.ENDED for track in self._incoming.values()):
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
        arrivals_ns = (incoming.tap.last_packet_ns for incoming in self._incoming.values())
        newest_ns = max((time_ns for time_ns in arrivals_ns if time_ns is not None), default=None)
        alive = newest_ns is not None and now_ns - newest_ns < SILENT_AFTER_NS
        for incoming in self._incoming.values():
            incoming.check(now_ns)
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
        if self._peer is not None:
            await close_peer(self._peer)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(incoming.close() for incoming in self._incoming.values()))
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
