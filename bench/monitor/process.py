"""A monitor in a process of its own, on processor cores of its own, and the publishers on the others."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realtime.errors import ConfigurationError, SeamwatchError

_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
_GRACE_S = 15.0


class BenchProcessError(SeamwatchError):
    """A process of the measurement did not start, or ended too early."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """Which processor cores the monitor has, and which everything else.

    Attributes:
        monitor: Of the monitor.
        others: Of publishers and observers; the same ones where the machine has no further ones.
    """

    monitor: frozenset[int]
    others: frozenset[int]

    @property
    def shared(self) -> bool:
        """Whether publishers take processor time from the monitor."""
        return bool(self.monitor & self.others)


def divide_cores(available: frozenset[int], monitor: int) -> Cores:
    """Give the monitor the last cores and leave the first ones to everything else.

    Args:
        available: Of this process.
        monitor: How many the monitor gets.

    Raises:
        ConfigurationError: There are not as many.
    """
    if not 1 <= monitor <= len(available):
        raise ConfigurationError(
            f"This process may use {len(available)} cores, not {monitor}.", fix="Ask for fewer with --cores."
        )
    ordered = sorted(available)
    own, rest = ordered[-monitor:], ordered[:-monitor]
    return Cores(monitor=frozenset(own), others=frozenset(rest or own))


def available_cores() -> frozenset[int]:
    """Return the cores that this process may use; where the system does not say, all."""
    affinity = getattr(os, "sched_getaffinity", None)
    return frozenset(range(os.cpu_count() or 1) if affinity is None else affinity(0))


def pin(pid: int, cores: frozenset[int]) -> None:
    """Keep a process, 0 for this one, on some cores; without effect where the system cannot."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(pid, cores)


def process_cpu_s(pid: int) -> float:
    """Return the CPU time of a process (proc_pid_stat(5), utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS


@dataclass(slots=True)
class BenchProcess:
    """A running process that says lines and ends when it is told to.

    Attributes:
        process: Its standard input and output are pipes.
    """

    process: asyncio.subprocess.Process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    async def line(self) -> str:
        """Return its next line.

        Raises:
            BenchProcessError: It has ended.
        """
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if not line:
            raise BenchProcessError(
                "A process of the measurement ended too early.", fix="See its message above."
            )
        return line.decode().strip()

    async def json_line(self) -> Any:
        """Return the JSON of its next line.

        Raises:
            BenchProcessError: It has ended.
        """
        return json.loads(await self.line())

    async def ask(self) -> Any:
        """Send an empty line and return the JSON that it answers.

        Raises:
            BenchProcessError: It has ended.
        """
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        return await self.json_line()

    async def finish(self) -> Any:
        """End its input and return the JSON that it says then.

        Raises:
            BenchProcessError: It has ended.
        """
        assert self.process.stdin is not None
        self.process.stdin.close()
        return await self.json_line()


@asynccontextmanager
async def running_module(
    module: str, *arguments: str, cores: frozenset[int] | None = None
) -> AsyncIterator[BenchProcess]:
    """Run a Python module; if it still runs at the end of the block it is ended.

    It is in a process group of its own, so that Ctrl-C reaches it through this process only.

    Args:
        module: Its name.
        *arguments: Its command line.
        cores: Those that it may use; None for all.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "ignore", "-m", module, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        if cores is not None:
            pin(process.pid, cores)
        yield BenchProcess(process)
    finally:
        await asyncio.shield(_end(process))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningMonitor:
    """A monitor.

    Attributes:
        url: Where it listens.
        process: The process.
    """

    url: str
    process: BenchProcess

    @property
    def cpu_s(self) -> float:
        """Its CPU time so far."""
        return process_cpu_s(self.process.pid)


@asynccontextmanager
async def running_monitor(
    participants: int,
    folder: Path,
    *,
    threads: int,
    cores: frozenset[int] | None = None,
    profiled: bool = False,
    options: Sequence[str] = (),
) -> AsyncIterator[RunningMonitor]:
    """Run ``seamwatch serve`` on a free port.

    Args:
        participants: It takes so many.
        folder: For its store.
        threads: Its ``--threads``.
        cores: Those that it may use; None for all.
        profiled: Whether ``process.ask`` tells where its time goes, which costs some.
        options: More options of ``serve``.

    Raises:
        BenchProcessError: It does not start.
    """
    arguments = (
        *("serve", "--port", "0", "--threads", str(threads), "--max-participants", str(participants)),
        *("--store", str(folder / "alerts.sqlite3"), *options),
    )
    module = "bench.load.profiled_monitor" if profiled else "clients.cli.main"
    async with running_module(module, *arguments, cores=cores) as process:
        said = await process.line()
        url = re.search(r"http://\S+", said)
        if url is None:
            raise BenchProcessError("The monitor did not start.", fix="Run seamwatch serve by hand.")
        yield RunningMonitor(url=url.group(), process=process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.communicate(), _GRACE_S)
        except TimeoutError:
            process.kill()
            await process.communicate()
