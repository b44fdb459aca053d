"""The outermost layer: judges every request, adds the security headers, and lets no traceback out."""

from __future__ import annotations

import contextlib

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from realtime.server.auth import COOKIE_NAME, UNKNOWN_CLIENT, Auth, Refusal, refusal_of_role
from realtime.server.problem import problem
from realtime.server.wire import CLOSE_UNAUTHORISED, SUBPROTOCOL

_log = structlog.get_logger(__name__)

_POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"

#: Where the guard leaves the client's ``Role`` in the ASGI scope.
ROLE_KEY = "seamwatch.role"

SECURITY_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, auth: Auth) -> None:
        self._app = app
        self._auth = auth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is allowed."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        started = False

        async def guarded_send(message: Message) -> None:
            nonlocal started
            started = True
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            response = await self._answer(scope, receive, guarded_send)
            if response is not None:
                await response(scope, receive, guarded_send)
        except ClientDisconnect:
            return
        except Exception:
            _log.exception("request_failed", kind=scope["type"])
            if scope["type"] == "websocket" and started:
                with contextlib.suppress(RuntimeError, OSError):
                    await send({"type": "websocket.close", "code": 1011, "reason": "the monitor failed"})
            elif not started:
                answer = problem(
                    500, "The monitor failed on this request.", fix="Ask the operator to read its log."
                )
                await answer(scope, receive, guarded_send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> Response | None:
        """Return the response of the guard itself, or None once the application has answered."""
        connection = HTTPConnection(scope)
        method = scope["method"] if scope["type"] == "http" else "WEBSOCKET"
        refusal = self._auth.refusal_of_source(connection.headers, method=method)
        if refusal is not None:
            return _refused(refusal)
        if method == "GET" and scope["path"] == "/" and "token" in connection.query_params:
            return self._signed_in(connection)
        role = self._auth.role(connection.headers, connection.cookies)
        if role is None and method != "OPTIONS":
            if method == "WEBSOCKET" and "origin" in connection.headers:
                await _close_unauthorised(WebSocket(scope, receive, send))
                return None
            return _refused(UNKNOWN_CLIENT)
        if role is not None:
            refusal = refusal_of_role(role, method=method, path=scope["path"])
            if refusal is not None:
                return _refused(refusal)
            scope[ROLE_KEY] = role
        await self._app(scope, receive, send)
        return None

    def _signed_in(self, connection: HTTPConnection) -> Response:
        role = self._auth.role_of_token(connection.query_params["token"])
        if role is None:
            return _refused(Refusal(status=401, detail="The token is wrong.", fix="Ask the operator for it."))
        response = RedirectResponse("/", status_code=303)
        cookie = self._auth.cookie_value(role)
        if cookie is not None:
            response.set_cookie(
                COOKIE_NAME,
                cookie,
                httponly=True,
                samesite="strict",
                secure=connection.url.scheme == "https",
            )
        return response


def _refused(refusal: Refusal) -> Response:
    headers = {"WWW-Authenticate": 'Bearer realm="seamwatch"'} if refusal.status == 401 else None
    return problem(refusal.status, refusal.detail, fix=refusal.fix, headers=headers)


async def _close_unauthorised(websocket: WebSocket) -> None:
    """Refuse a browser by close code: it hides the status of a failed handshake from its page."""
    offered = websocket.scope.get("subprotocols", [])
    await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
    await websocket.close(CLOSE_UNAUTHORISED, UNKNOWN_CLIENT.detail)
