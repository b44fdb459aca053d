"""Follows a monitor's WebSocket and remembers what it said about whom."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

from bench.janus.requirements import CallBenchError
from clients.subscriber import Subscriber
from realtime.errors import SeamwatchError
from realtime.server.wire import AlertMessage, Call, Message, Participant, ScoreUpdate


class Witness:
    """What was said so far, by participant.

    Attributes:
        comings: Every ``joined`` and ``left`` of a participant, in order.
        newest: The newest score since the participant last joined.
        verdicts: How often each verdict was given.
        alerts: Every alert.
        calls: Where the monitor stands with calls, in order.
    """

    def __init__(self) -> None:
        self.comings: dict[str, list[Participant]] = defaultdict(list)
        self.newest: dict[str, ScoreUpdate] = {}
        self.verdicts: dict[str, Counter[str]] = defaultdict(Counter)
        self.alerts: dict[str, list[AlertMessage]] = defaultdict(list)
        self.calls: list[Call] = []
        self._news = asyncio.Condition()
        self._refusal: SeamwatchError | None = None

    async def follow(self, url: str) -> None:
        """Listen until cancelled, or until the monitor refuses."""
        try:
            async with aclosing(Subscriber(url, after=0).messages()) as messages:
                async for message in messages:
                    self._remember(message)
                    async with self._news:
                        self._news.notify_all()
        except SeamwatchError as refusal:
            self._refusal = refusal
            async with self._news:
                self._news.notify_all()

    async def until(self, holds: Callable[[], bool], what: str, *, limit_s: float) -> None:
        """Wait until something holds.

        Args:
            holds: Looks at what was said so far.
            what: The same in words.
            limit_s: How long to wait; generous, since nothing is measured with it.

        Raises:
            SeamwatchError: It still does not hold, or the monitor cannot be followed.
        """
        try:
            async with asyncio.timeout(limit_s), self._news:
                await self._news.wait_for(lambda: self._refusal is not None or holds())
        except TimeoutError as error:
            raise CallBenchError(
                f"Within {limit_s:g} s it did not happen that {what}. {self.summary()}",
                fix="See monitor.log and janus.log; a machine under heavy load needs more time.",
            ) from error

        if self._refusal is not None:
            raise self._refusal

    def states(self, name: str) -> list[str]:
        """Return a participant's comings and goings: "joined", "left", ..."""
        return [event.state for event in self.comings.get(name, ())]

    def summary(self) -> str:
        """Return one line about everybody."""
        return "; ".join(self._line(name) for name in sorted(self.comings)) or "Nobody was seen."

    def _line(self, name: str) -> str:
        score = self.newest.get(name)
        state = self.states(name)[-1]
        if score is None:
            return f"{name}: {state}, no score"
        return (
            f"{name}: {state}, {score.verdict} ({score.status}: {', '.join(score.reasons) or 'no reason'}), "
            f"margin {score.margin}, {score.intra_windows} and {score.cross_windows} windows"
        )

    def _remember(self, message: Message) -> None:
        if isinstance(message, Participant):
            self.comings[message.participant].append(message)
            self.newest.pop(message.participant, None)
        elif isinstance(message, ScoreUpdate):
            self.newest[message.participant] = message
            self.verdicts[message.participant][message.verdict] += 1
        elif isinstance(message, AlertMessage):
            self.alerts[message.participant].append(message)
        elif isinstance(message, Call):
            self.calls.append(message)


@contextlib.asynccontextmanager
async def witness_of(url: str) -> AsyncIterator[Witness]:
    """Follow a monitor until the block ends."""
    witness = Witness()
    following = asyncio.create_task(witness.follow(url))
    try:
        yield witness
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
