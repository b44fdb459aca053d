"""One live participant: bounded intake, analysis in worker threads, results to the event hub."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Literal

import cv2
import structlog

from engines.frontend.picture import Picture
from realtime.alerts.alert_runs import AlertRun, RunTaker
from realtime.config import MonitorConfig
from realtime.decision.recent import RecentObservations
from realtime.errors import AlertStoreError
from realtime.evidence.bundle import EvidenceItem
from realtime.evidence.keeper import EvidenceTaker
from realtime.evidence.memory import EvidenceSnapshot
from realtime.evidence.record import Source
from realtime.ingest.reception import Reception
from realtime.ingest.sink import EndReason, PendingPicture, TrackState
from realtime.intake import Batch, Intake
from realtime.judge import WindowResult
from realtime.load import LoadGovernor
from realtime.messages import Narrator, without_evidence
from realtime.milestones import Milestones
from realtime.observe.metrics import MonitorMetrics
from realtime.pipeline import ParticipantPipeline
from realtime.server.ports import HubPort
from realtime.server.wire import AlertDraft, ScoreUpdate, Tracks
from realtime.timebase import NS_PER_MS, NS_PER_S, SAMPLE_RATE_HZ, sample_at
from realtime.types import AudioFrame, MediaGap, TrackKind

log = structlog.get_logger(__name__)

#: Pictures one hand-over takes at most, so that a backlog does not hold a worker thread for long.
MAX_PICTURES_PER_BATCH = 10
#: The matrices are for people to look at.
MATRICES_EVERY_NS = NS_PER_S
#: Media is analysed in the knowledge of how well its clocks are aligned.
UNCERTAINTY_EVERY_NS = NS_PER_S // 2
RECEPTION_EVERY_NS = 2 * NS_PER_S
THUMBNAIL_WIDTH_PX = 320

_WIRE_STATE: dict[TrackState, Literal["live", "gap", "none"]] = {
    TrackState.LIVE: "live",
    TrackState.GAP: "gap",
    TrackState.ENDED: "none",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionContext:
    """What all sessions of a monitor share.

    Attributes:
        hub: Takes scores, matrices and alerts.
        metrics: Queue depths and drops.
        executor: Worker threads; a session uses one of them at a time.
        clock_ns: Monotonic clock, the one that stamps arrivals.
        thumbnails: Whether the newest picture is kept in memory for the operator's page.
        evidence: Writes the evidence of alerts; None where none is kept.
        runs: Remembers what led to alerts, for feedback; None where there is no feedback file.
        milestones: Media is collected until one of them is there.
    """

    hub: HubPort
    metrics: MonitorMetrics
    executor: Executor
    clock_ns: Callable[[], int]
    thumbnails: bool
    evidence: EvidenceTaker | None = None
    runs: RunTaker | None = None
    milestones: Milestones = field(default_factory=lambda: Milestones.of(MonitorConfig()))


class ParticipantSession:
    """Receives a participant's media (``MediaSink``) and publishes what the pipeline says about it.

    Args:
        context: Shared by all sessions.
        pipeline: The participant's analysis.
        narrator: Speaks for the participant.
    """

    def __init__(self, context: SessionContext, pipeline: ParticipantPipeline, narrator: Narrator) -> None:
        self._context = context
        self._pipeline = pipeline
        self._narrator = narrator
        self._intake = Intake()
        self._recent = RecentObservations()
        self._person = secrets.token_hex(8)
        self._governor = LoadGovernor()
        self._wake = asyncio.Event()
        self._ended: EndReason | None = None
        self._tracks: dict[TrackKind, TrackState] = {}
        self._picture: Picture | None = None
        self._picture_size = (0, 0)
        self._matrices_due_ns = 0
        self._reception: Callable[[], Reception] | None = None
        self._reception_due_ns = 0
        self._uncertainty_due_ns = 0
        self._uncertainty_ns = 0
        self._realigned = True
        self._seat = 0
        self._counted_drops = (0, 0, 0)
        self.latest: ScoreUpdate | None = None

    def on_audio(self, frame: AudioFrame) -> None:
        """Queue a block of audio."""
        self._intake.put_audio(frame)
        start = sample_at(frame.start_ns)
        if self._context.milestones.met_by_audio(start, start + len(frame.samples)):
            self._wake.set()

    def on_picture(self, picture: PendingPicture) -> None:
        """Queue a picture."""
        self._intake.put_picture(picture)
        if self._context.milestones.met_by_picture(picture.tick):
            self._wake.set()

    def on_gap(self, gap: MediaGap) -> None:
        """Queue a span without media."""
        self._intake.put_gap(gap)
        self._wake.set()

    def on_track(self, kind: TrackKind, state: TrackState) -> None:
        """Remember what a track is doing."""
        self._tracks[kind] = state

    def on_end(self, reason: EndReason) -> None:
        """Finish what is queued, then end."""
        self._ended = reason
        self._wake.set()

    def follow(self, reception: Callable[[], Reception], seat: int) -> None:
        """Heed and report from now on how the media of a new connection comes in.

        Args:
            reception: Asked for it.
            seat: The participant's number at the monitor.
        """
        self._realigned = self._reception is None
        self._reception = reception
        self._seat = seat
        self._uncertainty_due_ns = self._reception_due_ns = self._context.clock_ns()

    @property
    def face_px(self) -> float | None:
        """Size of the face in the newest picture; None without one."""
        face = self._pipeline.last_face
        return face.face_size_px if face is not None and face.box is not None else None

    @property
    def picture_px(self) -> tuple[int, int]:
        """Width and height of the newest picture; (0, 0) before the first."""
        return self._picture_size

    @property
    def pictures_waiting(self) -> int:
        """Pictures that wait for analysis."""
        return self._intake.pictures_waiting

    @property
    def audio_waiting_s(self) -> float:
        """Seconds of audio that wait for analysis."""
        return self._intake.samples_waiting / SAMPLE_RATE_HZ

    def thumbnail(self) -> bytes | None:
        """Return the newest picture as a small JPEG; None where there is none or it is not kept."""
        picture = self._picture
        if picture is None:
            return None
        width = min(THUMBNAIL_WIDTH_PX, picture.width)
        small = picture.scaled(width, max(1, round(picture.height * width / picture.width)))
        done, jpeg = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        return jpeg.tobytes() if done else None

    async def run(self) -> EndReason:
        """Analyse until the media ends; returns why it ended. May be called again when more media comes.

        Raises:
            Exception: Whatever the analysis raised. The newest score is then "insufficient".
        """
        try:
            return await self._run()
        except Exception:
            if self.latest is not None:
                self.latest = without_evidence(self.latest)
                self._context.hub.publish_score(self.latest)
            raise

    async def _run(self) -> EndReason:
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            ending = self._ended
            is_behind = True
            while is_behind and (batch := self._intake.take(MAX_PICTURES_PER_BATCH)):
                is_behind = ending is not None or self._intake.pictures_waiting > 0
                stride = self._governor.update(self._context.clock_ns(), self._intake.pictures_waiting)
                self._heed_reception()
                results = await loop.run_in_executor(self._context.executor, self._analyse, batch, stride)
                await self._publish(results)
            if ending is not None:
                results = await loop.run_in_executor(self._context.executor, self._pipeline.flush)
                await self._publish(results)
                self._ended = None
                return ending

    def _analyse(self, batch: Batch, stride: int) -> list[WindowResult]:
        pipeline = self._pipeline
        pipeline.set_stride(stride)
        if not self._realigned:
            self._realigned = True
            pipeline.realign()
        pipeline.set_sync_uncertainty(self._uncertainty_ns)
        results: list[WindowResult] = []
        for item in batch.audio:
            results += pipeline.push_gap(item) if isinstance(item, MediaGap) else pipeline.push_audio([item])
        for picture in batch.pictures:
            if isinstance(picture, MediaGap):
                results += pipeline.push_gap(picture)
                continue
            frame = picture.resolve()
            if frame.image is not None:
                self._picture_size = (frame.image.width, frame.image.height)
            if self._context.thumbnails:
                self._picture = frame.image
            results += pipeline.push_video([frame])
        return results

    async def _publish(self, results: list[WindowResult]) -> None:
        self._count_drops()
        for result in results:
            now_ns = self._context.clock_ns()
            latency_ms = None if result.arrival_ns is None else (now_ns - result.arrival_ns) / NS_PER_MS
            self.latest = self._narrator.score(result, latency_ms, self._track_health())
            self._context.hub.publish_score(self.latest)
            self._recent.take(result.observations)
            if result.alert is not None:
                draft = self._narrator.alert(result.alert, datetime.now(UTC), result.test)
                seq = None
                try:
                    seq = await self._context.hub.publish_alert(draft)
                except AlertStoreError:
                    log.exception("alert_not_stored")
                self._remember_run(seq)
                if result.evidence is not None:
                    self._offer_evidence(result.evidence, draft, seq)
        if results and self._context.clock_ns() >= self._matrices_due_ns:
            self._matrices_due_ns = self._context.clock_ns() + MATRICES_EVERY_NS
            if self._context.hub.wants_matrices:
                self._context.hub.publish_matrices(self._narrator.matrices(*self._pipeline.matrices()))

    def _remember_run(self, seq: int | None) -> None:
        if self._context.runs is not None and seq is not None:
            run = AlertRun(person=self._person, observations=self._recent.snapshot())
            self._context.runs.remember(seq, run)

    def _offer_evidence(self, snapshot: EvidenceSnapshot, draft: AlertDraft, seq: int | None) -> None:
        """Have an alert's evidence written, once it is out; without a number where it was not stored."""
        if self._context.evidence is None:
            return
        message = draft.model_dump(mode="json")
        self._context.evidence.offer(
            EvidenceItem(
                snapshot=snapshot,
                alert=message if seq is None else {**message, "seq": seq},
                source=Source(kind="call"),
                offset_ns=self._narrator.offset_ns,
                reception=None if self._reception is None else asdict(self._reception()),
            )
        )

    def _heed_reception(self) -> None:
        now_ns = self._context.clock_ns()
        if self._reception is None or now_ns < self._uncertainty_due_ns:
            return
        self._uncertainty_due_ns = now_ns + UNCERTAINTY_EVERY_NS
        reception = self._reception()
        self._uncertainty_ns = round(reception.uncertainty_ms * NS_PER_MS)
        if now_ns >= self._reception_due_ns:
            self._reception_due_ns = now_ns + RECEPTION_EVERY_NS
            self._context.metrics.reception(self._seat, reception, self._picture_size)
            self._context.hub.publish_reception(
                self._narrator.reception(
                    reception, seat=self._seat, picture_px=self._picture_size, now_ns=now_ns
                )
            )

    def _track_health(self) -> Tracks:
        face = self._pipeline.last_face
        width, height = self._picture_size
        return Tracks(
            video=_WIRE_STATE[self._tracks.get("video", TrackState.ENDED)],
            audio=_WIRE_STATE[self._tracks.get("audio", TrackState.ENDED)],
            width=width,
            height=height,
            face=None if face is None else face.box,
            video_dropped=self._intake.dropped_pictures,
            audio_dropped_ms=self._intake.dropped_samples * 1000 // SAMPLE_RATE_HZ,
        )

    def _count_drops(self) -> None:
        before = self._counted_drops
        self._counted_drops = now = (
            self._intake.dropped_pictures,
            self._intake.dropped_samples,
            self._pipeline.dropped_windows,
        )
        for stage, count in zip(
            ("pictures", "audio_samples", "windows"),
            (after - earlier for after, earlier in zip(now, before, strict=True)),
            strict=True,
        ):
            if count:
                self._context.metrics.drop(stage, "overload", count)
