"""Where alerts go: what a courier needs to know of a destination."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

import structlog

from realtime.delivery.dead_letters import DeadLetterFile
from realtime.delivery.retry import Outcome
from realtime.server.wire import AlertMessage

log = structlog.get_logger(__name__)

Kind = Literal["webhook", "room", "stdout"]

#: Turns an alert into the JSON that is sent.
Render = Callable[[AlertMessage], str]

_POST_TIMEOUT_S = 5.0


def as_on_the_wire(alert: AlertMessage) -> str:
    """Return an alert as on the WebSocket."""
    return alert.model_dump_json()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt at one alert.

    Attributes:
        outcome: How it ended.
        fault: What went wrong, without addresses and content; empty if nothing did.
        asked_s: How long the destination asked to be left alone; None for nothing.
    """

    outcome: Outcome
    fault: str = ""
    asked_s: float | None = None


class Outlet(Protocol):
    """Takes alerts, one at a time."""

    async def attempt(self, alert: AlertMessage, message_id: str) -> Attempt:
        """Try once to deliver an alert. Never raises, but for cancellation.

        Args:
            alert: The alert.
            message_id: The same whenever this alert is tried, and no other alert's.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """One destination of alerts.

    Attributes:
        kind: What it is; metrics and logs tell no more of it.
        open_outlet: Opens the way there.
        call: Only alerts of this call; None for all.
        bookmark: Name under which the store remembers how far it got; None begins with new alerts.
        dead_letters: Keeps what could not be delivered; None only counts it.
    """

    kind: Kind
    open_outlet: Callable[[], AbstractAsyncContextManager[Outlet]]
    call: str | None = None
    bookmark: str | None = None
    dead_letters: DeadLetterFile | None = None


class LineOutlet:
    """Posts each alert once, as one line of JSON.

    Args:
        post: Tells whether the line was taken; given up after five seconds unless ``patient``.
        patient: Wait for as long as it takes.
        render: The shape of the line.
    """

    def __init__(
        self,
        post: Callable[[str], Awaitable[bool]],
        *,
        patient: bool = False,
        render: Render = as_on_the_wire,
    ) -> None:
        self._post = post
        self._render = render
        self._timeout_s = None if patient else _POST_TIMEOUT_S

    async def attempt(self, alert: AlertMessage, message_id: str) -> Attempt:
        """Post an alert."""
        try:
            async with asyncio.timeout(self._timeout_s):
                taken = await self._post(self._render(alert))
        except TimeoutError:
            return Attempt(outcome=Outcome.REFUSED, fault="timeout")
        except Exception:
            log.exception("alert_post_failed")
            taken = False
        return (
            Attempt(outcome=Outcome.DELIVERED)
            if taken
            else Attempt(outcome=Outcome.REFUSED, fault="not taken")
        )
