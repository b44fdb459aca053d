"""A WHIP endpoint for one session, in a program that says "up" and ends with its standard input."""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


class Receiver(Protocol):
    """Receives one participant."""

    async def accept(self, offer_sdp: str) -> str:
        """Answer an offer."""

    async def close(self) -> None:
        """End the session. Idempotent."""


async def serve_until_input_ends(receiver: Receiver, host: str, port: int) -> None:
    """Take an offer by POST to /whip and end the session by DELETE of /whip/session."""
    server = _Server(uvicorn.Config(_application(receiver), host=host, port=port, log_level="error"))
    serving = asyncio.create_task(server.serve())
    try:
        await asyncio.to_thread(sys.stdin.read)
    finally:
        server.should_exit = True
        await serving


def _application(receiver: Receiver) -> Starlette:
    async def publish(request: Request) -> Response:
        answer = await receiver.accept((await request.body()).decode())
        return Response(answer, 201, headers={"Location": "/whip/session"}, media_type="application/sdp")

    async def leave(_: Request) -> Response:
        await receiver.close()
        return Response(status_code=200)

    return Starlette(
        routes=[
            Route("/whip", publish, methods=["POST"]),
            Route("/whip/session", leave, methods=["DELETE"]),
        ]
    )


class _Server(uvicorn.Server):
    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        print("up", flush=True)
