"""The courier: carries alerts from the store to one destination, in order, each at least once."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from realtime.alerts.store import AlertStore, StoredAlert
from realtime.delivery.dead_letters import DeadLetter, DeadLetterError
from realtime.delivery.outlet import Attempt, Destination, Outlet
from realtime.delivery.retry import Outcome, RetryPolicy
from realtime.errors import AlertStoreError
from realtime.observe.metrics import MonitorMetrics
from realtime.server.records import from_stored
from realtime.server.wire import AlertMessage

log = structlog.get_logger(__name__)

#: How long a courier that is cancelled goes on with what is pending.
GRACE_S = 2.0

_PAGE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a courier takes from the outside world; a test brings its own.

    Attributes:
        sleep: Waits for so many seconds.
        clock: Seconds since the epoch.
        uniform: Draws evenly from [0, 1).
    """

    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.time
    uniform: Callable[[], float] = random.random


class Courier:
    """Reads the store behind a cursor of its own, so that whatever its destination does holds up nobody.

    An alert is left behind only when it is delivered or lies in the dead-letter file; where there is no such
    file, when it was counted as undelivered. Then the store's bookmark moves on, where a later run begins.

    Args:
        destination: Where alerts go.
        outlet: The open way there.
        store: The open alert store.
        metrics: Counts what becomes of the alerts.
        newest_seq: Where a destination without a bookmark begins: behind this alert.
        policy: When to try again.
        surroundings: Time and chance.
    """

    def __init__(
        self,
        destination: Destination,
        outlet: Outlet,
        store: AlertStore,
        metrics: MonitorMetrics,
        *,
        newest_seq: int,
        policy: RetryPolicy | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        self._destination = destination
        self._outlet = outlet
        self._store = store
        self._metrics = metrics
        self._newest_seq = newest_seq
        self._policy = policy or RetryPolicy()
        self._surroundings = surroundings or Surroundings()
        self._cursor: int | None = None
        self._remembered: int | None = None
        self._failures = 0
        self._attempts = 0
        self._gone = False
        self._flight: asyncio.Task[Attempt] | None = None

    @property
    def pending(self) -> int:
        """Stored alerts that the destination has yet to get."""
        return 0 if self._cursor is None else self._store.last_seq - self._cursor

    async def run(self, stored: asyncio.Event) -> None:
        """Deliver until cancelled; then go on for at most ``GRACE_S``, without waiting for another attempt.

        Args:
            stored: Is set whenever the store has a new alert.
        """
        try:
            await self._begin()
            await self._follow(stored)
        except asyncio.CancelledError:
            await self._finish()
            raise
        finally:
            if self._flight is not None:
                self._flight.cancel()
                await asyncio.gather(self._flight, return_exceptions=True)

    async def _begin(self) -> None:
        bookmark = self._destination.bookmark
        if bookmark is None:
            self._cursor = self._newest_seq
            return
        while self._cursor is None:
            try:
                self._remembered = await self._store.bookmark(bookmark)
                self._cursor = self._newest_seq if self._remembered is None else self._remembered
            except AlertStoreError:
                await self._rest()
        await self._remember()

    async def _follow(self, stored: asyncio.Event) -> None:
        while not self._gone:
            stored.clear()
            try:
                page = await self._next_page()
            except AlertStoreError:
                await self._rest()
                continue
            for alert in page:
                while not self._gone and (delay_s := await self._deliver(alert)) is not None:
                    await self._surroundings.sleep(delay_s)
            if not page:
                await stored.wait()
        await asyncio.get_running_loop().create_future()

    async def _finish(self) -> None:
        with suppress(TimeoutError, AlertStoreError):
            async with asyncio.timeout(GRACE_S):
                await self._remember()
                while self._cursor is not None and not self._gone and (page := await self._next_page()):
                    for alert in page:
                        if await self._deliver(alert) is not None or self._gone:
                            return

    async def _next_page(self) -> list[StoredAlert]:
        assert self._cursor is not None
        newest = self._store.last_seq
        call = self._destination.call
        page = await self._store.after(self._cursor, call=call, limit=_PAGE)
        through = page[0].seq - 1 if page else max(self._cursor, newest)
        # Numbers have no holes: what is missing without a filter has expired.
        if call is None and through > self._cursor:
            self._count("expired", through - self._cursor)
            log.error("alerts_expired_undelivered", destination=self._destination.kind)
        self._cursor = through
        return page

    async def _deliver(self, stored: StoredAlert) -> float | None:
        """Try once; return None when nothing is left to do for this alert, else the seconds to wait."""
        try:
            alert = from_stored(stored)
        except ValueError:
            log.exception("alert_unreadable", destination=self._destination.kind)
            await self._settle(stored, "undelivered")
            return None
        message_id = f"alert_{self._store.identity}_{stored.seq}"
        if self._flight is None:
            self._flight = asyncio.create_task(self._outlet.attempt(alert, message_id), name="alert-delivery")
        attempt = await asyncio.shield(self._flight)
        self._flight = None
        self._attempts += 1
        match attempt.outcome:
            case Outcome.DELIVERED:
                self._recovered()
                await self._settle(stored, "delivered")
                return None
            case Outcome.GONE:
                self._gone = True
                log.error("destination_gone", destination=self._destination.kind, fault=attempt.fault)
                return None
            case Outcome.FAILED:
                age_s = self._surroundings.clock() - stored.record.raised_at_s
                if not self._policy.gives_up(self._attempts, age_s):
                    return self._retry_delay_s(attempt)
            case Outcome.REFUSED:
                self._recovered()
        if await self._buried(alert, message_id, attempt.fault):
            await self._settle(
                stored, "undelivered" if self._destination.dead_letters is None else "dead_lettered"
            )
            return None
        return self._retry_delay_s(attempt)

    async def _buried(self, alert: AlertMessage, message_id: str, fault: str) -> bool:
        """Put an alert that is given up into the dead-letter file, if any; tell whether that worked."""
        kind, file = self._destination.kind, self._destination.dead_letters
        if file is None:
            log.warning("alert_undelivered", destination=kind, fault=fault)
            return True
        letter = DeadLetter(
            id=message_id,
            attempts=self._attempts,
            fault=fault,
            given_up_at=datetime.fromtimestamp(self._surroundings.clock(), UTC).isoformat(),
            alert=alert,
        )
        try:
            await asyncio.to_thread(file.append, letter)
        except DeadLetterError:
            log.exception("dead_letter_file_failing", destination=kind)
            return False
        log.error("alert_dead_lettered", destination=kind, file=file.path.name, fault=fault)
        return True

    async def _settle(self, stored: StoredAlert, outcome: str) -> None:
        self._count(outcome)
        self._attempts = 0
        self._cursor = stored.seq
        await self._remember()

    async def _remember(self) -> None:
        bookmark, seq = self._destination.bookmark, self._cursor
        if bookmark is None or seq is None or seq == self._remembered:
            return
        try:
            await self._store.set_bookmark(bookmark, seq)
            self._remembered = seq
        except AlertStoreError:
            log.exception("delivery_not_remembered", destination=self._destination.kind)

    def _retry_delay_s(self, attempt: Attempt) -> float:
        self._failures += 1
        self._count("retried")
        delay_s = self._policy.delay_s(self._failures, self._surroundings.uniform(), attempt.asked_s)
        tell = log.warning if self._failures == 1 else log.info
        tell(
            "delivery_failing",
            destination=self._destination.kind,
            fault=attempt.fault,
            retry_in_s=round(delay_s, 1),
        )
        return delay_s

    def _recovered(self) -> None:
        if self._failures:
            log.warning("delivery_recovered", destination=self._destination.kind)
        self._failures = 0

    async def _rest(self) -> None:
        log.error("alert_store_failing", destination=self._destination.kind)
        self._failures += 1
        await self._surroundings.sleep(self._policy.delay_s(self._failures, self._surroundings.uniform()))

    def _count(self, outcome: str, count: int = 1) -> None:
        self._metrics.deliveries.labels(destination=self._destination.kind, outcome=outcome).inc(count)
