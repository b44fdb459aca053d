"""The connections that PeerJS peers have opened to the monitor."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from clients.joining.adapter import Room
from clients.joining.ending import EndNotice
from clients.joining.peerjs_protocol import (
    MAX_LINE_BYTES,
    Candidate,
    ConnectionKind,
    Offer,
    answer,
    encode_line,
    feed_of,
    leave,
)
from realtime.errors import CapacityError, SignallingError
from realtime.ingest.offer import MAX_CANDIDATES
from realtime.ingest.offered_channel import OfferedChannel
from realtime.ingest.sink import EndReason, MediaSink
from realtime.ingest.source import MediaSource
from realtime.ingest.webrtc import WebRtcReceiver

MAX_CONNECTIONS = 64
MAX_CONNECTIONS_PER_PEER = 8

AddCandidate = Callable[[str, str | None, int | None], Awaitable[None]]

_log = structlog.get_logger(__name__)


def _new_future() -> asyncio.Future[EndReason]:
    return asyncio.get_running_loop().create_future()


def _new_queue() -> asyncio.Queue[Candidate]:
    return asyncio.Queue(MAX_CANDIDATES)


@dataclass(slots=True, kw_only=True, eq=False)
class _Connection:
    offer: Offer
    feed: str
    ended: asyncio.Future[EndReason] = field(default_factory=_new_future)
    candidates: asyncio.Queue[Candidate] = field(default_factory=_new_queue)
    channel: OfferedChannel | None = None
    task: asyncio.Task[None] | None = None


class PeerCalls:
    """Answers calls and data connections, each in a task of its own, and forgets those that have ended.

    A connection's candidates beyond ``MAX_CANDIDATES`` are dropped; connections beyond ``MAX_CONNECTIONS`` or
    ``MAX_CONNECTIONS_PER_PEER``, and calls beyond ``MAX_CALLS_PER_PEER``, are turned away.

    Args:
        room: Gets the participants.
        tasks: Owns the tasks.
        say: Sends a message to the PeerServer; False where it did not go out.
        display_name: What the monitor calls itself.
    """

    def __init__(
        self,
        room: Room,
        tasks: asyncio.TaskGroup,
        *,
        say: Callable[[str], Awaitable[bool]],
        display_name: str,
    ) -> None:
        self._room = room
        self._tasks = tasks
        self._say = say
        self._display_name = display_name
        self._connections: dict[tuple[str, str], _Connection] = {}

    def peers(self) -> list[str]:
        """Return the ids of those who have a connection, without repetition."""
        return list(dict.fromkeys(peer for peer, _ in self._connections))

    async def on_offer(self, offer: Offer) -> None:
        """Begin to answer; an offer for a connection that is there already is ignored."""
        key = (offer.peer, offer.connection)
        if key in self._connections:
            return
        feeds = {connection.feed for connection in self._connections.values()}
        feed = feed_of(offer.peer, feeds) if offer.kind is ConnectionKind.MEDIA else ""
        peers = [peer for peer, _ in self._connections]
        is_full = len(peers) >= MAX_CONNECTIONS or peers.count(offer.peer) >= MAX_CONNECTIONS_PER_PEER
        if feed is None or is_full:
            _log.warning("peerjs_call_refused", reason="too_many")
            await self._turn_away(offer.peer)
            return
        connection = _Connection(offer=offer, feed=feed)
        self._connections[key] = connection
        connection.task = self._tasks.create_task(self._attend(connection), name="peerjs-connection")

    def on_candidate(self, candidate: Candidate) -> None:
        """Take a candidate of a connection that is there."""
        connection = self._connections.get((candidate.peer, candidate.connection))
        if connection is not None and not connection.candidates.full():
            connection.candidates.put_nowait(candidate)

    def on_left(self, peer: str) -> None:
        """End a peer's connections."""
        for connection in self._connections.values():
            if connection.offer.peer == peer and not connection.ended.done():
                connection.ended.set_result(EndReason.PEER_LEFT)

    def send_line(self, text: str) -> bool:
        """Send a line into every data connection; returns whether one took it. None takes one too long."""
        if len(text.encode()) > MAX_LINE_BYTES:
            return False
        taken = [
            connection.channel.send(encode_line(text, connection.offer.serialization))
            for connection in self._connections.values()
            if connection.channel is not None
        ]
        return any(taken)

    def drop(self) -> None:
        """Let go of every connection; the room keeps the participants."""
        for connection in self._connections.values():
            if connection.task is not None:
                connection.task.cancel()

    async def _attend(self, connection: _Connection) -> None:
        offer = connection.offer
        try:
            if offer.kind is ConnectionKind.MEDIA:
                await self._watch(connection)
            else:
                await self._chat(connection)
        except (SignallingError, CapacityError) as error:
            _log.warning("peerjs_call_refused", reason=type(error).__name__)
            await self._turn_away(offer.peer, besides=connection)
        except Exception as error:
            trace = "".join(traceback.format_exception(error))
            _log.error("peerjs_call_failed", error=type(error).__name__, trace=trace)
            await self._room.left(connection.feed)
        finally:
            del self._connections[offer.peer, offer.connection]

    async def _watch(self, connection: _Connection) -> None:
        offer = connection.offer
        sdp = ""
        receiver: WebRtcReceiver

        async def open_source(sink: MediaSink) -> MediaSource:
            nonlocal receiver, sdp
            receiver = WebRtcReceiver(
                EndNotice(sink, connection.ended), clock_ns=self._room.clock_ns, hold_channel=True
            )
            sdp = await receiver.accept(offer.sdp)
            return receiver

        await self._room.appeared(connection.feed, offer.name, open_source)
        await self._converse(connection, sdp, receiver.add_candidate)
        await self._room.left(connection.feed)

    async def _chat(self, connection: _Connection) -> None:
        channel = OfferedChannel(connection.ended)
        try:
            sdp = await channel.accept(connection.offer.sdp)
            connection.channel = channel
            await self._converse(connection, sdp, channel.add_candidate)
        finally:
            connection.channel = None
            await channel.close()

    async def _converse(self, connection: _Connection, sdp: str, add_candidate: AddCandidate) -> None:
        if not await self._say(answer(connection.offer, sdp, self._display_name)):
            return
        trickling = asyncio.create_task(_trickle(connection.candidates, add_candidate), name="peerjs-trickle")
        try:
            await connection.ended
        finally:
            trickling.cancel()
            await asyncio.gather(trickling, return_exceptions=True)

    async def _turn_away(self, peer: str, *, besides: _Connection | None = None) -> None:
        """Make a peer close its connections, unless it has one here besides the given one."""
        if all(other is besides or other.offer.peer != peer for other in self._connections.values()):
            await self._say(leave(peer))


async def _trickle(candidates: asyncio.Queue[Candidate], add_candidate: AddCandidate) -> None:
    for _ in range(MAX_CANDIDATES):
        candidate = await candidates.get()
        try:
            await add_candidate(candidate.line, candidate.mid, candidate.index)
        except SignallingError:
            _log.info("peerjs_candidate_ignored")
