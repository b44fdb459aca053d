"""The Janus API over one WebSocket: a session, its plugin handles, requests with their replies, keepalives.

Source: https://janus.conf.meetecho.com/docs/rest.html. A request to a plugin is first acknowledged and then
answered by an event of the same transaction, or answered at once.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import structlog
from websockets.exceptions import ConnectionClosed

from clients.joining.adapter import CallLostError
from clients.joining.janus_messages import JanusRefusedError, ServerMessage, identifier, read_message

REQUEST_TIMEOUT_S = 10.0
#: Janus ends a session of which it hears nothing for 60 s.
KEEPALIVE_S = 25.0

OnEvent = Callable[[ServerMessage], None]

_log = structlog.get_logger(__name__)


class JanusSocket(Protocol):
    """A connected WebSocket."""

    async def send(self, message: str, /) -> None:
        """Send one message."""

    async def recv(self) -> str | bytes:
        """Return the next message. Raises ConnectionClosed."""


class _Request:
    """A request that waits for its reply."""

    def __init__(self, *, ack_suffices: bool) -> None:
        self.reply: asyncio.Future[ServerMessage] = asyncio.get_running_loop().create_future()
        self.ack_suffices = ack_suffices

    def take(self, message: ServerMessage) -> None:
        """Take a message of the same transaction."""
        if not self.reply.done() and (message.kind != "ack" or self.ack_suffices):
            self.reply.set_result(message)


class JanusSession:
    """One session at a Janus server. Somebody must run ``read`` for anything to be answered.

    Args:
        socket: The connection, with the subprotocol ``janus-protocol``.
        token: Access token, where the server wants one with every request.
    """

    def __init__(self, socket: JanusSocket, *, token: str | None = None) -> None:
        self._socket = socket
        self._token = token
        self._numbers = itertools.count(1)
        self._requests: dict[str, _Request] = {}
        self._handles: dict[int, OnEvent] = {}
        self._session_id: int | None = None
        self._lost: CallLostError | None = None

    async def read(self) -> None:
        """Read what the server says until the connection or the session ends.

        Raises:
            CallLostError: It ended.
        """
        try:
            while self._lost is None:
                self._dispatch(await self._socket.recv())
            raise self._lost
        except ConnectionClosed as error:
            self._lost = connection_lost()
            raise self._lost from error
        finally:
            self._lost = self._lost or connection_lost()
            for request in self._requests.values():
                if not request.reply.done():
                    request.reply.set_exception(self._lost)

    async def keep_alive(self) -> None:
        """Keep the session alive for ever.

        Raises:
            CallLostError: The server does not answer, or has forgotten the session.
        """
        while True:
            await asyncio.sleep(KEEPALIVE_S)
            try:
                await self.request({"janus": "keepalive"}, ack_suffices=True)
            except JanusRefusedError as error:
                raise _session_over() from error

    async def create(self) -> None:
        """Create the session.

        Raises:
            CallLostError: The server does not answer.
            JanusRefusedError: It refuses.
        """
        self._session_id = _named((await self.request({"janus": "create"})).data)

    async def attach(self, plugin: str, on_event: OnEvent) -> JanusHandle:
        """Attach to a plugin.

        Args:
            plugin: Package name of the plugin.
            on_event: Hears every message of the handle that answers no request; must return at once.

        Raises:
            CallLostError: The server does not answer.
            JanusRefusedError: It refuses, 460 where it has no such plugin.
        """
        handle_id = _named((await self.request({"janus": "attach", "plugin": plugin})).data)
        self._handles[handle_id] = on_event
        return JanusHandle(self, handle_id)

    async def destroy(self) -> None:
        """End the session, and all its handles with it. Raises what ``attach`` raises."""
        if self._session_id is not None:
            await self.request({"janus": "destroy"})

    async def request(self, message: Mapping[str, Any], *, ack_suffices: bool = False) -> ServerMessage:
        """Send a request and return its reply.

        Args:
            message: The request without its transaction and session.
            ack_suffices: Whether an acknowledgement is the reply.

        Raises:
            CallLostError: The connection is gone, or no reply came in time.
            JanusRefusedError: The reply is an error.
        """
        if self._lost is not None:
            raise self._lost
        transaction = str(next(self._numbers))
        envelope = {"transaction": transaction, "session_id": self._session_id, "token": self._token}
        request = self._requests[transaction] = _Request(ack_suffices=ack_suffices)
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                await self._socket.send(json.dumps({**message, **_present(envelope)}))
                reply = await request.reply
        except ConnectionClosed as error:
            raise connection_lost() from error
        except TimeoutError as error:
            raise CallLostError(
                "The Janus server does not answer.", fix="Check the network and the server's load."
            ) from error
        finally:
            del self._requests[transaction]
        if reply.error_code is not None:
            raise JanusRefusedError(reply.error_code)
        return reply

    def forget(self, handle_id: int) -> None:
        """Stop passing on the events of a handle."""
        self._handles.pop(handle_id, None)

    def _dispatch(self, text: str | bytes) -> None:
        message = read_message(text)
        if message is None:
            _log.warning("janus_message_unreadable")
            return
        if message.kind == "timeout":
            self._lost = _session_over()
            return
        request = None if message.transaction is None else self._requests.get(message.transaction)
        if request is not None:
            request.take(message)
            return
        on_event = None if message.handle is None else self._handles.get(message.handle)
        if on_event is not None and message.kind != "ack":
            on_event(message)


class JanusHandle:
    """A session's attachment to a plugin; made by ``JanusSession.attach``."""

    def __init__(self, session: JanusSession, handle_id: int) -> None:
        self._session = session
        self._handle_id = handle_id

    async def request(self, body: Mapping[str, Any], *, answer_sdp: str | None = None) -> ServerMessage:
        """Send a request to the plugin and return what it answers.

        Args:
            body: The request; entries that are None are left out.
            answer_sdp: A session description that answers an offer of the plugin.

        Raises:
            CallLostError: The connection is gone, or no reply came in time.
            JanusRefusedError: The server or the plugin refuses.
        """
        jsep = None if answer_sdp is None else {"type": "answer", "sdp": answer_sdp}
        message = {"janus": "message", "handle_id": self._handle_id, "body": _present(body), "jsep": jsep}
        return await self._session.request(_present(message))

    async def detach(self) -> None:
        """Detach, as far as the server lets it; no events come from now on."""
        self._session.forget(self._handle_id)
        try:
            await self._session.request({"janus": "detach", "handle_id": self._handle_id})
        except (CallLostError, JanusRefusedError):
            _log.info("janus_handle_gone_before_detach")


def connection_lost() -> CallLostError:
    """Return the error of a closed connection."""
    return CallLostError(
        "The connection to the Janus server is lost.", fix="Check the network and the server."
    )


def _session_over() -> CallLostError:
    return CallLostError(
        "The Janus server ended the session.", fix="Check the network and the server's load."
    )


def _named(data: Mapping[str, Any]) -> int:
    number = identifier(data)
    if number is None:
        raise JanusRefusedError(0)
    return number


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
