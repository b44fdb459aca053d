"""One participant's way from media to scores and alerts. Synchronous, clock-free, used live and for files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np

from engines.frontend.picture import Picture
from realtime.config import MonitorConfig
from realtime.decision.calibration import Calibration
from realtime.decision.sampling import BurstSampling
from realtime.deferred import DeferredWork, Helper
from realtime.encoders.deadline import wanted_by
from realtime.encoders.suite import EncoderSuite
from realtime.errors import OverloadError
from realtime.evidence.media import KeptMedia, MediaMemory
from realtime.faces.analyzer import FaceAnalyzer
from realtime.faces.detector import FaceDetector
from realtime.faces.lips import LipFinder
from realtime.faces.mesh import FaceMesh
from realtime.foresight import Foresight
from realtime.identity.reference import Reference
from realtime.judge import EncodedWindow, Judge, WindowResult
from realtime.load import MAX_AGE_NS
from realtime.scoring.gating import LOW_FRAME_RATE, is_heard
from realtime.scoring.picture_rate import PictureRate
from realtime.timebase import SAMPLE_RATE_HZ, SAMPLES_PER_TICK, sample_at, tick_at, tick_time_ns
from realtime.types import (
    AlertState,
    AudioFrame,
    FaceFrame,
    FaceReason,
    Float32,
    GapReason,
    MediaGap,
    Seam,
    SimilarityMatrix,
    VideoFrame,
    Window,
)
from realtime.windows.cutter import WindowCutter

OVERLOAD = str(FaceReason.OVERLOAD)


class ParticipantPipeline:
    """Faces, windows, encoders, similarity, scoring and alerts of one participant.

    Push methods return the results of the windows that became complete. Not thread-safe: the caller hands
    over one batch at a time. What engines drop under overload counts as missing evidence, and the scores that
    it touches say "overload".

    Args:
        encoders: Shared encoders.
        config: Settings of every stage.
        keep_evidence: Whether embeddings are kept for the evidence of transitions.
        keep_media: Whether small pictures of the face and the loudness are kept for it, too.
        calibration: What genuine media looks like to these encoders, for the sequential test; None for none.
        reference: Of the person that the participant should be; None to compare with nobody.
        on_window: Called with every window once it is encoded, before it is judged.
        foresight: Has taken each item before it is pushed here; None where nothing comes ahead.
        helper: Finds lips and embeds faces beside the caller until a window wants them, with engines that
            drop nothing under overload; None to do that at once.

    Attributes:
        last_face: The newest analysed tick.
        dropped_windows: Windows whose lips and voice were not encoded because of overload.
    """

    def __init__(
        self,
        encoders: EncoderSuite,
        config: MonitorConfig,
        *,
        keep_evidence: bool = False,
        keep_media: bool = False,
        calibration: Calibration | None = None,
        reference: Reference | None = None,
        on_window: Callable[[EncodedWindow], None] | None = None,
        foresight: Foresight | None = None,
        helper: Helper | None = None,
    ) -> None:
        self._encoders = encoders
        self._voices = encoders.audio if foresight is None else foresight.voices
        self._media = MediaMemory(config.scoring.memory_windows) if keep_media else None
        faces = replace(config.faces, mouth_crops=encoders.mouth_size_px is not None)
        mesh = FaceMesh(encoders.engines.landmarks)
        self._analyzer = FaceAnalyzer(
            faces,
            FaceDetector(encoders.engines.detector) if foresight is None else foresight.faces,
            mesh,
            lips_on_demand=True,
        )
        self._lips = LipFinder(faces, mesh)
        self._speech = encoders.speech_detector() if foresight is None else foresight.speech
        self._deferred = DeferredWork(helper)
        self._lips_begun_end_tick = 0
        self._cutter = WindowCutter(config.windows, encoders.identity.dimension, encoders.mouth_size_px)
        self._on_window = on_window
        self._judge = Judge(config, keep_evidence=keep_evidence, calibration=calibration, reference=reference)
        self._sampling = BurstSampling(config.decision, config.faces.identity_interval_ticks)
        self._next_video_tick: int | None = None
        self._picture: Picture | None = None
        self._picture_rate = PictureRate()
        self._stride = 1
        self._config = config
        self._audio_end_tick = 0
        self._speech_end_sample: int | None = None
        self._heard_end_sample = 0
        self._overload_end_tick = 0
        self.last_face: FaceFrame | None = None
        self.dropped_windows = 0

    @property
    def state(self) -> AlertState:
        """State of the alert machine."""
        return self._judge.state

    @property
    def causes(self) -> tuple[str, ...]:
        """The channels behind the state."""
        return self._judge.causes

    def push_video(self, frames: Iterable[VideoFrame]) -> list[WindowResult]:
        """Take pictures (or ticks without one) in order; a picture that is held is the same object again."""
        faces: list[FaceFrame] = []
        for frame in frames:
            self._measure_rate(frame)
            faces.extend(self._analyzer.push(frame))
            self._next_video_tick = frame.tick + 1
        self._take_faces(faces)
        return self._score_ready()

    def push_audio(self, frames: Iterable[AudioFrame]) -> list[WindowResult]:
        """Take blocks of audio in order."""
        for frame in frames:
            self._cutter.push_audio(frame)
            if self._media is not None:
                self._media.take_audio(frame)
            start = sample_at(frame.start_ns)
            self._audio_end_tick = (start + len(frame.samples)) // SAMPLES_PER_TICK + 1
            self._take_speech(self._speech.push(start, frame.samples))
        return self._score_ready()

    def push_gap(self, gap: MediaGap) -> list[WindowResult]:
        """Take a span without media."""
        if gap.track == "audio":
            span = gap.span
            self._take_speech(self._speech.push_gap(sample_at(span.start_ns), sample_at(span.end_ns)))
            self._cutter.push_audio_gap(gap, waiting_from=self._speech.waiting_from)
            return self._score_ready()
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
        self._deferred.settle()
        return self._score(self._cutter.flush())

    def set_stride(self, stride: int) -> None:
        """Analyse only every n-th picture; above 1 the scores say "overload"."""
        self._stride = stride
        self._analyzer.set_stride(stride)

    def set_sync_uncertainty(self, uncertainty_ns: int) -> None:
        """Say what may be left of a misalignment of sound and picture, from now until said otherwise.

        To be called for media from a network before the first of it; a file's tracks share a clock.
        """
        self._judge.set_sync_uncertainty(uncertainty_ns)

    def realign(self) -> None:
        """Say that sound and picture come over another connection from now on, on another alignment."""
        self._judge.realign()

    def seams(self, count: int) -> tuple[Seam, ...]:
        """Return the window pairs in memory that disagree most, worst first."""
        return self._judge.seams(count)

    def matrices(self) -> tuple[SimilarityMatrix, SimilarityMatrix]:
        """Return the intra-modal and the cross-modal similarity matrix in memory."""
        return self._judge.matrices()

    def media(self, seams: Iterable[Seam]) -> KeptMedia | None:
        """Return what is kept of the media of these moments; None where media is not kept."""
        return None if self._media is None else self._media.snapshot(seams)

    def _measure_rate(self, frame: VideoFrame) -> None:
        is_new = frame.image is not None and frame.image is not self._picture
        self._picture_rate.take(frame.tick, is_new=is_new, dropped=frame.gap is GapReason.DROPPED)
        if frame.image is not None:
            self._picture = frame.image

    def _take_faces(self, faces: list[FaceFrame]) -> None:
        with_crop = [face for face in faces if face.identity_crop is not None]
        if with_crop:
            crops = np.stack([face.identity_crop for face in with_crop if face.identity_crop is not None])
            self._deferred.do(
                with_crop[0].tick,
                partial(self._encoders.identity.embed, crops),
                partial(self._take_identities, [face.tick for face in with_crop]),
            )
        for face in faces:
            self._cutter.push_face(face)
            if self._media is not None and face.identity_crop is not None:
                self._media.take_face(face.tick, face.track_id, face.identity_crop)
        if not faces:
            return
        self.last_face = faces[-1]
        if self._is_speaking:
            self._begin_lips()

    def _take_identities(self, ticks: Sequence[int], embedded: Callable[[], Float32]) -> None:
        try:
            vectors = embedded()
        except OverloadError:
            self._overload_end_tick = max(self._overload_end_tick, ticks[-1] + 1)
            return
        for tick, vector in zip(ticks, vectors, strict=True):
            self._cutter.push_identity(tick, vector)

    @property
    def _is_speaking(self) -> bool:
        """Whether somebody spoke in the newest second that has been listened to."""
        spoken, heard = self._speech_end_sample, self._heard_end_sample
        return spoken is not None and heard - spoken < SAMPLE_RATE_HZ

    def _begin_lips(self) -> None:
        first = self._cutter.open_from_tick - self._config.faces.detection_interval_ticks
        faces = self._cutter.faces(max(first, self._lips_begun_end_tick))
        if not any(face.region is not None for face in faces):
            return
        if self._deferred.is_deferring:
            self._lips_begun_end_tick = faces[-1].tick + 1
        self._deferred.do(faces[0].tick, partial(self._lips.look_and_bridge, faces), self._take_lips)

    def _take_lips(self, looked: Callable[[], list[FaceFrame]]) -> None:
        # What the engine has no time for now is tried again when a window wants it.
        with suppress(OverloadError):
            self._cutter.replace_faces(looked())

    def _take_speech(self, runs: Iterator[tuple[int, int, float]]) -> None:
        try:
            for start, end, probability in runs:
                self._cutter.push_speech(start, end, probability)
                self._heard_end_sample = end
                if probability >= self._config.scoring.speech_threshold:
                    self._speech_end_sample = end
        except OverloadError:
            self._overload_end_tick = max(self._overload_end_tick, self._audio_end_tick)

    def _score_ready(self) -> list[WindowResult]:
        end_tick = self._cutter.due_end_tick
        if end_tick is None:
            return []
        self._deferred.settle(end_tick)
        return self._score(self._cutter.ready())

    def _score(self, windows: Iterator[Window]) -> list[WindowResult]:
        return [self._score_window(window) for window in windows]

    def _score_window(self, window: Window) -> WindowResult:
        deadline_ns = None if window.arrival_ns is None else window.arrival_ns + MAX_AGE_NS
        lips, voice = None, None
        try:
            with wanted_by(deadline_ns):
                if is_heard(window, self._config.scoring, self._config.windows):
                    window = self._with_lips(window)
                    lips = self._encoders.visual.encode(window)
                    voice = None if lips is None else self._voices.encode(window)
        except OverloadError:
            self.dropped_windows += 1
            lips = None
            window = _overloaded(window)
        if window.span.start_ns < tick_time_ns(self._overload_end_tick):
            window = _overloaded(window)
        degraded = (OVERLOAD,) if self._stride > 1 or OVERLOAD in window.reasons else ()
        unfit = (LOW_FRAME_RATE,) if self._picture_rate.is_low else ()
        encoded = EncodedWindow(
            window=window,
            identity=self._encoders.identity.pool(window),
            lips=lips,
            voice=voice,
            degraded=degraded,
            unfit=unfit,
        )
        if self._on_window is not None:
            self._on_window(encoded)
        result = self._judge.take(encoded)
        if result.test is not None:
            self._analyzer.set_identity_interval(self._sampling.interval_ticks(result.test))
        if result.evidence is None or self._media is None:
            return result
        media = self._media.snapshot(result.evidence.seams)
        return replace(result, evidence=replace(result.evidence, media=media))

    def _with_lips(self, window: Window) -> Window:
        """Return the window with the lips that nobody has looked for so far."""
        start, margin = tick_at(window.span.start_ns), self._config.faces.detection_interval_ticks
        stop = start + self._config.windows.length_ticks
        if not any(face.awaits_lips for face in self._cutter.faces(start, stop)):
            return window
        self._deferred.settle()
        faces = self._cutter.faces(start - margin, stop + margin)
        if any(face.region is not None for face in faces):
            self._cutter.replace_faces(self._lips.look_and_bridge(faces))
        return self._cutter.recut(window)


def _overloaded(window: Window) -> Window:
    others = tuple(reason for reason in window.reasons if reason != OVERLOAD)
    return replace(window, reasons=(OVERLOAD, *others))
