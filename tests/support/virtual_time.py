"""An event loop whose clock jumps to the next timer, so that a minute of waiting takes no time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any


class _InstantSelector(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events:
            assert timeout is not None, "everything waits, and nothing will ever happen"
            self.now_s += timeout
        return events


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Runs without waiting; real sockets do not belong into it."""

    def __init__(self) -> None:
        self._instant = _InstantSelector()
        super().__init__(self._instant)

    def time(self) -> float:
        return self._instant.now_s

    def time_ns(self) -> int:
        return int(self._instant.now_s * 1e9)


def run_virtually(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end; every task that the work began must have ended with it."""

    async def checked() -> None:
        await work
        left_over = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left_over, left_over

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(checked())
