"""A worker process as the front sees it: started, asked, and ended for certain."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import structlog

from realtime.errors import SeamwatchError
from realtime.server.ports import Health, HealthState
from realtime.timebase import NS_PER_S
from realtime.workers.channel import Channel, WorkerLostError
from realtime.workers.protocol import Close, Start, Started, Status, Wishes

#: A worker that says nothing for this long hangs, and is ended.
SILENT_AFTER_NS = 30 * NS_PER_S
#: How long a worker may take to judge what came in, and then to end.
GRACE_S = 10.0

_CHECK_EVERY_S = 1.0
_MODULE = "realtime.workers.worker"

log = structlog.get_logger(__name__)


class WorkerLink:
    """One life of a worker.

    Args:
        number: The worker's number.
        process: Its process.
        connection: To it.
        hear: Takes what it tells.
        answer: Answers what it asks, but for ``Status``.
        wishes: What the subscribers want of it.
        clock_ns: Monotonic clock.

    Attributes:
        number: The worker's number.
        health: As it said last.
    """

    def __init__(
        self,
        number: int,
        process: asyncio.subprocess.Process,
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        *,
        hear: Callable[[Any], None],
        answer: Callable[[Any], Awaitable[Any]],
        wishes: Callable[[], Wishes],
        clock_ns: Callable[[], int],
    ) -> None:
        self.number = number
        self.health = Health(state=HealthState.OK)
        self._process = process
        self._answer_other = answer
        self._wishes = wishes
        self._clock_ns = clock_ns
        self._began_ns = self._heard_ns = clock_ns()
        self._channel = Channel(*connection, hear=hear, answer=self._answer)
        self._reading = asyncio.create_task(self._channel.run(), name="worker-channel")

    @classmethod
    async def open(
        cls,
        start: Start,
        *,
        hear: Callable[[Any], None],
        answer: Callable[[Any], Awaitable[Any]],
        wishes: Callable[[], Wishes],
        clock_ns: Callable[[], int],
    ) -> tuple[WorkerLink, Started]:
        """Start a process and wait until it watches.

        Raises:
            SeamwatchError: It cannot watch, as ``realtime.compose.run_server``.
            WorkerLostError: It ended before it could.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, *_interpreter_options(), "-m", _MODULE, str(theirs.fileno())),
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        link = cls(
            start.number,
            process,
            await asyncio.open_connection(sock=ours),
            hear=hear,
            answer=answer,
            wishes=wishes,
            clock_ns=clock_ns,
        )
        try:
            started: Started = await link.ask(start)
        except BaseException:
            await link.kill()
            raise
        return link, started

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def ran_ns(self) -> int:
        """For how long it has run, in ns."""
        return self._clock_ns() - self._began_ns

    async def ask(self, question: object) -> Any:
        """Ask the worker.

        Raises:
            WorkerLostError: It has ended.
            SeamwatchError: What it raised.
        """
        return await self._channel.ask(question)

    async def ended(self) -> None:
        """Wait until the worker has ended; one that says nothing any more is ended here."""
        self._heard_ns = self._clock_ns()
        while not self._reading.done():
            await asyncio.wait([self._reading], timeout=_CHECK_EVERY_S)
            if self._clock_ns() - self._heard_ns > SILENT_AFTER_NS:
                log.error("worker_silent", worker=self.number)
                break
        await self.kill()

    async def close(self) -> None:
        """Have the worker judge what came in, and end it."""
        try:
            async with asyncio.timeout(GRACE_S):
                await self.ask(Close())
        except WorkerLostError:
            pass
        except (SeamwatchError, TimeoutError):
            log.exception("worker_not_drained", worker=self.number)
        await self._stop_reading()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), GRACE_S)
        await self.kill()

    async def kill(self) -> None:
        """End the process at once, and wait for its end. Idempotent."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        await self._stop_reading()

    async def _stop_reading(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _answer(self, question: Any) -> Any:
        if isinstance(question, Status):
            self._heard_ns = self._clock_ns()
            self.health = question.health
            return self._wishes()
        return await self._answer_other(question)


def _interpreter_options() -> list[str]:
    """Return the options that this interpreter was given for warnings."""
    return [f"-W{option}" for option in sys.warnoptions]
