"""What operators say about alerts: ``POST /alerts/{seq}/feedback``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from realtime.alerts.feedback_file import FeedbackFile, FeedbackLine
from realtime.errors import SignallingError
from realtime.server.body import read_text
from realtime.server.hub import EventHub
from realtime.server.records import feedback_from, from_stored
from realtime.server.wire import AlertMessage, Feedback, FeedbackState

_LARGEST_SEQ = 2**63 - 1


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")

    state: FeedbackState


class FeedbackDesk:
    """Takes one word at a time; saying the same again changes nothing.

    A false alarm is on the calibration file, if there is one, before it is stored and told. So is its
    withdrawal. A word that could not be kept is refused, and can be said again.

    Args:
        hub: Stores and tells.
        file: Where false alarms go for calibration; None for nowhere.
        clock: The wall clock.
    """

    def __init__(
        self,
        hub: EventHub,
        file: FeedbackFile | None,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._hub = hub
        self._file = file
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()

    def routes(self) -> list[Route]:
        """Return the route."""
        return [Route("/alerts/{seq:int}/feedback", self._give, methods=["POST"])]

    async def give(self, seq: int, state: FeedbackState) -> Feedback:
        """Keep what an operator says about an alert, and tell every subscriber.

        Raises:
            SignallingError: There is no such alert (404), or it raised nothing that could be false (409).
            FeedbackFileError: The calibration file cannot be written.
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
                line = _line(alert, state, at, store=self._hub.store.identity)
                await asyncio.to_thread(self._file.append, line)
            told = await self._hub.publish_feedback(seq, state, at)
            if told is None:
                raise _unknown()
            return told

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


def _line(alert: AlertMessage, state: FeedbackState, at: str, *, store: str) -> FeedbackLine:
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
    )


def _unknown() -> SignallingError:
    return SignallingError(
        "There is no such alert; perhaps it has expired.", fix="Name the seq of a stored alert.", status=404
    )
