"""The detection bench on recorded windows that are made up."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs the training extra")

from bench.detection_calls import GIVE_UP_S, PAUSE_S, Detection, GenuineRun, detect, genuine_call, run_genuine
from bench.detection_report import (
    detection_rows,
    false_alarm_rows,
    markdown,
    rate_interval,
    rate_interval_by_speaker,
)
from bench.detection_windows import RecordedWindows, _stack, encoded_windows
from realtime.judge import EncodedWindow, Judge
from realtime.timebase import NS_PER_S
from realtime.types import AlertState
from tests.support.judged_calls import CONFIG, DIMENSION, HOP_S, Shown, calibration, call, face_of, shown_for

ANNA = face_of(20)


def recorded(seconds: float, shown: Shown, seed: int = 0) -> RecordedWindows:
    return _stack(call(shown_for(seconds, shown), seed=seed), DIMENSION, CONFIG)


GENUINE = [recorded(8.0, Shown(ANNA), seed) for seed in range(3)]
FOREIGN = recorded(8.0, Shown(ANNA, agreement=0.0))


class Scripted:
    """Stands for the judge: raises an alert at the call times it is told."""

    def __init__(self, *alert_at_s: float) -> None:
        self.left = list(alert_at_s)
        self.taken: list[EncodedWindow] = []

    def take(self, encoded: EncodedWindow) -> SimpleNamespace:
        self.taken.append(encoded)
        time_ns = encoded.window.span.end_ns
        if self.left and time_ns >= self.left[0] * NS_PER_S:
            self.left.pop(0)
            alert = SimpleNamespace(time_ns=time_ns, state=AlertState.ALERT, reasons=("made_up",))
            return SimpleNamespace(alert=alert)
        return SimpleNamespace(alert=None)


def detected(judge: object, *, after_s: float = 0.0, tampered: RecordedWindows = FOREIGN) -> Detection:
    return detect(
        GENUINE,
        tampered,
        speaker="anna",
        kind="voice_swapped",
        encoding="clean",
        config=CONFIG,
        new_judge=lambda: judge,
        genuine_seconds=after_s,
        draw=np.random.default_rng(0),
    )


@pytest.mark.parametrize(
    ("alarms", "low", "high"),
    [(0, 0.0, 3.689), (1, 0.0253, 5.572), (3, 0.619, 8.767), (10, 4.795, 18.390), (100, 81.36, 121.63)],
)
def test_the_interval_of_a_rate_is_the_exact_poisson_one(alarms: int, low: float, high: float) -> None:
    """Against the tables of Garwood 1936."""
    assert rate_interval(alarms, 1.0) == pytest.approx((low, high), rel=1e-3)
    assert rate_interval(alarms, 10.0) == pytest.approx((low / 10, high / 10), rel=1e-3)


def genuine_run(speaker: str, hours: float, alarms: int, encoding: str = "clean") -> GenuineRun:
    alerts = tuple((10.0, ("identity_changed",)) for _ in range(alarms))
    return GenuineRun(speaker=speaker, encoding=encoding, hours=hours, alerts=alerts, suspicions=2)


def test_speakers_who_differ_widen_the_interval() -> None:
    alike = [genuine_run(str(number), 1.0, 2) for number in range(20)]
    one = [genuine_run(str(number), 1.0, 40 * (number == 0)) for number in range(20)]
    assert rate_interval_by_speaker(alike, 0) == (2.0, 2.0)
    low, high = rate_interval_by_speaker(one, 0)
    assert low == 0.0
    assert high > rate_interval(40, 20.0)[1]
    assert rate_interval_by_speaker(one, 0) == (low, high)


def test_hours_of_one_speaker_are_one_observation_whatever_the_encoding() -> None:
    runs = [genuine_run("anna", 1.0, 4, "clean"), genuine_run("anna", 3.0, 0, "lq")]
    assert rate_interval_by_speaker(runs, 0) == (1.0, 1.0)
    every, clean, lq = false_alarm_rows(runs, 0)
    assert (every["encoding"], every["hours"], every["alarms"], every["per_hour"]) == ("all", 4.0, 4, 1.0)
    assert (clean["per_hour"], lq["per_hour"]) == (4.0, 0.0)
    assert every["speakers_with_alarms"] == 1


def test_a_genuine_call_covers_the_time_with_pauses() -> None:
    windows = list(genuine_call(GENUINE, CONFIG, np.random.default_rng(1), 120.0))
    indices = np.array([each.window.index for each in windows])
    steps = np.diff(indices)
    assert indices[0] == 0
    assert (indices[-1] + 1) * HOP_S >= 120.0 - 8.0 - PAUSE_S[1]
    assert (indices[-1] + 1) * HOP_S <= 120.0 + 8.0
    assert steps.min() == 1
    pauses = steps[steps > 1] * HOP_S
    assert len(pauses) >= 120.0 / (8.0 + PAUSE_S[1]) - 2
    assert pauses.min() > CONFIG.windows.length_ticks / 25 + PAUSE_S[0] - HOP_S
    spans = [each.window.span for each in windows]
    after = [index for index, step in enumerate(steps, start=1) if step > 1]
    assert all(spans[index].start_ns >= spans[index - 1].end_ns for index in after)


def test_every_file_comes_before_any_comes_again() -> None:
    marked = [recorded(8.0, Shown(ANNA, face_px=100.0 + number)) for number in range(3)]
    sizes = [each.window.face_px for each in genuine_call(marked, CONFIG, np.random.default_rng(2), 200.0)]
    order = [size for size, before in zip(sizes, [None, *sizes], strict=False) if size != before]
    assert set(order[:3]) == {100.0, 101.0, 102.0}


def test_windows_keep_what_the_judge_needs() -> None:
    shown = [Shown(ANNA), Shown(None, lips=False, voice=False, reasons=("no_face", "muted"), face_px=None)]
    original = call([*shown, Shown(ANNA, other_faces=2, unfit=("low_frame_rate",))])
    again = encoded_windows(_stack(original, DIMENSION, CONFIG), CONFIG, from_index=7)
    for number, (one, other) in enumerate(zip(original, again, strict=True)):
        assert other.window.index == number + 7
        assert other.window.face_px == one.window.face_px
        assert other.window.other_faces == one.window.other_faces
        assert (other.window.reasons, other.unfit) == (one.window.reasons, one.unfit)
        for name in ("identity", "lips", "voice"):
            assert (getattr(one, name) is None) == (getattr(other, name) is None)
        if one.lips is not None and one.voice is not None:
            assert other.lips is not None
            assert other.voice is not None
            np.testing.assert_allclose(
                other.voice.vectors @ other.lips.vector, one.voice.vectors @ one.lips.vector, atol=1e-6
            )


def test_genuine_hours_end_with_an_alarm_and_begin_anew() -> None:
    judges = [Scripted(12.0), Scripted(), Scripted(30.0), *(Scripted() for _ in range(9))]
    taken = iter(judges)
    run = run_genuine(
        "anna",
        "clean",
        GENUINE,
        config=CONFIG,
        new_judge=lambda: next(taken),
        seconds=200.0,
        call_seconds=60.0,
        draw=np.random.default_rng(3),
    )
    assert [reasons for _, reasons in run.alerts] == [("made_up",)] * 2
    first, second = (time_s for time_s, _ in run.alerts)
    assert 12.0 <= first < 16.0
    assert 30.0 <= second < 34.0
    assert run.hours == pytest.approx(200.0 / 3600)
    assert judges[0].taken[-1].window.span.end_ns / NS_PER_S == first
    assert len([judge for judge in judges if judge.taken]) == 5


def test_the_time_to_an_alert_counts_from_the_first_tampered_sample() -> None:
    assert detected(Scripted(5.0)).seconds == pytest.approx(5.0, abs=HOP_S)
    judge = Scripted(40.0)
    later = detected(judge, after_s=30.0)
    assert not later.from_start
    tampered = [each for each in judge.taken if each.voice.vectors[7, 0] < 0.1]
    assert later.seconds is not None
    assert later.seconds < 40.0 - 20.0
    assert tampered


def test_an_alarm_before_the_tampering_is_early_and_no_detection() -> None:
    found = detected(Scripted(10.0), after_s=30.0)
    assert found.early
    assert found.seconds is None
    assert found.reasons == ("made_up",)
    (row,) = detection_rows([found])
    assert (row["false_before"], row["within_60_s"], row["median_s"]) == (1, 0.0, None)


def test_a_fake_that_is_never_found_is_given_up() -> None:
    judge = Scripted()
    found = detected(judge)
    assert (found.seconds, found.reasons, found.early) == (None, (), False)
    assert GIVE_UP_S - 15.0 < judge.taken[-1].window.span.end_ns / NS_PER_S < GIVE_UP_S + 15.0


def test_an_alert_after_giving_up_does_not_count() -> None:
    assert detected(Scripted(GIVE_UP_S + 0.5)).seconds is None


def test_the_judge_finds_a_foreign_voice() -> None:
    found = detected(Judge(CONFIG, calibration=calibration()), after_s=30.0)
    assert found.reasons == ("lips_do_not_fit_voice",)
    assert found.seconds is not None
    assert 0.0 < found.seconds < 20.0
    assert not found.early


def test_missed_fakes_are_infinitely_late() -> None:
    def one(seconds: float | None) -> Detection:
        return Detection(
            speaker="anna", kind="k", encoding="clean", from_start=True, seconds=seconds, reasons=()
        )

    (row,) = detection_rows([one(1.0), one(4.0), one(11.0), one(None)])
    assert (row["fakes"], row["median_s"], row["p90_s"]) == (4, 11.0, None)
    assert (row["within_5_s"], row["within_12_s"], row["within_60_s"]) == (0.5, 0.75, 0.75)


def test_the_page_has_a_row_for_each_group() -> None:
    found = detected(Scripted(5.0))
    page = markdown(
        {
            "machine": {"processor": "p", "cores": 2, "python": "3"},
            "command": "c",
            "date": "d",
            "false_alarms_per_hour": 0.5,
            "support": "It rests on little.",
            "distinct_minutes": 1.0,
            "speakers": 1,
            "encodings": 1,
            "false_alarms": false_alarm_rows([genuine_run("anna", 2.0, 1)], 0),
            "detection": detection_rows([found, detected(Scripted())]),
        }
    )
    assert "| all | 2.0 | 1 | 1 | 0.500 |" in page
    assert "| voice_swapped | clean | with the call | 2 |" in page
    assert "missed" in page
