"""One participant's place at the monitor: its analysis, and whatever connection brings its media now."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress

from realtime.ingest.continuation import Continuation
from realtime.ingest.sink import EndReason
from realtime.ingest.source import MediaSource, OpenSource
from realtime.session import ParticipantSession

#: A participant that comes back within this time goes on with its state.
KEEP_STATE_S = 60.0


class Seat:
    """Keeps a participant's analysis for as long as it is there, and ``KEEP_STATE_S`` longer.

    Args:
        call: The call.
        participant: The participant.
        number: A small number that no other seat has.
        session: The participant's analysis.
        clock_ns: Monotonic clock.
        on_left: Hears why the media ended, after all of it was analysed.

    Attributes:
        resource_id: Unguessable name of the present connection.
        opening: Held while a connection is opened.
        reservations: How many connections are being opened, or wait for it.
    """

    def __init__(
        self,
        call: str,
        participant: str,
        *,
        number: int,
        session: ParticipantSession,
        clock_ns: Callable[[], int],
        on_left: Callable[[Seat, EndReason], None],
    ) -> None:
        self.call = call
        self.participant = participant
        self.number = number
        self.session = session
        self.resource_id = ""
        self.opening = asyncio.Lock()
        self.reservations = 0
        self._on_left = on_left
        self._continuation = Continuation(session, clock_ns=clock_ns)
        self._source: MediaSource | None = None
        self._returned = asyncio.Event()
        self._away = asyncio.Event()
        self._away.set()

    @property
    def is_present(self) -> bool:
        """Whether a connection brings media or is being opened."""
        return self.reservations > 0 or not self._away.is_set()

    async def connect(self, open_source: OpenSource) -> None:
        """Open a connection. There must be none; what ``open_source`` raises comes out again."""
        source = await open_source(self._continuation.connection())
        self._source = source
        self.session.follow(source.reception, self.number)
        self.resource_id = secrets.token_urlsafe(16)
        self._away.clear()
        self._returned.set()

    async def disconnect(self) -> None:
        """Close the connection and wait until what it brought is analysed."""
        if self._source is not None:
            await self._source.close()
        await self._away.wait()

    async def occupy(self) -> None:
        """Analyse one connection after another until the participant stays away."""
        await self._returned.wait()
        while self._returned.is_set():
            self._returned.clear()
            await self._attend()
            await self._wait_for_return()

    async def _wait_for_return(self) -> None:
        waiting = True
        while waiting:
            with suppress(TimeoutError):
                async with asyncio.timeout(KEEP_STATE_S):
                    await self._returned.wait()
            waiting = self.reservations > 0 and not self._returned.is_set()

    async def _attend(self) -> None:
        reason = EndReason.INTERNAL_ERROR
        try:
            reason = await self.session.run()
        finally:
            source, self._source = self._source, None
            if source is not None:
                await source.close()
            self._away.set()
            self._on_left(self, reason)
