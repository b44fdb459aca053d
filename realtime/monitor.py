"""The monitor: owns every participant's receiver, session and task, and answers the server's requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import structlog

from realtime.alerts.alert_runs import RunTaker
from realtime.config import MonitorConfig
from realtime.decisions import Decisions
from realtime.encoders.suite import EncoderSuite
from realtime.errors import CapacityError, SignallingError
from realtime.evidence.keeper import EvidenceTaker
from realtime.identity.references import References
from realtime.ingest.sink import EndReason, MediaSink
from realtime.ingest.source import MediaSource, OpenSource
from realtime.ingest.webrtc import WebRtcReceiver
from realtime.load import overloaded_device
from realtime.messages import Narrator, encoder_info
from realtime.milestones import Milestones
from realtime.observe.metrics import MonitorMetrics
from realtime.pipeline import ParticipantPipeline
from realtime.seat import Seat
from realtime.server.ports import Health, HealthState, HubPort, ParticipantSnapshot, Publication
from realtime.server.wire import EncoderInfo, Participant
from realtime.session import ParticipantSession, SessionContext

log = structlog.get_logger(__name__)

MAX_SEAT = 1 << 31


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
        evidence: Writes the evidence of alerts; None to keep none.
        runs: Remembers what led to alerts, for feedback; None for no such memory.
        references: Who participants should be; None to compare them with nobody.
        decisions: How participants are decided on; None for thresholds without a calibration.
        seat_numbers: What seats are numbered with, the lowest free one first.
    """

    def __init__(
        self,
        encoders: EncoderSuite,
        config: MonitorConfig,
        hub: HubPort,
        metrics: MonitorMetrics,
        *,
        clock_ns: Callable[[], int],
        max_participants: int,
        threads: int,
        thumbnails: bool,
        evidence: EvidenceTaker | None = None,
        runs: RunTaker | None = None,
        references: References | None = None,
        decisions: Decisions | None = None,
        seat_numbers: range = range(1, MAX_SEAT),
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
        self._evidence = evidence
        self._references = References({}) if references is None else references
        self._decisions = Decisions(config=config.decision) if decisions is None else decisions
        self._context = SessionContext(
            hub=hub,
            metrics=metrics,
            executor=self._executor,
            clock_ns=clock_ns,
            thumbnails=thumbnails,
            evidence=evidence,
            runs=runs,
            milestones=Milestones.of(config),
        )
        self._seat_numbers = seat_numbers
        self._seats: dict[tuple[str, str], Seat] = {}
        self._tasks: dict[Seat, asyncio.Task[None]] = {}
        self._call_starts_ns: dict[str, int] = {}
        self._closing = False
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
        answer = ""

        async def answer_offer(sink: MediaSink) -> MediaSource:
            nonlocal answer
            receiver = WebRtcReceiver(sink, clock_ns=self._clock_ns)
            try:
                answer = await receiver.accept(offer_sdp)
            except BaseException:
                await receiver.close()
                raise
            return receiver

        resource_id = await self.admit(call, participant, answer_offer)
        return Publication(resource_id=resource_id, answer_sdp=answer)

    async def admit(self, call: str, participant: str, open_source: OpenSource) -> str:
        """Give a participant a seat, or back the one it left within a minute, and open its media.

        A participant of the same name in the same call is replaced. What ``open_source`` raises comes out
        again.

        Args:
            call: The call.
            participant: The participant.
            open_source: Called with where the media goes; ``on_end`` is for media that it returned only.

        Returns:
            The name of the connection, for ``unpublish``.

        Raises:
            CapacityError: The monitor is full or closing.
        """
        seat = self._reserve(call, participant)
        try:
            async with seat.opening:
                await seat.disconnect()
                returned = seat in self._tasks
                await seat.connect(open_source)
                if seat not in self._tasks:
                    self._tasks[seat] = asyncio.create_task(self._keep(seat), name="participant-session")
                if self._closing:
                    await seat.disconnect()
                    raise self._full()
        finally:
            seat.reservations -= 1
            self._forget(seat)
        self._metrics.webrtc.labels(event="accepted").inc()
        self._hub.publish_participant(
            Participant(
                call=call, participant=participant, state="joined", reason="returned" if returned else ""
            )
        )
        log.info("participant_joined", participants=len(self._present()))
        return seat.resource_id

    def _reserve(self, call: str, participant: str) -> Seat:
        seat = self._seats.get((call, participant))
        present = self._present()
        if self._closing or (seat not in present and len(present) >= self._max_participants):
            raise self._full()
        if seat is None:
            self._require_room()
            seat = self._seats[call, participant] = self._new_seat(call, participant)
        seat.reservations += 1
        return seat

    def _full(self) -> CapacityError:
        return CapacityError(
            f"The monitor watches {len(self._present())} participants and takes no more.",
            fix="End another session, or start it with a higher --max-participants.",
        )

    def _new_seat(self, call: str, participant: str) -> Seat:
        now_ns = self._clock_ns()
        offset_ns = now_ns - self._call_starts_ns.setdefault(call, now_ns)
        narrator = Narrator(call, participant, self._encoder_info, offset_ns, self._decisions.support(call))
        pipeline = ParticipantPipeline(
            self._encoders,
            replace(self._config, decision=self._decisions.of(call)),
            keep_evidence=self._evidence is not None,
            keep_media=self._evidence is not None and self._evidence.keeps_media,
            calibration=self._decisions.calibration,
            reference=self._references.of(call, participant),
        )
        session = ParticipantSession(self._context, pipeline, narrator)
        taken = {seat.number for seat in self._seats.values()}
        return Seat(
            call,
            participant,
            number=next(number for number in self._seat_numbers if number not in taken),
            session=session,
            clock_ns=self._clock_ns,
            on_left=self._on_left,
        )

    def _require_room(self) -> None:
        scheduler = self._encoders.scheduler
        if scheduler is None:
            return
        present = len(self._present())
        full = overloaded_device(scheduler.loads(), present)
        if full is not None:
            raise CapacityError(
                f"{present} participants keep the engines' share of {full.device} busy: "
                f"{full.busy:.2f} of {full.capacity:g} runs at a time. Another one would be too many.",
                fix="End another session, or build faster engines with `seamwatch engines build`.",
            )

    async def restart(self, resource_id: str, fragment: str) -> str:
        """Refuse: aiortc wants all candidates with the offer and cannot restart ICE."""
        if self._connected(resource_id) is None:
            raise SignallingError("There is no such session.", fix="Publish again.", status=404)
        raise SignallingError(
            "This monitor supports neither trickle ICE nor ICE restarts.",
            fix="Send all candidates with the offer, and publish again after a network change.",
            status=405,
        )

    async def unpublish(self, resource_id: str) -> bool:
        """End a session and wait until what it received is analysed."""
        seat = self._connected(resource_id)
        if seat is None:
            return False
        await seat.disconnect()
        return True

    def snapshot(self) -> list[ParticipantSnapshot]:
        """Return every participant with its newest score."""
        return [
            ParticipantSnapshot(call=seat.call, participant=seat.participant, latest=seat.session.latest)
            for seat in self._present()
        ]

    def session(self, call: str, participant: str) -> ParticipantSession | None:
        """Return a present participant's analysis; None where there is none."""
        seat = self._seats.get((call, participant))
        return None if seat is None or not seat.is_present else seat.session

    async def thumbnail(self, call: str, participant: str) -> bytes | None:
        """Return a participant's newest picture as JPEG, from memory."""
        session = self.session(call, participant)
        return None if session is None else session.thumbnail()

    def health(self) -> Health:
        """Return the health: failing while alerts cannot be stored, degraded while less can be done."""
        reasons = []
        state = HealthState.OK
        if any("overload" in _reasons(seat.session) for seat in self._present()):
            state = HealthState.DEGRADED
            reasons.append("overload")
        if self._evidence is not None and self._evidence.failing:
            state = HealthState.DEGRADED
            reasons.append("evidence_failing")
        if self._hub.store_error is not None:
            state = HealthState.FAILING
            reasons.append("alert_store_failing")
        return Health(state=state, reasons=reasons, participants=len(self._present()))

    async def aclose(self) -> None:
        """End every session and the worker threads."""
        self._closing = True
        await asyncio.gather(*(seat.disconnect() for seat in self._present()))
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._executor.shutdown()

    async def _keep(self, seat: Seat) -> None:
        try:
            await seat.occupy()
        except Exception:
            log.exception("analysis_failed")
        finally:
            del self._tasks[seat]
            self._forget(seat)

    def _on_left(self, seat: Seat, reason: EndReason) -> None:
        self._metrics.webrtc.labels(event=str(reason)).inc()
        self._metrics.forget(seat.number)
        self._hub.publish_participant(
            Participant(call=seat.call, participant=seat.participant, state="left", reason=str(reason))
        )
        log.info("participant_left", reason=str(reason), participants=len(self._present()))
        away = [other for other in self._seats.values() if not other.is_present and other is not seat]
        for other in away[: max(0, len(away) + 1 - self._max_participants)]:
            self._tasks[other].cancel()

    def _present(self) -> list[Seat]:
        return [seat for seat in self._seats.values() if seat.is_present]

    def _connected(self, resource_id: str) -> Seat | None:
        return next((seat for seat in self._present() if seat.resource_id == resource_id), None)

    def _forget(self, seat: Seat) -> None:
        """Give the seat up unless somebody is about to take it or may come back to it."""
        if seat in self._tasks or seat.reservations:
            return
        if self._seats.get((seat.call, seat.participant)) is seat:
            del self._seats[seat.call, seat.participant]
        if all(other.call != seat.call for other in self._seats.values()):
            self._call_starts_ns.pop(seat.call, None)


def _reasons(session: ParticipantSession) -> list[str]:
    return session.latest.reasons if session.latest is not None else []
