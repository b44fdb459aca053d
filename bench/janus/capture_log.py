"""The page's account of what it captured, on this process' monotonic clock."""

from __future__ import annotations

import asyncio
import time

from bench.janus.alignment import Captured, Stall
from bench.janus.chromium_participant import ChromiumParticipant

READ_EVERY_S = 1.0
CLOCK_READINGS = 30


class CaptureLog:
    """Reads a page's capture times.

    Chromium stamps pictures and sound on the page's own timeline, which starts at its navigation. Asking the
    page for its time tells where that is; the guess shifts both alike, so no alignment error comes of it.

    Args:
        participant: Its page.

    Attributes:
        captured: All so far.
    """

    def __init__(self, participant: ChromiumParticipant) -> None:
        self._participant = participant
        self._page_start_ns = 0
        self.captured = Captured()

    async def start(self) -> None:
        """Begin to note what is captured; the participant's devices are open."""
        readings = [await self._clock_reading() for _ in range(CLOCK_READINGS)]
        self._page_start_ns, _ = min(readings, key=lambda reading: reading[1])
        await self._participant.call("watchCapture")

    async def follow(self) -> None:
        """Read until cancelled."""
        while True:
            await self.read()
            await asyncio.sleep(READ_EVERY_S)

    async def read(self) -> None:
        """Read what was captured since the last time."""
        taken = await self._participant.call("captureTimes")
        for number, page_ms in taken["pictures"]:
            self.captured.pictures[number].append(self._page_start_ns + round(page_ms * 1e6))
        self.captured.beeps += [self._page_start_ns + round(page_ms * 1e6) for page_ms in taken["beeps"]]
        self.captured.stalls += [
            Stall(time_ns=self._page_start_ns + round(page_ms * 1e6), length_ms=round(length_ms, 1))
            for page_ms, length_ms in taken["stalls"]
        ]

    async def _clock_reading(self) -> tuple[int, int]:
        """Return the monotonic time at which the page's timeline began, and how wide the guess is."""
        before_ns = time.monotonic_ns()
        page_ms = await self._participant.page.evaluate("performance.now()")
        after_ns = time.monotonic_ns()
        return (before_ns + after_ns) // 2 - round(page_ms * 1e6), after_ns - before_ns
