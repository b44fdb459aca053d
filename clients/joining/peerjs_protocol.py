"""What a PeerServer and PeerJS peers say, and what is answered (PeerJS 1.5, PeerServer 1.0).

PeerJS has no specification; the message types, their payloads and the encodings of data connections are those
of the libraries ``peerjs`` and ``peer``.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

MAX_NAME_CHARS = 64
MAX_ID_CHARS = 128
MAX_CANDIDATE_CHARS = 512
MAX_CALLS_PER_PEER = 4
MAX_LINE_BYTES = 0xFFFF


class ConnectionKind(enum.StrEnum):
    """What a peer connection is for."""

    MEDIA = "media"
    DATA = "data"


@dataclass(frozen=True, slots=True)
class Registered:
    """The server lists the monitor under its id."""


@dataclass(frozen=True, slots=True)
class IdTaken:
    """Somebody else has the id."""


@dataclass(frozen=True, slots=True)
class KeyRefused:
    """The server serves another API key."""


@dataclass(frozen=True, slots=True)
class ServerFault:
    """The server cannot go on, for example because it is full."""


@dataclass(frozen=True, slots=True)
class PeerLeft:
    """A peer has closed its connections."""

    peer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A peer calls, or opens a data connection.

    Attributes:
        peer: The caller's id, as the server vouches for it.
        connection: The caller's name for the connection.
        kind: What the connection is for.
        sdp: The session description.
        name: What the caller calls itself in ``metadata.name``, else its id.
        serialization: How a data connection encodes what is sent; "" for media.
    """

    peer: str
    connection: str
    kind: ConnectionKind
    sdp: str
    name: str
    serialization: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An ICE candidate of a peer (RFC 8839, section 5.1).

    Attributes:
        peer: The sender's id.
        connection: The connection that it belongs to.
        line: The attribute, beginning with ``candidate:``.
        mid: Media section by name; None where not said.
        index: Media section by number; None where not said.
    """

    peer: str
    connection: str
    line: str
    mid: str | None
    index: int | None


Message = Registered | IdTaken | KeyRefused | ServerFault | PeerLeft | Offer | Candidate


def read_message(text: str | bytes) -> Message | None:
    """Return what a message says; None where it says nothing that matters, or cannot be read."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return None
    reader = _READERS.get(message["type"])
    payload = message.get("payload")
    return (
        None if reader is None else reader(message.get("src"), payload if isinstance(payload, dict) else {})
    )


def heartbeat() -> str:
    """Return the message that keeps the registration."""
    return _message("HEARTBEAT")


def leave(peer: str) -> str:
    """Return the message that makes a peer close its connections with the monitor."""
    return _message("LEAVE", dst=peer)


def answer(offer: Offer, sdp: str, display_name: str) -> str:
    """Return the answer to a call.

    Args:
        offer: The call.
        sdp: The session description.
        display_name: Goes into ``metadata.name``; the library shows an answer's metadata to nobody.
    """
    payload = {
        "sdp": {"type": "answer", "sdp": sdp},
        "type": offer.kind.value,
        "connectionId": offer.connection,
        "metadata": {"name": display_name},
    }
    return _message("ANSWER", dst=offer.peer, payload=payload)


def feed_of(peer: str, taken: Collection[str]) -> str | None:
    """Return a feed for a peer's call: its id, numbered while it has other calls.

    Args:
        peer: The caller's id.
        taken: The feeds that are there.

    Returns:
        None where the peer has ``MAX_CALLS_PER_PEER`` calls already.
    """
    names = (peer if number == 1 else f"{peer}#{number}" for number in range(1, MAX_CALLS_PER_PEER + 1))
    return next((name for name in names if name not in taken), None)


def encode_line(text: str, serialization: str) -> str | bytes:
    """Return a line of text as a data connection wants it.

    Args:
        text: At most ``MAX_LINE_BYTES`` of UTF-8.
        serialization: "raw", "json", "MsgPack", or anything else for PeerJS's own BinaryPack.

    Raises:
        ValueError: The text is too long.
    """
    encoded = text.encode()
    length = len(encoded)
    if length > MAX_LINE_BYTES:
        raise ValueError(f"a line of {length} bytes is too long")
    match serialization:
        case "raw":
            return text
        case "json":
            return json.dumps(text).encode()
        case "MsgPack":
            return b"\xda" + length.to_bytes(2, "big") + encoded
    return b"\xd8" + length.to_bytes(2, "big") + encoded


def _error(_: object, fields: dict[str, Any]) -> Message:
    return KeyRefused() if fields.get("msg") == "Invalid key provided" else ServerFault()


def _left(peer: object, _: dict[str, Any]) -> Message | None:
    sender = _id(peer)
    return None if sender is None else PeerLeft(sender)


def _offer(peer: object, fields: dict[str, Any]) -> Offer | None:
    sender, connection = _id(peer), _id(fields.get("connectionId"))
    description = fields.get("sdp")
    sdp = description.get("sdp") if isinstance(description, dict) else None
    kind, serialization = fields.get("type"), fields.get("serialization")
    if sender is None or connection is None or kind not in ("media", "data"):
        return None
    if not isinstance(sdp, str) or not _is_text(sdp):
        return None
    return Offer(
        peer=sender,
        connection=connection,
        kind=ConnectionKind(kind),
        sdp=sdp,
        name=_name(fields.get("metadata")) or sender[:MAX_NAME_CHARS],
        serialization=serialization if isinstance(serialization, str) else "",
    )


def _candidate(peer: object, fields: dict[str, Any]) -> Candidate | None:
    sender, connection = _id(peer), _id(fields.get("connectionId"))
    described = fields.get("candidate")
    if sender is None or connection is None or not isinstance(described, dict):
        return None
    line, mid, index = (described.get(key) for key in ("candidate", "sdpMid", "sdpMLineIndex"))
    if not isinstance(line, str) or not line.startswith("candidate:") or len(line) > MAX_CANDIDATE_CHARS:
        return None
    if not (line.isascii() and line.isprintable()):
        return None
    return Candidate(
        peer=sender,
        connection=connection,
        line=line,
        mid=mid if isinstance(mid, str) else None,
        index=index if isinstance(index, int) and not isinstance(index, bool) else None,
    )


def _id(value: object) -> str | None:
    if isinstance(value, str) and 0 < len(value) <= MAX_ID_CHARS and value.isprintable():
        return value
    return None


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _name(metadata: object) -> str:
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str):
        return ""
    return "".join(filter(str.isprintable, name[: 4 * MAX_NAME_CHARS])).strip()[:MAX_NAME_CHARS]


def _message(kind: str, **fields: object) -> str:
    return json.dumps({"type": kind, **fields})


_READERS: dict[str, Callable[[object, dict[str, Any]], Message | None]] = {
    "OPEN": lambda *_: Registered(),
    "ID-TAKEN": lambda *_: IdTaken(),
    "INVALID-KEY": lambda *_: KeyRefused(),
    "ERROR": _error,
    "LEAVE": _left,
    "OFFER": _offer,
    "CANDIDATE": _candidate,
}
