"""One visitor of the LiveKit double: its signalling connection and the two peer connections behind it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamTrack
from aiortc.rtcconfiguration import RTCBundlePolicy
from aiortc.rtcdatachannel import RTCDataChannel
from aiortc.sdp import candidate_from_sdp
from livekit.protocol import models, rtc
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from realtime.ingest.aiortc_private.peer import close_peer


@dataclass(slots=True)
class Media:
    """A track that somebody publishes.

    Attributes:
        source: What it shows or records.
        open: Makes what is sent; called for every subscription.
        simulcast: What the track's info says.
    """

    source: models.TrackSource
    open: Callable[[], MediaStreamTrack]
    simulcast: bool = False

    @property
    def stream(self) -> str:
        """The group of tracks that the SDK keeps in sync."""
        return (
            "camera"
            if self.source in (models.TrackSource.CAMERA, models.TrackSource.MICROPHONE)
            else "screen"
        )


@dataclass(slots=True)
class Visit:
    """One signalling connection of the SDK.

    Attributes:
        query: What it asked for.
        sids: The tracks it is subscribed to now, by ``sid``.
        track_settings: What it asked of the tracks' quality.
        left: It said goodbye.
    """

    socket: ServerConnection
    query: dict[str, str]
    sids: set[str] = field(default_factory=set)
    track_settings: list[rtc.UpdateTrackSettings] = field(default_factory=list)
    left: bool = False


class Session:
    """The double's side of one visit: signalling, and the two peer connections behind it."""

    def __init__(
        self,
        visit: Visit,
        find: Callable[[str], tuple[models.ParticipantInfo, Media]],
        on_packet: Callable[[models.DataPacket], None],
    ) -> None:
        self.visit = visit
        self._find = find
        self._on_packet = on_packet
        configuration = RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        self._down = RTCPeerConnection(configuration)
        self._up = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._sent: dict[str, MediaStreamTrack] = {}
        self._answered = asyncio.Event()
        self._answered.set()
        self._negotiation = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._up.on("datachannel", self._on_channel)

    async def send(self, message: rtc.SignalResponse) -> None:
        """Send a message; a connection that is gone takes it silently."""
        with suppress(ConnectionClosed):
            await self.visit.socket.send(message.SerializeToString())

    async def run(self) -> None:
        """Serve until the other side leaves."""
        self._down.createDataChannel("_reliable")
        self._down.createDataChannel("_lossy")
        await self._offer()
        async for data in self.visit.socket:
            if isinstance(data, bytes):
                await self._on_request(rtc.SignalRequest.FromString(data))
            if self.visit.left:
                return

    async def unsubscribe(self, sid: str) -> None:
        """Stop sending a track."""
        self.visit.sids.discard(sid)
        track = self._sent.pop(sid, None)
        if track is not None:
            track.stop()

    async def close(self) -> None:
        """End it all."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for track in self._sent.values():
            track.stop()
        await close_peer(self._down)
        await close_peer(self._up)

    async def _on_request(self, request: rtc.SignalRequest) -> None:
        kind = request.WhichOneof("message")
        if kind == "answer":
            await self._down.setRemoteDescription(RTCSessionDescription(request.answer.sdp, "answer"))
            self._answered.set()
        elif kind == "offer":
            await self._answer(request.offer)
        elif kind == "trickle":
            await self._on_candidate(request.trickle)
        elif kind == "subscription":
            self._own(self._subscribe(request.subscription))
        elif kind == "track_setting":
            self.visit.track_settings.append(request.track_setting)
        elif kind == "ping_req":
            pong = rtc.Pong(last_ping_timestamp=request.ping_req.timestamp, timestamp=1)
            await self.send(rtc.SignalResponse(pong_resp=pong))
        elif kind == "leave":
            self.visit.left = True

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _subscribe(self, request: rtc.UpdateSubscription) -> None:
        async with self._negotiation:
            for sid in request.track_sids:
                if not request.subscribe:
                    await self.unsubscribe(sid)
                elif sid not in self.visit.sids:
                    self._add(sid)
            if request.subscribe:
                await self._answered.wait()
                await self._offer()
                await self._answered.wait()

    def _add(self, sid: str) -> None:
        person, media = self._find(sid)
        track = media.open()
        sender = self._down.addTransceiver(track, direction="sendonly").sender
        sender._stream_id = f"{person.sid}|{media.stream}"
        sender._track_id = sid
        self._sent[sid] = track
        self.visit.sids.add(sid)

    async def _offer(self) -> None:
        self._answered.clear()
        await self._down.setLocalDescription(await self._down.createOffer())
        sdp = self._down.localDescription.sdp
        await self.send(rtc.SignalResponse(offer=rtc.SessionDescription(type="offer", sdp=sdp)))

    async def _answer(self, offer: rtc.SessionDescription) -> None:
        await self._up.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
        await self._up.setLocalDescription(await self._up.createAnswer())
        answer = rtc.SessionDescription(type="answer", sdp=self._up.localDescription.sdp, id=offer.id)
        await self.send(rtc.SignalResponse(answer=answer))

    async def _on_candidate(self, trickle: rtc.TrickleRequest) -> None:
        peer = self._down if trickle.target == rtc.SignalTarget.SUBSCRIBER else self._up
        described = json.loads(trickle.candidateInit)
        if not described.get("candidate"):
            return
        candidate = candidate_from_sdp(described["candidate"].removeprefix("candidate:"))
        candidate.sdpMid = described.get("sdpMid")
        candidate.sdpMLineIndex = described.get("sdpMLineIndex")
        await peer.addIceCandidate(candidate)

    def _on_channel(self, channel: RTCDataChannel) -> None:
        channel.on("message", lambda data: self._on_packet(models.DataPacket.FromString(data)))
