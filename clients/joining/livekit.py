"""Watching a LiveKit room through LiveKit's own Python SDK."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlunsplit

import structlog

from clients.joining.adapter import CallLostError, JoinError, Room
from clients.joining.layers import LayerPolicy
from clients.joining.livekit_feed import LiveKitFeed
from clients.joining.livekit_sdk import refusal, require_sdk
from clients.joining.target import JoinTarget
from realtime.errors import CapacityError
from realtime.server.auth import is_loopback
from realtime.timebase import NS_PER_S
from realtime.types import TrackKind

CHAT_TOPIC = "lk.chat"
LOOK_INTERVAL_S = 2.0
LEAVE_TIMEOUT_S = 5.0
POST_TIMEOUT_S = 5.0
TOKEN_FIX = (
    "Make one with `lk token create --join --room ROOM --identity seamwatch --name 'Seamwatch monitor' "
    "--valid-for 24h` and pass it with --token."
)

_EVENTS = (
    "participant_connected",
    "participant_disconnected",
    "participant_name_changed",
    "track_published",
    "track_unpublished",
    "track_subscribed",
    "track_unsubscribed",
    "track_muted",
    "track_unmuted",
    "connection_state_changed",
)

_log = structlog.get_logger(__name__)


class LiveKitAdapter:
    """Joins one room, subscribes to cameras and microphones only, and publishes nothing.

    The SDK reconnects by itself; the room counts as lost when it has given up.

    Args:
        target: A URL with the scheme ``livekit+wss`` or ``livekit+ws``, and a token that may subscribe.
    """

    def __init__(self, target: JoinTarget) -> None:
        self._target = target
        self._visit: _Visit | None = None

    async def attend(self, room: Room, joined: Callable[[], None]) -> None:
        """Follow the room until it is closed; see ``CallAdapter.attend``.

        Raises:
            JoinError: The SDK or the token is missing, the server refuses, or the monitor was sent away.
            CallLostError: The server cannot be reached or the connection was lost.
        """
        if self._target.token is None:
            raise JoinError("A LiveKit room wants a token.", fix=TOKEN_FIX)
        visit = _Visit(require_sdk(), room)
        try:
            await visit.connect(_server_url(self._target), self._target.token)
            await visit.introduce(self._target.display_name)
            self._visit = visit
            joined()
            await visit.follow()
        finally:
            self._visit = None
            await visit.leave()

    async def post(self, text: str) -> bool:
        """Post a line into the room's chat; the token must allow data to be published."""
        return self._visit is not None and await self._visit.post(text)


