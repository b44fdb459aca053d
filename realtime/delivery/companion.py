"""Delivers a monitor's alerts for as long as it runs."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from realtime.delivery.courier import Courier
from realtime.delivery.outlet import Destination, Kind
from realtime.server.hub import EventHub

Delivery = Callable[[object, EventHub], Coroutine[Any, Any, None]]


def deliver_alerts(destinations: Sequence[Destination]) -> Delivery:
    """Return what carries alerts to the destinations, to be run beside a monitor's server.

    New alerts are those stored after the call with the hub. The work ends by cancellation only, and then
    takes up to ``realtime.delivery.courier.GRACE_S`` for what is pending. The hub's store must outlive it.

    Args:
        destinations: Each gets a courier of its own.
    """

    def deliver(_monitor: object, hub: EventHub) -> Coroutine[Any, Any, None]:
        return _deliver(destinations, hub, newest_seq=hub.store.last_seq)

    return deliver


async def _deliver(destinations: Sequence[Destination], hub: EventHub, *, newest_seq: int) -> None:
    async with AsyncExitStack() as opened:
        couriers: defaultdict[Kind, list[Courier]] = defaultdict(list)
        async with asyncio.TaskGroup() as group:
            for destination in destinations:
                outlet = await opened.enter_async_context(destination.open_outlet())
                stored = opened.enter_context(hub.alert_signal())
                courier = Courier(destination, outlet, hub.store, hub.metrics, newest_seq=newest_seq)
                couriers[destination.kind].append(courier)
                group.create_task(courier.run(stored), name=f"alerts-to-{destination.kind}")
            for kind, of_kind in couriers.items():
                waiting = hub.metrics.deliveries_pending.labels(destination=kind)
                waiting.set_function(partial(_pending, of_kind))
            await asyncio.get_running_loop().create_future()


def _pending(couriers: Sequence[Courier]) -> int:
    return sum(courier.pending for courier in couriers)
