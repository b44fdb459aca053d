"""The WebSocket on ``/alerts``: speaks, never listens, and waits for nobody."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import structlog
from pydantic import BaseModel
from starlette.datastructures import QueryParams
from starlette.websockets import WebSocket, WebSocketDisconnect

from realtime.errors import AlertStoreError, CapacityError, SeamwatchError, SignallingError
from realtime.server.auth import Role
from realtime.server.guard import ROLE_KEY
from realtime.server.hub import EventHub
from realtime.server.ports import NAME_RULE, MonitorPort, is_name
from realtime.server.problem import problem_of
from realtime.server.subscription import Subscription, SubscriptionEnded
from realtime.server.wire import CLOSE_TOO_FAR_BEHIND, SUBPROTOCOL, ErrorMessage, Hello

CLOSE_POLICY = 1008
CLOSE_INTERNAL_ERROR = 1011

_CLOSE_TIMEOUT_S = 1.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Ending:
    code: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Query:
    call: str | None
    matrices: bool
    after: int | None


def alerts_endpoint(
    monitor: MonitorPort, hub: EventHub, *, send_timeout_s: float
) -> Callable[[WebSocket], Awaitable[None]]:
    """Return the endpoint.

    Args:
        monitor: Names the encoders.
        hub: Gives the messages.
        send_timeout_s: How long one message may wait for a reader before the connection is closed.
    """

    async def alerts(websocket: WebSocket) -> None:
        try:
            query = _parsed(websocket.query_params)
            subprotocol = _agreed(websocket.scope.get("subprotocols", []))
            subscribing = hub.subscription(call=query.call, matrices=query.matrices, after=query.after)
            with subscribing as subscription:
                await websocket.accept(subprotocol)
                hello = _hello(monitor, hub, subscription, websocket.scope[ROLE_KEY])
                ending = await _serve(websocket, subscription, hello, send_timeout_s)
                if ending is not None:
                    await _close(websocket, ending)
        except (SignallingError, CapacityError) as error:
            await websocket.send_denial_response(problem_of(error))

    return alerts


async def _serve(
    websocket: WebSocket, subscription: Subscription, hello: Hello, send_timeout_s: float
) -> _Ending | None:
    """Send until somebody ends it; None where the peer did."""
    sender = asyncio.create_task(
        _send_all(websocket, subscription, hello, send_timeout_s), name="alerts-send"
    )
    watcher = asyncio.create_task(_watch(websocket), name="alerts-watch")
    try:
        await asyncio.wait({sender, watcher}, return_when=asyncio.FIRST_COMPLETED)
        return watcher.result() if watcher.done() else sender.result()
    finally:
        sender.cancel()
        watcher.cancel()
        await asyncio.gather(sender, watcher, return_exceptions=True)


async def _send_all(
    websocket: WebSocket, subscription: Subscription, hello: Hello, send_timeout_s: float
) -> _Ending | None:
    async def send(message: BaseModel) -> None:
        text = message.model_dump_json()
        async with asyncio.timeout(send_timeout_s):
            await websocket.send_text(text)

    try:
        await send(hello)
        async with contextlib.aclosing(subscription.messages()) as messages:
            async for message in messages:
                await send(message)
    except SubscriptionEnded as ended:
        return _Ending(ended.code, ended.reason)
    except TimeoutError:
        return _Ending(CLOSE_TOO_FAR_BEHIND, subscription.too_far_behind)
    except AlertStoreError as error:
        _log.error("alert_store_unreadable", error=str(error))
        with contextlib.suppress(TimeoutError, WebSocketDisconnect):
            await send(
                ErrorMessage(
                    code="alert_store_failed",
                    message="The alert store cannot be read.",
                    fix="Reconnect later, from the last alert that was received.",
                )
            )
        return _Ending(CLOSE_INTERNAL_ERROR, "the alert store cannot be read")
    except (WebSocketDisconnect, RuntimeError):
        # uvicorn raises RuntimeError for a send after its own keepalive has given the peer up.
        return None
    return None


async def _watch(websocket: WebSocket) -> _Ending | None:
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        return None
    return _Ending(CLOSE_POLICY, "this socket takes no messages")


async def _close(websocket: WebSocket, ending: _Ending) -> None:
    with contextlib.suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
        async with asyncio.timeout(_CLOSE_TIMEOUT_S):
            await websocket.close(ending.code, ending.reason)


def _hello(monitor: MonitorPort, hub: EventHub, subscription: Subscription, role: Role) -> Hello:
    return Hello(
        server=server_name(),
        encoders=dict(monitor.encoders),
        last_seq=hub.store.last_seq,
        after=subscription.after,
        oldest_seq=hub.store.oldest_seq,
        role=role.value,
    )


def server_name() -> str:
    """Return name and version of the monitor."""
    try:
        return f"seamwatch/{version('seamwatch')}"
    except PackageNotFoundError:
        return "seamwatch"


def _agreed(offered: list[str]) -> str | None:
    """Choose the subprotocol; a client that offers none is taken for one of version 1."""
    if not offered:
        return None
    if SUBPROTOCOL not in offered:
        raise SignallingError(
            "None of the offered subprotocols is spoken here.", fix=f"Offer {SUBPROTOCOL}.", status=400
        )
    return SUBPROTOCOL


def _parsed(query: QueryParams) -> _Query:
    call, matrices, after = query.get("call"), query.get("matrices", "0"), query.get("after")
    if call is not None and not is_name(call):
        raise _bad_query("There can be no such call.", NAME_RULE)
    if matrices not in {"0", "1"}:
        raise _bad_query("`matrices` is neither 0 nor 1.", "Ask for matrices=1 or leave it out.")
    if after is not None and not (after.isascii() and after.isdecimal() and len(after) < 20):
        raise _bad_query("`after` is no sequence number.", "Give the number of the last alert you received.")
    return _Query(call=call, matrices=matrices == "1", after=None if after is None else int(after))


def _bad_query(message: str, fix: str) -> SeamwatchError:
    return SignallingError(message, fix=fix, status=400)
