"""A double of a Janus server: the Janus API and as much of VideoRoom and TextRoom as a monitor meets.

It checks what the monitor sends, and moderators and publishers are played by calling its methods.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.typing import Subprotocol

from clients.joining.janus_address import JanusAddress
from clients.joining.janus_api import JanusSocket

VIDEOROOM, TEXTROOM = "janus.plugin.videoroom", "janus.plugin.textroom"
AUDIO: dict[str, Any] = {"type": "audio", "mid": "0", "codec": "opus"}
VIDEO: dict[str, Any] = {"type": "video", "mid": "1", "codec": "vp8"}
ROOM = 1234

MakeOffer = Callable[["DoubleHandle"], Awaitable[str]]
TakeAnswer = Callable[["DoubleHandle", str], Awaitable[None]]


async def _plain_offer(handle: DoubleHandle) -> str:
    return f"offer {handle.id} of {handle.feed}"


async def _ignore_answer(handle: DoubleHandle, sdp: str) -> None: ...


@dataclass
class DoubleHandle:
    """A plugin handle that the monitor attached."""

    id: int
    plugin: str
    send: Callable[[dict[str, Any]], None]
    role: str = ""
    feed: Any = None
    streams: list[Any] = field(default_factory=list)
    started: bool = False


class JanusDouble:
    """One server with one room.

    Attributes:
        pin: PIN of the room.
        token: Token that every request must carry.
        room_id: The room.
        publishers: What the room says about its publishers, by feed.
        handles: Handles that are attached.
        requests: (janus, request) of everything that came.
        asked_for: Feeds to which a subscription was asked for, in turn.
        configured: Every request "configure" of a subscriber.
        errors: Error codes to answer to the next requests of a name ("create", "join", "subscribe", ...).
        mute: Names of requests that are acknowledged and never answered.
        make_offer: Makes the offer for a subscription or a text room.
        take_answer: Hears the answer.
    """

    def __init__(self, *, pin: str | None = None, token: str | None = None, room_id: Any = ROOM) -> None:
        self.pin, self.token, self.room_id = pin, token, room_id
        self.publishers: dict[Any, dict[str, Any]] = {}
        self.handles: dict[int, DoubleHandle] = {}
        self.requests: list[tuple[str, str]] = []
        self.asked_for: list[Any] = []
        self.configured: list[dict[str, Any]] = []
        self.errors: dict[str, list[int]] = {}
        self.mute: set[str] = set()
        self.plugins = {VIDEOROOM, TEXTROOM}
        self.text_rooms = {ROOM}
        self.make_offer: MakeOffer = _plain_offer
        self.take_answer: TakeAnswer = _ignore_answer
        self.session_id: int | None = None
        self.display: str | None = None
        self.connections: list[DoubleSocket] = []
        self._ids = itertools.count(1000)

    @property
    def control(self) -> DoubleHandle:
        """The handle with which the monitor joined."""
        return next(handle for handle in self.handles.values() if handle.role == "publisher")

    @property
    def subscriptions(self) -> dict[Any, DoubleHandle]:
        """Handles that receive media, by feed."""
        return {handle.feed: handle for handle in self.handles.values() if handle.started}

    def publish(self, feed: Any, display: Any = "somebody", streams: Any = (AUDIO, VIDEO)) -> None:
        """Begin to publish, or change what is published."""
        self.publishers[feed] = {"id": feed, "display": display, "streams": list(streams)}
        self.say({"videoroom": "event", "room": self.room_id, "publishers": [self.publishers[feed]]})

    def unpublish(self, feed: Any, *, how: str = "unpublished", hang_up: bool = True) -> None:
        """Stop publishing; how is "unpublished", "leaving" or "kicked"."""
        del self.publishers[feed]
        if hang_up:
            self.hang_up(feed)
        self.say({"videoroom": "event", "room": self.room_id, how: feed})

    def hang_up(self, feed: Any) -> None:
        """Lose the peer connections of the subscriptions to a feed."""
        for handle in self.handles.values():
            if handle.feed == feed:
                self._send(handle.send, {"janus": "hangup", "sender": handle.id, "reason": "ICE failed"})

    def say(self, data: Any) -> None:
        """Say something on the handle with which the monitor joined, if it did."""
        for handle in self.handles.values():
            if handle.role == "publisher":
                self._event(handle, data)

    async def answer(self, text: str, send: Callable[[dict[str, Any]], None]) -> None:
        """Take one message of the monitor."""
        message = json.loads(text)
        kind, body = message["janus"], message.get("body", {})
        self.requests.append((kind, body.get("request", "")))
        reply = {"transaction": message["transaction"]}
        if message.get("token") != self.token:
            self._refuse(send, reply, 403)
        elif code := self._planned_error(kind):
            self._refuse(send, reply, code)
        elif kind in self.mute:
            return
        elif kind == "create":
            self.session_id = next(self._ids)
            self._send(send, {**reply, "janus": "success", "data": {"id": self.session_id}})
        elif message.get("session_id") != self.session_id:
            self._refuse(send, reply, 458)
        else:
            await self._answer_in_session(kind, message, reply, send)

    async def _answer_in_session(
        self,
        kind: str,
        message: dict[str, Any],
        reply: dict[str, Any],
        send: Callable[[dict[str, Any]], None],
    ) -> None:
        handle = self.handles.get(message.get("handle_id", -1))
        if kind == "keepalive":
            self._send(send, {**reply, "janus": "ack"})
        elif kind == "destroy":
            self.session_id = None
            self.handles.clear()
            self._send(send, {**reply, "janus": "success"})
        elif kind == "attach":
            if message["plugin"] not in self.plugins:
                self._refuse(send, reply, 460)
                return
            handle = DoubleHandle(next(self._ids), message["plugin"], send)
            self.handles[handle.id] = handle
            self._send(send, {**reply, "janus": "success", "data": {"id": handle.id}})
        elif handle is None:
            self._refuse(send, reply, 459)
        elif kind == "detach":
            del self.handles[handle.id]
            self._send(send, {**reply, "janus": "success"})
            self._send(send, {"janus": "detached", "sender": handle.id})
        elif handle.plugin == TEXTROOM:
            await self._text_room(handle, message, reply)
        else:
            await self._video_room(handle, message, reply)

    async def _text_room(self, handle: DoubleHandle, message: dict[str, Any], reply: dict[str, Any]) -> None:
        request = message["body"]["request"]
        if request == "exists":
            exists = message["body"]["room"] in self.text_rooms
            self._event(handle, {"textroom": "success", "exists": exists}, reply, kind="success")
            return
        self._send(handle.send, {**reply, "janus": "ack"})
        if request == "ack":
            await self.take_answer(handle, message["jsep"]["sdp"])
        jsep = {"type": "offer", "sdp": await self.make_offer(handle)} if request == "setup" else None
        self._event(handle, {"textroom": "event", "result": "ok"}, reply, jsep=jsep)

    async def _video_room(self, handle: DoubleHandle, message: dict[str, Any], reply: dict[str, Any]) -> None:
        body = message["body"]
        name = "subscribe" if body.get("ptype") == "subscriber" else body["request"]
        self._send(handle.send, {**reply, "janus": "ack"})
        code = self._planned_error(name) or self._wrong(body)
        if code:
            self._event(handle, {"videoroom": "event", "error_code": code, "error": "no"}, reply)
        elif name in self.mute:
            return
        elif name == "join":
            handle.role, self.display = "publisher", body["display"]
            welcome = {"videoroom": "joined", "room": self.room_id, "id": 1, "private_id": 77}
            self._event(handle, {**welcome, "publishers": list(self.publishers.values())}, reply)
        elif name == "subscribe":
            await self._subscribe(handle, body, reply)
        elif name == "start":
            handle.started = True
            await self.take_answer(handle, message["jsep"]["sdp"])
            self._event(handle, {"videoroom": "event", "started": "ok"}, reply)
        elif name == "configure":
            self.configured.append(body)
            self._event(handle, {"videoroom": "event", "configured": "ok"}, reply)
        elif name == "leave":
            handle.role = ""
            self._event(handle, {"videoroom": "event", "leaving": "ok"}, reply)

    async def _subscribe(self, handle: DoubleHandle, body: dict[str, Any], reply: dict[str, Any]) -> None:
        assert body["private_id"] == 77
        assert body["autoupdate"] is False
        handle.role, handle.streams = "subscriber", body["streams"]
        handle.feed = body["streams"][0]["feed"]
        self.asked_for.append(handle.feed)
        publisher = self.publishers.get(handle.feed)
        if publisher is None:
            self._event(handle, {"videoroom": "event", "error_code": 428, "error": "gone"}, reply)
            return
        streams = [
            {"type": stream["type"], "mid": f"s{stream['mid']}", "feed_mid": stream["mid"]}
            for stream in publisher["streams"]
            if isinstance(stream, dict)
        ]
        offer = {"type": "offer", "sdp": await self.make_offer(handle)}
        self._event(handle, {"videoroom": "attached", "streams": streams}, reply, jsep=offer)

    def _wrong(self, body: dict[str, Any]) -> int:
        if body["request"] != "join":
            return 0
        if body["room"] != self.room_id:
            return 426 if type(body["room"]) is type(self.room_id) else 430
        if body.get("pin") != self.pin:
            return 433 if "pin" in body else 429
        return 0

    def _planned_error(self, name: str) -> int:
        planned = self.errors.get(name)
        return planned.pop(0) if planned else 0

    def _refuse(self, send: Callable[[dict[str, Any]], None], reply: dict[str, Any], code: int) -> None:
        self._send(send, {**reply, "janus": "error", "error": {"code": code, "reason": "no"}})

    def _event(
        self,
        handle: DoubleHandle,
        data: Any,
        reply: dict[str, Any] | None = None,
        *,
        kind: str = "event",
        jsep: dict[str, str] | None = None,
    ) -> None:
        message = {"janus": kind, "sender": handle.id, **(reply or {})}
        message["plugindata"] = {"plugin": handle.plugin, "data": data}
        if jsep is not None:
            message["jsep"] = jsep
        self._send(handle.send, message)

    def _send(self, send: Callable[[dict[str, Any]], None], message: dict[str, Any]) -> None:
        send({"session_id": self.session_id, **message})

    @asynccontextmanager
    async def open_socket(self, address: JanusAddress) -> AsyncIterator[JanusSocket]:
        """Connect without a network."""
        socket = DoubleSocket(self)
        self.connections.append(socket)
        try:
            yield socket
        finally:
            socket.close()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[int]:
        """Serve on this machine; yields the port."""
        async with serve(
            self._serve_one, "127.0.0.1", 0, subprotocols=[Subprotocol("janus-protocol")], close_timeout=1
        ) as server:
            yield server.sockets[0].getsockname()[1]

    async def _serve_one(self, connection: ServerConnection) -> None:
        outgoing: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

        async def write() -> None:
            while True:
                await connection.send(json.dumps(await outgoing.get()))

        writing = asyncio.create_task(write())
        try:
            async for text in connection:
                await self.answer(str(text), outgoing.put_nowait)
        except ConnectionClosed:
            pass
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)


class DoubleSocket:
    """The monitor's end of a connection to the double."""

    def __init__(self, server: JanusDouble) -> None:
        self._server = server
        self._incoming: asyncio.Queue[str | None] = asyncio.Queue()
        self._closed = False

    async def send(self, message: str, /) -> None:
        if self._closed:
            raise ConnectionClosedError(None, None)
        await asyncio.sleep(0.005)
        await self._server.answer(message, lambda reply: self.push(json.dumps(reply)))

    async def recv(self) -> str | bytes:
        text = await self._incoming.get()
        if text is None:
            self._incoming.put_nowait(None)
            raise ConnectionClosedError(None, None)
        return text

    def push(self, text: str) -> None:
        """Let the monitor read this."""
        self._incoming.put_nowait(text)

    def close(self) -> None:
        """Close the connection from either end."""
        self._closed = True
        self._incoming.put_nowait(None)