class _Visit:
    """One connection to a room. Events only wake it up: what to do follows from what is in the room now.

    Args:
        rtc: The module ``livekit.rtc``.
        room: The monitor's side.
    """

    def __init__(self, rtc: Any, room: Room) -> None:
        self._rtc = rtc
        self._room = room
        self._there = rtc.Room()
        self._changed = asyncio.Event()
        self._reason: int | None = None
        self._feeds: dict[str, LiveKitFeed] = {}
        self._refused: set[str] = set()
        self._layers: dict[str, tuple[Any, LayerPolicy]] = {}
        self._look_due_ns = 0
        for event in _EVENTS:
            self._there.on(event, self._on_event)
        self._there.on("disconnected", self._on_disconnected)
        self._there.on("reconnecting", lambda: _log.warning("livekit_reconnecting"))
        self._there.on("reconnected", self._on_reconnected)

    async def connect(self, url: str, token: str) -> None:
        """Connect; when cancelled, wait for the outcome so that nobody is left behind in the room."""
        options = self._rtc.RoomOptions(auto_subscribe=False)
        connecting = asyncio.ensure_future(self._there.connect(url, token, options))
        try:
            await asyncio.shield(connecting)
        except self._rtc.ConnectError as error:
            raise refusal(error.message) from None
        except asyncio.CancelledError:
            await asyncio.wait({connecting})
            if not connecting.cancelled():
                connecting.exception()
            raise

    async def introduce(self, display_name: str) -> None:
        """See that the others see the monitor, and under its name."""
        me = self._there.local_participant
        if me.permissions.hidden:
            raise JoinError(
                "The token hides the monitor from the others.", fix="Make one without the grant `hidden`."
            )
        if not me.permissions.can_subscribe:
            raise JoinError(
                "The token does not allow to watch.", fix="Make one with the grant `canSubscribe`."
            )
        if (me.name or me.identity) == display_name:
            return
        if me.permissions.can_update_metadata:
            with suppress(Exception):
                async with asyncio.timeout(POST_TIMEOUT_S):
                    await me.set_name(display_name)
                    return
        _log.warning("livekit_name_differs", fix="The name is part of the token: make one with --name.")

    async def follow(self) -> None:
        """Keep up with the room until it is over."""
        while self._reason is None:
            self._changed.clear()
            await self._update()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_INTERVAL_S):
                    await self._changed.wait()
        self._end(self._reason)

    async def leave(self) -> None:
        """Stop reading and leave the room."""
        await asyncio.gather(*(feed.close() for feed in self._feeds.values()))
        self._feeds.clear()
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await self._there.disconnect()
        except Exception as error:
            _log.warning("livekit_leave_failed", error=type(error).__name__)

    async def post(self, text: str) -> bool:
        """Post a line into the chat."""
        me = self._there.local_participant
        if not me.permissions.can_publish_data:
            return False
        try:
            async with asyncio.timeout(POST_TIMEOUT_S):
                await me.send_text(text, topic=CHAT_TOPIC, compress=False)
        except (self._rtc.StreamError, TimeoutError):
            return False
        return True

    async def _update(self) -> None:
        people = {person.sid: person for person in self._there.remote_participants.values()}
        self._refused &= people.keys()
        for sid in self._feeds.keys() - people.keys():
            await self._feeds.pop(sid).close()
            self._layers.pop(sid, None)
            self._refused.clear()
            await self._room.left(sid)
        for sid, person in people.items():
            publications = self._wanted(person)
            if sid not in self._feeds and publications and sid not in self._refused:
                await self._seat(sid, person)
            if sid in self._feeds:
                self._feeds[sid].follow(publications)
        now_ns = self._room.clock_ns()
        if now_ns >= self._look_due_ns:
            self._look_due_ns = now_ns + int(LOOK_INTERVAL_S * NS_PER_S)
            for sid in self._feeds.keys() & people.keys():
                self._choose_layer(sid, self._wanted(people[sid]).get("video"))

    async def _seat(self, sid: str, person: Any) -> None:
        feed = LiveKitFeed(self._rtc, clock_ns=self._room.clock_ns)
        try:
            await self._room.appeared(sid, person.name or person.identity, feed.open)
        except CapacityError as error:
            self._refused.add(sid)
            _log.warning("participant_not_watched", reason=error.message, fix=error.fix)
            return
        self._feeds[sid] = feed

    def _wanted(self, person: Any) -> dict[TrackKind, Any]:
        source = self._rtc.TrackSource
        kinds: dict[int, TrackKind] = {source.SOURCE_CAMERA: "video", source.SOURCE_MICROPHONE: "audio"}
        wanted: dict[TrackKind, Any] = {}
        for publication in tuple(person.track_publications.values()):
            if publication.source in kinds:
                wanted.setdefault(kinds[publication.source], publication)
        return wanted

    def _choose_layer(self, sid: str, publication: Any) -> None:
        if publication is None or publication.track is None or not publication.simulcasted:
            return
        sighting = self._room.sighting(sid)
        if sighting is None:
            return
        followed, policy = self._layers.get(sid, (None, LayerPolicy()))
        if followed is not publication:
            self._layers[sid] = publication, LayerPolicy()
            return
        before = policy.asked
        if policy.update(sighting) != before:
            quality = self._rtc.VideoQuality
            layers = quality.VIDEO_QUALITY_LOW, quality.VIDEO_QUALITY_MEDIUM, quality.VIDEO_QUALITY_HIGH
            publication.set_video_quality(layers[policy.asked])

    def _end(self, reason: int) -> None:
        reasons = self._rtc.DisconnectReason
        if reason in (reasons.ROOM_DELETED, reasons.ROOM_CLOSED, reasons.CLIENT_INITIATED):
            return
        if reason == reasons.PARTICIPANT_REMOVED:
            raise JoinError(
                "The monitor was removed from the room.", fix="Ask the host to let it stay, then join again."
            )
        if reason == reasons.DUPLICATE_IDENTITY:
            raise JoinError(
                "Somebody else joined with the monitor's identity.",
                fix="Use a token with an identity of its own for every monitor.",
            )
        raise CallLostError(
            "The connection to the LiveKit room was lost.", fix="Check the network and the server."
        )

    def _on_event(self, *_: object) -> None:
        self._changed.set()

    def _on_disconnected(self, reason: int) -> None:
        self._reason = reason
        self._changed.set()

    def _on_reconnected(self) -> None:
        _log.info("livekit_reconnected")
        self._changed.set()


def _server_url(target: JoinTarget) -> str:
    scheme = target.url.scheme.removeprefix("livekit+")
    if scheme == "ws" and not is_loopback(str(target.url.hostname)):
        raise JoinError("The token would travel unencrypted.", fix="Use livekit+wss://.")
    return urlunsplit((scheme, target.url.netloc, target.url.path, "", ""))
