"""As much of the module ``livekit.rtc`` as the adapter touches, with no native library behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np


class ConnectError(Exception):
    def __init__(self, message: str) -> None:
        self.message = message


class StreamError(ConnectionError):
    pass


class Publication:
    """A track that somebody publishes; subscribing to it gives it a track at once unless told not to."""

    def __init__(self, source: int, *, simulcasted: bool = False, obeys: bool = True) -> None:
        self.source = source
        self.simulcasted = simulcasted
        self.muted = False
        self.track: Any = None
        self.requests: list[bool] = []
        self.qualities: list[int] = []
        self._obeys = obeys

    def set_subscribed(self, subscribed: bool) -> None:
        self.requests.append(subscribed)
        if self._obeys:
            self.track = Track() if subscribed else None

    def set_video_quality(self, quality: int) -> None:
        self.qualities.append(quality)


class Track:
    """Counts no loss, and has sound or pictures as its stream says."""

    fails = False

    async def get_stats(self) -> list[Any]:
        if self.fails:
            raise RuntimeError("the room is gone")
        return []


class Stream:
    """Yields one block or picture and then waits for ever; fails where ``broken`` says so."""

    opened = 0
    closed = 0
    broken = False

    def __init__(self, track: Track, **options: Any) -> None:
        assert options["capacity"] > 0
        type(self).opened += 1
        self._sent = False

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Any:
        if self._sent:
            await asyncio.get_running_loop().create_future()
        self._sent = True
        if self.broken:
            raise RuntimeError("damaged")
        return self.event()

    def event(self) -> Any:
        raise NotImplementedError

    async def aclose(self) -> None:
        type(self).closed += 1


class VideoStream(Stream):
    rotation = 0

    def event(self) -> Any:
        frame = SimpleNamespace(data=bytes(8 * 6 * 3 // 2), width=8, height=6)
        return SimpleNamespace(frame=frame, timestamp_us=1, rotation=self.rotation)


class AudioStream(Stream):
    def event(self) -> Any:
        frame = SimpleNamespace(data=np.zeros(480, np.int16).tobytes(), num_channels=1, sample_rate=48_000)
        return SimpleNamespace(frame=frame)


class LocalParticipant:
    def __init__(self) -> None:
        self.name = "Seamwatch monitor"
        self.identity = "seamwatch"
        self.permissions = SimpleNamespace(
            hidden=False, can_subscribe=True, can_publish_data=True, can_update_metadata=False
        )
        self.texts: list[tuple[str, str]] = []
        self.fails = False

    async def set_name(self, name: str) -> None:
        self.name = name

    async def send_text(self, text: str, *, topic: str, compress: bool) -> None:
        if self.fails:
            raise StreamError("no data channel")
        self.texts.append((topic, text))


class ScriptedSdk:
    """Stands in for the module; there is one room.

    Attributes:
        refusal: The message with which connecting fails; None to succeed.
        connecting: Set where ``connect`` waits for ``let_in``.
        disconnects: How often the room was left.
    """

    TrackSource = SimpleNamespace(
        SOURCE_CAMERA=1, SOURCE_MICROPHONE=2, SOURCE_SCREENSHARE=3, SOURCE_SCREENSHARE_AUDIO=4
    )
    VideoQuality = SimpleNamespace(VIDEO_QUALITY_LOW=0, VIDEO_QUALITY_MEDIUM=1, VIDEO_QUALITY_HIGH=2)
    VideoBufferType = SimpleNamespace(I420=5)
    DisconnectReason = SimpleNamespace(
        UNKNOWN_REASON=0,
        CLIENT_INITIATED=1,
        DUPLICATE_IDENTITY=2,
        SERVER_SHUTDOWN=3,
        PARTICIPANT_REMOVED=4,
        ROOM_DELETED=5,
        ROOM_CLOSED=10,
    )
    ConnectError = ConnectError
    StreamError = StreamError

    def __init__(self) -> None:
        self.VideoStream = type("VideoStream", (VideoStream,), {"opened": 0, "closed": 0})
        self.AudioStream = type("AudioStream", (AudioStream,), {"opened": 0, "closed": 0})
        self.local_participant = LocalParticipant()
        self.remote_participants: dict[str, Any] = {}
        self.refusal: str | None = None
        self.let_in = asyncio.Event()
        self.let_in.set()
        self.connecting = asyncio.Event()
        self.connected_to: tuple[str, str] | None = None
        self.options: Any = None
        self.disconnects = 0
        self._handlers: dict[str, Callable[..., None]] = {}

    def Room(self) -> ScriptedSdk:
        return self

    def RoomOptions(self, **options: Any) -> Any:
        return SimpleNamespace(**options)

    def on(self, event: str, handler: Callable[..., None]) -> None:
        self._handlers[event] = handler

    def emit(self, event: str, *arguments: Any) -> None:
        self._handlers[event](*arguments)

    async def connect(self, url: str, token: str, options: Any) -> None:
        self.connected_to, self.options = (url, token), options
        self.connecting.set()
        await self.let_in.wait()
        if self.refusal is not None:
            raise ConnectError(self.refusal)

    async def disconnect(self) -> None:
        self.disconnects += 1

    def enter(self, identity: str, *publications: Publication, name: str = "") -> str:
        sid = f"PA_{identity}"
        self.remote_participants[identity] = SimpleNamespace(
            sid=sid,
            identity=identity,
            name=name,
            track_publications={str(index): one for index, one in enumerate(publications)},
        )
        self.emit("participant_connected", None)
        return sid

    def leave(self, identity: str) -> None:
        del self.remote_participants[identity]
        self.emit("participant_disconnected", None)
