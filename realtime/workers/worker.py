"""One worker process: a monitor without a port of its own, run by ``realtime.workers.link``.

It ends when the front says so, or when the front is gone. Signals are for the front, which ends its workers
in order; where all processes of a service get them at once, a worker must not end before its calls are told.
"""

from __future__ import annotations

import asyncio
import ctypes
import signal
import socket
import sys
import time
from contextlib import ExitStack
from typing import Any

import structlog

from engines.processors import usable_processors
from realtime.compose import loaded_analysis
from realtime.monitor import MAX_SEAT, Monitor
from realtime.observe.logging import configure_logging
from realtime.observe.metrics import MonitorMetrics
from realtime.workers.channel import Channel
from realtime.workers.outlet import FrontEvidence, FrontHub, FrontRuns
from realtime.workers.protocol import (
    Close,
    Collect,
    Publish,
    Restart,
    Start,
    Started,
    Status,
    Thumbnail,
    Unpublish,
    Wishes,
)

STATUS_EVERY_S = 1.0

_PR_SET_PDEATHSIG = 1


class Worker:
    """Does what the front asks.

    Args:
        connection: To the front.
    """

    def __init__(self, connection: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self._channel = Channel(*connection, hear=_nothing, answer=self._answer)
        self._metrics = MonitorMetrics()
        self._hub = FrontHub(self._channel, self._metrics)
        self._holding = ExitStack()
        self._monitor: Monitor | None = None
        self._reporting: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Work until the front closes the connection."""
        try:
            await self._channel.run()
        finally:
            if self._reporting is not None:
                self._reporting.cancel()
                await asyncio.gather(self._reporting, return_exceptions=True)
            if self._monitor is not None:
                await self._monitor.aclose()
            self._holding.close()

    async def _answer(self, request: Any) -> Any:
        if isinstance(request, Start):
            return self._start(request)
        monitor = self._monitor
        assert monitor is not None
        answer: Any = None
        match request:
            case Publish():
                answer = await monitor.publish(request.call, request.participant, request.offer_sdp)
            case Restart():
                answer = await monitor.restart(request.resource_id, request.fragment)
            case Unpublish():
                answer = await monitor.unpublish(request.resource_id)
            case Thumbnail():
                answer = await monitor.thumbnail(request.call, request.participant)
            case Collect():
                answer = list(self._metrics.registry.collect())
            case Close():
                await monitor.aclose()
            case _:
                raise TypeError(type(request).__name__)
        return answer

    def _start(self, start: Start) -> Started:
        settings = start.settings
        configure_logging(settings.log_format, level=settings.log_level)
        structlog.contextvars.bind_contextvars(worker=start.number)
        analysis = self._holding.enter_context(
            loaded_analysis(
                self._metrics,
                models_dir=settings.models_dir,
                engines_dir=settings.engines_dir,
                references=settings.references,
                deciding=settings.deciding,
                cores=max(1, usable_processors() // start.workers),
            )
        )
        evidence = None
        if settings.keep_evidence:
            evidence = FrontEvidence(self._channel, self._metrics, keeps_media=settings.keep_media)
        self._monitor = Monitor(
            analysis.encoders,
            analysis.config,
            self._hub,
            self._metrics,
            clock_ns=time.monotonic_ns,
            max_participants=settings.max_participants,
            threads=settings.threads,
            thumbnails=settings.thumbnails,
            evidence=evidence,
            runs=FrontRuns(self._channel) if settings.keep_runs else None,
            references=settings.references,
            decisions=analysis.decisions,
            seat_numbers=range(start.number, MAX_SEAT, start.workers),
        )
        self._reporting = asyncio.create_task(self._report(self._monitor), name="worker-status")
        return Started(
            encoders=dict(self._monitor.encoders),
            provenance=analysis.provenance() if settings.keep_evidence else None,
            origin=analysis.origin(),
        )

    async def _report(self, monitor: Monitor) -> None:
        """Say every second how it goes; that nothing is said tells the front of a worker that hangs."""
        while True:
            wishes: Wishes = await self._channel.ask(Status(health=monitor.health()))
            self._hub.wants_matrices = wishes.matrices
            await asyncio.sleep(STATUS_EVERY_S)


def _nothing(_message: Any) -> None:
    """Hear nothing: the front only asks."""


def _die_with_parent() -> None:
    """Have the kernel end this process with its parent, also while it hangs (prctl(2), Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


async def _work(descriptor: int) -> None:
    connection = await asyncio.open_connection(sock=socket.socket(fileno=descriptor))
    await Worker(connection).run()


def main() -> None:
    """Run the worker whose connection is the descriptor that the command line names."""
    _die_with_parent()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    asyncio.run(_work(int(sys.argv[1])))


if __name__ == "__main__":
    main()
