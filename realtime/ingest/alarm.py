"""A wake-up call that can be moved."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from realtime.timebase import NS_PER_S


class Alarm:
    """Wakes one task at a time that may change until then; nothing runs before it.

    Args:
        clock_ns: Monotonic clock; the alarm never rings before its time by this clock.
    """

    def __init__(self, clock_ns: Callable[[], int]) -> None:
        self._clock_ns = clock_ns
        self._timer: asyncio.TimerHandle | None = None
        self._rung = asyncio.Event()

    def set(self, due_ns: int | None) -> None:
        """Ring at a time, or with None not at all, instead of when it was to ring before.

        Needs a running event loop.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due_ns is not None:
            self._ring_at(due_ns)

    async def wait(self) -> None:
        """Wait until it rings."""
        await self._rung.wait()
        self._rung.clear()

    def _ring_at(self, due_ns: int) -> None:
        wait_s = max(0, due_ns - self._clock_ns()) / NS_PER_S
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._ring, due_ns)

    def _ring(self, due_ns: int) -> None:
        if self._clock_ns() < due_ns:
            self._ring_at(due_ns)
        else:
            self._timer = None
            self._rung.set()
