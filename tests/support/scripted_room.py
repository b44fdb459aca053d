"""The monitor's side of a call in virtual time, and receivers that need no network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from clients.joining.adapter import Sighting
from realtime.errors import CapacityError, SignallingError
from realtime.ingest.reception import Reception
from realtime.ingest.sink import EndReason, MediaSink, PendingPicture, TrackState
from realtime.ingest.source import MediaSource, OpenSource
from realtime.types import AudioFrame, MediaGap, TrackKind


class SilentSink:
    """Takes media and keeps only why it ended."""

    def __init__(self) -> None:
        self.ends: list[EndReason] = []

    def on_audio(self, frame: AudioFrame) -> None: ...

    def on_picture(self, picture: PendingPicture) -> None: ...

    def on_gap(self, gap: MediaGap) -> None: ...

    def on_track(self, kind: TrackKind, state: TrackState) -> None: ...

    def on_end(self, reason: EndReason) -> None:
        self.ends.append(reason)


class ScriptedReceiver:
    """Accepts every offer that does not say "unusable"."""

    def __init__(self, sink: MediaSink, *, clock_ns: Callable[[], int]) -> None:
        self._sink = sink
        self.closed = False
        self.offer = ""

    async def accept(self, offer_sdp: str) -> str:
        if "unusable" in offer_sdp:
            raise SignallingError("Nothing to receive.", fix="Send something.", status=406)
        self.offer = offer_sdp
        return f"answer to {offer_sdp}"

    async def close(self) -> None:
        self.end(EndReason.CLOSED)

    def end(self, reason: EndReason) -> None:
        if not self.closed:
            self.closed = True
            self._sink.on_end(reason)

    def reception(self) -> Reception:
        return Reception(audio=None, video=None)


class ScriptedRoom:
    """Seats feeds like the monitor does, and remembers what happened.

    Args:
        seats: How many feeds there may be.

    Attributes:
        sources: What is there now.
        sightings: What the monitor sees, by feed.
        events: ("appeared" or "left", feed), in order.
        refuses: Raised by ``appeared`` for these feeds, after their media was opened.
    """

    def __init__(self, *, seats: int = 100) -> None:
        self.seats = seats
        self.sources: dict[str, MediaSource] = {}
        self.names: dict[str, str] = {}
        self.sightings: dict[str, Sighting] = {}
        self.events: list[tuple[str, str]] = []
        self.refuses: dict[str, Exception] = {}
        self.opening = 0
        self.most_opening = 0
        self.refused_for_capacity = 0

    @property
    def clock_ns(self) -> Callable[[], int]:
        loop = asyncio.get_running_loop()
        return lambda: int(loop.time() * 1e9)

    async def appeared(self, feed: str, name: str, open_source: OpenSource) -> None:
        await self.left(feed)
        if len(self.sources) + self.opening >= self.seats:
            self.refused_for_capacity += 1
            raise CapacityError("The monitor is full.", fix="End another session.")
        self.opening += 1
        self.most_opening = max(self.most_opening, self.opening)
        try:
            source = await open_source(SilentSink())
        finally:
            self.opening -= 1
        if feed in self.refuses:
            await source.close()
            raise self.refuses[feed]
        self.sources[feed] = source
        self.names[feed] = name
        self.events.append(("appeared", feed))

    async def left(self, feed: str) -> None:
        source = self.sources.pop(feed, None)
        if source is not None:
            await source.close()
            self.events.append(("left", feed))

    def sighting(self, feed: str) -> Sighting | None:
        return self.sightings.get(feed)

    async def close(self) -> None:
        for feed in tuple(self.sources):
            await self.left(feed)
