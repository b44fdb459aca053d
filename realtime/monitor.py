"""The monitor: owns every participant's receiver, session and task, and answers the server's requests."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from realtime.config import MonitorConfig
from realtime.encoders.suite import EncoderSuite
from realtime.errors import CapacityError, SignallingError
from realtime.ingest.sink import EndReason
from realtime.ingest.webrtc import WebRtcReceiver
from realtime.load import overloaded_device
from realtime.messages import Narrator
from realtime.observe.metrics import MonitorMetrics
from realtime.pipeline import ParticipantPipeline
from realtime.server.hub import EventHub
from realtime.server.ports import Health, HealthState, ParticipantSnapshot, Publication
from realtime.server.wire import EncoderInfo, Participant
from realtime.session import ParticipantSession, SessionContext

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seat:
    call: str
    participant: str
    receiver: WebRtcReceiver
    session: ParticipantSession
    task: asyncio.Task[None]


class Monitor:
    """Implements ``realtime.server.ports.MonitorPort``.

    Args:
        encoders: Shared by all participants.
        config: Settings of the pure core.
        hub: Takes what the monitor says.
        metrics: Shared with the hub.
        clock_ns: Monotonic clock in ns.
        max_participants: Participants accepted at a time.
        threads: Worker threads for analysis; more where engines run on another device than the CPU.
        thumbnails: Whether the newest picture of each participant is kept in memory.
    """

    def __init__(
        self,
        encoders: EncoderSuite,
        config: MonitorConfig,
        hub: EventHub,
        metrics: MonitorMetrics,
        *,
        clock_ns: Callable[[], int],
        max_participants: int,
        threads: int,
        thumbnails: bool,
    ) -> None:
        self._encoders = encoders
        self._config = config
        self._hub = hub
        self._metrics = metrics
        self._clock_ns = clock_ns
        self._max_participants = max_participants
        scheduler = encoders.scheduler
        callers = threads if scheduler is None else scheduler.callers(threads, max_participants)
        self._executor = ThreadPoolExecutor(callers, thread_name_prefix="analysis")
        self._context = SessionContext(
            hub=hub, metrics=metrics, executor=self._executor, clock_ns=clock_ns, thumbnails=thumbnails
        )
        self._seats: dict[str, _Seat] = {}
        self._call_starts_ns: dict[str, int] = {}
        self._closing = False
        self._admission = asyncio.Lock()
        self._encoder_info = encoder_info(encoders.ids)
        metrics.queue_depth.labels(stage="pictures").set_function(
            lambda: sum(seat.session.pictures_waiting for seat in self._seats.values())
        )
        metrics.queue_depth.labels(stage="audio_seconds").set_function(
            lambda: sum(seat.session.audio_waiting_s for seat in self._seats.values())
        )
        if scheduler is not None:
            metrics.queue_depth.labels(stage="engine_requests").set_function(lambda: scheduler.waiting)

    @property
    def encoders(self) -> Mapping[str, EncoderInfo]:
        """Engine per encoder."""
        return self._encoder_info

    async def publish(self, call: str, participant: str, offer_sdp: str) -> Publication:
        """Answer an offer; a participant of the same name in the same call is replaced."""
        async with self._admission:
            return await self._admit(call, participant, offer_sdp)

    async def _admit(self, call: str, participant: str, offer_sdp: str) -> Publication:
        previous = self._find(call, participant)
        if self._closing or (previous is None and len(self._seats) >= self._max_participants):
            raise CapacityError(
                f"The monitor watches {len(self._seats)} participants and takes no more.",
                fix="End another session, or start it with a higher --max-participants.",
            )
        if previous is None:
            self._require_room()
        else:
            await self.unpublish(previous)
        now_ns = self._clock_ns()
        offset_ns = now_ns - self._call_starts_ns.setdefault(call, now_ns)
        narrator = Narrator(call, participant, self._encoder_info, offset_ns)
        session = ParticipantSession(
            self._context, ParticipantPipeline(self._encoders, self._config), narrator
        )
        receiver = WebRtcReceiver(session, clock_ns=self._clock_ns)
        resource_id = secrets.token_urlsafe(16)
        try:
            answer = await receiver.accept(offer_sdp)
        except BaseException:
            await receiver.close()
            self._forget_call(call)
            raise
        task = asyncio.create_task(self._attend(resource_id), name="participant-session")
        self._seats[resource_id] = _Seat(
            call=call, participant=participant, receiver=receiver, session=session, task=task
        )
        self._metrics.webrtc.labels(event="accepted").inc()
        self._hub.publish_participant(Participant(call=call, participant=participant, state="joined"))
        log.info("participant_joined", participants=len(self._seats))
        return Publication(resource_id=resource_id, answer_sdp=answer)

    def _require_room(self) -> None:
        scheduler = self._encoders.scheduler
        if scheduler is None:
            return
        full = overloaded_device(scheduler.loads(), len(self._seats))
        if full is not None:
            raise CapacityError(
                f"{len(self._seats)} participants keep the engines' share of {full.device} busy: "
                f"{full.busy:.2f} of {full.capacity:g} runs at a time. Another one would be too many.",
                fix="End another session, or build faster engines with `seamwatch engines build`.",
            )

    async def restart(self, resource_id: str, fragment: str) -> str:
        """Refuse: aiortc wants all candidates with the offer and cannot restart ICE."""
        if resource_id not in self._seats:
            raise SignallingError("There is no such session.", fix="Publish again.", status=404)
        raise SignallingError(
            "This monitor supports neither trickle ICE nor ICE restarts.",
            fix="Send all candidates with the offer, and publish again after a network change.",
            status=405,
        )

    async def unpublish(self, resource_id: str) -> bool:
        """End a session and wait until what it received is analysed."""
        seat = self._seats.get(resource_id)
        if seat is None:
            return False
        await seat.receiver.close()
        await asyncio.shield(seat.task)
        return True

    def snapshot(self) -> list[ParticipantSnapshot]:
        """Return every participant with its newest score."""
        return [
            ParticipantSnapshot(call=seat.call, participant=seat.participant, latest=seat.session.latest)
            for seat in self._seats.values()
        ]

    def thumbnail(self, call: str, participant: str) -> bytes | None:
        """Return a participant's newest picture as JPEG, from memory."""
        resource_id = self._find(call, participant)
        return None if resource_id is None else self._seats[resource_id].session.thumbnail()

    def health(self) -> Health:
        """Return the health: failing while alerts cannot be stored, degraded under overload."""
        reasons = []
        state = HealthState.OK
        if any("overload" in _reasons(seat.session) for seat in self._seats.values()):
            state = HealthState.DEGRADED
            reasons.append("overload")
        if self._hub.store_error is not None:
            state = HealthState.FAILING
            reasons.append("alert_store_failing")
        return Health(state=state, reasons=reasons, participants=len(self._seats))

    async def aclose(self) -> None:
        """End every session and the worker threads."""
        self._closing = True
        await asyncio.gather(*(self.unpublish(resource_id) for resource_id in tuple(self._seats)))
        self._executor.shutdown()

    async def _attend(self, resource_id: str) -> None:
        seat = self._seats[resource_id]
        reason = EndReason.INTERNAL_ERROR
        try:
            reason = await seat.session.run()
        except Exception:
            log.exception("analysis_failed")
        finally:
            await seat.receiver.close()
            del self._seats[resource_id]
            self._forget_call(seat.call)
            self._metrics.webrtc.labels(event=str(reason)).inc()
            self._hub.publish_participant(
                Participant(call=seat.call, participant=seat.participant, state="left", reason=str(reason))
            )
            log.info("participant_left", reason=str(reason), participants=len(self._seats))

    def _find(self, call: str, participant: str) -> str | None:
        for resource_id, seat in self._seats.items():
            if (seat.call, seat.participant) == (call, participant):
                return resource_id
        return None

    def _forget_call(self, call: str) -> None:
        if all(seat.call != call for seat in self._seats.values()):
            self._call_starts_ns.pop(call, None)


def encoder_info(ids: Mapping[str, str]) -> dict[str, EncoderInfo]:
    """Return what the wire schema says about engines."""
    return {
        role: EncoderInfo(engine=engine, baseline=engine.startswith("baseline"))
        for role, engine in ids.items()
    }


def _reasons(session: ParticipantSession) -> list[str]:
    return session.latest.reasons if session.latest is not None else []
