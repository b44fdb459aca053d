"""The hub between the monitor and its subscribers: nobody who reads slowly ever holds up anybody else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from realtime.alerts.store import AlertStore
from realtime.errors import AlertStoreError, CapacityError
from realtime.observe.metrics import MonitorMetrics
from realtime.server.records import feedback_from, to_record
from realtime.server.subscription import Offered, Subscription
from realtime.server.wire import (
    AlertDraft,
    Call,
    Feedback,
    FeedbackState,
    Matrices,
    Participant,
    ReceptionUpdate,
    ScoreUpdate,
)

CLOSE_GOING_AWAY = 1001

_STAGE = "hub"


class EventHub:
    """Takes everything the monitor says and gives it to every subscriber that wants it.

    The hub runs on one event loop. It remembers the calls that have not ended, the participants that are
    there with their newest score, reception and matrices, and nothing of what is over.

    Args:
        store: An open alert store.
        metrics: Counts scores, alerts, subscribers and whatever is dropped.
        max_subscribers: Connections accepted at a time.
        max_events: Participant and call events that may wait for one subscriber.
    """

    def __init__(
        self,
        store: AlertStore,
        metrics: MonitorMetrics,
        *,
        max_subscribers: int = 64,
        max_events: int = 256,
    ) -> None:
        self.store = store
        self.metrics = metrics
        self.store_error: AlertStoreError | None = None
        self._max_subscribers = max_subscribers
        self._max_events = max_events
        self._subscriptions: set[Subscription] = set()
        self._alert_signals: set[asyncio.Event] = set()
        self._calls: dict[str, Call] = {}
        self._participants: dict[tuple[str, str], Participant] = {}
        self._scores: dict[tuple[str, str], ScoreUpdate] = {}
        self._receptions: dict[tuple[str, str], ReceptionUpdate] = {}
        self._matrices: dict[tuple[str, str], Matrices] = {}
        self._closed = False
        self._no_subscribers = asyncio.Event()
        self._no_subscribers.set()

    @property
    def wants_matrices(self) -> bool:
        """Whether any subscriber asked for matrices, which cost something to make."""
        return any(subscription.wants_matrices for subscription in self._subscriptions)

    def publish_call(self, event: Call) -> None:
        """Tell where the monitor stands with a call; remembered until it has ended."""
        if event.state == "ended":
            self._calls.pop(event.call, None)
        else:
            self._calls[event.call] = event
        self._offer(event)

    def publish_participant(self, event: Participant) -> None:
        """Tell that a participant joined or left. Scores and receptions count only between the two."""
        key = (event.call, event.participant)
        if event.state == "joined":
            self._participants[key] = event
        else:
            self._participants.pop(key, None)
            self._scores.pop(key, None)
            self._receptions.pop(key, None)
            self._matrices.pop(key, None)
        self.metrics.participants.set(len(self._participants))
        self._offer(event)

    def publish_score(self, score: ScoreUpdate) -> None:
        """Give the newest score of a participant to the subscribers."""
        key = (score.call, score.participant)
        if key not in self._participants:
            self.metrics.drop(_STAGE, "score_of_absent_participant")
            return
        self.metrics.windows_scored.labels(status=score.status).inc()
        if score.latency_ms is not None:
            self.metrics.latency_s.observe(score.latency_ms / 1000)
        self._scores[key] = score
        self._offer(score)

    def publish_reception(self, reception: ReceptionUpdate) -> None:
        """Give the newest reception of a participant to the subscribers."""
        key = (reception.call, reception.participant)
        if key not in self._participants:
            self.metrics.drop(_STAGE, "reception_of_absent_participant")
            return
        self._receptions[key] = reception
        self._offer(reception)

    def publish_matrices(self, matrices: Matrices) -> None:
        """Give the newest matrices of a participant to the subscribers that asked for them."""
        key = (matrices.call, matrices.participant)
        if key not in self._participants:
            self.metrics.drop(_STAGE, "matrices_of_absent_participant")
            return
        self._matrices[key] = matrices
        self._offer(matrices)

    async def publish_alert(self, draft: AlertDraft) -> int:
        """Store an alert, then tell the subscribers.

        A caller that is cancelled meanwhile either leaves no alert, or a stored one that is delivered with
        the next event.

        Returns:
            The sequence number of the alert.

        Raises:
            AlertStoreError: The alert could not be stored and was not sent; ``store_error`` keeps the error
                until an alert is stored again.
        """
        try:
            seq = await self.store.append(to_record(draft))
        except AlertStoreError as error:
            self.store_error = error
            self.metrics.store_errors.inc()
            raise
        self.store_error = None
        self.metrics.alerts.labels(state=draft.state).inc()
        for subscription in self._subscriptions:
            subscription.wake()
        for signal in self._alert_signals:
            signal.set()
        return seq

    async def publish_feedback(self, seq: int, state: FeedbackState, at: str) -> Feedback | None:
        """Store what an operator says about an alert, then tell the subscribers.

        Returns:
            What is stored now; None where there is no such alert.

        Raises:
            AlertStoreError: It could not be stored and was not sent.
        """
        stored = await self.store.set_feedback(seq, state, at)
        if stored is None:
            return None
        for subscription in self._subscriptions:
            subscription.wake()
        return feedback_from(stored)

    @contextlib.contextmanager
    def alert_signal(self) -> Iterator[asyncio.Event]:
        """Follow the store from within the program for the length of a ``with`` block.

        Yields:
            Set whenever an alert was stored; the reader clears it before it reads the store.
        """
        signal = asyncio.Event()
        self._alert_signals.add(signal)
        try:
            yield signal
        finally:
            self._alert_signals.discard(signal)

    @contextlib.contextmanager
    def subscription(
        self, *, call: str | None = None, matrices: bool = False, after: int | None = None
    ) -> Iterator[Subscription]:
        """Subscribe for the length of a ``with`` block.

        Args:
            call: Only this call; None for all.
            matrices: Whether matrices are wanted.
            after: Alerts with a higher number are sent, and all feedback that stands; None for what is new
                only. A number that the store has not reached is of another store, so all alerts are sent.

        Raises:
            CapacityError: There are too many subscribers, or the hub is closed.
        """
        if self._closed or len(self._subscriptions) >= self._max_subscribers:
            raise CapacityError("The monitor takes no more subscribers.", fix="Try again later.")
        last_seq = self.store.last_seq
        feedback_after = self.store.last_change if after is None else 0
        after = last_seq if after is None else after
        subscription = Subscription(
            self.store,
            self.metrics,
            call=call,
            matrices=matrices,
            after=after if after <= last_seq else 0,
            feedback_after=feedback_after,
            events=[*self._calls.values(), *self._participants.values()],
            scores=self._scores.values(),
            receptions=self._receptions.values(),
            newest_matrices=self._matrices.values(),
            max_events=self._max_events,
        )
        self._subscriptions.add(subscription)
        self._count_subscribers()
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
            self._count_subscribers()

    async def aclose(self, timeout_s: float = 2.0) -> None:
        """End every subscription with "going away" and wait until their connections are told.

        Args:
            timeout_s: How long to wait for those that do not read.
        """
        self._closed = True
        for subscription in tuple(self._subscriptions):
            subscription.end(CLOSE_GOING_AWAY, "the monitor shuts down")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._no_subscribers.wait()

    def _offer(self, message: Offered) -> None:
        for subscription in self._subscriptions:
            subscription.offer(message)

    def _count_subscribers(self) -> None:
        self.metrics.subscribers.set(len(self._subscriptions))
        if self._subscriptions:
            self._no_subscribers.clear()
        else:
            self._no_subscribers.set()
