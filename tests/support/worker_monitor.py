"""``seamwatch serve --workers N`` as a process of its own, for tests that kill it or its workers."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

POLL_S = 0.05


@dataclass(frozen=True, kw_only=True)
class WorkerMonitor:
    """A running monitor and where it listens."""

    process: asyncio.subprocess.Process
    url: str

    def whip(self, call: str, participant: str) -> str:
        return f"{self.url}/whip/{call}/{participant}"

    @property
    def workers(self) -> list[int]:
        """Process ids of the workers, in the order in which they were started."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return sorted(pid for pid in map(int, listed.split()) if not is_gone(pid))

    async def get(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient(base_url=self.url, trust_env=False) as client:
            return await client.get(path)

    async def sample(self, name: str, worker: int | str, **labels: str) -> float | None:
        """One value of /metrics."""
        for line in (await self.get("/metrics")).text.splitlines():
            found = re.fullmatch(rf"{name}\{{(.*)\}} (\S+)", line)
            if found is None:
                continue
            has = dict(re.findall(r'(\w+)="([^"]*)"', found[1]))
            if has == {**labels, "worker": str(worker)}:
                return float(found[2])
        return None

    async def is_ready(self) -> bool:
        return (await self.get("/readyz")).status_code == 200


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended, its exit code collected or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again until another process has come so far."""
    while True:
        if await condition():
            return
        await asyncio.sleep(POLL_S)


async def until_gone(pids: list[int]) -> None:
    async def all_gone() -> bool:
        return all(map(is_gone, pids))

    await until(all_gone)


@asynccontextmanager
async def worker_monitor(folder: Path, *options: str, workers: int = 2) -> AsyncIterator[WorkerMonitor]:
    """Run it on a free port; afterwards SIGTERM, if it still runs, and no process of it may be left."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "ignore", "-m", "clients.cli.main", "serve", "--port", "0", "--threads", "1"),
        *("--workers", str(workers), "--store", str(folder / "alerts.sqlite3"), *options),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert process.stdout is not None
        said = (await process.stdout.readline()).decode()
        monitor = WorkerMonitor(process=process, url=said.split()[4])
        pids = monitor.workers
        yield monitor
        if process.returncode is None:
            pids = monitor.workers
            process.send_signal(signal.SIGTERM)
            await process.communicate()
            assert process.returncode == 0
        await until_gone(pids)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
