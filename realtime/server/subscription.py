"""One subscriber's outbox: bounded, whatever its reader does."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from typing import TypeVar

from realtime.alerts.store import AlertStore
from realtime.observe.metrics import MonitorMetrics
from realtime.server.records import feedback_from, from_stored
from realtime.server.wire import (
    CLOSE_TOO_FAR_BEHIND,
    AlertMessage,
    Call,
    Feedback,
    Matrices,
    Participant,
    ReceptionUpdate,
    ScoreUpdate,
)

Event = Participant | Call
OfParticipant = Participant | ScoreUpdate | ReceptionUpdate | Matrices
Offered = Event | ScoreUpdate | ReceptionUpdate | Matrices
Live = Offered | AlertMessage | Feedback

_Key = tuple[str, str]
_Newest = TypeVar("_Newest", ScoreUpdate, ReceptionUpdate, Matrices)

_PAGE = 64
_STAGE = "subscriber"


class SubscriptionEnded(Exception):
    """The hub ends a subscription.

    Args:
        code: WebSocket close code.
        reason: Close reason, at most 123 bytes.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Subscription:
    """What one subscriber has yet to be sent.

    Participant and call events wait in a bounded queue. Of scores, receptions and matrices only the newest
    per participant waits. Alerts do not wait here at all: they are read from the store, a page at a time,
    behind ``cursor``. Replay and live delivery are therefore the same path, with neither a gap nor a
    duplicate where they meet, and a backlog of alerts costs no memory. Feedback is read in the same way,
    behind a cursor of its own and never ahead of the alert that it is about.

    Args:
        store: Where the alerts are.
        metrics: Counts what is dropped.
        call: Only this call; None for all.
        matrices: Whether matrices are wanted.
        after: Alerts with a higher number are sent.
        feedback_after: Feedback stored after this change is sent.
        events: Participant and call events that tell the present state.
        scores: The newest scores.
        receptions: The newest receptions.
        newest_matrices: The newest matrices.
        max_events: Events that may wait before the subscriber counts as too far behind.
    """

    def __init__(
        self,
        store: AlertStore,
        metrics: MonitorMetrics,
        *,
        call: str | None,
        matrices: bool,
        after: int,
        feedback_after: int = 0,
        events: Iterable[Event] = (),
        scores: Iterable[ScoreUpdate] = (),
        receptions: Iterable[ReceptionUpdate] = (),
        newest_matrices: Iterable[Matrices] = (),
        max_events: int = 256,
    ) -> None:
        self.after = after
        self.cursor = max(after, store.expired_through)
        self._feedback_cursor = feedback_after
        self._store = store
        self._metrics = metrics
        self._call = call
        self.wants_matrices = matrices
        self._max_events = max_events
        self._events = deque(event for event in events if self._wants(event))
        self._scores = {_key(score): score for score in scores if self._wants(score)}
        self._receptions = {_key(item): item for item in receptions if self._wants(item)}
        self._matrices: dict[_Key, Matrices] = {}
        if matrices:
            self._matrices = {_key(item): item for item in newest_matrices if self._wants(item)}
        self._ending: int | None = None
        self._ending_reason = ""
        self._wake = asyncio.Event()

    def offer(self, message: Offered) -> None:
        """Put a message into the outbox, if this subscriber wants it."""
        if not self._wants(message) or self._ending is not None:
            return
        match message:
            case Participant() | Call():
                self._offer_event(message)
            case ScoreUpdate():
                self._replace(self._scores, message, "score_replaced")
            case ReceptionUpdate():
                self._replace(self._receptions, message, "reception_replaced")
            case Matrices():
                if not self.wants_matrices:
                    return
                self._replace(self._matrices, message, "matrices_replaced")
        self._wake.set()

    def wake(self) -> None:
        """Say that the store has a new alert, or new feedback."""
        self._wake.set()

    def end(self, code: int, reason: str = "") -> None:
        """End the subscription: what waits is dropped, alerts stay resumable."""
        if self._ending is None:
            self._ending = code
            self._ending_reason = reason
        self._events.clear()
        self._scores.clear()
        self._receptions.clear()
        self._matrices.clear()
        self._wake.set()

    @property
    def too_far_behind(self) -> str:
        """Close reason that tells from where to resume."""
        return f"too far behind; resume with after={self.cursor}"

    async def messages(self) -> AsyncGenerator[Live, None]:
        """Yield what is to be sent. Asking for the next message confirms that the one before was sent.

        Raises:
            SubscriptionEnded: The hub ended the subscription, or its alerts expired before they were read.
            AlertStoreError: The store cannot be read.
        """
        while True:
            self._wake.clear()
            if self._ending is not None:
                raise SubscriptionEnded(self._ending, self._ending_reason or self.too_far_behind)
            idle = True
            while self._events:
                idle = False
                yield self._events.popleft()
            newest = self._store.last_seq
            if self.cursor < newest:
                idle = False
                page = await self._store.after(self.cursor, call=self._call, limit=_PAGE)
                self._check_expiry()
                for stored in page:
                    yield from_stored(stored)
                    self.cursor = stored.seq
                if len(page) < _PAGE:
                    self.cursor = max(self.cursor, newest)
            elif self._feedback_cursor < self._store.last_change:
                idle = False
                for feedback in await self._next_feedback():
                    yield feedback
            for waiting in (self._scores, self._receptions, self._matrices):
                for key in tuple(waiting):
                    message = waiting.pop(key, None)
                    if message is not None:
                        idle = False
                        yield message
            if idle:
                await self._wake.wait()

    async def _next_feedback(self) -> list[Feedback]:
        newest = self._store.last_change
        page = await self._store.feedback_after(self._feedback_cursor, call=self._call, limit=_PAGE)
        told = list(itertools.takewhile(lambda stored: stored.seq <= self.cursor, page))
        if told:
            self._feedback_cursor = told[-1].change
        if len(told) == len(page) < _PAGE:
            self._feedback_cursor = max(self._feedback_cursor, newest)
        return [feedback for stored in told if (feedback := feedback_from(stored)) is not None]

    def _check_expiry(self) -> None:
        if self._store.expired_through > self.cursor:
            self._metrics.drop(_STAGE, "alerts_expired_unread")
            raise SubscriptionEnded(CLOSE_TOO_FAR_BEHIND, self.too_far_behind)

    def _replace(self, waiting: dict[_Key, _Newest], message: _Newest, reason: str) -> None:
        if waiting.pop(_key(message), None) is not None:
            self._metrics.drop(_STAGE, reason)
        waiting[_key(message)] = message

    def _offer_event(self, event: Event) -> None:
        if isinstance(event, Participant) and event.state == "left":
            for waiting in (self._scores, self._receptions, self._matrices):
                if waiting.pop(_key(event), None) is not None:
                    self._metrics.drop(_STAGE, "participant_left")
        if len(self._events) >= self._max_events:
            self._metrics.drop(_STAGE, "too_far_behind")
            self.end(CLOSE_TOO_FAR_BEHIND)
        else:
            self._events.append(event)

    def _wants(self, message: Offered) -> bool:
        return self._call is None or message.call == self._call


def _key(message: OfParticipant) -> _Key:
    return message.call, message.participant
