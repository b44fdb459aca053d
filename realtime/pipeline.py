"""One participant's way from media to scores and alerts. Synchronous, clock-free, used live and for files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from realtime.alerts.machine import AlertMachine
from realtime.config import MonitorConfig
from realtime.encoders.deadline import wanted_by
from realtime.encoders.suite import EncoderSuite
from realtime.errors import OverloadError
from realtime.evidence.memory import Alignment, EvidenceMemory, EvidenceSnapshot, LipsAndVoice, TracePoint
from realtime.faces.analyzer import FaceAnalyzer
from realtime.faces.detector import FaceDetector
from realtime.faces.mesh import FaceMesh
from realtime.load import MAX_AGE_NS
from realtime.scoring.gating import LOW_FRAME_RATE
from realtime.scoring.picture_rate import PictureRate
from realtime.scoring.scorer import Scorer
from realtime.scoring.verdict import live_verdict
from realtime.timebase import SAMPLES_PER_TICK, sample_at, tick_at, tick_time_ns
from realtime.types import (
    Alert,
    AlertState,
    AudioFrame,
    Embedding,
    FaceFrame,
    FaceReason,
    GapReason,
    LagEmbeddings,
    MediaGap,
    Score,
    Seam,
    SimilarityMatrix,
    UInt8,
    Verdict,
    VideoFrame,
    Window,
)
from realtime.windows.cutter import WindowCutter

#: Window pairs attached to an alert, and offered as a file's seams.
SEAMS_PER_ALERT = 5
OVERLOAD = str(FaceReason.OVERLOAD)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowResult:
    """What one window led to.

    Attributes:
        window_index: The window.
        score: Running scores after it.
        verdict: Live verdict after it.
        state: State of the alert machine after it.
        alert: The transition it caused, if any.
        arrival_ns: Monotonic arrival of the window's newest media; None for files.
        evidence: What the transition rests on; None without one, or where no evidence is kept.
    """

    window_index: int
    score: Score
    verdict: Verdict
    state: AlertState
    alert: Alert | None
    arrival_ns: int | None
    evidence: EvidenceSnapshot | None = None


class ParticipantPipeline:
    """Faces, windows, encoders, similarity, scoring and alerts of one participant.

    Push methods return the results of the windows that became complete. Not thread-safe: the caller hands
    over one batch at a time. What engines drop under overload counts as missing evidence, and the scores that
    it touches say "overload".

    Args:
        encoders: Shared encoders.
        config: Settings of every stage.
        keep_evidence: Whether embeddings are kept for the evidence of transitions.

    Attributes:
        last_face: The newest analysed tick.
        dropped_windows: Windows whose lips and voice were not encoded because of overload.
    """

    def __init__(self, encoders: EncoderSuite, config: MonitorConfig, *, keep_evidence: bool = False) -> None:
        self._encoders = encoders
        self._evidence = EvidenceMemory(config.scoring.memory_windows) if keep_evidence else None
        self._analyzer = FaceAnalyzer(
            replace(config.faces, mouth_crops=encoders.mouth_size_px is not None),
            FaceDetector(encoders.engines.detector),
            FaceMesh(encoders.engines.landmarks),
        )
        self._speech = encoders.speech_detector()
        self._cutter = WindowCutter(config.windows, encoders.identity.dimension, encoders.mouth_size_px)
        self._scorer = Scorer(config.scoring, config.windows)
        self._machine = AlertMachine(config.alerts)
        self._next_video_tick: int | None = None
        self._picture: UInt8 | None = None
        self._picture_rate = PictureRate()
        self._stride = 1
        self._audio_end_tick = 0
        self._overload_end_tick = 0
        self.last_face: FaceFrame | None = None
        self.dropped_windows = 0

    @property
    def state(self) -> AlertState:
        """State of the alert machine."""
        return self._machine.state

    def push_video(self, frames: Iterable[VideoFrame]) -> list[WindowResult]:
        """Take pictures (or ticks without one) in order; a picture that is held is the same array again."""
        faces: list[FaceFrame] = []
        for frame in frames:
            self._measure_rate(frame)
            faces.extend(self._analyzer.push(frame))
            self._next_video_tick = frame.tick + 1
        self._take_faces(faces)
        return self._score(self._cutter.ready())

    def push_audio(self, frames: Iterable[AudioFrame]) -> list[WindowResult]:
        """Take blocks of audio in order."""
        for frame in frames:
            self._cutter.push_audio(frame)
            start = sample_at(frame.start_ns)
            self._audio_end_tick = (start + len(frame.samples)) // SAMPLES_PER_TICK + 1
            self._take_speech(self._speech.push(start, frame.samples))
        return self._score(self._cutter.ready())

    def push_gap(self, gap: MediaGap) -> list[WindowResult]:
        """Take a span without media."""
        if gap.track == "audio":
            self._take_speech(self._speech.flush())
            self._cutter.push_audio_gap(gap)
            return self._score(self._cutter.ready())
        first = tick_at(gap.span.start_ns)
        if self._next_video_tick is not None:
            first = max(first, self._next_video_tick)
        return self.push_video(
            VideoFrame(tick=tick, image=None, gap=gap.reason)
            for tick in range(first, tick_at(gap.span.end_ns))
        )

    def flush(self) -> list[WindowResult]:
        """End the input and score what is complete."""
        self._take_faces(self._analyzer.flush())
        self._take_speech(self._speech.flush())
        return self._score(self._cutter.flush())

    def set_stride(self, stride: int) -> None:
        """Analyse only every n-th picture; above 1 the scores say "overload"."""
        self._stride = stride
        self._analyzer.set_stride(stride)

    def set_sync_uncertainty(self, uncertainty_ns: int) -> None:
        """Say what may be left of a misalignment of sound and picture, from now until said otherwise.

        To be called for media from a network before the first of it; a file's tracks share a clock.
        """
        self._scorer.set_sync_uncertainty(uncertainty_ns)

    def realign(self) -> None:
        """Say that sound and picture come over another connection from now on, on another alignment."""
        self._scorer.realign()

    def seams(self, count: int) -> tuple[Seam, ...]:
        """Return the window pairs in memory that disagree most, worst first."""
        return self._scorer.seams(count)

    def matrices(self) -> tuple[SimilarityMatrix, SimilarityMatrix]:
        """Return the intra-modal and the cross-modal similarity matrix in memory."""
        return self._scorer.matrices()

    def _measure_rate(self, frame: VideoFrame) -> None:
        is_new = frame.image is not None and frame.image is not self._picture
        self._picture_rate.take(frame.tick, is_new=is_new, dropped=frame.gap is GapReason.DROPPED)
        if frame.image is not None:
            self._picture = frame.image

    def _take_faces(self, faces: list[FaceFrame]) -> None:
        with_crop = [face for face in faces if face.identity_crop is not None]
        if with_crop:
            crops = np.stack([face.identity_crop for face in with_crop if face.identity_crop is not None])
            try:
                vectors = self._encoders.identity.embed(crops)
            except OverloadError:
                self._overload_end_tick = max(self._overload_end_tick, with_crop[-1].tick + 1)
            else:
                for face, vector in zip(with_crop, vectors, strict=True):
                    self._cutter.push_identity(face.tick, vector)
        for face in faces:
            self._cutter.push_face(face)
        if faces:
            self.last_face = faces[-1]

    def _take_speech(self, runs: Iterator[tuple[int, int, float]]) -> None:
        try:
            for start, end, probability in runs:
                self._cutter.push_speech(start, end, probability)
        except OverloadError:
            self._overload_end_tick = max(self._overload_end_tick, self._audio_end_tick)

    def _score(self, windows: Iterator[Window]) -> list[WindowResult]:
        return [self._score_window(window) for window in windows]

    def _score_window(self, window: Window) -> WindowResult:
        deadline_ns = None if window.arrival_ns is None else window.arrival_ns + MAX_AGE_NS
        visual, audio = None, None
        try:
            with wanted_by(deadline_ns):
                visual, audio = self._encoders.visual.encode(window), self._encoders.audio.encode(window)
        except OverloadError:
            self.dropped_windows += 1
            window = _overloaded(window)
        if window.span.start_ns < tick_time_ns(self._overload_end_tick):
            window = _overloaded(window)
        degraded = (OVERLOAD,) if self._stride > 1 or OVERLOAD in window.reasons else ()
        unfit = (LOW_FRAME_RATE,) if self._picture_rate.is_low else ()
        identity = self._encoders.identity.pool(window)
        score = self._scorer.update(window, identity, visual, audio, degraded, unfit=unfit)
        alert = self._machine.update(
            score.time_ns,
            self._scorer.fresh_margins(),
            lambda: self._scorer.seams(SEAMS_PER_ALERT),
            {
                "score": score.score,
                "intra": score.intra,
                "cross": score.cross,
                "recent_intra": score.recent_intra,
                "recent_cross": score.recent_cross,
                "lag_ms": score.lag_ms,
            },
        )
        return WindowResult(
            window_index=window.index,
            score=score,
            verdict=live_verdict(score, self._machine.state),
            state=self._machine.state,
            alert=alert,
            arrival_ns=window.arrival_ns,
            evidence=self._keep(
                window.index, identity=identity, visual=visual, audio=audio, score=score, alert=alert
            ),
        )

    def _keep(
        self,
        window_index: int,
        *,
        identity: Embedding | None,
        visual: Embedding | None,
        audio: LagEmbeddings | None,
        score: Score,
        alert: Alert | None,
    ) -> EvidenceSnapshot | None:
        if self._evidence is None:
            return None
        lips_and_voice = None
        if visual is not None and audio is not None and self._scorer.compared:
            lips_and_voice = LipsAndVoice(lips=visual, voice=audio)
        self._evidence.take(
            TracePoint(
                window_index=window_index,
                score=score,
                face_size_px=0.0 if self.last_face is None else self.last_face.face_size_px,
            ),
            identity,
            lips_and_voice,
        )
        if alert is None:
            return None
        lag_ticks, from_window = self._scorer.alignment
        return self._evidence.snapshot(
            alert,
            seams=alert.seams or self._scorer.seams(SEAMS_PER_ALERT),
            similarities=self._scorer.matrices()[0],
            alignment=Alignment(lag_ticks=lag_ticks, from_window=from_window),
        )


def _overloaded(window: Window) -> Window:
    others = tuple(reason for reason in window.reasons if reason != OVERLOAD)
    return replace(window, reasons=(OVERLOAD, *others))
