"""Deletes what is too old, for as long as a monitor runs."""

from __future__ import annotations

import asyncio

import structlog

from realtime.errors import AlertStoreError
from realtime.evidence.keeper import EvidenceKeeper
from realtime.server.hub import EventHub

log = structlog.get_logger(__name__)

EXPIRE_EVERY_S = 3600.0


async def enforce_age_limits(hub: EventHub, keeper: EvidenceKeeper | None) -> None:
    """Delete old alerts and evidence once an hour, until cancelled.

    Args:
        hub: Of the monitor; its store must outlive the work.
        keeper: Writes the evidence; None where none is kept.
    """
    while True:
        await asyncio.sleep(EXPIRE_EVERY_S)
        try:
            await hub.store.expire()
        except AlertStoreError:
            log.exception("alerts_not_expired")
        if keeper is not None:
            await keeper.expire()
