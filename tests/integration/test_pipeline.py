"""The pipeline in virtual time, with engines that answer at once: memory, gaps, missing media."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from engines.frontend.picture import RgbPicture
from realtime.config import MonitorConfig, ScoringConfig
from realtime.encoders.baseline import BaselineAudioEncoder, BaselineVisualEncoder
from realtime.encoders.speech import SpeechDetector
from realtime.judge import WindowResult
from realtime.pipeline import ParticipantPipeline
from realtime.scan import scan_file
from realtime.timebase import SAMPLES_PER_TICK, sample_time_ns, tick_time_ns
from realtime.types import (
    AudioFrame,
    Embedding,
    FaceFrame,
    FaceReason,
    GapReason,
    MediaGap,
    ScoreStatus,
    TimeSpan,
    Verdict,
    VideoFrame,
    Window,
)
from tests.support.evidence import footprint, unit
from tests.support.media import write_clip

PICTURE = RgbPicture(np.zeros((2, 2, 3), np.uint8))
CROP = np.zeros((112, 112, 3), np.uint8)


class SpeakingFace:
    """Stands in for the face analyzer: every picture shows a face whose mouth follows a fixed noise."""

    def __init__(self, *_: object, **__: object) -> None:
        self._heights = 0.4 + 0.1 * np.random.default_rng(0).normal(size=997)

    def push(self, frame: VideoFrame) -> list[FaceFrame]:
        if frame.image is None:
            return [FaceFrame(tick=frame.tick, reason=FaceReason.NO_PICTURE)]
        lips = np.zeros((40, 2), np.float32)
        lips[:20, 1] = np.linspace(0, self._heights[frame.tick % 997], 20)
        crop = CROP if frame.tick % 10 == 0 else None
        return [FaceFrame(tick=frame.tick, reason=None, track_id=1, lips=lips, identity_crop=crop)]

    def flush(self) -> list[FaceFrame]:
        return []

    def set_stride(self, stride: int) -> None:
        """Analyse everything all the same."""


class SteadyIdentity:
    """The same person until told otherwise, a little noisy."""

    id = "steady"
    dimension = 16

    def __init__(self) -> None:
        self._rng = np.random.default_rng(1)
        self._person = np.ones(16)

    def become_another(self) -> None:
        self._person = np.tile([1.0, -1.0], 8)

    def embed(self, crops: np.ndarray) -> np.ndarray:
        return unit(self._person + 0.2 * self._rng.normal(size=(len(crops), 16)))

    def pool(self, window: Window) -> Embedding | None:
        if not len(window.identity_embeddings):
            return None
        return Embedding(
            window_index=window.index,
            span=window.span,
            vector=unit(window.identity_embeddings.mean(axis=0)),
            engine_id=self.id,
        )


class TalkingEngine:
    """A speech detector that always hears speech."""

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        chunks = len(inputs["input"])
        return {"output": np.full((chunks, 1), 0.9, np.float32), "stateN": inputs["state"]}


CONFIG = MonitorConfig(scoring=ScoringConfig(cross_alert=-0.6, cross_genuine=0.3))


@pytest.fixture
def encoders(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    monkeypatch.setattr("realtime.pipeline.FaceAnalyzer", SpeakingFace)
    return SimpleNamespace(
        ids={},
        engines=SimpleNamespace(detector=None, landmarks=None),
        identity=SteadyIdentity(),
        visual=BaselineVisualEncoder(CONFIG.scoring.min_face_ratio),
        audio=BaselineAudioEncoder(CONFIG.windows.band_ticks, CONFIG.scoring.min_audio_ratio),
        mouth_size_px=None,
        speech_detector=lambda: SpeechDetector(TalkingEngine()),
    )


@pytest.fixture
def pipeline(encoders: SimpleNamespace) -> ParticipantPipeline:
    return ParticipantPipeline(encoders, CONFIG)


def push(
    pipeline: ParticipantPipeline,
    ticks: range,
    *,
    video: bool = True,
    audio: bool = True,
    every: int = 1,
) -> list[WindowResult]:
    """Push a call tick by tick, with a new picture on every n-th."""
    rng = np.random.default_rng(ticks.start)
    results: list[WindowResult] = []
    picture = PICTURE
    for tick in ticks:
        if video:
            picture = RgbPicture(PICTURE.rgb()) if tick % every == 0 else picture
            results += pipeline.push_video([VideoFrame(tick=tick, image=picture)])
        if audio:
            start = sample_time_ns(tick * SAMPLES_PER_TICK)
            samples = (rng.normal(size=SAMPLES_PER_TICK) * 10 ** rng.uniform(-3, -1)).astype(np.float32)
            results += pipeline.push_audio([AudioFrame(start_ns=start, samples=samples)])
    return results


def gap(track: str, ticks: range, reason: GapReason) -> MediaGap:
    return MediaGap(
        track=track,
        span=TimeSpan(start_ns=tick_time_ns(ticks.start), end_ns=tick_time_ns(ticks.stop)),
        reason=reason,
    )


def test_an_hour_of_call_grows_no_structure(pipeline: ParticipantPipeline) -> None:
    push(pipeline, range(3_000))
    before = footprint(pipeline)
    push(pipeline, range(3_000, 90_000))
    assert footprint(pipeline) == before


def test_windows_come_every_hop_in_order(pipeline: ParticipantPipeline) -> None:
    results = push(pipeline, range(1_000)) + pipeline.flush()
    assert [result.window_index for result in results] == list(range(98))
    assert results[-1].score.status is ScoreStatus.OK


def test_a_muted_microphone_ends_in_insufficient_and_recovers(pipeline: ParticipantPipeline) -> None:
    assert push(pipeline, range(500))[-1].verdict is Verdict.GENUINE
    silent: list[WindowResult] = []
    for start in range(500, 1_250, 25):
        silent += pipeline.push_gap(gap("audio", range(start, start + 25), GapReason.MUTED))
        silent += push(pipeline, range(start, start + 25), audio=False)
    assert silent[-1].score.status is ScoreStatus.INSUFFICIENT
    assert {"no_audio", "muted"} <= set(silent[-1].score.reasons)
    assert silent[-1].verdict is Verdict.INSUFFICIENT
    assert push(pipeline, range(1_250, 1_750))[-1].verdict is Verdict.GENUINE


def test_a_camera_that_is_off_is_insufficient_and_delays_nothing(pipeline: ParticipantPipeline) -> None:
    results = push(pipeline, range(500), video=False)
    assert results[-1].score.time_ns > tick_time_ns(500 - 25 - 32 - 10)
    assert {result.verdict for result in results} == {Verdict.INSUFFICIENT}
    assert "no_video" in results[-1].score.reasons


def test_overload_is_said_and_never_genuine(pipeline: ParticipantPipeline) -> None:
    push(pipeline, range(500))
    pipeline.set_stride(2)
    degraded = push(pipeline, range(500, 600))
    assert {result.score.status for result in degraded} == {ScoreStatus.DEGRADED}
    assert {result.score.reasons for result in degraded} == {("overload",)}
    assert {result.verdict for result in degraded} == {Verdict.INSUFFICIENT}
    pipeline.set_stride(1)
    assert push(pipeline, range(600, 700))[-1].verdict is Verdict.GENUINE


def test_a_source_that_slows_down_is_identity_only_until_it_recovers(pipeline: ParticipantPipeline) -> None:
    assert push(pipeline, range(500))[-1].verdict is Verdict.GENUINE
    slow = push(pipeline, range(500, 1_000), every=5)[10:]
    assert {result.verdict for result in slow} == {Verdict.INSUFFICIENT}
    assert {result.score.reasons for result in slow} == {("low_frame_rate",)}
    assert all(result.score.margin is not None for result in slow)
    assert push(pipeline, range(1_000, 1_150))[-1].verdict is Verdict.GENUINE


def test_a_freeze_is_not_taken_for_a_low_rate(pipeline: ParticipantPipeline) -> None:
    results = push(pipeline, range(500))
    results += pipeline.push_gap(gap("video", range(500, 550), GapReason.LOSS))
    results += push(pipeline, range(500, 550), video=False)
    results += push(pipeline, range(550, 1_000))
    assert not any("low_frame_rate" in result.score.reasons for result in results)
    assert results[-1].verdict is Verdict.GENUINE


def test_pictures_that_this_host_drops_are_no_low_rate(pipeline: ParticipantPipeline) -> None:
    results = push(pipeline, range(500))
    for start in range(500, 1_000, 10):
        results += push(pipeline, range(start, start + 2))
        results += pipeline.push_gap(gap("video", range(start + 2, start + 10), GapReason.DROPPED))
        results += push(pipeline, range(start + 2, start + 10), video=False)
    assert not any("low_frame_rate" in result.score.reasons for result in results)


@pytest.mark.parametrize(("fps", "low"), [(2, True), (8, True), (12, False), (15, False), (25, False)])
def test_a_file_of_few_pictures_a_second_is_never_genuine(
    encoders: SimpleNamespace, tmp_path: Path, fps: int, low: bool
) -> None:
    clip = write_clip(
        tmp_path / "clip.mkv", seconds=30, fps=fps, video_codec="mjpeg", audio_codec="pcm_s16le"
    )
    result = scan_file(clip, encoders, CONFIG, overlapping=False)
    said = [score for score in result.timeline if "low_frame_rate" in score.reasons]
    assert len(said) == (len(result.timeline) if low else 0)
    assert (result.cross is None) == low
    assert all((score.intra_windows > 0) for score in result.timeline[3:])
    if low:
        assert result.verdict is Verdict.INSUFFICIENT
        assert result.reasons[0] == "low_frame_rate"


def test_a_face_that_changes_in_few_pictures_is_still_told(
    encoders: SimpleNamespace, pipeline: ParticipantPipeline
) -> None:
    push(pipeline, range(1_000), every=5)
    encoders.identity.become_another()
    results = push(pipeline, range(1_000, 1_500), every=5)
    assert results[-1].verdict is Verdict.FAKE
    assert results[-1].score.reasons == ("low_frame_rate",)
    assert {result.verdict for result in results} <= {Verdict.INSUFFICIENT, Verdict.SUSPICIOUS, Verdict.FAKE}


def test_a_clock_that_is_unsure_withholds_the_lips_and_is_forgiven(pipeline: ParticipantPipeline) -> None:
    pipeline.set_sync_uncertainty(20_000_000)
    assert push(pipeline, range(1_000))[-1].verdict is Verdict.GENUINE
    pipeline.set_sync_uncertainty(90_000_000)
    unsure = push(pipeline, range(1_000, 1_100))
    assert {result.verdict for result in unsure} == {Verdict.INSUFFICIENT}
    assert {result.score.reasons[-1] for result in unsure} == {"clock_unsure"}
    pipeline.set_sync_uncertainty(20_000_000)
    assert push(pipeline, range(1_100, 1_600))[-1].verdict is Verdict.GENUINE
    pipeline.realign()
    assert push(pipeline, range(1_600, 1_620))[-1].verdict is Verdict.INSUFFICIENT
