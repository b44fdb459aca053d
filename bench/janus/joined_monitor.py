"""The real command, ``seamwatch join``, in a room."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from bench.janus.janus_server import JanusRoom, stopped
from bench.janus.requirements import CallBenchError
from clients.joining.target import MONITOR_NAME

START_LIMIT_S = 60.0
LEAVE_LIMIT_S = 20.0

_URL = re.compile(rb"http://\S+")


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedMonitor:
    """A monitor that is in the room.

    Attributes:
        url: Its page; its WebSocket is beside it.
        name: The name under which the room sees it.
        process: The command.
    """

    url: str
    name: str
    process: asyncio.subprocess.Process

    async def leave(self) -> int:
        """Press Ctrl-C and return the command's exit status.

        Raises:
            CallBenchError: It does not end.
        """
        self.process.send_signal(signal.SIGINT)
        try:
            return await asyncio.wait_for(self.process.wait(), LEAVE_LIMIT_S)
        except TimeoutError as error:
            raise CallBenchError(
                f"The monitor did not end within {LEAVE_LIMIT_S:g} s of Ctrl-C.", fix="See monitor.log."
            ) from error


@contextlib.asynccontextmanager
async def joined_monitor(room: JanusRoom, folder: Path) -> AsyncIterator[JoinedMonitor]:
    """Run ``seamwatch join`` until the block ends.

    Args:
        room: The room that it joins.
        folder: Takes its alerts and ``monitor.log``.

    Raises:
        CallBenchError: It does not start.
    """
    log = folder / "monitor.log"
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "clients.cli.main", "join", room.join_url),
            *("--port", "0", "--store", str(folder / "alerts.sqlite3")),
            stdout=asyncio.subprocess.PIPE,
            stderr=out,
            start_new_session=True,
        )
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    reading = asyncio.create_task(_read(process, url))
    try:
        yield JoinedMonitor(url=await _started(url, log), name=MONITOR_NAME, process=process)
    finally:
        await stopped(process)
        await reading


async def _read(process: asyncio.subprocess.Process, url: asyncio.Future[str]) -> None:
    """Read what the command prints, so that it never waits for a reader."""
    assert process.stdout is not None
    async for line in process.stdout:
        found = _URL.search(line)
        if found is not None and not url.done():
            url.set_result(found.group().decode())
    if not url.done():
        url.cancel()


async def _started(url: asyncio.Future[str], log: Path) -> str:
    try:
        return await asyncio.wait_for(asyncio.shield(url), START_LIMIT_S)
    except (TimeoutError, asyncio.CancelledError) as error:
        if isinstance(error, asyncio.CancelledError) and not url.cancelled():
            raise
        raise CallBenchError(
            f"The monitor did not start: {_end_of(log)}",
            fix="Run the command by hand: seamwatch join --help.",
        ) from error


def _end_of(log: Path) -> str:
    return " | ".join(log.read_text(errors="replace").splitlines()[-6:])
