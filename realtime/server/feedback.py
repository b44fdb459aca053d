"""What operators say about alerts: ``POST /alerts/{seq}/feedback``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from realtime.alerts.alert_runs import AlertRuns
from realtime.alerts.feedback_file import FeedbackFile
from realtime.alerts.feedback_line import FeedbackLine, RunRecord
from realtime.errors import SignallingError
from realtime.server.body import read_text
from realtime.server.hub import EventHub
from realtime.server.records import feedback_from, from_stored
from realtime.server.wire import AlertMessage, Feedback, FeedbackState

log = structlog.get_logger(__name__)

_LARGEST_SEQ = 2**63 - 1


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")

    state: FeedbackState


class FeedbackDesk:
    """Takes one word at a time; saying the same again changes nothing.

    A false alarm is on the feedback file, if there is one, before it is stored and told, with the
    observations that led to it. So is its withdrawal, which deletes them. A word that could not be kept is
    refused, and can be said again.

    Args:
        hub: Stores and tells.
        file: Where false alarms go for calibration; None for nowhere.
        runs: The observations behind the newest alerts; None where they are not remembered.
        clock: The wall clock.
    """

    def __init__(
        self,
        hub: EventHub,
        file: FeedbackFile | None,
        *,
        runs: AlertRuns | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._hub = hub
        self._file = file
        self._runs = runs
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()

    def routes(self) -> list[Route]:
        """Return the route."""
        return [Route("/alerts/{seq:int}/feedback", self._give, methods=["POST"])]

    async def give(self, seq: int, state: FeedbackState) -> Feedback:
        """Keep what an operator says about an alert, and tell every subscriber.

        Raises:
            SignallingError: There is no such alert (404), or it raised nothing that could be false (409).
            FeedbackFileError: The feedback file cannot be written.
            AlertStoreError: The store cannot be written.
        """
        async with self._one_at_a_time:
            stored = await self._hub.store.get(seq) if seq <= _LARGEST_SEQ else None
            if stored is None:
                raise _unknown()
            alert = from_stored(stored)
            if alert.state == "clear":
                raise SignallingError(
                    "This alert lifts an alarm; there is nothing to say about it.",
                    fix="Speak of the alert that raised the alarm.",
                    status=409,
                )
            earlier = await self._hub.store.feedback_on(seq)
            before = None if earlier is None else feedback_from(earlier)
            if before is not None and before.state == state:
                return before
            at = self._clock().isoformat(timespec="milliseconds")
            if self._file is not None and "false_alarm" in {state, None if before is None else before.state}:
                run = self._run(seq) if state == "false_alarm" else None
                line = _line(alert, state, at, store=self._hub.store.identity, run=run)
                await asyncio.to_thread(self._file.append, line)
            told = await self._hub.publish_feedback(seq, state, at)
            if told is None:
                raise _unknown()
            return told

    def _run(self, seq: int) -> RunRecord | None:
        run = None if self._runs is None else self._runs.of(seq)
        if self._runs is None or run is None:
            log.warning("false_alarm_without_observations")
            return None
        return RunRecord.of(run, self._runs.origin)

    async def _give(self, request: Request) -> Response:
        body = await read_text(request, "application/json")
        try:
            state = _Request.model_validate_json(body).state
        except ValidationError:
            raise SignallingError(
                "The body says nothing that can be said about an alert.",
                fix='Send {"state": "acknowledged"} or {"state": "false_alarm"}.',
                status=400,
            ) from None
        told = await self.give(request.path_params["seq"], state)
        return JSONResponse(told.model_dump(mode="json"))


def _line(
    alert: AlertMessage, state: FeedbackState, at: str, *, store: str, run: RunRecord | None
) -> FeedbackLine:
    return FeedbackLine(
        store=store,
        seq=alert.seq,
        at=at,
        state=state,
        alert_state=alert.state,
        margin=alert.margin,
        reasons=alert.reasons,
        values=alert.values,
        evidence={} if alert.test is None else alert.test.channels,
        threshold=None if alert.test is None else alert.test.threshold,
        engines={role: info.engine for role, info in alert.engines.items()},
        run=run,
    )


def _unknown() -> SignallingError:
    return SignallingError(
        "There is no such alert; perhaps it has expired.", fix="Name the seq of a stored alert.", status=404
    )
