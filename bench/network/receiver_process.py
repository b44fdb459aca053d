"""A receiver behind a minimal WHIP endpoint, as a process of its own.

    python -m bench.network.receiver_process seamwatch 10.77.0.2 8000 record.npz

Takes one participant. Says "up" when it listens. Ends at the end of its standard input; then it writes what
it handed on to the file and prints the receiver's own counters as JSON.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.network.ffmpeg_ice import accept_checks_without_priority
from bench.network.meter import Meter
from bench.network.stock_receiver import StockReceiver
from realtime.ingest.webrtc import WebRtcReceiver
from realtime.observe.logging import configure_logging

ReceiverName = Literal["seamwatch", "aiortc"]


class Receiver(Protocol):
    """Receives one participant."""

    async def accept(self, offer_sdp: str) -> str:
        """Answer an offer."""

    async def close(self) -> None:
        """End the session. Idempotent."""


def receiver_named(name: str, meter: Meter) -> Receiver:
    """Return the product's receiver, or aiortc's."""
    if name == "aiortc":
        return StockReceiver(meter)
    return WebRtcReceiver(meter, clock_ns=time.monotonic_ns)


def whip_application(receiver: Receiver) -> Starlette:
    """Return an endpoint for one session: POST an offer to /whip, DELETE /whip/session."""

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


def counters(receiver: Receiver) -> dict[str, Any]:
    """Return what the receiver counted, as far as it counts."""
    reception = getattr(receiver, "reception", None)
    found = reception() if reception is not None else None
    return asdict(found) if is_dataclass(found) and not isinstance(found, type) else {}


async def serve(name: str, host: str, port: int, out: Path) -> None:
    """Serve until the standard input ends."""
    accept_checks_without_priority()
    meter = Meter()
    receiver = receiver_named(name, meter)
    config = uvicorn.Config(whip_application(receiver), host=host, port=port, log_level="error")
    server = _Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        await asyncio.to_thread(sys.stdin.read)
        counted = counters(receiver)
        await receiver.close()
    finally:
        server.should_exit = True
        await serving
    meter.record().save(out)
    print(json.dumps(counted), flush=True)


class _Server(uvicorn.Server):
    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        print("up", flush=True)


if __name__ == "__main__":
    configure_logging(level=logging.WARNING)
    asyncio.run(serve(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])))
