"""A small receiver of Seamwatch's webhooks: judges each request, and takes each alert once."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from realtime.delivery.signature import (
    ID_HEADER,
    REPLAY_WINDOW_S,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    SignatureError,
    Signed,
    verified,
)
from realtime.errors import CapacityError, ConfigurationError, SeamwatchError
from realtime.server.wire import AlertMessage

HOST = "127.0.0.1"
MAX_BODY_BYTES = 256 * 1024

_BODY_TIMEOUT_S = 10.0
_BACKLOG = 32


class SeenIds:
    """Remembers which ids were taken: at least as long as their requests are in time, and longer if it can.

    Args:
        capacity: Ids remembered.
        window_s: How far a request's time may be from now, either way.
    """

    def __init__(self, *, capacity: int = 10_000, window_s: float = REPLAY_WINDOW_S) -> None:
        self._capacity = capacity
        self._window_s = window_s
        self._in_time_until_s: OrderedDict[str, float] = OrderedDict()

    def is_new(self, signed: Signed, *, now_s: float) -> bool:
        """Tell whether an id is seen for the first time, and remember it.

        Args:
            signed: Of a request whose signature is good and whose time is within the window.
            now_s: Seconds since the epoch.

        Raises:
            CapacityError: No more ids can be remembered now, so nobody could tell.
        """
        if signed.message_id in self._in_time_until_s:
            in_time_until_s = max(
                self._in_time_until_s.pop(signed.message_id), signed.timestamp_s + self._window_s
            )
            self._in_time_until_s[signed.message_id] = in_time_until_s
            return False
        if len(self._in_time_until_s) >= self._capacity:
            oldest = next(iter(self._in_time_until_s))
            if self._in_time_until_s[oldest] >= now_s:
                raise CapacityError("Too many webhooks come at a time.", fix="Send them again later.")
            del self._in_time_until_s[oldest]
        self._in_time_until_s[signed.message_id] = signed.timestamp_s + self._window_s
        return True

    def forget(self, signed: Signed) -> None:
        """Take an id for new when it comes again."""
        self._in_time_until_s.pop(signed.message_id, None)


class WebhookReceiver:
    """An ASGI application: POST a webhook to any path.

    Args:
        keys: The trusted public keys.
        on_alert: Gets each alert, once, with the headers and the body it came with.
        on_refusal: Gets why a request was refused.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        keys: Sequence[Ed25519PublicKey],
        *,
        on_alert: Callable[[AlertMessage, Mapping[str, str], bytes], None],
        on_refusal: Callable[[SeamwatchError], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._on_alert = on_alert
        self._on_refusal = on_refusal
        self._clock = clock
        self._seen = SeenIds()
        self.app = Starlette(routes=[Route("/{path:path}", self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        headers = {
            name: request.headers.get(name, "") for name in (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)
        }
        try:
            body = await _body_of(request)
            now_s = self._clock()
            signed = verified(headers, body, self._keys, now_s=now_s)
            alert = _alert_in(body)
            is_new = self._seen.is_new(signed, now_s=now_s)
        except (SeamwatchError, TimeoutError, ClientDisconnect) as error:
            return self._refused(error)
        if is_new:
            try:
                self._on_alert(alert, headers, body)
            except BaseException:
                self._seen.forget(signed)
                raise
        return JSONResponse({"status": "taken" if is_new else "known already"})

    def _refused(self, error: Exception) -> Response:
        if not isinstance(error, SeamwatchError):
            error = _Unreadable("The body did not come to an end.", fix="Send it again.", status=408)
        self._on_refusal(error)
        match error:
            case SignatureError():
                status = 401
            case CapacityError():
                status = 503
            case _Unreadable():
                status = error.status
            case _:
                status = 400
        return JSONResponse({"status": "refused", "detail": error.message}, status)


class _Unreadable(SeamwatchError):
    """The body of a request is no alert."""

    def __init__(self, message: str, *, fix: str, status: int) -> None:
        super().__init__(message, fix=fix)
        self.status = status


async def serve_receiver(receiver: WebhookReceiver, *, port: int, ready: Callable[[str], None]) -> None:
    """Serve on the loopback address until cancelled.

    Args:
        receiver: Takes the requests.
        port: Port to bind; 0 for a free one.
        ready: Called with the URL once the port is open.

    Raises:
        ConfigurationError: The port cannot be bound.
    """
    try:
        listener = socket.create_server((HOST, port), backlog=_BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"Port {port} cannot be opened: {error.strerror}.", fix="Choose another one with --port."
        ) from error
    listener.setblocking(False)
    server = _Server(
        uvicorn.Config(
            receiver.app,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            limit_concurrency=_BACKLOG,
            timeout_graceful_shutdown=2,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="webhook-receiver")
    try:
        ready(f"http://{HOST}:{listener.getsockname()[1]}/")
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await serving
        listener.close()


class _Server(uvicorn.Server):
    """uvicorn that leaves the signals alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _body_of(request: Request) -> bytes:
    body = b""
    async with asyncio.timeout(_BODY_TIMEOUT_S):
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise _Unreadable(
                    "The body is too large for an alert.", fix="Send one alert a request.", status=413
                )
    return body


def _alert_in(body: bytes) -> AlertMessage:
    try:
        return AlertMessage.model_validate_json(body)
    except ValueError as error:
        raise _Unreadable(
            "The signature is good, but the body is no alert of this version.",
            fix="Use a receiver of the monitor's own version.",
            status=400,
        ) from error
