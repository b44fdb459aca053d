"""What is too old goes while the monitor runs, not only when it starts."""

from __future__ import annotations

import asyncio
from pathlib import Path

from realtime.alerts.store import AlertRecord, AlertStore
from realtime.errors import AlertStoreError
from realtime.retention import EXPIRE_EVERY_S, enforce_age_limits
from tests.support.virtual_time import run_virtually


def contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.iterdir()]


class Expiring:
    def __init__(self, error: Exception | None = None) -> None:
        self.times_s: list[float] = []
        self._error = error

    async def expire(self) -> None:
        self.times_s.append(asyncio.get_running_loop().time())
        if self._error is not None:
            raise self._error


class Hub:
    def __init__(self, store: Expiring) -> None:
        self.store = store


def test_alerts_and_evidence_are_looked_at_every_hour_even_if_the_store_fails() -> None:
    store = Expiring(AlertStoreError("It is damaged.", fix="Move it."))
    keeper = Expiring()

    async def day() -> None:
        work = asyncio.create_task(enforce_age_limits(Hub(store), keeper))
        await asyncio.sleep(24.5 * 3600)
        work.cancel()
        await asyncio.wait([work])
        assert work.cancelled()

    run_virtually(day())
    assert store.times_s == keeper.times_s == [EXPIRE_EVERY_S * n for n in range(1, 25)]


async def test_an_alert_that_expired_is_not_left_in_the_file(tmp_path: Path) -> None:
    path, now_s = tmp_path / "alerts.sqlite3", 1000.0
    async with AlertStore(path, clock=lambda: now_s, max_age_s=100.0) as store:
        await store.append(AlertRecord(call="standup", raised_at_s=1000.0, body="Ann.Leakname " * 500))
        now_s = 1050.0
        await store.expire()
        assert store.oldest_seq == 1
        now_s = 1101.0
        await store.expire()
        assert (store.oldest_seq, store.last_seq) == (0, 1)
    assert not any(b"Leakname" in content for content in contents(tmp_path))
