"""The monitor behind the front: N workers, each with calls of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import structlog
from prometheus_client import Counter, Gauge
from prometheus_client.metrics_core import Metric

from realtime.alerts.alert_runs import AlertRuns, Origin
from realtime.errors import CapacityError, SeamwatchError, SignallingError
from realtime.evidence.keeper import EvidenceKeeper
from realtime.evidence.record import Provenance
from realtime.messages import without_evidence
from realtime.seat import KEEP_STATE_S
from realtime.server.hub import EventHub
from realtime.server.ports import Health, HealthState, ParticipantSnapshot, Publication
from realtime.server.wire import (
    AlertDraft,
    EncoderInfo,
    Matrices,
    Participant,
    ReceptionUpdate,
    ScoreUpdate,
)
from realtime.timebase import NS_PER_S
from realtime.workers.channel import WorkerLostError
from realtime.workers.exposition import exposition
from realtime.workers.link import WorkerLink
from realtime.workers.placement import Key, Placement
from realtime.workers.protocol import (
    Collect,
    Evidence,
    Publish,
    Restart,
    Run,
    Start,
    Started,
    Thumbnail,
    Unpublish,
    Wishes,
    WorkerSettings,
)
from realtime.workers.restarts import RestartDelays

#: Why a participant left whose worker ended.
WORKER_LOST = "worker_lost"
#: The front's value of the label ``worker``.
FRONT = "front"

_COLLECT_TIMEOUT_S = 2.0
# A score that still waits when its participant leaves is not sent any more.
_LAST_SCORE_S = 0.2

log = structlog.get_logger(__name__)


class WorkerPool:
    """Implements ``realtime.server.ports.MonitorPort``; an async context manager that ends its workers.

    Args:
        count: Workers.
        settings: How each of them watches.
        hub: Takes what they say.
        clock_ns: Monotonic clock.

    Attributes:
        evidence: Keeps the evidence of alerts; None where none is kept.
        runs: Remembers what led to alerts; None where nobody asks.
    """

    def __init__(
        self,
        count: int,
        settings: WorkerSettings,
        hub: EventHub,
        *,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.evidence: EvidenceKeeper | None = None
        self.runs: AlertRuns | None = None
        self._count = count
        self._settings = settings
        self._hub = hub
        self._clock_ns = clock_ns
        self._links: dict[int, WorkerLink] = {}
        self._keeping: list[asyncio.Task[None]] = []
        self._placement = Placement(keep_ns=round(KEEP_STATE_S * NS_PER_S))
        self._latest: dict[Key, ScoreUpdate | None] = {}
        self._started: Started | None = None
        self._closing = False
        registry = hub.metrics.registry
        self._ends = Counter("seamwatch_worker_ends", "Workers that ended unasked.", registry=registry)
        running = Gauge("seamwatch_workers", "Workers that run.", registry=registry)
        running.set_function(lambda: len(self._links))

    async def __aenter__(self) -> Self:
        """Start every worker.

        Raises:
            SeamwatchError: One of them cannot watch.
        """
        numbers = range(1, self._count + 1)
        try:
            async with asyncio.TaskGroup() as group:
                for number in numbers:
                    group.create_task(self._open(number), name="worker-start")
        except BaseException:
            await asyncio.gather(*(link.kill() for link in self._links.values()))
            raise
        self._keeping = [asyncio.create_task(self._keep(number), name="worker-keeper") for number in numbers]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def encoders(self) -> Mapping[str, EncoderInfo]:
        """Engine per encoder; the same in all workers."""
        return {} if self._started is None else self._started.encoders

    @property
    def pids(self) -> dict[int, int]:
        """Process id of every worker that runs."""
        return {number: link.pid for number, link in self._links.items()}

    def provenance(self) -> Provenance:
        """Return what the workers make their evidence with."""
        assert self._started is not None
        assert self._started.provenance is not None
        return self._started.provenance

    def origin(self) -> Origin:
        """Return what makes the observations of the sequential test."""
        assert self._started is not None
        return self._started.origin

    async def publish(self, call: str, participant: str, offer_sdp: str) -> Publication:
        """Have the call's worker answer an offer.

        Raises:
            SignallingError: The offer cannot be used.
            CapacityError: There is no room, or no worker.
        """
        full = self._placement.participants >= self._settings.max_participants
        if self._closing or (full and not self._placement.has(call, participant)):
            raise CapacityError(
                f"The monitor watches {self._placement.participants} participants and takes no more.",
                fix="End another session, or start it with a higher --max-participants.",
            )
        number = self._placement.place(call, participant, self._links, self._clock_ns())
        if number is None:
            raise CapacityError("No worker of the monitor runs.", fix="Try again in a few seconds.")
        try:
            question = Publish(call=call, participant=participant, offer_sdp=offer_sdp)
            publication: Publication = await self._links[number].ask(question)
        except WorkerLostError as error:
            raise CapacityError(error.message, fix=error.fix) from error
        finally:
            self._placement.opened(call, participant, self._clock_ns())
        return Publication(
            resource_id=f"{number}.{publication.resource_id}", answer_sdp=publication.answer_sdp
        )

    async def restart(self, resource_id: str, fragment: str) -> str:
        """Pass a trickle ICE fragment on.

        Raises:
            SignallingError: As the worker says, or there is no such session.
        """
        link, resource_id = self._of_resource(resource_id)
        if link is None:
            raise SignallingError("There is no such session.", fix="Publish again.", status=404)
        try:
            answer: str = await link.ask(Restart(resource_id=resource_id, fragment=fragment))
        except WorkerLostError as error:
            raise SignallingError(error.message, fix=error.fix, status=404) from error
        return answer

    async def unpublish(self, resource_id: str) -> bool:
        """End a session; False where there is none of that name."""
        link, resource_id = self._of_resource(resource_id)
        if link is None:
            return False
        with suppress(WorkerLostError):
            return bool(await link.ask(Unpublish(resource_id=resource_id)))
        return False

    def snapshot(self) -> list[ParticipantSnapshot]:
        """Return every participant with its newest score."""
        return [
            ParticipantSnapshot(call=call, participant=participant, latest=latest)
            for (call, participant), latest in self._latest.items()
        ]

    async def thumbnail(self, call: str, participant: str) -> bytes | None:
        """Return a participant's newest picture as JPEG."""
        number = self._placement.worker_of(call)
        link = None if number is None else self._links.get(number)
        if link is None or (call, participant) not in self._latest:
            return None
        with suppress(WorkerLostError):
            picture: bytes | None = await link.ask(Thumbnail(call=call, participant=participant))
            return picture
        return None

    def health(self) -> Health:
        """Return the health: that of the worst worker, degraded while one is down, failing without any."""
        reasons = {reason for link in self._links.values() for reason in link.health.reasons}
        missing = self._count - len(self._links)
        if missing:
            reasons.add("worker_down")
        if self.evidence is not None and self.evidence.failing:
            reasons.add("evidence_failing")
        state = HealthState.DEGRADED if reasons else HealthState.OK
        if self._hub.store_error is not None:
            reasons.add("alert_store_failing")
        if self._hub.store_error is not None or not self._links:
            state = HealthState.FAILING
        return Health(
            state=state, reasons=sorted(reasons), participants=len(self._latest), complete=not missing
        )

    async def metrics_page(self) -> bytes:
        """Return the metrics of the front and of the workers, in the Prometheus text format."""
        numbers = list(self._links)
        collected = await asyncio.gather(*(self._collect(self._links[number]) for number in numbers))
        page = {str(number): metrics for number, metrics in zip(numbers, collected, strict=True)}
        return exposition({FRONT: self._hub.metrics.registry.collect(), **page})

    async def aclose(self) -> None:
        """End every session and every worker. Idempotent."""
        self._closing = True
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)
        await asyncio.gather(*(link.close() for link in self._links.values()))
        await asyncio.gather(*(self._forget(number) for number in tuple(self._links)))

    async def _open(self, number: int) -> None:
        link, self._started = await WorkerLink.open(
            Start(settings=self._settings, number=number, workers=self._count),
            hear=self._hear,
            answer=self._answer,
            wishes=lambda: Wishes(matrices=self._hub.wants_matrices),
            clock_ns=self._clock_ns,
        )
        self._links[number] = link

    async def _keep(self, number: int) -> None:
        """Start a worker again whenever it ends, until cancelled."""
        delays = RestartDelays()
        while True:
            ran_ns = 0
            link = self._links.get(number)
            if link is not None:
                await link.ended()
                ran_ns = link.ran_ns
                self._ends.inc()
                await self._forget(number)
            delay_s = delays.after(ran_ns)
            log.error("worker_ended", worker=number, start_again_in_s=delay_s)
            await asyncio.sleep(delay_s)
            try:
                await self._open(number)
            except SeamwatchError:
                log.exception("worker_not_started", worker=number)

    async def _forget(self, number: int) -> None:
        """Forget a worker that has ended; whoever is still in its calls is watched by nobody any more."""
        del self._links[number]
        lost = self._placement.lost(number)
        for key in lost:
            latest = self._latest.pop(key)
            if latest is not None:
                self._hub.publish_score(without_evidence(latest))
        await asyncio.sleep(_LAST_SCORE_S)
        for call, participant in lost:
            if (call, participant) not in self._latest:
                self._hub.publish_participant(
                    Participant(call=call, participant=participant, state="left", reason=WORKER_LOST)
                )

    def _hear(self, message: Any) -> None:
        match message:
            case Participant():
                self._attend(message)
            case ScoreUpdate():
                key = (message.call, message.participant)
                if key in self._latest:
                    self._latest[key] = message
                self._hub.publish_score(message)
            case ReceptionUpdate():
                self._hub.publish_reception(message)
            case Matrices():
                self._hub.publish_matrices(message)
            case Evidence() if self.evidence is not None:
                if message.item is None:
                    self.evidence.drop()
                else:
                    self.evidence.offer(message.item)
            case Run() if self.runs is not None:
                self.runs.remember(message.seq, message.run)

    def _attend(self, event: Participant) -> None:
        key = (event.call, event.participant)
        if event.state == "joined":
            self._placement.joined(*key)
            self._settings.references.came(*key)
            self._latest.setdefault(key, None)
        else:
            self._placement.left(*key, self._clock_ns())
            self._latest.pop(key, None)
        self._hub.publish_participant(event)

    async def _answer(self, question: Any) -> Any:
        if isinstance(question, AlertDraft):
            return await self._hub.publish_alert(question)
        raise TypeError(type(question).__name__)

    async def _collect(self, link: WorkerLink) -> list[Metric]:
        """Return a worker's metrics; none where it has ended or is too busy to say."""
        with suppress(WorkerLostError, TimeoutError):
            async with asyncio.timeout(_COLLECT_TIMEOUT_S):
                metrics: list[Metric] = await link.ask(Collect())
                return metrics
        return []

    def _of_resource(self, resource_id: str) -> tuple[WorkerLink | None, str]:
        """Return the worker that a resource's name begins with, and the worker's own name of it."""
        number, _, own = resource_id.partition(".")
        link = self._links.get(int(number)) if number.isascii() and number.isdecimal() else None
        return link, own
