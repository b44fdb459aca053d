"""A WHEP server that plays a clip: aiortc behind HTTP (draft-ietf-wish-whep-03)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from clients.publisher.packets import EncodedClip
from clients.publisher.peer import CODECS, PublisherPeer
from clients.publisher.tracks import Pace, PacketTrack
from realtime.ingest.aiortc_tap import close_peer

SDP = "application/sdp"


class AnsweringPeer:
    """Plays a clip to a peer that made the offer."""

    def __init__(self, clip: EncodedClip) -> None:
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        pace = Pace()
        for kind in clip.kinds:
            known = RTCRtpSender.getCapabilities(kind).codecs
            codecs = [codec for codec in known if codec.name.lower() in CODECS[kind]]
            transceiver = self._peer.addTransceiver(PacketTrack(clip, kind, pace), direction="sendonly")
            transceiver.setCodecPreferences(codecs)

    async def answer(self, offer: str) -> str:
        await self._peer.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
        await self._peer.setLocalDescription(await self._peer.createAnswer())
        return str(self._peer.localDescription.sdp)

    async def close(self) -> None:
        await close_peer(self._peer)


@dataclass
class WhepServer:
    """What the server does, and what it was asked.

    Attributes:
        clip: The file that every session plays.
        token: The bearer token that it wants, None for none.
        counter_offer: It answers offers with offers of its own.
        live: Whether anything is published: 409 where not.
        url: Where it listens.
        requests: Method and path of every request.
        sessions: What plays now, by the path of the session.
    """

    clip: Path
    token: str | None = None
    counter_offer: bool = False
    live: bool = True
    url: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)
    sessions: dict[str, tuple[EncodedClip, AnsweringPeer | PublisherPeer]] = field(default_factory=dict)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/moved/{stream}", self._moved, methods=["POST"]),
                Route("/live/{stream}", self._play, methods=["POST", "OPTIONS"]),
                Route("/session/{number}", self._session, methods=["PATCH", "DELETE"]),
            ]
        )

    async def end_all(self) -> None:
        """End every session, as at the end of the published stream."""
        for path in tuple(self.sessions):
            await self._end(path)

    async def _moved(self, request: Request) -> Response:
        self.requests.append((request.method, request.url.path))
        return RedirectResponse(f"/live/{request.path_params['stream']}", status_code=307)

    async def _play(self, request: Request) -> Response:
        self.requests.append((request.method, request.url.path))
        if not self._may(request):
            return Response(status_code=401)
        if request.method == "OPTIONS":
            return Response(status_code=204)
        if not self.live:
            return Response(status_code=409, headers={"Retry-After": "7"})
        offer = (await request.body()).decode()
        if request.headers["Content-Type"] != SDP:
            return Response(status_code=415)
        clip = await EncodedClip.open(self.clip)
        path = f"/session/{len(self.requests)}"
        headers = {"Location": path, "ETag": '"unused"'}
        if self.counter_offer:
            publisher = PublisherPeer(clip)
            self.sessions[path] = clip, publisher
            media_type = f'{SDP}; valid-until="Wed, 09 Oct 2124 10:00:00 GMT"'
            return Response(await publisher.offer(), 406, headers, media_type)
        peer = AnsweringPeer(clip)
        self.sessions[path] = clip, peer
        return Response(await peer.answer(offer), 201, headers, SDP)

    async def _session(self, request: Request) -> Response:
        path = request.url.path
        self.requests.append((request.method, path))
        if not self._may(request):
            return Response(status_code=401)
        if path not in self.sessions:
            return Response(status_code=404)
        if request.method == "DELETE":
            await self._end(path)
            return Response(status_code=200)
        _, peer = self.sessions[path]
        if not isinstance(peer, PublisherPeer) or request.headers["Content-Type"] != SDP:
            return Response(status_code=405)
        await peer.accept_answer((await request.body()).decode())
        return Response(status_code=204)

    def _may(self, request: Request) -> bool:
        return self.token is None or request.headers.get("Authorization") == f"Bearer {self.token}"

    async def _end(self, path: str) -> None:
        clip, peer = self.sessions.pop(path)
        await peer.close()
        await clip.aclose()


@asynccontextmanager
async def serving(server: WhepServer) -> AsyncIterator[WhepServer]:
    """Run the server on a free port of this machine."""
    listener = socket.create_server(("127.0.0.1", 0))
    server.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(server.app(), lifespan="off", log_config=None, timeout_graceful_shutdown=1)
    runner = uvicorn.Server(config)
    running = asyncio.create_task(runner.serve(sockets=[listener]))
    try:
        yield server
    finally:
        await server.end_all()
        runner.should_exit = True
        await running
