"""Where a Janus room is: the WebSocket and the room, from the URL that a person types."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, unquote

from clients.joining.adapter import JoinError
from clients.joining.janus_messages import JanusId
from clients.joining.target import SCHEMES

DEFAULT_PORT = 8188
MAX_ROOM_DIGITS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class JanusAddress:
    """One room of a Janus server.

    Attributes:
        websocket_url: Where the Janus API is spoken.
        host: The server.
        encrypted: Whether TLS is used.
        room_id: The room as the server writes it: a number, or text on servers with ``string_ids``.
    """

    websocket_url: str
    host: str
    encrypted: bool
    room_id: JanusId


def janus_address(url: SplitResult) -> JanusAddress:
    """Read ``janus[s]://HOST[:PORT][/PATH]/room/ROOM``.

    Without a port, ``janus`` means 8188 and ``januss`` 443.

    Raises:
        JoinError: It names no room.
    """
    prefix, separator, room = url.path.rstrip("/").rpartition("/room/")
    room = unquote(room)
    if not separator or not room or "/" in room or not url.hostname:
        raise JoinError("The URL names no Janus room.", fix=f"Use {SCHEMES['janus']}.")
    encrypted = url.scheme == "januss"
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    port = url.port or (443 if encrypted else DEFAULT_PORT)
    return JanusAddress(
        websocket_url=f"{'wss' if encrypted else 'ws'}://{host}:{port}{prefix or '/'}",
        host=url.hostname,
        encrypted=encrypted,
        room_id=int(room) if room.isascii() and room.isdigit() and len(room) <= MAX_ROOM_DIGITS else room,
    )
