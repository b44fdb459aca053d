"""A stand-in for the monitor that serves the real page with a scripted call.

``python -m tests.support.page_stub --port 8123`` runs it for looking at the page in a browser.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaBlackhole
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from realtime.server.guard import SECURITY_HEADERS
from realtime.server.wire import SUBPROTOCOL, AlertMessage, Feedback, ReceptionUpdate, RoleName
from tests.support import page_scenario as scenario

WEB_ROOT = Path(__file__).resolve().parents[2] / "clients" / "web"


class PageStub:
    """Serves the page, a scripted ``/alerts`` and a ``/whip`` that answers as told.

    Args:
        cast: Who takes part; nobody shows the page's empty state.
        played_s: Call time that is already over when a page connects.
        live: Go on in real time after that; else repeat the newest moment, whatever the speed of a test.
        role: What pages are told that they may do.

    Attributes:
        whip_status: What ``POST /whip`` answers; a 201 is a real connection whose media goes nowhere.
        published: The participants that were accepted, and their offers.
        deleted: WHIP resources that were deleted.
        resumed_after: The ``after`` of every connection.
        feedback: What was said about alerts, by number.
        feedback_status: What saying something is answered with; 200 takes it.
        thumbnails_asked: How many pictures pages asked for.
    """

    def __init__(
        self,
        cast: tuple[scenario.Actor, ...] = scenario.CAST,
        *,
        played_s: float = 72.0,
        live: bool = False,
        role: RoleName = "operator",
    ) -> None:
        self.role = role
        self.feedback: dict[int, Feedback] = {}
        self.feedback_status = 200
        self.thumbnails_asked = 0
        self.whip_status = 201
        self.published: dict[str, str] = {}
        self._peers: dict[str, RTCPeerConnection] = {}
        self.deleted: list[str] = []
        self._deletion = threading.Event()
        self.resumed_after: list[int] = []
        self._live = live
        self._hops_played = int(played_s / scenario.HOP_S)
        self._hops = self._hops_played + (1500 if live else 1)
        started = datetime.now(UTC) - timedelta(seconds=played_s)
        self._actors = [scenario.ScriptedActor(actor, hops=self._hops, started=started) for actor in cast]
        self._alerts: list[AlertMessage] = []
        self._stored_until_s = 0.0
        self._store_alerts_until(self.now_s)
        self._sockets: set[WebSocket] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.app = Starlette(
            routes=[
                WebSocketRoute("/alerts", self._subscribe),
                Route("/alerts/{seq:int}/feedback", self._take_feedback, methods=["POST"]),
                Route("/whip/{call}/{participant}", self._offer, methods=["POST"]),
                Route("/whip/resource/{resource}", self._delete, methods=["DELETE"]),
                Route("/calls/{call}/participants/{participant}/thumbnail.jpg", self._thumbnail),
                Mount("/", StaticFiles(directory=WEB_ROOT, html=True)),
            ],
            middleware=[Middleware(BaseHTTPMiddleware, dispatch=_with_policy)],
            lifespan=self._lifespan,
        )

    @property
    def now_s(self) -> float:
        """Call time of the newest window's end."""
        return self._hops_played * scenario.HOP_S + scenario.WINDOW_S

    @property
    def is_empty(self) -> bool:
        """Whether nobody takes part."""
        return not self._actors

    def wait_for_deletion(self) -> list[str]:
        """Waits until a WHIP resource is deleted, and returns all that were."""
        self._deletion.wait()
        return self.deleted

    def drop_connections(self) -> None:
        """Closes every WebSocket, as a restarting monitor does."""
        self._from_outside(self._close_all())

    def forget_alerts(self) -> None:
        """Empties the alert store, as a monitor does that starts with a new one."""
        self._alerts.clear()

    def push(self, message: BaseModel) -> None:
        """Sends a message to every page."""
        self._from_outside(self._broadcast(message))

    def raise_alert(self, name: str, previous: scenario.State, state: scenario.State) -> AlertMessage:
        """Stores an alert of a participant at the moment of now and sends it to every page."""
        actor = next(actor for actor in self._actors if actor.actor.name == name)
        alert = actor.alert(len(self._alerts) + 1, self.now_s, previous, state)
        self._alerts.append(alert)
        self.push(alert)
        return alert

    def _from_outside(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._loop is not None, "the stub does not run"
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self._loop = asyncio.get_running_loop()
        clock = asyncio.create_task(self._advance() if self._live else self._stand_still())
        yield
        for peer in self._peers.values():
            await peer.close()
        clock.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await clock

    async def _stand_still(self) -> None:
        while True:
            await asyncio.sleep(1)
            for message in self.newest():
                await self._broadcast(message)

    async def _advance(self) -> None:
        while self._hops_played + 1 < self._hops:
            await asyncio.sleep(scenario.HOP_S)
            self._hops_played += 1
            known = len(self._alerts)
            self._store_alerts_until(self.now_s)
            for message in [*self._alerts[known:], *self.newest(), *self._receptions(self._hops_played)]:
                await self._broadcast(message)

    def _store_alerts_until(self, time_s: float) -> None:
        due = sorted(
            (at_s, index, before, after)
            for index, actor in enumerate(self._actors)
            for at_s, before, after in actor.transitions()
            if self._stored_until_s < at_s <= time_s
        )
        for at_s, index, before, after in due:
            self._alerts.append(self._actors[index].alert(len(self._alerts) + 1, at_s, before, after))
        self._stored_until_s = time_s

    def newest(self) -> list[BaseModel]:
        hop = self._hops_played
        scored = [(actor, actor.score(hop)) for actor in self._actors]
        messages: list[BaseModel] = [score for _, score in scored if score is not None]
        if hop % scenario.MATRICES_EVERY_HOPS == 0 or not self._live:
            messages += [actor.matrices(hop) for actor, score in scored if score is not None]
        return messages

    def _receptions(self, hop: int) -> list[ReceptionUpdate]:
        if hop % scenario.RECEPTION_EVERY_HOPS != 0:
            return []
        received = [actor.reception(hop, seat) for seat, actor in enumerate(self._actors, start=1)]
        return [reception for reception in received if reception is not None]

    async def _subscribe(self, socket: WebSocket) -> None:
        after = int(socket.query_params["after"])
        self.resumed_after.append(after)
        after = after if after <= len(self._alerts) else 0
        await socket.accept(subprotocol=SUBPROTOCOL)
        with contextlib.suppress(WebSocketDisconnect):
            await _send(socket, scenario.hello(last_seq=len(self._alerts), after=after, role=self.role))
            if self._actors:
                await _send(socket, scenario.attended("joined"))
            for actor in self._actors:
                await _send(socket, scenario.joined(actor.actor.name))
            for message in [*self._alerts[after:], *self.feedback.values()]:
                await _send(socket, message)
            for hop in range(self._hops_played):
                for played in self._actors:
                    score = played.score(hop)
                    if score is not None:
                        await _send(socket, score)
                for reception in self._receptions(hop):
                    await _send(socket, reception)
            for message in self.newest():
                await _send(socket, message)
            self._sockets.add(socket)
            while True:
                await socket.receive_text()
        self._sockets.discard(socket)

    async def _broadcast(self, message: BaseModel) -> None:
        for socket in tuple(self._sockets):
            with contextlib.suppress(WebSocketDisconnect):
                await _send(socket, message)

    async def _close_all(self) -> None:
        for socket in tuple(self._sockets):
            self._sockets.discard(socket)
            await socket.close(1012)

    async def _take_feedback(self, request: Request) -> Response:
        if self.feedback_status != 200:
            body = {"status": self.feedback_status, "detail": "The disk is full.", "fix": "Free some space."}
            return JSONResponse(body, self.feedback_status, media_type="application/problem+json")
        seq = request.path_params["seq"]
        said = Feedback(call=scenario.CALL, seq=seq, at=datetime.now(UTC).isoformat(), **await request.json())
        self.feedback[seq] = said
        await self._broadcast(said)
        return JSONResponse(said.model_dump(mode="json"))

    async def _offer(self, request: Request) -> Response:
        if self.whip_status != 201:
            body = {
                "status": self.whip_status,
                "detail": "The call is full.",
                "fix": "Wait until somebody leaves.",
            }
            return JSONResponse(body, self.whip_status, media_type="application/problem+json")
        call, name = request.path_params["call"], request.path_params["participant"]
        offer = (await request.body()).decode()
        peer = RTCPeerConnection()
        drain = MediaBlackhole()
        peer.on("track", drain.addTrack)
        await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        await drain.start()
        self.published[name] = offer
        self._peers[f"{call}.{name}"] = peer
        await self._broadcast(scenario.joined(name, call))
        headers = {"Location": f"/whip/resource/{call}.{name}"}
        return Response(peer.localDescription.sdp, 201, headers, media_type="application/sdp")

    async def _delete(self, request: Request) -> Response:
        resource = request.path_params["resource"]
        call, _, name = resource.partition(".")
        self.deleted.append(name)
        self._deletion.set()
        await self._peers.pop(resource).close()
        await self._broadcast(scenario.left(name, call))
        return Response(status_code=200)

    async def _thumbnail(self, request: Request) -> Response:
        self.thumbnails_asked += 1
        name = request.path_params["participant"]
        picture = scenario.drawn_thumbnail(name, time.monotonic() if self._live else 0.0)
        return Response(picture, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


async def _send(socket: WebSocket, message: BaseModel) -> None:
    await socket.send_text(message.model_dump_json())


async def _with_policy(request: Request, call_next: RequestResponseEndpoint) -> Response:
    response = await call_next(request)
    response.headers.update(SECURITY_HEADERS)
    return response


@contextlib.contextmanager
def running(stub: PageStub, port: int = 0) -> Iterator[str]:
    """Serves the stub from a thread of its own.

    Args:
        stub: What to serve.
        port: TCP port on the loopback address; 0 lets the system choose one.

    Yields:
        The address of the page.
    """
    server = uvicorn.Server(uvicorn.Config(stub.app, port=port, ws="websockets-sansio", log_level="warning"))
    thread = threading.Thread(target=server.run, name="page-stub", daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the stub did not start")
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)


def main() -> None:
    """Runs the stub until it is interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8123)
    parser.add_argument("--empty", action="store_true", help="nobody takes part")
    parser.add_argument("--viewer", action="store_true", help="the page is a viewer's")
    options = parser.parse_args()
    role: RoleName = "viewer" if options.viewer else "operator"
    stub = PageStub(() if options.empty else scenario.CAST, live=True, role=role)
    with running(stub, options.port) as address, contextlib.suppress(KeyboardInterrupt):
        print(address)
        threading.Event().wait()


if __name__ == "__main__":
    main()
