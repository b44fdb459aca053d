"""Following one publisher of a Janus room for as long as it is there, whatever fails on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from clients.joining.adapter import CallLostError, Room
from clients.joining.backoff import Backoff
from clients.joining.janus_messages import JanusRefusedError, Publisher
from clients.joining.janus_subscription import Subscribing, Subscription
from realtime.errors import CapacityError, SignallingError
from realtime.ingest.sink import EndReason

LAYER_CHECK_S = 2.0
#: A full monitor is tried again after this time where nobody leaves this call.
SEAT_CHECK_S = 30.0

_log = structlog.get_logger(__name__)


class PublisherFollower:
    """Keeps one publisher's media coming. Run ``run`` in a task of its own.

    Args:
        room: The monitor's side of the call.
        shared: What every subscription of the call shares.
        opening: Bounds how many subscribe at a time.
        publisher: Whom to follow.
        on_seat_freed: Called when the publisher no longer takes a place at the monitor.
        jitter: Returns numbers in [0, 1).
    """

    def __init__(
        self,
        room: Room,
        shared: Subscribing,
        opening: asyncio.Semaphore,
        publisher: Publisher,
        *,
        on_seat_freed: Callable[[], None],
        jitter: Callable[[], float],
    ) -> None:
        self._room = room
        self._shared = shared
        self._opening = opening
        self._feed = publisher.feed
        self._wanted: Publisher | None = publisher
        self._on_seat_freed = on_seat_freed
        self._backoff = Backoff(jitter)
        self._subscription: Subscription | None = None
        self._given_up: Publisher | None = None
        self._waits_for_seat = False
        self._wake = asyncio.Event()

    def update(self, publisher: Publisher | None) -> None:
        """Take note of what the publisher sends now; None where it stopped or left."""
        if publisher != self._wanted:
            self._wanted = publisher
            self._wake.set()

    def try_for_seat(self) -> None:
        """Take note that the monitor may have room again."""
        if self._waits_for_seat:
            self._wake.set()

    async def run(self) -> None:
        """Follow the publisher until it is gone. When cancelled, leaves all as it is: the call is over.

        Returns in the same step in which it sees that the publisher is gone.
        """
        try:
            while self._wanted is not None or self._subscription is not None:
                self._wake.clear()
                wait_s = await self._follow(self._wanted)
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._wake.wait()
        finally:
            self._wanted = None

    async def _follow(self, publisher: Publisher | None) -> float | None:
        """Do what is to be done now; return after how many seconds to look again, None for not at all."""
        subscription = self._subscription
        if publisher is None or publisher.streams == ():
            if subscription is not None:
                await self._drop(subscription)
            return 0.0 if publisher is None else None
        if subscription is not None and subscription.over is not None:
            await self._drop(subscription)
            if subscription.over is EndReason.CLOSED:
                self._given_up = publisher
            return self._backoff.lost(self._shared.clock_ns())
        if subscription is None or not subscription.carries(publisher.streams):
            return None if publisher == self._given_up else await self._subscribe(publisher)
        if not subscription.chooses_layers:
            return None
        await subscription.choose_layer(self._room.sighting(self._feed))
        return LAYER_CHECK_S

    async def _subscribe(self, publisher: Publisher) -> float | None:
        async with self._opening:
            if publisher != self._wanted:
                return 0.0
            previous = self._subscription
            self._subscription = None
            wait_s = await self._open(Subscription(self._shared, publisher, self._on_over), publisher)
            if previous is not None:
                await previous.detach()
                if self._subscription is None:
                    self._on_seat_freed()
            return wait_s

    async def _open(self, subscription: Subscription, publisher: Publisher) -> float | None:
        try:
            await self._room.appeared(self._feed, publisher.name, subscription.open)
        except CapacityError:
            if not self._waits_for_seat:
                _log.warning("participant_skipped", reason="monitor_full")
            self._waits_for_seat = True
            wait_s: float | None = SEAT_CHECK_S
        except SignallingError:
            self._given_up = publisher
            _log.warning("participant_skipped", reason="nothing_to_receive")
            wait_s = None
        except (JanusRefusedError, CallLostError) as error:
            wait_s = self._backoff.lost(self._shared.clock_ns())
            code = error.code if isinstance(error, JanusRefusedError) else None
            _log.warning("janus_subscription_failed", code=code, retry_in_s=round(wait_s, 1))
        except Exception:
            wait_s = self._backoff.lost(self._shared.clock_ns())
            _log.exception("janus_subscription_failed")
        else:
            self._subscription = subscription
            self._waits_for_seat = False
            if subscription.over is not None:
                return 0.0
            self._backoff.joined(self._shared.clock_ns())
            return LAYER_CHECK_S if subscription.chooses_layers else None
        await subscription.detach()
        return wait_s

    def _on_over(self, subscription: Subscription) -> None:
        if subscription is self._subscription:
            self._wake.set()

    async def _drop(self, subscription: Subscription) -> None:
        self._subscription = None
        try:
            await self._room.left(self._feed)
        except Exception:
            _log.exception("participant_not_closed")
        await subscription.detach()
        self._on_seat_freed()
