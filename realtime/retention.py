"""Deletes what is too old, for as long as a monitor runs."""

from __future__ import annotations

import asyncio

import structlog

from realtime.alerts.feedback_file import FeedbackFile, FeedbackFileError
from realtime.errors import AlertStoreError
from realtime.evidence.keeper import EvidenceKeeper
from realtime.server.hub import EventHub

log = structlog.get_logger(__name__)

EXPIRE_EVERY_S = 3600.0


async def enforce_age_limits(
    hub: EventHub, keeper: EvidenceKeeper | None, feedback: FeedbackFile | None = None
) -> None:
    """Delete old alerts, evidence and feedback once an hour, until cancelled.

    Args:
        hub: Of the monitor; its store must outlive the work.
        keeper: Writes the evidence; None where none is kept.
        feedback: The file of false alarms; None where none is kept.
    """
    while True:
        await asyncio.sleep(EXPIRE_EVERY_S)
        try:
            await hub.store.expire()
        except AlertStoreError:
            log.exception("alerts_not_expired")
        if keeper is not None:
            await keeper.expire()
        if feedback is not None:
            try:
                await asyncio.to_thread(feedback.expire)
            except FeedbackFileError:
                log.exception("feedback_not_expired")
