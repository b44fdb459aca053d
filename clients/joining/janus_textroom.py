"""Posting into a room of the Janus TextRoom plugin.

The plugin takes chat over a data channel only; the Janus API merely sets it up
(https://janus.conf.meetecho.com/docs/textroom.html).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
from typing import Any

import structlog

from clients.joining.adapter import CallLostError
from clients.joining.janus_api import JanusHandle, JanusSession
from clients.joining.janus_messages import HANDLE_ENDS, JanusId, JanusRefusedError, ServerMessage
from clients.joining.target import JoinTarget
from realtime.errors import SignallingError
from realtime.ingest.data_channel import DataChannelPeer

TEXTROOM = "janus.plugin.textroom"
CHANNEL_LABEL = "JanusDataChannel"
POST_TIMEOUT_S = 10.0

_log = structlog.get_logger(__name__)


class JanusTextRoom:
    """The text room that has the same number as the video room, joined with the first line posted.

    Args:
        session: The session at the server.
        room_id: The room.
        target: Says under which name, and with which PIN and token, it is joined.
    """

    def __init__(self, session: JanusSession, room_id: JanusId, target: JoinTarget) -> None:
        self._session = session
        self._room_id = room_id
        self._target = target
        self._posting = asyncio.Lock()
        self._numbers = itertools.count(1)
        self._replies: dict[str, asyncio.Future[bool]] = {}
        self._handle: JanusHandle | None = None
        self._peer: DataChannelPeer | None = None
        self._closed = False

    async def post(self, text: str) -> bool:
        """Post a line; return whether the room took it."""
        async with self._posting:
            try:
                async with asyncio.timeout(POST_TIMEOUT_S):
                    taken = await self._join() and await self._ask({"textroom": "message", "text": text})
            except (JanusRefusedError, CallLostError, SignallingError, TimeoutError) as error:
                _log.info("janus_text_not_posted", error=type(error).__name__)
                taken = False
            if not taken:
                await self._disconnect()
            return taken

    async def close(self) -> None:
        """Close the data channel; nothing is posted any more. The session must be over, or end now."""
        self._closed = True
        self._fail_replies()
        peer, self._peer = self._peer, None
        if peer is not None:
            await peer.close()

    async def _join(self) -> bool:
        if self._closed:
            return False
        if self._peer is not None and self._peer.is_open:
            return True
        await self._disconnect()
        handle = self._handle = await self._session.attach(TEXTROOM, self._on_event)
        known = await handle.request({"request": "exists", "room": self._room_id})
        if known.data.get("exists") is not True:
            return False
        offer = await handle.request({"request": "setup"})
        if offer.offer_sdp is None:
            return False
        peer = self._peer = DataChannelPeer(label=CHANNEL_LABEL, on_text=self._on_text)
        answer = await peer.accept(offer.offer_sdp)
        await handle.request({"request": "ack"}, answer_sdp=answer)
        await peer.opened()
        return await self._ask(
            {
                "textroom": "join",
                "username": f"seamwatch-{secrets.token_hex(8)}",
                "display": self._target.display_name,
                "pin": self._target.pin,
                "token": self._target.token,
            }
        )

    async def _ask(self, request: dict[str, Any]) -> bool:
        if self._peer is None or self._closed:
            return False
        transaction = str(next(self._numbers))
        reply = self._replies[transaction] = asyncio.get_running_loop().create_future()
        fields = {**request, "room": self._room_id, "transaction": transaction}
        try:
            text = json.dumps({name: value for name, value in fields.items() if value is not None})
            return self._peer.send(text) and await reply
        finally:
            del self._replies[transaction]

    def _on_text(self, text: str) -> None:
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            return
        if not isinstance(message, dict):
            return
        transaction = message.get("transaction")
        reply = self._replies.get(transaction) if isinstance(transaction, str) else None
        if reply is not None and not reply.done():
            reply.set_result(message.get("textroom") == "success")

    def _on_event(self, message: ServerMessage) -> None:
        if message.kind in HANDLE_ENDS:
            self._fail_replies()

    def _fail_replies(self) -> None:
        for reply in self._replies.values():
            if not reply.done():
                reply.set_result(False)

    async def _disconnect(self) -> None:
        peer, self._peer = self._peer, None
        handle, self._handle = self._handle, None
        if peer is not None:
            await peer.close()
        if handle is not None:
            await handle.detach()
