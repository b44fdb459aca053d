"""What training sees of a clip is what the live path sees of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from engines.checkpoint import load_checkpoint
from engines.loader import EngineSet
from realtime.config import FaceConfig, MonitorConfig
from realtime.encoders.speech import SpeechDetector
from realtime.encoders.suite import build_encoders
from realtime.scan import scan_file
from realtime.timebase import SAMPLES_PER_TICK, sample_at
from realtime.types import AudioFrame, FaceFrame, Float32
from realtime.windows.cutter import WindowCutter
from tests.support.training_clips import clip_record
from training.data.decode import AudioSegment
from training.data.features import features_of, speech_of
from training.data.prepared_clip import PreparedClip


@dataclass
class Seen:
    """What the live path hands to its windows."""

    faces: dict[int, FaceFrame] = field(default_factory=dict)
    identity: dict[int, Float32] = field(default_factory=dict)
    audio: Float32 = field(default_factory=lambda: np.zeros(0, np.float32))
    speech: Float32 = field(default_factory=lambda: np.zeros(0, np.float32))


@pytest.fixture(scope="module")
def live(genuine_clip: Path, engine_set: EngineSet) -> Seen:
    seen = Seen()
    samples = 20 * 16_000
    seen.audio, seen.speech = np.zeros(samples, np.float32), np.full(samples, np.nan, np.float32)

    class Watched(WindowCutter):
        def push_face(self, frame: FaceFrame) -> None:
            seen.faces[frame.tick] = frame
            super().push_face(frame)

        def replace_faces(self, frames: Sequence[FaceFrame]) -> None:
            seen.faces.update((frame.tick, frame) for frame in frames)
            super().replace_faces(frames)

        def push_identity(self, tick: int, embedding: Float32) -> None:
            seen.identity[tick] = embedding
            super().push_identity(tick, embedding)

        def push_audio(self, frame: AudioFrame) -> None:
            start = sample_at(frame.start_ns)
            seen.audio[start : start + len(frame.samples)] = frame.samples
            super().push_audio(frame)

        def push_speech(self, start: int, end: int, probability: float) -> None:
            seen.speech[start:end] = probability
            super().push_speech(start, end, probability)

    config = dataclasses.replace(MonitorConfig(), faces=FaceConfig(mouth_crops=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("realtime.pipeline.WindowCutter", Watched)
        scan_file(genuine_clip, build_encoders(engine_set, config, load_checkpoint()), config)
    return seen


@pytest.fixture(scope="module")
def prepared(genuine_clip: Path, engine_set: EngineSet) -> PreparedClip:
    record = clip_record("genuine", path=genuine_clip, duration_s=None)
    return features_of(record, engine_set)


def test_the_record_gains_the_facts_of_the_file(prepared: PreparedClip) -> None:
    clip = prepared.clip
    assert (clip.fps, clip.width, clip.height) == (25.0, 640, 480)
    assert clip.duration_s is not None
    assert clip.duration_s == pytest.approx(10.0, abs=0.1)
    assert prepared.ticks == round(clip.duration_s * 25)


def test_lips_and_mouth_are_those_of_the_live_path(prepared: PreparedClip, live: Seen) -> None:
    assert np.count_nonzero(prepared.present) > 0.9 * prepared.ticks
    looked_at = [tick for tick in range(prepared.ticks) if not live.faces[tick].awaits_lips]
    assert len(looked_at) > 0.8 * prepared.ticks
    for tick in looked_at:
        face = live.faces[tick]
        assert prepared.present[tick] == (face.lips is not None and face.mouth is not None)
        assert prepared.track[tick] == (-1 if face.track_id is None else face.track_id)
        expected_lips, expected_mouth = np.zeros((40, 2), np.float32), np.zeros((64, 64), np.uint8)
        if face.lips is not None and face.mouth is not None:
            expected_lips, expected_mouth = face.lips, face.mouth
        np.testing.assert_array_equal(prepared.lips[tick], expected_lips)
        np.testing.assert_array_equal(prepared.mouth[tick], expected_mouth)


def test_identity_is_that_of_the_live_path(prepared: PreparedClip, live: Seen) -> None:
    expected = {tick: vector for tick, vector in live.identity.items() if tick < prepared.ticks}
    assert len(expected) > 10
    assert prepared.identity_ticks.tolist() == sorted(expected)
    np.testing.assert_allclose(np.linalg.norm(prepared.identity, axis=1), 1.0, atol=1e-5)
    for tick, vector in zip(prepared.identity_ticks.tolist(), prepared.identity, strict=True):
        np.testing.assert_allclose(vector, expected[tick].reshape(-1), atol=1e-5)


def test_sound_is_that_of_the_live_path_but_for_its_sixteen_bits(prepared: PreparedClip, live: Seen) -> None:
    expected = live.audio[: len(prepared.audio)]
    assert np.abs(expected).max() > 0.05
    np.testing.assert_allclose(prepared.audio / 32767, expected, atol=1 / 32767)


def test_speech_is_that_of_the_live_path(prepared: PreparedClip, live: Seen) -> None:
    expected = live.speech[: len(prepared.audio) : SAMPLES_PER_TICK]
    assert np.isfinite(expected).all()
    assert (expected > 0.5).any()
    np.testing.assert_allclose(prepared.speech, expected, atol=1e-3)


def test_quality_is_measured(prepared: PreparedClip, live: Seen) -> None:
    sizes = [
        face.face_size_px
        for tick, face in live.faces.items()
        if tick < prepared.ticks and face.reason is None
    ]
    assert prepared.face_size_px == pytest.approx(np.median(sizes))
    assert prepared.sharpness > 0


class ChunkCounter(SpeechDetector):
    """Gives the n-th chunk of 512 samples the probability n / 100, and starts again after a flush."""

    def __init__(self) -> None:
        self._buffer, self._start, self._chunks = 0, 0, 0

    def push(self, start: int, samples: Float32) -> Iterator[tuple[int, int, float]]:
        if not self._buffer:
            self._start = start
        self._buffer += len(samples)
        while self._buffer >= 512:
            self._chunks += 1
            yield self._start, self._start + 512, self._chunks / 100
            self._start, self._buffer = self._start + 512, self._buffer - 512

    def flush(self) -> Iterator[tuple[int, int, float]]:
        if self._buffer:
            yield self._start, self._start + self._buffer, 0.99
        self._buffer = 0


def test_a_tick_has_the_speech_of_the_chunk_it_begins_in() -> None:
    segments = [
        AudioSegment(start_sample=640, samples=np.zeros(1920, np.float32)),
        AudioSegment(start_sample=4000, samples=np.zeros(700, np.float32)),
    ]
    expected = []
    runs = [(640, 1152, 0.01), (1152, 1664, 0.02), (1664, 2176, 0.03), (2176, 2560, 0.99)]
    runs += [(4000, 4512, 0.04), (4512, 4700, 0.99)]
    for tick in range(9):
        sample = tick * 640
        expected.append(next((value for start, end, value in runs if start <= sample < end), 0.0))
    np.testing.assert_allclose(speech_of(segments, 9, ChunkCounter()), expected)
