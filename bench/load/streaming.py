"""Files as participants of a live call over a network, and all that a subscriber hears of it."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.monitor.process import BenchProcessError, running_monitor
from bench.network.namespaces import ADDRESSES, Program, lossy_link, running
from bench.network.profiles import PROFILES
from realtime.server.wire import MESSAGE, Message

DIRECT = "direct"
"""No network in between but the host's own."""
PORT = 8080


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A message of the monitor.

    Attributes:
        seen_s: When it came, on the monotonic clock.
        message: What it says.
    """

    seen_s: float
    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """Where files are sent.

    Attributes:
        url: The monitor.
        token: Its token; None where it wants none.
        namespace: Where the senders are; None for this one.
    """

    url: str
    token: str | None = None
    namespace: str | None = None


@asynccontextmanager
async def monitor_behind(
    network: str, *, participants: int, threads: int, seed: int, folder: Path
) -> AsyncIterator[Monitor]:
    """Run a monitor behind a network.

    Args:
        network: ``DIRECT`` or a name in ``bench.network.profiles.PROFILES``.
        participants: It takes so many.
        threads: Its ``--threads``.
        seed: Seed of the network.
        folder: For its store.

    Raises:
        LinkUnavailableError: This machine cannot make the network.
        BenchProcessError: The monitor does not start.
    """
    if network == DIRECT:
        async with running_monitor(participants, folder, threads=threads) as own:
            yield Monitor(url=own.url)
        return
    impairment = PROFILES[network].impairment
    token = secrets.token_urlsafe(16)
    arguments = (
        *("-m", "clients.cli.main", "serve", "--host", ADDRESSES[1], "--port", str(PORT), "--token", token),
        *("--max-participants", str(participants), "--threads", str(threads)),
        *("--store", str(folder / "alerts.sqlite3")),
    )
    async with AsyncExitStack() as closing:
        link = await closing.enter_async_context(lossy_link(impairment, impairment, seed=seed))
        program = await closing.enter_async_context(running(link.far, *arguments))
        if "http://" not in await program.line():
            raise BenchProcessError("The monitor did not start.", fix="Run seamwatch serve by hand.")
        yield Monitor(url=f"http://{ADDRESSES[1]}:{PORT}", token=token, namespace=link.near)


async def stream_files(
    files: Sequence[Path], monitor: Monitor, call: str, heard: Callable[[Heard], None]
) -> None:
    """Send files at the same time by ``seamwatch stream``, each as the participant of its stem.

    Args:
        files: With different stems.
        monitor: Where to.
        call: Name of the call.
        heard: Told every message as it comes.

    Raises:
        BenchProcessError: A file was not sent to its end.
    """
    arguments = [*("-m", "clients.cli.main", "stream", *(str(path) for path in files))]
    arguments += ["--to", monitor.url, "--call", call, "--json"]
    if monitor.token is not None:
        arguments += ["--token", monitor.token]
    async with running(monitor.namespace, *arguments) as program:
        async for line in _lines(program):
            if _is_message(line):
                heard(Heard(seen_s=time.monotonic(), message=MESSAGE.validate_json(line)))
        if await program.process.wait() != 0:
            raise BenchProcessError("A file did not reach its end.", fix="See the message above.")


async def stream_in_turn(
    files: Sequence[Path],
    monitor: Monitor,
    *,
    at_once: int,
    heard: Callable[[Heard], None],
    on_progress: Callable[[int], None],
) -> None:
    """Send files, some at a time, each group as a call of its own.

    Args:
        files: With different stems.
        monitor: Where to.
        at_once: How many at a time.
        heard: Told every message as it comes.
        on_progress: Told how many files are done.

    Raises:
        BenchProcessError: A file was not sent to its end.
    """
    for first in range(0, len(files), at_once):
        group = files[first : first + at_once]
        await stream_files(group, monitor, f"bench-{first}", heard)
        on_progress(first + len(group))


async def _lines(program: Program) -> AsyncIterator[str]:
    while line := await program.line():
        yield line


def _is_message(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except json.JSONDecodeError:
        return False
