"""One publisher of a Janus room, received over a handle and a peer connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from clients.joining.adapter import CallLostError, Sighting
from clients.joining.ending import EndNotice
from clients.joining.janus_api import JanusHandle, JanusSession
from clients.joining.janus_messages import (
    HANDLE_ENDS,
    JanusId,
    JanusRefusedError,
    Publisher,
    ServerMessage,
    Stream,
    subscriber_video_mid,
)
from clients.joining.layers import LayerPolicy
from realtime.ingest.sink import EndReason, MediaSink
from realtime.ingest.source import MediaSource

VIDEOROOM = "janus.plugin.videoroom"
#: Lips need every frame, so only the size is ever reduced.
ALL_TEMPORAL_LAYERS = 2

_log = structlog.get_logger(__name__)


class Receiver(MediaSource, Protocol):
    """Answers an offer and receives; ``realtime.ingest.webrtc.WebRtcReceiver`` is one."""

    async def accept(self, offer_sdp: str) -> str:
        """Accept an offer and return the answer. Raises SignallingError."""


class OpenReceiver(Protocol):
    """Makes a receiver."""

    def __call__(self, sink: MediaSink, *, clock_ns: Callable[[], int]) -> Receiver:
        """Return a receiver whose media goes to a sink."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribing:
    """What every subscription of one call shares.

    Attributes:
        session: The session at the server.
        room_id: The room.
        access: PIN and token of the room, for every join.
        private_id: Ties subscriptions to the monitor; rooms may insist on it.
        open_receiver: Makes the receiving end.
        clock_ns: Monotonic clock.
    """

    session: JanusSession
    room_id: JanusId
    access: Mapping[str, str | None]
    private_id: int | None
    open_receiver: OpenReceiver
    clock_ns: Callable[[], int]


class Subscription:
    """Media of one publisher. ``open`` is an ``OpenSource``; call it once.

    Args:
        shared: What every subscription of the call shares.
        publisher: Whose media.
        on_over: Gets this subscription when its media ended or the server hung up; perhaps more than once.

    Attributes:
        over: Why no more media comes; None while it may.
    """

    def __init__(
        self, shared: Subscribing, publisher: Publisher, on_over: Callable[[Subscription], None]
    ) -> None:
        self.over: EndReason | None = None
        self._shared = shared
        self._publisher = publisher
        self._on_over = on_over
        self._carried = publisher.streams
        self._layers = LayerPolicy() if _is_simulcast(publisher.streams) else None
        self._handle: JanusHandle | None = None
        self._video_mid: str | None = None
        self._served_layer = None if self._layers is None else self._layers.asked

    @property
    def chooses_layers(self) -> bool:
        """Whether there are layers to choose from."""
        return self._layers is not None and self._video_mid is not None

    def carries(self, streams: tuple[Stream, ...] | None) -> bool:
        """Return whether these streams can come over it, and remember the others as gone for good."""
        if streams is None or self._carried is None:
            return streams == self._carried
        if not set(streams) <= set(self._carried):
            return False
        self._carried = streams
        return True

    async def open(self, sink: MediaSink) -> MediaSource:
        """Subscribe.

        Raises:
            SignallingError: The offer has nothing that can be received.
            JanusRefusedError: The server refuses.
            CallLostError: The server does not answer.
        """
        handle = self._handle = await self._shared.session.attach(VIDEOROOM, self._on_event)
        reply = await handle.request(
            {
                "request": "join",
                "ptype": "subscriber",
                "room": self._shared.room_id,
                **self._shared.access,
                "private_id": self._shared.private_id,
                "autoupdate": False,
                "streams": _wanted(self._publisher),
            }
        )
        if reply.offer_sdp is None:
            raise JanusRefusedError(0)
        ended: asyncio.Future[EndReason] = asyncio.get_running_loop().create_future()
        receiver = self._shared.open_receiver(EndNotice(sink, ended), clock_ns=self._shared.clock_ns)
        try:
            answer = await receiver.accept(reply.offer_sdp)
            await handle.request({"request": "start"}, answer_sdp=answer)
        except BaseException:
            await receiver.close()
            raise
        self._video_mid = subscriber_video_mid(reply.data)
        ended.add_done_callback(lambda ended: self._end(ended.result()))
        return receiver

    async def choose_layer(self, sighting: Sighting | None) -> None:
        """Ask for the layer that suits what is seen; what is refused is tried again at the next call."""
        if self._layers is None or self._handle is None or sighting is None:
            return
        layer = self._layers.update(sighting)
        if layer == self._served_layer:
            return
        try:
            await self._handle.request(
                {
                    "request": "configure",
                    "mid": self._video_mid,
                    "substream": layer,
                    "temporal": ALL_TEMPORAL_LAYERS,
                }
            )
        except (JanusRefusedError, CallLostError):
            _log.warning("janus_layer_refused", layer=layer)
            return
        self._served_layer = layer
        _log.info("janus_layer_chosen", layer=layer)

    async def detach(self) -> None:
        """Give the handle back."""
        handle, self._handle = self._handle, None
        if handle is not None:
            await handle.detach()

    def _on_event(self, message: ServerMessage) -> None:
        if message.kind in HANDLE_ENDS:
            self._end(EndReason.PEER_LEFT)

    def _end(self, reason: EndReason) -> None:
        self.over = self.over or reason
        self._on_over(self)


def _is_simulcast(streams: tuple[Stream, ...] | None) -> bool:
    return any(stream.simulcast for stream in streams or ())


def _wanted(publisher: Publisher) -> list[dict[str, Any]]:
    if publisher.streams is None:
        return [{"feed": publisher.id}]
    return [{"feed": publisher.id, "mid": stream.mid} for stream in publisher.streams]
