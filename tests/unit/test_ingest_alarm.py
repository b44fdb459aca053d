from __future__ import annotations

import asyncio

from realtime.ingest.alarm import Alarm
from tests.support.virtual_time import VirtualTimeLoop, run_virtually

MS = 1_000_000


def virtual_ns() -> int:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return loop.time_ns()


def test_it_rings_at_the_time_that_was_set_last() -> None:
    async def work() -> None:
        alarm = Alarm(virtual_ns)
        alarm.set(900 * MS)
        alarm.set(200 * MS)
        await alarm.wait()
        assert 200 * MS <= virtual_ns() < 202 * MS
        alarm.set(300 * MS)
        alarm.set(500 * MS)
        await alarm.wait()
        assert 500 * MS <= virtual_ns() < 502 * MS

    run_virtually(work())


def test_a_time_that_has_passed_rings_at_once() -> None:
    async def work() -> None:
        await asyncio.sleep(1)
        alarm = Alarm(virtual_ns)
        alarm.set(3)
        await alarm.wait()
        assert virtual_ns() < 1002 * MS

    run_virtually(work())


def test_none_takes_it_back() -> None:
    async def work() -> None:
        alarm = Alarm(virtual_ns)
        alarm.set(20 * MS)
        alarm.set(None)
        waiting = asyncio.create_task(alarm.wait())
        await asyncio.sleep(10)
        assert not waiting.done()
        alarm.set(10_100 * MS)
        await waiting
        assert 10_100 * MS <= virtual_ns() < 10_102 * MS

    run_virtually(work())


def test_it_never_rings_before_its_time_by_its_own_clock() -> None:
    async def work() -> None:
        def slow_ns() -> int:
            return virtual_ns() * 9 // 10

        alarm = Alarm(slow_ns)
        alarm.set(900 * MS)
        await alarm.wait()
        assert slow_ns() >= 900 * MS

    run_virtually(work())
