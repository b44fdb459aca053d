"""One joined call's participants at the monitor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from clients.joining.adapter import Sighting
from clients.names import unique_name
from realtime.ingest.source import OpenSource
from realtime.monitor import Monitor


@dataclass(slots=True)
class _Watched:
    participant: str
    resource_id: str = ""


class WatchedRoom:
    """Implements ``clients.joining.adapter.Room``: gives every feed a seat under a safe, unique name.

    A participant that comes back under the same display name is given the same name again, and with it the
    state that the monitor kept.

    Args:
        monitor: Watches the participants.
        call: Name of the call on the wire.
        clock_ns: Monotonic clock.

    Attributes:
        someone_appeared: Set whenever a feed got its seat.
    """

    def __init__(self, monitor: Monitor, call: str, *, clock_ns: Callable[[], int]) -> None:
        self._monitor = monitor
        self._call = call
        self._clock_ns = clock_ns
        self._watched: dict[str, _Watched] = {}
        self.someone_appeared = asyncio.Event()

    @property
    def clock_ns(self) -> Callable[[], int]:
        """The monotonic clock that stamps arrivals."""
        return self._clock_ns

    async def appeared(self, feed: str, name: str, open_source: OpenSource) -> None:
        """Give a feed a seat and open it; see ``clients.joining.adapter.Room``."""
        await self.left(feed)
        taken = {watched.participant for watched in self._watched.values()}
        watched = self._watched[feed] = _Watched(unique_name(name, taken))
        try:
            watched.resource_id = await self._monitor.admit(self._call, watched.participant, open_source)
        except BaseException:
            self._watched.pop(feed, None)
            raise
        self.someone_appeared.set()
        if self._watched.get(feed) is not watched:
            await self._monitor.unpublish(watched.resource_id)

    async def left(self, feed: str) -> None:
        """Close a feed; unknown ones are ignored."""
        watched = self._watched.pop(feed, None)
        if watched is not None and watched.resource_id:
            await self._monitor.unpublish(watched.resource_id)

    def sighting(self, feed: str) -> Sighting | None:
        """Return what is seen of a feed's participant; None for an unknown feed."""
        watched = self._watched.get(feed)
        session = None if watched is None else self._monitor.session(self._call, watched.participant)
        if session is None:
            return None
        return Sighting(face_px=session.face_px, picture_px=session.picture_px)

    async def close(self) -> None:
        """Close every feed."""
        await asyncio.gather(*(self.left(feed) for feed in tuple(self._watched)))
