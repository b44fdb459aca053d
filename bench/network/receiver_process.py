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
from typing import Any, Literal

from bench.network.meter import Meter
from bench.network.stock_receiver import StockReceiver
from bench.network.whip_endpoint import Receiver, serve_until_input_ends
from realtime.ingest.webrtc import WebRtcReceiver
from realtime.observe.logging import configure_logging

ReceiverName = Literal["seamwatch", "aiortc"]


def receiver_named(name: str, meter: Meter) -> Receiver:
    """Return the product's receiver, or aiortc's."""
    if name == "aiortc":
        return StockReceiver(meter)
    receiver = WebRtcReceiver(meter, clock_ns=time.monotonic_ns)
    meter.knows_reports = lambda: receiver.reception().sync == "reports"
    return receiver


def counters(receiver: Receiver) -> dict[str, Any]:
    """Return what the receiver counted, as far as it counts."""
    reception = getattr(receiver, "reception", None)
    found = reception() if reception is not None else None
    return asdict(found) if is_dataclass(found) and not isinstance(found, type) else {}


async def serve(name: str, host: str, port: int, out: Path) -> None:
    """Serve until the standard input ends."""
    meter = Meter()
    receiver = receiver_named(name, meter)
    await serve_until_input_ends(receiver, host, port)
    counted = counters(receiver)
    await receiver.close()
    meter.record().save(out)
    print(json.dumps(counted), flush=True)


if __name__ == "__main__":
    configure_logging(level=logging.WARNING)
    asyncio.run(serve(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])))
