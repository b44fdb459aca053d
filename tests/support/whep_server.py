"""A WHEP server (draft-ietf-wish-whep-03), and aiortc to play a clip behind it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import uvicorn
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from clients.publisher.packets import EncodedClip
from clients.publisher.peer import CODECS, PublisherPeer
from clients.publisher.tracks import Pace, PacketTrack
from realtime.ingest.aiortc_private.peer import close_peer

SDP = "application/sdp"


class Player(Protocol):
    """Plays something to one peer, which either side may offer to."""

    async def answer(self, offer: str) -> str:
        """Take an offer; returns the answer."""

    async def offer(self) -> str:
        """Return an offer."""

    async def accept_answer(self, sdp: str) -> None:
        """Take the answer to the offer."""

    async def close(self) -> None:
        """Stop."""


class ClipPlayer:
    """Plays a file once."""

    def __init__(self, clip: EncodedClip) -> None:
        self._clip = clip
        self._peer: RTCPeerConnection | None = None
        self._publisher: PublisherPeer | None = None

    @classmethod
    async def open(cls, path: Path) -> ClipPlayer:
        return cls(await EncodedClip.open(path))

    async def answer(self, offer: str) -> str:
        peer = self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        pace = Pace()
        for kind in self._clip.kinds:
            known = RTCRtpSender.getCapabilities(kind).codecs
            codecs = [codec for codec in known if codec.name.lower() in CODECS[kind]]
            transceiver = peer.addTransceiver(PacketTrack(self._clip, kind, pace), direction="sendonly")
            transceiver.setCodecPreferences(codecs)
        await peer.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        return str(peer.localDescription.sdp)

    async def offer(self) -> str:
        self._publisher = PublisherPeer(self._clip)
        return await self._publisher.offer()

    async def accept_answer(self, sdp: str) -> None:
        assert self._publisher is not None
        await self._publisher.accept_answer(sdp)

    async def close(self) -> None:
        if self._peer is not None:
            await close_peer(self._peer)
        if self._publisher is not None:
            await self._publisher.close()
        await self._clip.aclose()


@dataclass
class WhepServer:
    """What the server does, and what it was asked.

    Attributes:
        open_player: Makes what a new session plays.
        token: The bearer token that it wants, None for none.
        counter_offer: It answers offers with offers of its own.
        live: Whether anything is published: 409 where not.
        url: Where it listens.
        requests: Method and path of every request.
        sessions: What plays now, by the path of the session.
    """

    open_player: Callable[[], Awaitable[Player]]
    token: str | None = None
    counter_offer: bool = False
    live: bool = True
    url: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)
    sessions: dict[str, Player] = field(default_factory=dict)

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
        player = await self.open_player()
        path = f"/session/{len(self.requests)}"
        self.sessions[path] = player
        headers = {"Location": path, "ETag": '"unused"'}
        if self.counter_offer:
            media_type = f'{SDP}; valid-until="Wed, 09 Oct 2124 10:00:00 GMT"'
            return Response(await player.offer(), 406, headers, media_type)
        return Response(await player.answer(offer), 201, headers, SDP)

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
        if not self.counter_offer or request.headers["Content-Type"] != SDP:
            return Response(status_code=405)
        await self.sessions[path].accept_answer((await request.body()).decode())
        return Response(status_code=204)

    def _may(self, request: Request) -> bool:
        return self.token is None or request.headers.get("Authorization") == f"Bearer {self.token}"

    async def _end(self, path: str) -> None:
        await self.sessions.pop(path).close()


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
