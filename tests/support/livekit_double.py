"""A test double of LiveKit's signalling. It is NOT a LiveKit server.

It speaks just enough of the signalling protocol (protobuf over WebSocket, protocol 15, two peer connections)
for the real SDK to join, to subscribe to tracks whose media aiortc sends, to be told of mutes, departures and
disconnections, and to send text. It checks no token, forwards nothing between participants, adapts no quality
and knows no simulcast. What passes here has been tried against the SDK only.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

from livekit.protocol import models, rtc
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from realtime.ingest.aiortc_private.host_addresses import offer_loopback_as_last_resort
from tests.support.livekit_session import Media, Session, Visit

CAMERA = models.TrackSource.CAMERA
MICROPHONE = models.TrackSource.MICROPHONE
SCREEN_SHARE = models.TrackSource.SCREEN_SHARE
SCREEN_SHARE_AUDIO = models.TrackSource.SCREEN_SHARE_AUDIO
AUDIO_SOURCES = (MICROPHONE, SCREEN_SHARE_AUDIO)


class LiveKitDouble:
    """One room on one port of this machine; use it as an async context manager.

    Attributes:
        permission: What the token of whoever joins allows.
        identity: Identity in that token.
        name: Name in that token.
        refusal: Answers a join with this status instead; None to let it in.
        visits: Signalling connections so far, oldest first.
        texts: Lines of text that were sent, by topic.
        changed: Set when somebody comes, sends a text or leaves.
    """

    def __init__(self) -> None:
        self.permission = models.ParticipantPermission(can_subscribe=True, can_publish_data=True)
        self.identity = "monitor"
        self.name = "Seamwatch monitor"
        self.refusal: HTTPStatus | None = None
        self.visits: list[Visit] = []
        self.texts: list[tuple[str, str]] = []
        self.changed = asyncio.Event()
        self._people: dict[str, models.ParticipantInfo] = {}
        self._media: dict[str, Media] = {}
        self._sessions: dict[int, Session] = {}
        self._topics: dict[str, str] = {}
        self._server: Server | None = None
        self._counter = 0

    async def __aenter__(self) -> LiveKitDouble:
        offer_loopback_as_last_resort()
        self._server = await serve(self._visit, "127.0.0.1", 0, process_request=self._admit)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server is not None
        return int(next(iter(self._server.sockets)).getsockname()[1])

    @property
    def visit(self) -> Visit:
        """The newest signalling connection."""
        return self.visits[-1]

    async def enter(self, identity: str, *media: Media, name: str = "") -> list[str]:
        """Let somebody join, and return the sids of what they publish."""
        person = models.ParticipantInfo(
            sid=f"PA_{self._next()}",
            identity=identity,
            name=name,
            state=models.ParticipantInfo.State.ACTIVE,
            joined_at=1,
        )
        self._people[identity] = person
        sids = [self._add(person, one) for one in media]
        await self._announce(person)
        return sids

    async def publish(self, identity: str, media: Media) -> str:
        """Let somebody publish one more track, and return its sid."""
        person = self._people[identity]
        sid = self._add(person, media)
        await self._announce(person)
        return sid

    async def unpublish(self, identity: str, sid: str) -> None:
        """Let somebody stop a track."""
        person = self._people[identity]
        kept = [track for track in person.tracks if track.sid != sid]
        del person.tracks[:]
        person.tracks.extend(kept)
        await self._announce(person)
        for session in self._sessions.values():
            await session.unsubscribe(sid)

    async def mute(self, identity: str, sid: str, muted: bool) -> None:
        """Let somebody mute a track, or take it back."""
        person = self._people[identity]
        for track in person.tracks:
            if track.sid == sid:
                track.muted = muted
        await self._announce(person)

    async def leave(self, identity: str) -> None:
        """Let somebody leave."""
        person = self._people.pop(identity)
        person.state = models.ParticipantInfo.State.DISCONNECTED
        await self._announce(person)

    async def dismiss(self, reason: models.DisconnectReason) -> None:
        """Send whoever joined away for a reason."""
        leave = rtc.LeaveRequest(reason=reason, action=rtc.LeaveRequest.Action.DISCONNECT)
        await self._tell(rtc.SignalResponse(leave=leave))

    async def cut(self) -> None:
        """Close the signalling connections without a word."""
        for session in list(self._sessions.values()):
            await session.visit.socket.close(1011)

    def _next(self) -> int:
        self._counter += 1
        return self._counter

    def _add(self, person: models.ParticipantInfo, media: Media) -> str:
        is_audio = media.source in AUDIO_SOURCES
        sid = f"TR_{self._next()}"
        self._media[sid] = media
        person.tracks.append(
            models.TrackInfo(
                sid=sid,
                name=sid,
                type=models.TrackType.AUDIO if is_audio else models.TrackType.VIDEO,
                source=media.source,
                mime_type="audio/opus" if is_audio else "video/VP8",
                stream=media.stream,
                simulcast=media.simulcast,
            )
        )
        return sid

    async def _announce(self, person: models.ParticipantInfo) -> None:
        await self._tell(rtc.SignalResponse(update=rtc.ParticipantUpdate(participants=[person])))

    async def _tell(self, message: rtc.SignalResponse) -> None:
        for session in list(self._sessions.values()):
            await session.send(message)

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        path = urlsplit(request.path).path
        if path.startswith("/rtc/v1"):
            return connection.respond(HTTPStatus.NOT_FOUND, "this double knows protocol version 0 only")
        if self.refusal is not None:
            return connection.respond(self.refusal, "refused")
        if path == "/rtc/validate":
            return connection.respond(HTTPStatus.OK, "success")
        return None if path == "/rtc" else connection.respond(HTTPStatus.NOT_FOUND, "no such page")

    async def _visit(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        query = {key: values[0] for key, values in parse_qs(urlsplit(socket.request.path).query).items()}
        visit = Visit(socket, query)
        self.visits.append(visit)
        self.changed.set()
        session = Session(visit, self._person_and_media, self._on_packet)
        self._sessions[id(session)] = session
        try:
            await session.send(rtc.SignalResponse(join=self._welcome()))
            await session.run()
        except ConnectionClosed:
            pass
        finally:
            del self._sessions[id(session)]
            self.changed.set()
            await session.close()

    def _welcome(self) -> rtc.JoinResponse:
        return rtc.JoinResponse(
            room=models.Room(sid="RM_1", name="room"),
            participant=models.ParticipantInfo(
                sid=f"PA_{self._next()}",
                identity=self.identity,
                name=self.name,
                state=models.ParticipantInfo.State.ACTIVE,
                permission=self.permission,
                joined_at=1,
            ),
            other_participants=self._people.values(),
            server_version="1.9.0",
            server_info=models.ServerInfo(version="1.9.0", protocol=15),
            subscriber_primary=True,
            ping_timeout=15,
            ping_interval=5,
        )

    def _person_and_media(self, sid: str) -> tuple[models.ParticipantInfo, Media]:
        for person in self._people.values():
            if any(track.sid == sid for track in person.tracks):
                return person, self._media[sid]
        raise KeyError(sid)

    def _on_packet(self, packet: models.DataPacket) -> None:
        self.changed.set()
        kind = packet.WhichOneof("value")
        if kind == "user":
            self.texts.append((packet.user.topic, packet.user.payload.decode()))
        elif kind == "stream_header":
            self._topics[packet.stream_header.stream_id] = packet.stream_header.topic
        elif kind == "stream_chunk" and packet.stream_chunk.content:
            topic = self._topics.get(packet.stream_chunk.stream_id, "")
            self.texts.append((topic, packet.stream_chunk.content.decode()))
