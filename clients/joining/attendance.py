"""Staying in a call: join, follow, and join again when it is lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Literal

import structlog

from clients.joining.adapter import CallAdapter, CallLostError
from clients.joining.backoff import Backoff
from clients.joining.room import WatchedRoom
from clients.joining.target import JoinTarget
from engines.errors import SeamwatchError
from realtime.monitor import Monitor
from realtime.server.hub import EventHub
from realtime.server.wire import Call

CONSENT_LINE = (
    "Seamwatch monitor is in this call: it checks whether faces and voices are real. "
    "Pictures and sound are analysed while the call runs and are not kept."
)

CallState = Literal["joining", "joined", "reconnecting", "ended"]

log = structlog.get_logger(__name__)


class Attendance:
    """Keeps the monitor in one call for as long as ``attend`` runs.

    Args:
        target: The call.
        open_adapter: Makes a new adapter for every attempt.
        clock_ns: Monotonic clock.
        say_hello: Whether ``CONSENT_LINE`` is posted when the call is first joined.
    """

    def __init__(
        self,
        target: JoinTarget,
        *,
        open_adapter: Callable[[JoinTarget], CallAdapter],
        clock_ns: Callable[[], int],
        say_hello: bool = False,
    ) -> None:
        self.target = target
        self._open_adapter = open_adapter
        self._clock_ns = clock_ns
        self._unsaid_hello = say_hello
        self._backoff = Backoff(random.random)
        self._adapter: CallAdapter | None = None
        self._joined = asyncio.Event()

    async def attend(self, monitor: Monitor, hub: EventHub) -> None:
        """Join the call, and again whenever it is lost, until it is over.

        Raises:
            JoinError: The call refuses the monitor for good.
            SeamwatchError: The kind of call needs something that is not installed.
        """
        reason = ""
        self._announce(hub, "joining")
        try:
            while (lost := await self._attempt(monitor, hub)) is not None:
                wait_s = max(self._backoff.lost(self._clock_ns()), lost.retry_after_s or 0.0)
                log.warning("call_lost", retry_in_s=round(wait_s, 1))
                self._announce(hub, "reconnecting", f"{lost.message} {lost.fix}")
                await asyncio.sleep(wait_s)
        except SeamwatchError as error:
            reason = error.message
            raise
        finally:
            self._announce(hub, "ended", reason)

    async def post(self, text: str) -> bool:
        """Post a line into the call's chat or data channel; False where that is not possible now."""
        adapter = self._adapter
        return adapter is not None and await adapter.post(text)

    async def _attempt(self, monitor: Monitor, hub: EventHub) -> CallLostError | None:
        """Follow the call once; return why it was lost, None when it is over."""
        room = WatchedRoom(monitor, self.target.call, clock_ns=self._clock_ns)
        adapter = self._open_adapter(self.target)
        self._joined.clear()

        def joined() -> None:
            self._adapter = adapter
            self._backoff.joined(self._clock_ns())
            self._announce(hub, "joined")
            self._joined.set()

        greeting = asyncio.create_task(self._greet(adapter, room), name="greeting")
        try:
            await adapter.attend(room, joined)
        except CallLostError as error:
            return error
        finally:
            self._adapter = None
            greeting.cancel()
            await asyncio.gather(greeting, return_exceptions=True)
            await room.close()
        return None

    async def _greet(self, adapter: CallAdapter, room: WatchedRoom) -> None:
        """Say hello, or when somebody appears who can hear it; some calls have no chat of their own."""
        await self._joined.wait()
        while self._unsaid_hello:
            room.someone_appeared.clear()
            self._unsaid_hello = not await adapter.post(CONSENT_LINE)
            if self._unsaid_hello:
                log.info("greeting_not_posted")
                await room.someone_appeared.wait()

    def _announce(self, hub: EventHub, state: CallState, reason: str = "") -> None:
        hub.publish_call(Call(call=self.target.call, state=state, reason=reason))
