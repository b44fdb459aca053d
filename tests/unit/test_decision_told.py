"""What the sequential test finds, as viewers are told, and the bursts that it asks the camera side for."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest

from realtime.config import DecisionConfig, MonitorConfig
from realtime.decision.support import support
from realtime.judge import Judge, WindowResult
from realtime.messages import Narrator
from realtime.pipeline import ParticipantPipeline
from realtime.server.wire import Tracks
from realtime.timebase import NS_PER_S
from realtime.types import FaceFrame, FaceReason, VideoFrame
from tests.support.judged_calls import CONFIG, Shown, calibration, call, face_of, judged, shown_for

ANNA = face_of(20)
FOREIGN_VOICE = Shown(ANNA, agreement=0.0)
RATE = DecisionConfig(false_alarms_per_hour=0.5)


@pytest.fixture(scope="module")
def results() -> list[WindowResult]:
    judge = Judge(MonitorConfig(decision=RATE), calibration=calibration())
    poor = Shown(ANNA, sharpness=None)
    return judged(
        judge, call(shown_for(30.0, Shown(ANNA)), shown_for(20.0, FOREIGN_VOICE), shown_for(5.0, poor))
    )


def narrator(*, promised: bool = True) -> Narrator:
    return Narrator("standup", "ann", {}, 0, support(calibration(), RATE) if promised else None)


def test_every_score_tells_how_far_the_test_is(results: list[WindowResult]) -> None:
    for result in results:
        told = narrator().score(result, None, Tracks()).test
        assert told is not None
        assert result.test is not None
        assert told.progress == pytest.approx(result.test.progress, abs=1e-3)
        assert told.threshold == pytest.approx(result.test.threshold, abs=1e-3)
        assert set(told.channels) == {"identity_changed", "lips_do_not_fit_voice"}
        assert min(told.evidence, *told.channels.values()) >= 0.0
        assert told.false_alarms_per_hour == 0.5
        assert told.supported is False


def test_an_alert_tells_what_it_stands_on(results: list[WindowResult]) -> None:
    raised = next(
        each for each in results if each.alert is not None and each.test is not None and each.test.alarm
    )
    assert raised.alert is not None
    told = narrator().alert(raised.alert, datetime(2026, 1, 1, tzinfo=UTC), raised.test).test
    assert told is not None
    assert told.progress == 1.0
    assert told.channels["lips_do_not_fit_voice"] > told.channels["identity_changed"]


def test_why_a_channel_has_no_evidence_is_told(results: list[WindowResult]) -> None:
    told = narrator().score(results[-1], None, Tracks()).test
    assert told is not None
    assert told.reasons == ["quality_unknown"]


def test_without_a_promise_nothing_is_told(results: list[WindowResult]) -> None:
    assert narrator(promised=False).score(results[-1], None, Tracks()).test is None
    (untested,) = judged(Judge(CONFIG), call([Shown(ANNA)]))
    assert narrator().score(untested, None, Tracks()).test is None


class Analyzer:
    """Stands in for the face analyzer and remembers the intervals that it was told."""

    told: list[int]

    def __init__(self, *_: object, **__: object) -> None:
        Analyzer.told = []

    def push(self, frame: VideoFrame) -> list[FaceFrame]:
        return [FaceFrame(tick=frame.tick, reason=FaceReason.NO_PICTURE)]

    def flush(self) -> list[FaceFrame]:
        return []

    def set_identity_interval(self, ticks: int) -> None:
        Analyzer.told.append(ticks)


def intervals(results: list[WindowResult], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let a pipeline's judge give these results one by one, and return what the analyzer was told."""
    given = iter(results)
    judge = SimpleNamespace(take=lambda encoded: next(given))
    monkeypatch.setattr("realtime.pipeline.FaceAnalyzer", Analyzer)
    monkeypatch.setattr("realtime.pipeline.Judge", lambda *_, **__: judge)
    nothing = SimpleNamespace(encode=lambda window: None)
    encoders = SimpleNamespace(
        engines=SimpleNamespace(detector=None, landmarks=None),
        identity=SimpleNamespace(dimension=8, pool=lambda window: None),
        visual=nothing,
        audio=nothing,
        mouth_size_px=None,
        speech_detector=lambda: None,
    )
    pipeline = ParticipantPipeline(encoders, CONFIG)
    tick, taken = 0, 0
    while taken < len(results):
        taken += len(pipeline.push_video([VideoFrame(tick=tick, image=None)]))
        tick += 1
    return Analyzer.told


def test_the_face_is_sampled_densely_while_evidence_builds_up(
    results: list[WindowResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = intervals(results, monkeypatch)
    sparse = CONFIG.faces.identity_interval_ticks
    calm = int(np.argmax([result.window_index * 0.4 > 29.0 for result in results]))
    alarmed = next(place for place, each in enumerate(results) if each.test is not None and each.test.alarm)
    assert set(told[:calm]) == {sparse}
    assert told[alarmed - 1] == 5
    assert set(told[alarmed:]) == {sparse}
    assert results[alarmed].score.time_ns > 30 * NS_PER_S


def test_without_a_test_the_sampling_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert intervals(judged(Judge(CONFIG), call(shown_for(8.0, FOREIGN_VOICE))), monkeypatch) == []
