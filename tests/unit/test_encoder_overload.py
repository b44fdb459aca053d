"""What a participant is told when engines drop requests: always "overload", never "genuine"."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from engines.errors import EngineError
from realtime.config import FaceConfig, MonitorConfig, ScoringConfig
from realtime.encoders.baseline import BaselineAudioEncoder, BaselineVisualEncoder
from realtime.encoders.deadline import current_deadline_ns
from realtime.encoders.speech import SpeechDetector
from realtime.errors import CapacityError, OverloadError
from realtime.faces.analyzer import FaceAnalyzer
from realtime.load import MAX_AGE_NS, DeviceLoad
from realtime.monitor import Monitor
from realtime.observe.metrics import MonitorMetrics
from realtime.pipeline import ParticipantPipeline
from realtime.timebase import SAMPLES_PER_TICK, sample_time_ns
from realtime.types import AudioFrame, FaceReason, ScoreStatus, Verdict, VideoFrame
from tests.integration.test_pipeline import PICTURE, SpeakingFace, SteadyIdentity, TalkingEngine
from tests.support.faces import BrightnessMesh, ScriptedDetector, detection, frames
from tests.unit.test_faces_analyzer import analyse, reasons

DROPPED = OverloadError("Dropped.", fix="Wait.")


class Switch:
    """Raises while it is on, and else does what the thing behind it does."""

    def __init__(self, target: object) -> None:
        self._target = target
        self.on = False

    def __getattr__(self, name: str):
        found = getattr(self._target, name)
        if not callable(found):
            return found

        def call(*arguments):
            if self.on and name in {"embed", "encode", "run", "detect", "locate"}:
                raise DROPPED
            return found(*arguments)

        return call


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("realtime.pipeline.FaceAnalyzer", SpeakingFace)
    config = MonitorConfig(scoring=ScoringConfig(cross_alert=-0.6, cross_genuine=0.3))
    switches = {
        "identity": Switch(SteadyIdentity()),
        "visual": Switch(BaselineVisualEncoder(config.scoring.min_face_ratio)),
        "audio": Switch(BaselineAudioEncoder(config.windows.band_ticks, config.scoring.min_audio_ratio)),
        "vad": Switch(TalkingEngine()),
    }
    encoders = SimpleNamespace(
        engines=SimpleNamespace(detector=None, landmarks=None),
        identity=switches["identity"],
        visual=switches["visual"],
        audio=switches["audio"],
        mouth_size_px=None,
        speech_detector=lambda: SpeechDetector(switches["vad"]),
    )
    return ParticipantPipeline(encoders, config), switches


def push(pipeline: ParticipantPipeline, ticks: range, arrival_ns: int | None = None):
    results = []
    for tick in ticks:
        rng = np.random.default_rng(tick)
        results += pipeline.push_video([VideoFrame(tick=tick, image=PICTURE, arrival_ns=arrival_ns)])
        samples = (rng.normal(size=SAMPLES_PER_TICK) * 10 ** rng.uniform(-3, -1)).astype(np.float32)
        start_ns = sample_time_ns(tick * SAMPLES_PER_TICK)
        results += pipeline.push_audio(
            [AudioFrame(start_ns=start_ns, samples=samples, arrival_ns=arrival_ns)]
        )
    return results


@pytest.mark.parametrize("role", ["identity", "visual", "audio", "vad"])
def test_dropped_requests_make_the_score_say_overload_and_it_recovers(live, role) -> None:
    pipeline, switches = live
    assert push(pipeline, range(500))[-1].verdict is Verdict.GENUINE
    switches[role].on = True
    touched = push(pipeline, range(500, 600))[4:]
    assert touched
    assert {result.verdict for result in touched} == {Verdict.INSUFFICIENT}
    assert all("overload" in result.score.reasons for result in touched)
    assert {result.score.status for result in touched} <= {ScoreStatus.DEGRADED, ScoreStatus.INSUFFICIENT}
    switches[role].on = False
    assert push(pipeline, range(600, 1100))[-1].verdict is Verdict.GENUINE
    assert (pipeline.dropped_windows > 0) == (role in {"visual", "audio"})


def test_a_window_whose_encoders_are_dropped_is_counted_and_names_nothing_else(live) -> None:
    pipeline, switches = live
    push(pipeline, range(500))
    switches["visual"].on = True
    results = push(pipeline, range(500, 2_000))
    assert pipeline.dropped_windows == len(results)
    last = results[-1].score
    assert (last.status, last.reasons) == (ScoreStatus.INSUFFICIENT, ("overload",))


def test_other_failures_of_an_engine_still_end_the_analysis(live, monkeypatch) -> None:
    pipeline, switches = live
    monkeypatch.setattr("tests.unit.test_encoder_overload.DROPPED", EngineError("It broke.", fix="Mend it."))
    switches["visual"].on = True
    with pytest.raises(EngineError, match="broke"):
        push(pipeline, range(100))


@pytest.mark.parametrize(("arrival_ns", "deadline_ns"), [(7, 7 + MAX_AGE_NS), (None, None)])
def test_a_window_has_a_deadline_where_its_media_have_arrived_at_a_time(
    live, arrival_ns, deadline_ns
) -> None:
    pipeline, switches = live
    seen = []
    encode = switches["visual"]._target.encode
    switches["visual"]._target.encode = lambda window: seen.append(current_deadline_ns()) or encode(window)
    push(pipeline, range(100), arrival_ns)
    assert set(seen) == {deadline_ns}
    assert current_deadline_ns() is None


@pytest.mark.parametrize("broken", ["detector", "mesh"])
def test_faces_that_overload_left_out_come_out_once_for_that_reason(broken) -> None:
    detector = Switch(ScriptedDetector(lambda _: [detection()]))
    mesh = Switch(BrightnessMesh())
    analyzer = FaceAnalyzer(FaceConfig(), detector, mesh)
    switch = detector if broken == "detector" else mesh
    faces = []
    for ticks, on in ((range(11), False), (range(11, 21), True), (range(21, 41), False)):
        switch.on = on
        faces += [face for frame in frames(ticks) for face in analyzer.push(frame)]
    faces += analyse(analyzer, [])
    assert [face.tick for face in faces] == list(range(41))
    expected = [None] * 11 + [FaceReason.OVERLOAD] * 10
    assert reasons(faces)[:21] == expected
    assert reasons(faces)[-5:] == [None] * 5


async def test_a_participant_that_the_engines_could_not_keep_up_with_is_refused() -> None:
    load = DeviceLoad(device="cpu", busy=1.5, capacity=2)
    scheduler = SimpleNamespace(loads=lambda: (load,), callers=lambda threads, _: threads, waiting=3)
    metrics = MonitorMetrics()
    monitor = Monitor(
        SimpleNamespace(ids={}, scheduler=scheduler),
        MonitorConfig(),
        SimpleNamespace(),
        metrics,
        clock_ns=lambda: 0,
        max_participants=8,
        threads=1,
        thumbnails=False,
    )
    assert metrics.registry.get_sample_value("seamwatch_queue_depth", {"stage": "engine_requests"}) == 3
    monitor._require_room()
    seat = SimpleNamespace(
        call="c",
        participant="ann",
        is_present=True,
        session=SimpleNamespace(pictures_waiting=0, audio_waiting_s=0),
    )
    monitor._seats.update({("c", str(index)): seat for index in range(4)})
    with pytest.raises(CapacityError, match="4 participants keep the engines' share of cpu busy") as refusal:
        await monitor.publish("c", "bob", "v=0")
    assert "engines build" in refusal.value.fix
    scheduler.loads = lambda: (replace(load, busy=1.2),)
    monitor._require_room()
    monitor._seats.clear()
    await monitor.aclose()
