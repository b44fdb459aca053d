"""What brings one participant's media, whatever the kind of call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from realtime.ingest.reception import Reception
from realtime.ingest.sink import MediaSink


class MediaSource(Protocol):
    """A participant's media on its way to a ``MediaSink``, which hears ``on_end`` exactly once."""

    async def close(self) -> None:
        """End it and wait until all of it has ended. Idempotent."""

    def reception(self) -> Reception:
        """Return how well the media comes in."""


#: Opens a participant's media: gets where it goes, returns what brings it.
OpenSource = Callable[[MediaSink], Awaitable[MediaSource]]
