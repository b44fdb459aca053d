"""Foresight answers the very question that it foresaw, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engines.frontend.picture import RgbPicture
from realtime.config import MonitorConfig
from realtime.encoders.baseline import BaselineAudioEncoder
from realtime.encoders.speech import SpeechDetector
from realtime.foresight import MAX_WAITING, ForeseenFaces, ForeseenSpeech, ForeseenVoices
from realtime.timebase import SAMPLES_PER_TICK, sample_at, tick_time_ns
from realtime.types import (
    AudioFrame,
    FaceFrame,
    FaceReason,
    GapReason,
    LagEmbeddings,
    MediaGap,
    TimeSpan,
    Window,
)
from realtime.windows.cutter import WindowCutter
from tests.integration.test_pipeline import TalkingEngine
from tests.support.faces import ScriptedDetector, detection, picture

CONFIG = MonitorConfig()


def block(tick: int) -> AudioFrame:
    samples = np.random.default_rng(tick).normal(size=SAMPLES_PER_TICK).astype(np.float32) * 0.1
    return AudioFrame(start_ns=tick_time_ns(tick), samples=samples)


def sound_gap(start: int, end: int) -> MediaGap:
    span = TimeSpan(start_ns=tick_time_ns(start), end_ns=tick_time_ns(end))
    return MediaGap(track="audio", span=span, reason=GapReason.LOSS)


class Counting:
    """A voice encoder that counts."""

    id = "counting"

    def __init__(self) -> None:
        self._encoder = BaselineAudioEncoder(CONFIG.windows.band_ticks, CONFIG.scoring.min_audio_ratio)
        self.runs = 0

    def encode(self, window: Window) -> LagEmbeddings | None:
        self.runs += 1
        return self._encoder.encode(window)


def listened(ticks: int, encoder: Counting) -> tuple[ForeseenVoices, list[Window]]:
    """Let foresight listen to a talk, and cut the windows as a pipeline would."""
    voices, speech = ForeseenVoices(encoder, CONFIG), ForeseenSpeech(SpeechDetector(TalkingEngine()))
    cutter, windows = WindowCutter(CONFIG.windows, 0), []
    for tick in range(ticks):
        voices.pass_ahead(tick + 1)
        media = block(tick)
        voices.take_ahead(media, *speech.hear_ahead(media))
        cutter.push_face(FaceFrame(tick=tick, reason=FaceReason.NO_FACE))
        cutter.push_audio(media)
        for run in speech.push(sample_at(media.start_ns), media.samples):
            cutter.push_speech(*run)
        windows += cutter.ready()
    return voices, windows


def test_a_picture_is_looked_at_once_and_only_it_gets_its_answer() -> None:
    inner = ScriptedDetector(lambda number: [detection(confidence=number / 300)])
    faces = ForeseenFaces(inner)
    first, second, other = (RgbPicture(picture(number)) for number in (60, 70, 80))
    for each in (first, first, second):
        faces.look_ahead(each)
    assert inner.shown == [60, 60, 70]
    answers = [faces.detect(each)[0].confidence for each in (first, other, first, second, second)]
    assert answers == [60 / 300, 80 / 300, 60 / 300, 70 / 300, 70 / 300]
    assert inner.shown == [60, 60, 70, 80, 70]


def test_no_more_pictures_are_looked_at_than_may_wait() -> None:
    inner = ScriptedDetector(lambda number: [detection()])
    faces = ForeseenFaces(inner)
    for _ in range(3 * MAX_WAITING):
        faces.look_ahead(RgbPicture(picture(60)))
    assert len(inner.shown) == MAX_WAITING


def test_speech_is_told_call_by_call_as_the_detector_would() -> None:
    media = [*map(block, range(7)), sound_gap(7, 9), *map(block, range(9, 12)), sound_gap(12, 30)]
    plain, foreseen = SpeechDetector(TalkingEngine()), ForeseenSpeech(SpeechDetector(TalkingEngine()))
    for each in (*media, None):
        foreseen.hear_ahead(each)
    for each in media:
        if isinstance(each, AudioFrame):
            asked = (sample_at(each.start_ns), each.samples)
            assert list(foreseen.push(*asked)) == list(plain.push(*asked))
        else:
            asked_gap = (sample_at(each.span.start_ns), sample_at(each.span.end_ns))
            assert list(foreseen.push_gap(*asked_gap)) == list(plain.push_gap(*asked_gap))
        assert foreseen.waiting_from == plain.waiting_from
    assert list(foreseen.flush()) == list(plain.flush())


def test_voices_are_encoded_once_and_are_those_of_the_encoder() -> None:
    encoder = Counting()
    voices, windows = listened(150, encoder)
    assert len(windows) > 8
    assert encoder.runs == len(windows)
    for window in windows:
        found, wanted = voices.encode(window), encoder.encode(window)
        assert found is not None
        assert wanted is not None
        assert np.array_equal(found.vectors, wanted.vectors)
        assert (found.window_index, found.span) == (wanted.window_index, wanted.span)
    assert encoder.runs == 2 * len(windows)


def test_other_sound_than_foreseen_is_encoded_anew() -> None:
    encoder = Counting()
    voices, windows = listened(60, encoder)
    changed = windows[0].audio.copy()
    changed[100] += 0.01
    before = encoder.runs
    voices.encode(replace(windows[0], audio=changed))
    assert encoder.runs == before + 1


def test_voices_that_nobody_asks_for_are_soon_left_alone_until_somebody_does() -> None:
    encoder = Counting()
    voices, windows = listened(1_000, encoder)
    assert len(windows) > 2 * MAX_WAITING
    assert encoder.runs == MAX_WAITING
    voices.encode(windows[-1])
    assert encoder.runs == MAX_WAITING + 1
    speech = ForeseenSpeech(SpeechDetector(TalkingEngine()))
    for tick in range(1_000, 1_040):
        voices.pass_ahead(tick + 1)
        voices.take_ahead(block(tick), *speech.hear_ahead(block(tick)))
    assert encoder.runs > MAX_WAITING + 1
