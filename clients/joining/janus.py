"""Joining a room of the Janus VideoRoom plugin (Janus 1.x): visible, silent, one connection per publisher."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress

import structlog

from clients.joining.adapter import CallLostError, JoinError, Room
from clients.joining.janus_address import JanusAddress, janus_address
from clients.joining.janus_api import JanusHandle, JanusSession, JanusSocket, connection_lost
from clients.joining.janus_follower import PublisherFollower
from clients.joining.janus_messages import (
    JanusId,
    JanusRefusedError,
    MonitorRemoved,
    Publisher,
    PublisherGone,
    RoomDestroyed,
    RoomEvent,
    ServerMessage,
    identifier,
    read_publishers,
    read_room_events,
)
from clients.joining.janus_refusals import join_refusal, removed
from clients.joining.janus_socket import open_socket
from clients.joining.janus_subscription import VIDEOROOM, OpenReceiver, Subscribing
from clients.joining.janus_textroom import JanusTextRoom
from clients.joining.target import JoinTarget
from realtime.ingest.webrtc import WebRtcReceiver
from realtime.server.auth import is_loopback

MAX_PUBLISHERS = 256
MAX_WAITING_EVENTS = 1024
OPENING_AT_ONCE = 4
LEAVE_TIMEOUT_S = 2.0

OpenSocket = Callable[[JanusAddress], AbstractAsyncContextManager[JanusSocket]]

_log = structlog.get_logger(__name__)


class JanusAdapter:
    """Implements ``clients.joining.adapter.CallAdapter`` for ``janus://`` and ``januss://``.

    The token goes to the server with every request, and to the room when it is joined, because either may
    want it. Nobody is left out by name: a monitor publishes nothing, so whoever publishes is to be watched.

    Args:
        target: A URL such as ``janus://HOST:8188/room/1234``.
        open_socket: Connects to the server.
        open_receiver: Makes the receiving end of a participant.

    Raises:
        JoinError: The URL names no room, or a token would travel unencrypted.
    """

    def __init__(
        self,
        target: JoinTarget,
        *,
        open_socket: OpenSocket = open_socket,
        open_receiver: OpenReceiver = WebRtcReceiver,
    ) -> None:
        self._target = target
        self._address = janus_address(target.url)
        self._access = {"pin": target.pin, "token": target.token}
        self._open_socket = open_socket
        self._open_receiver = open_receiver
        self._text_room: JanusTextRoom | None = None
        if not self._address.encrypted and not is_loopback(self._address.host):
            if target.token is not None:
                raise JoinError(
                    "The token would travel unencrypted.", fix="Use januss://, or leave the token out."
                )
            _log.warning("janus_without_tls", fix="Use januss:// where the server offers it.")

    async def attend(self, room: Room, joined: Callable[[], None]) -> None:
        """Join the room and follow its publishers; see ``CallAdapter.attend``.

        Returns when the room is destroyed.

        Raises:
            JoinError: The server or a moderator refuses the monitor.
            CallLostError: The server cannot be reached, or the session was lost.
        """
        cancellations = _cancellations()
        endings: list[BaseException] = []
        try:
            async with self._open_socket(self._address) as socket, asyncio.TaskGroup() as service:
                session = JanusSession(socket, token=self._target.token)
                reading = service.create_task(session.read(), name="janus-reading")
                try:
                    await self._take_part(session, room, joined)
                finally:
                    reading.cancel()
        except* (JoinError, CallLostError) as errors:
            endings = _leaves(errors)
        if _cancellations() > cancellations:
            raise asyncio.CancelledError
        if endings:
            raise next((error for error in endings if isinstance(error, JoinError)), endings[0])

    async def post(self, text: str) -> bool:
        """Post into the text room of the same number; False where the server has none."""
        text_room = self._text_room
        return text_room is not None and await text_room.post(text)

    async def _take_part(self, session: JanusSession, room: Room, joined: Callable[[], None]) -> None:
        events: asyncio.Queue[RoomEvent] = asyncio.Queue(MAX_WAITING_EVENTS)
        control: JanusHandle | None = None
        try:
            try:
                await session.create()
                control = await session.attach(VIDEOROOM, lambda message: _put(events, message))
                welcome = await control.request(self._join_request())
            except JanusRefusedError as error:
                raise join_refusal(error) from error
            self._text_room = JanusTextRoom(session, self._address.room_id, self._target)
            shared = Subscribing(
                session=session,
                room_id=self._address.room_id,
                access=self._access,
                private_id=identifier(welcome.data, "private_id"),
                open_receiver=self._open_receiver,
                clock_ns=room.clock_ns,
            )
            async with asyncio.TaskGroup() as tasks:
                keeping = tasks.create_task(session.keep_alive(), name="janus-keepalive")
                roster = _Roster(room, shared, tasks)
                for publisher in read_publishers(welcome.data):
                    roster.apply(publisher)
                joined()
                _log.info("janus_joined", publishers=roster.size)
                await _follow(events, roster)
                keeping.cancel()
                roster.stop()
        finally:
            await self._leave(session, control)

    def _join_request(self) -> dict[str, JanusId | None]:
        return {
            "request": "join",
            "ptype": "publisher",
            "room": self._address.room_id,
            "display": self._target.display_name,
            **self._access,
        }

    async def _leave(self, session: JanusSession, control: JanusHandle | None) -> None:
        text_room, self._text_room = self._text_room, None
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                if control is not None:
                    with suppress(JanusRefusedError):
                        await control.request({"request": "leave"})
                await session.destroy()
        except (CallLostError, JanusRefusedError, TimeoutError):
            _log.info("janus_gone_before_leaving")
        finally:
            if text_room is not None:
                await text_room.close()


class _Roster:
    """The publishers of the room, each with a follower."""

    def __init__(self, room: Room, shared: Subscribing, tasks: asyncio.TaskGroup) -> None:
        self._room = room
        self._shared = shared
        self._tasks = tasks
        self._opening = asyncio.Semaphore(OPENING_AT_ONCE)
        self._followers: dict[str, PublisherFollower] = {}
        self._running: set[asyncio.Task[None]] = set()

    @property
    def size(self) -> int:
        """How many publishers are followed."""
        return len(self._followers)

    def apply(self, event: Publisher | PublisherGone) -> None:
        """Take note of a change."""
        follower = self._followers.get(event.feed)
        if isinstance(event, PublisherGone):
            if follower is not None:
                follower.update(None)
        elif follower is not None:
            follower.update(event)
        elif len(self._followers) >= MAX_PUBLISHERS:
            _log.warning("participant_skipped", reason="too_many_publishers")
        else:
            self._begin(event)

    def stop(self) -> None:
        """Stop following; the call is over."""
        for task in self._running:
            task.cancel()

    def _begin(self, publisher: Publisher) -> None:
        follower = PublisherFollower(
            self._room,
            self._shared,
            self._opening,
            publisher,
            on_seat_freed=self._offer_seat,
            jitter=random.random,
        )
        self._followers[publisher.feed] = follower
        task = self._tasks.create_task(self._run(publisher.feed, follower), name="janus-follower")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, feed: str, follower: PublisherFollower) -> None:
        try:
            await follower.run()
        finally:
            del self._followers[feed]

    def _offer_seat(self) -> None:
        for follower in self._followers.values():
            follower.try_for_seat()


async def _follow(events: asyncio.Queue[RoomEvent], roster: _Roster) -> None:
    while True:
        match await events.get():
            case RoomDestroyed():
                return
            case MonitorRemoved():
                raise removed()
            case Publisher() | PublisherGone() as event:
                roster.apply(event)


def _put(events: asyncio.Queue[RoomEvent], message: ServerMessage) -> None:
    if message.kind == "detached":
        raise connection_lost()
    if events.full():
        raise CallLostError("The Janus server floods the monitor.", fix="See the log of the Janus server.")
    for event in read_room_events(message.data):
        events.put_nowait(event)


def _cancellations() -> int:
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    leaves: list[BaseException] = []
    for error in group.exceptions:
        leaves += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return leaves
