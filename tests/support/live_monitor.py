"""A whole monitor in the test's process: real engines, real HTTP, real WebRTC."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from clients import web
from clients.subscriber import Subscriber
from engines.checkpoint import load_checkpoint
from engines.loader import EngineSet
from realtime.alerts.store import AlertStore
from realtime.config import MonitorConfig
from realtime.encoders.scheduler import EngineScheduler
from realtime.encoders.suite import build_encoders
from realtime.monitor import Monitor
from realtime.observe.metrics import MonitorMetrics
from realtime.server.app import create_app
from realtime.server.auth import Auth
from realtime.server.hub import EventHub
from realtime.server.runner import MonitorServer
from realtime.server.wire import Message, Participant

CALL = "test-call"


@dataclass(frozen=True)
class LiveMonitor:
    """A running monitor and where it listens."""

    monitor: Monitor
    hub: EventHub
    metrics: MonitorMetrics
    url: str

    def whip(self, participant: str) -> str:
        """The address at which a participant publishes."""
        return f"{self.url}/whip/{CALL}/{participant}"


@asynccontextmanager
async def live_monitor(
    engines: EngineSet, store: Path, *, max_participants: int = 8
) -> AsyncIterator[LiveMonitor]:
    """Run a monitor on a free port."""
    config, metrics = MonitorConfig(), MonitorMetrics()
    scheduler = EngineScheduler(clock_ns=time.monotonic_ns, cores=os.cpu_count() or 1, observer=metrics)
    async with AlertStore(store) as alerts:
        hub = EventHub(alerts, metrics)
        monitor = Monitor(
            build_encoders(engines, config, load_checkpoint(), scheduler),
            config,
            hub,
            metrics,
            clock_ns=time.monotonic_ns,
            max_participants=max_participants,
            threads=2,
            thumbnails=True,
        )
        app = create_app(monitor, hub, auth=Auth.for_bind("127.0.0.1", None), static_dir=web.FOLDER)
        async with MonitorServer(app, host="127.0.0.1", port=0) as server:
            yield LiveMonitor(monitor, hub, metrics, server.url)


async def messages_until_all_left(url: str, participants: set[str]) -> list[Message]:
    """Collect what a subscriber is told until every one of the participants came and left."""
    seen: list[Message] = []
    waiting = set(participants)
    async with aclosing(Subscriber(url, call=CALL, after=0, matrices=True).messages()) as messages:
        async for message in messages:
            seen.append(message)
            if isinstance(message, Participant) and message.state == "left":
                waiting.discard(message.participant)
            if not waiting:
                break
    return seen
