"""The monitor's side of a call as an adapter sees it, without a monitor behind it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from clients.joining.adapter import CallAdapter, Sighting
from realtime.errors import CapacityError
from realtime.ingest.sink import EndReason, PendingPicture, TrackState
from realtime.ingest.source import MediaSource, OpenSource
from realtime.types import AudioFrame, MediaGap, TrackKind

PATIENCE_S = 60.0


class CountingSink:
    """Counts what arrives of one participant."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self.samples = 0
        self.sizes: list[tuple[int, int]] = []
        self.states: list[tuple[TrackKind, TrackState]] = []
        self.ends: list[EndReason] = []

    def on_audio(self, frame: AudioFrame) -> None:
        self.samples += len(frame.samples)
        self._changed()

    def on_picture(self, picture: PendingPicture) -> None:
        height, width = picture.convert().shape[:2]
        self.sizes.append((width, height))
        self._changed()

    def on_gap(self, gap: MediaGap) -> None:
        assert not self.ends

    def on_track(self, kind: TrackKind, state: TrackState) -> None:
        self.states.append((kind, state))

    def on_end(self, reason: EndReason) -> None:
        self.ends.append(reason)
        self._changed()


class FakeRoom:
    """Keeps the sources that an adapter opens, and a list of what it said.

    Args:
        seats: How many participants there may be.
    """

    def __init__(self, *, seats: int = 8) -> None:
        self._seats = seats
        self._changed = asyncio.Event()
        self.sources: dict[str, MediaSource] = {}
        self.sinks: dict[str, CountingSink] = {}
        self.events: list[tuple[str, ...]] = []

    @property
    def clock_ns(self) -> Callable[[], int]:
        return time.monotonic_ns

    async def appeared(self, feed: str, name: str, open_source: OpenSource) -> None:
        assert feed not in self.sources
        if len(self.sources) >= self._seats:
            raise CapacityError("The room is full.", fix="Wait.")
        sink = CountingSink(self._changed.set)
        self.sources[feed] = await open_source(sink)
        self.sinks[feed] = sink
        self._note("appeared", feed, name)

    async def left(self, feed: str) -> None:
        source = self.sources.pop(feed, None)
        if source is not None:
            await source.close()
            self._note("left", feed)

    def sighting(self, feed: str) -> Sighting | None:
        return None

    async def until(self, condition: Callable[[FakeRoom], bool]) -> None:
        """Wait until a condition holds."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition(self):
                self._changed.clear()
                await self._changed.wait()

    async def close(self) -> None:
        """End what is still there."""
        await asyncio.gather(*(source.close() for source in self.sources.values()))

    def _note(self, *event: str) -> None:
        self.events.append(event)
        self._changed.set()


@asynccontextmanager
async def attended(adapter: CallAdapter, room: FakeRoom) -> AsyncIterator[asyncio.Task[None]]:
    """Attend a call in a task until it has joined; leaving cancels it and closes the room."""
    joined = asyncio.Event()
    attending = asyncio.create_task(adapter.attend(room, joined.set))
    waiting = asyncio.create_task(joined.wait())
    try:
        await asyncio.wait({attending, waiting}, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        if attending.done():
            await attending
        assert joined.is_set()
        yield attending
    finally:
        waiting.cancel()
        attending.cancel()
        await asyncio.gather(waiting, attending, return_exceptions=True)
        await room.close()
