"""Runs the application on uvicorn: one port, an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from realtime.errors import ConfigurationError
from realtime.server.hub import EventHub

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_GRACE_S = 2.0
_GRACEFUL_SHUTDOWN_S = 5
# Kept small, so that a slow subscriber has few outdated scores before it in the kernel's queue.
_SEND_BUFFER_BYTES = 64 * 1024
_MAX_CLIENT_MESSAGE_BYTES = 4096


class MonitorServer:
    """A running server, as an asynchronous context manager.

    Args:
        app: From ``realtime.server.app.create_app``.
        host: Address or name to bind.
        port: Port to bind; 0 for a free one.
        ping_interval_s: How often a WebSocket peer is asked whether it is alive, and how long it may take to
            answer.
    """

    def __init__(self, app: Starlette, *, host: str, port: int, ping_interval_s: float = 20.0) -> None:
        self._host = host
        self._wanted_port = port
        config = uvicorn.Config(
            app,
            http="h11",
            ws=_AbortingWebSocket,
            ws_max_size=_MAX_CLIENT_MESSAGE_BYTES,
            ws_ping_interval=ping_interval_s,
            ws_ping_timeout=ping_interval_s,
            ws_per_message_deflate=False,
            lifespan="on",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACEFUL_SHUTDOWN_S,
        )
        self._uvicorn = _Uvicorn(config, app.state.hub)
        self._serving: asyncio.Task[None] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where a browser finds the page."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Bind and begin to serve.

        Raises:
            ConfigurationError: The address cannot be bound.
        """
        listener = _listen(self._host, self._wanted_port)
        self.port = listener.getsockname()[1]
        self._serving = asyncio.create_task(self._uvicorn.serve(sockets=[listener]), name="http-server")
        ready = asyncio.create_task(self._uvicorn.ready.wait(), name="http-server-ready")
        try:
            await asyncio.wait({self._serving, ready}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
            await asyncio.gather(ready, return_exceptions=True)
        if self._serving.done():
            listener.close()
            await self._serving

    async def ended(self) -> None:
        """Wait until the server has ended."""
        if self._serving is not None:
            await asyncio.shield(self._serving)

    async def stop(self) -> None:
        """Close WebSockets with 1001, finish the requests in flight, end the monitor's sessions."""
        if self._serving is not None:
            self._uvicorn.should_exit = True
            await self._serving

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


Work = Callable[[], Coroutine[Any, Any, None]]


async def serve(
    app: Starlette,
    *,
    host: str,
    port: int,
    on_started: Callable[[str], None] | None = None,
    companions: Sequence[Work] = (),
    followers: Sequence[Work] = (),
    own_signals: bool = True,
) -> None:
    """Serve until SIGINT, SIGTERM, cancellation, or until a companion ends.

    Args:
        app: From ``realtime.server.app.create_app``.
        host: Address or name to bind; ``realtime.server.auth.require_token`` judges it.
        port: Port to bind; 0 for a free one.
        on_started: Called with the URL once the port is open.
        companions: Run beside the open server and cancelled, one after the other, before it closes. What one
            raises ends the server and comes out again.
        followers: The same, but cancelled after the server has closed and the monitor's sessions have ended.
        own_signals: Whether the signals end it, to be called from the main thread; else they are left to the
            caller, who cancels.

    Raises:
        ConfigurationError: The address cannot be bound.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    async with AsyncExitStack() as closing:
        following = [asyncio.create_task(work(), name="follower") for work in followers]
        closing.push_async_callback(_end, following)
        server = await closing.enter_async_context(MonitorServer(app, host=host, port=port))
        waiting = [
            asyncio.create_task(stop.wait(), name="stop-signal"),
            asyncio.create_task(server.ended(), name="server-ended"),
        ]
        closing.push_async_callback(_end, waiting)
        for number in _SIGNALS if own_signals else ():
            loop.add_signal_handler(number, stop.set)
            closing.callback(loop.remove_signal_handler, number)
        beside = [asyncio.create_task(work(), name="companion") for work in companions]
        closing.push_async_callback(_end, beside)
        if on_started is not None:
            on_started(server.url)
        await asyncio.wait([*beside, *following, *waiting], return_when=asyncio.FIRST_COMPLETED)


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel tasks one after the other; then raise what the first of them raised that failed."""
    for task in tasks:
        task.cancel()
        await asyncio.wait([task])
    for task in tasks:
        if not task.cancelled():
            task.result()


class _Uvicorn(uvicorn.Server):
    """uvicorn that says when it is ready, leaves the signals alone, and tells subscribers before it ends."""

    def __init__(self, config: uvicorn.Config, hub: EventHub) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self._hub = hub

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._hub.aclose()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _AbortingWebSocket(WebSocketsSansIOProtocol):
    """A connection that is aborted when its peer does not take the rest in time.

    Closing a transport waits for its buffer to drain, which a peer that never reads puts off for ever.
    """

    _abort: asyncio.TimerHandle | None = None

    def shutdown(self) -> None:
        super().shutdown()
        self._abort_soon()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        self._abort_soon()

    def _abort_soon(self) -> None:
        if self._abort is None and not self.disconnected:
            self._abort = self.loop.call_later(_GRACE_S, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._abort is not None:
            self._abort.cancel()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError, ValueError) as error:
        raise _unbound(host, port, error) from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    listener.setblocking(False)
    return listener


def _unbound(host: str, port: int, error: Exception) -> ConfigurationError:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return ConfigurationError(
            f"Port {port} of {host} is in use.", fix="Stop the other program, or choose another port."
        )
    if number == errno.EACCES:
        return ConfigurationError(f"Port {port} may not be opened by you.", fix="Choose one above 1023.")
    return ConfigurationError(
        f"{host} port {port} cannot be bound: {error}.",
        fix="Name an address of this machine and a free port.",
    )
