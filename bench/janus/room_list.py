"""Asks Janus who is in a room."""

from __future__ import annotations

import json
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from bench.janus.janus_server import JanusRoom
from bench.janus.requirements import CallBenchError


async def who_is_there(room: JanusRoom) -> dict[str, bool]:
    """Return every display name in the room, and whether its owner publishes.

    Raises:
        CallBenchError: Janus refuses.
    """
    async with connect(
        room.websocket_url, subprotocols=[Subprotocol("janus-protocol")], proxy=None
    ) as socket:
        session = (await _ask(socket, janus="create"))["data"]["id"]
        attached = await _ask(socket, janus="attach", plugin="janus.plugin.videoroom", session_id=session)
        listed = await _ask(
            socket,
            janus="message",
            body={"request": "listparticipants", "room": room.room},
            session_id=session,
            handle_id=attached["data"]["id"],
        )
    return {
        person["display"]: bool(person["publisher"])
        for person in listed["plugindata"]["data"]["participants"]
    }


async def _ask(socket: ClientConnection, **message: Any) -> Any:
    await socket.send(json.dumps({**message, "transaction": "list"}))
    answer = json.loads(await socket.recv())
    if answer["janus"] != "success":
        raise CallBenchError(f"Janus refuses to list the room: {answer}.", fix="See Janus' log.")
    return answer
