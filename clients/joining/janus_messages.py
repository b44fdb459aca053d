"""What a Janus server says, read without trust: anything may be missing, of another type, or a lie. Pure.

Sources: the Janus API (https://janus.conf.meetecho.com/docs/rest.html) and the VideoRoom plugin of Janus 1.x
(https://janus.conf.meetecho.com/docs/videoroom.html).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from realtime.errors import SeamwatchError
from realtime.ingest.offer import CODECS
from realtime.types import TrackKind

NO_SUCH_PLUGIN = 460
#: Kinds of messages after which nothing comes from a handle.
HANDLE_ENDS = ("hangup", "detached")
MAX_PUBLISHERS_A_MESSAGE = 1024
MAX_STREAMS_A_PUBLISHER = 64

JsonObject = Mapping[str, Any]
JanusId = int | str


class JanusRefusedError(SeamwatchError):
    """The server answered a request with an error.

    Args:
        code: Error code of the Janus core (4xx) or of a plugin; 0 where the server names none.
    """

    def __init__(self, code: int) -> None:
        super().__init__(
            f"The Janus server refuses a request (error {code}).", fix="See the log of the Janus server."
        )
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMessage:
    """One message of the server.

    Attributes:
        kind: "success", "error", "ack", "event", "hangup", "detached", "timeout" and others.
        transaction: The request that it answers; None where it answers none.
        handle: The plugin handle that it comes from; None where it comes from none.
        data: What the plugin says, else the data of a plain success.
        offer_sdp: The session description of an offer that came along.
        error_code: Error code of the core or of the plugin; None where there was no error.
    """

    kind: str
    transaction: str | None = None
    handle: int | None = None
    data: JsonObject = field(default_factory=dict)
    offer_sdp: str | None = None
    error_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One published stream.

    Attributes:
        kind: Audio or video.
        mid: Its name within the publisher.
        codec: In lower case; empty where the server names none.
        simulcast: Whether it comes in several sizes.
    """

    kind: TrackKind
    mid: str
    codec: str
    simulcast: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """A participant that sends media.

    Attributes:
        id: The feed, as the server writes it.
        name: The display name as it is; the feed where there is none.
        streams: The one audio and one video stream to receive, at most; None where the server lists none and
            all that there is must be asked for.
    """

    id: JanusId
    name: str
    streams: tuple[Stream, ...] | None

    @property
    def feed(self) -> str:
        """The feed as text."""
        return str(self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherGone:
    """A participant stopped sending or left."""

    feed: str


@dataclass(frozen=True, slots=True)
class RoomDestroyed:
    """The room is no more."""


@dataclass(frozen=True, slots=True)
class MonitorRemoved:
    """A moderator removed the monitor from the room."""


RoomEvent = Publisher | PublisherGone | RoomDestroyed | MonitorRemoved


def read_message(text: str | bytes) -> ServerMessage | None:
    """Read one message; None where it is none."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or not isinstance(message.get("janus"), str):
        return None
    plugin = _mapping(message.get("plugindata"))
    data = _mapping(message.get("data")) if plugin is None else _mapping(plugin.get("data"))
    return ServerMessage(
        kind=message["janus"],
        transaction=_text(message.get("transaction")),
        handle=_integer(message.get("sender")),
        data=data or {},
        offer_sdp=_offer_sdp(message.get("jsep")),
        error_code=_error_code(message, data),
    )


def identifier(data: JsonObject, name: str = "id") -> int | None:
    """Return an integer that the server names, None where it does not."""
    return _integer(data.get(name))


def read_room_events(data: JsonObject) -> tuple[RoomEvent, ...]:
    """Read what the VideoRoom plugin says on the handle with which the room was joined, in order."""
    if data.get("videoroom") == "destroyed":
        return (RoomDestroyed(),)
    if data.get("leaving") == "ok" and data.get("reason") == "kicked":
        return (MonitorRemoved(),)
    gone = (_janus_id(data.get(key)) for key in ("unpublished", "leaving", "kicked"))
    return (
        *read_publishers(data),
        *(PublisherGone(feed=str(feed)) for feed in gone if feed is not None),
    )


def read_publishers(data: JsonObject) -> tuple[Publisher, ...]:
    """Read a list of publishers; entries without a feed, and placeholders, are left out."""
    entries = data.get("publishers")
    if not isinstance(entries, list):
        return ()
    publishers = (_publisher(entry) for entry in entries[:MAX_PUBLISHERS_A_MESSAGE])
    return tuple(publisher for publisher in publishers if publisher is not None)


def subscriber_video_mid(data: JsonObject) -> str | None:
    """Return the mid of the first video stream in the answer to a subscription."""
    streams = data.get("streams")
    for stream in streams[:MAX_STREAMS_A_PUBLISHER] if isinstance(streams, list) else ():
        if isinstance(stream, dict) and stream.get("type") == "video":
            return _text(stream.get("mid"))
    return None


def _publisher(entry: object) -> Publisher | None:
    if not isinstance(entry, dict) or entry.get("dummy") is True:
        return None
    feed = _janus_id(entry.get("id"))
    if feed is None:
        return None
    return Publisher(
        id=feed, name=_text(entry.get("display")) or str(feed), streams=_chosen_streams(entry.get("streams"))
    )


def _chosen_streams(entries: object) -> tuple[Stream, ...] | None:
    if not isinstance(entries, list):
        return None
    chosen: dict[TrackKind, Stream] = {}
    for entry in entries[:MAX_STREAMS_A_PUBLISHER]:
        stream = _stream(entry)
        if stream is not None:
            chosen.setdefault(stream.kind, stream)
    return tuple(chosen.values())


def _stream(entry: object) -> Stream | None:
    if not isinstance(entry, dict) or entry.get("disabled") is True:
        return None
    mid, codec = _text(entry.get("mid")), (_text(entry.get("codec")) or "").lower()
    kind: TrackKind
    if entry.get("type") == "audio":
        kind = "audio"
    elif entry.get("type") == "video":
        kind = "video"
    else:
        return None
    if mid is None or (codec and codec not in CODECS[kind]):
        return None
    return Stream(kind=kind, mid=mid, codec=codec, simulcast=entry.get("simulcast") in (True, "true"))


def _error_code(message: JsonObject, data: JsonObject | None) -> int | None:
    if message["janus"] == "error":
        return _integer((_mapping(message.get("error")) or {}).get("code")) or 0
    if data is not None and "error_code" in data:
        return _integer(data["error_code"]) or 0
    return None


def _offer_sdp(jsep: object) -> str | None:
    description = _mapping(jsep)
    if description is None or description.get("type") != "offer":
        return None
    return _text(description.get("sdp"))


def _mapping(value: object) -> JsonObject | None:
    return value if isinstance(value, dict) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _janus_id(value: object) -> JanusId | None:
    return value if isinstance(value, str) else _integer(value)
