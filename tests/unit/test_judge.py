"""What the judge makes of whole calls, in virtual time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from realtime.alerts.machine import AlertMachine
from realtime.config import DecisionConfig, MonitorConfig, ScoringConfig
from realtime.judge import SEVERAL_FACES, Judge
from realtime.scoring.scorer import IDENTITY_CHANGED, LIPS_DO_NOT_FIT_VOICE, Scorer
from realtime.types import AlertState, Modality, ScoreStatus, Verdict
from tests.support.evidence import footprint
from tests.support.judged_calls import (
    CONFIG,
    HOP_S,
    Shown,
    between,
    calibration,
    call,
    face_of,
    judged,
    shown_for,
)

ANNA, BERT = face_of(20), face_of(21)
GENUINE = Shown(ANNA)
SWAPPED = Shown(BERT)
FOREIGN_VOICE = Shown(ANNA, agreement=0.0)
NO_FACE = Shown(None, lips=False, face_px=None, sharpness=None)
TEN_MINUTES_S = 600.0
SHORT_MEMORY = MonitorConfig(scoring=ScoringConfig(memory_windows=64))
KINDS = {IDENTITY_CHANGED: SWAPPED, LIPS_DO_NOT_FIT_VOICE: FOREIGN_VOICE}


def calibrated_judge(config=CONFIG, *, looks_aside=True, **options):
    return Judge(config, calibration=calibration(looks_aside=looks_aside), **options)


def transitions(results):
    return [result.alert for result in results if result.alert is not None]


def raised(results):
    return [alert for alert in transitions(results) if alert.state is AlertState.ALERT]


def since(results, seconds):
    return [result for result in results if result.window_index * HOP_S >= seconds]


@pytest.mark.parametrize("reason", KINDS)
def test_a_fake_in_mid_call_raises_one_alert_through_the_test(reason):
    windows = call(shown_for(60.0, GENUINE), shown_for(30.0, KINDS[reason]))
    results = judged(calibrated_judge(), windows)
    (alert,) = raised(results)
    assert alert.reasons == (reason,)
    assert 60.0 < alert.time_ns / 1e9 < 72.0
    at = next(result for result in results if result.alert is alert)
    assert at.test.alarm
    assert alert.values["evidence"] == pytest.approx(at.test.combined)
    assert alert.values["threshold"] == at.test.threshold
    assert not any(result.test.alarm for result in results[: at.window_index])
    assert alert.seams
    assert {result.verdict for result in since(results, 72.0)} == {Verdict.FAKE}
    assert not any(result.verdict is Verdict.FAKE for result in results[: at.window_index])


def test_a_voice_that_is_foreign_from_the_first_second_is_found():
    (alert,) = raised(judged(calibrated_judge(), call(shown_for(40.0, FOREIGN_VOICE))))
    assert alert.reasons == (LIPS_DO_NOT_FIT_VOICE,)
    assert alert.time_ns / 1e9 < 15.0


@pytest.mark.parametrize("reason", KINDS)
def test_without_a_calibration_the_margins_decide(reason):
    windows = call(shown_for(60.0, GENUINE), shown_for(30.0, KINDS[reason]), shown_for(30.0, GENUINE))
    scorer, machine = Scorer(CONFIG.scoring, CONFIG.windows), AlertMachine(CONFIG.alerts)
    expected = []
    for each in windows:
        score = scorer.update(each.window, each.identity, each.lips, each.voice)
        alert = machine.update(score.time_ns, scorer.fresh_margins(), tuple, {})
        if alert is not None:
            expected.append((alert.time_ns, alert.state, alert.reasons))
    results = judged(Judge(CONFIG), windows)
    assert [(each.time_ns, each.state, each.reasons) for each in transitions(results)] == expected
    (alert,) = raised(results)
    assert alert.reasons == (reason,)
    assert "evidence" not in alert.values
    assert all(result.test is None for result in results)
    assert all(result.score.status is not ScoreStatus.DEGRADED for result in results)


def test_a_margin_alone_makes_suspicious_but_not_an_alert():
    """A genuine person whose look the scores find odd, but whom the memory recognises throughout."""
    odd = [Shown(between(ANNA, face_of(22 + step % 8), 0.62)) for step in range(150)]
    windows = call(shown_for(20.0, GENUINE), odd)
    without = judged(Judge(CONFIG), windows)
    assert [alert.reasons for alert in raised(without)] == [(IDENTITY_CHANGED,)]
    with_test = judged(calibrated_judge(), windows)
    assert [alert.state for alert in transitions(with_test)] == [AlertState.SUSPICIOUS]
    assert with_test[-1].verdict is Verdict.SUSPICIOUS


def turned_away(time_s):
    """Turned for two seconds in three; what shows of the face meanwhile is not like the person."""
    if time_s % 3.0 < 1.0:
        return GENUINE
    return replace(NO_FACE, reasons=("face_turned_away",))


def another_in_the_picture(time_s):
    """The followed face changes every eight seconds, and nobody knows whose voice it is."""
    face = ANNA if time_s % 16.0 < 8.0 else BERT
    return Shown(face, agreement=0.0, other_faces=1)


def putting_glasses_on(time_s):
    """The face drifts within a minute to a look that is 0.65 like the first one, and stays."""
    return Shown(between(ANNA, BERT, 1.0 - 0.35 * min(1.0, time_s / 60.0)))


HARMLESS = {
    "speaking": GENUINE,
    "silent": replace(GENUINE, agreement=0.0, speech=0.0),
    "muted": replace(GENUINE, voice=False, reasons=("muted",)),
    "a word now and then": lambda time_s: GENUINE if time_s % 30.0 < 1.0 else replace(GENUINE, speech=0.0),
    "camera off": replace(NO_FACE, reasons=("no_picture",)),
    "screen share": replace(NO_FACE, agreement=0.0, reasons=("no_face",)),
    "turned away": turned_away,
    "face too small": Shown(None, lips=False, face_px=30.0, sharpness=90.0, reasons=("face_too_small",)),
    "blurred": Shown(None, lips=False, face_px=160.0, sharpness=5.0, reasons=("face_blurred",)),
    "several faces": another_in_the_picture,
    "glasses": putting_glasses_on,
    "low frame rate": replace(GENUINE, agreement=0.0, unfit=("low_frame_rate",)),
    "quality unknown": Shown(BERT, agreement=0.0, face_px=None, sharpness=None),
    "poorer than any calibration": Shown(BERT, agreement=0.0, face_px=50.0, sharpness=15.0),
}


@pytest.mark.parametrize("shown", HARMLESS.values(), ids=HARMLESS.keys())
@pytest.mark.parametrize(
    ("known_s", "shown_s"), [(30.0, TEN_MINUTES_S), (0.0, 120.0)], ids=["later", "from_the_start"]
)
def test_what_says_nothing_never_raises_an_alert(shown, known_s, shown_s):
    windows = call(shown_for(known_s, GENUINE), shown_for(shown_s, shown), shown_for(known_s, GENUINE))
    results = judged(calibrated_judge(), windows)
    assert raised(results) == []
    assert not any(result.test.alarm for result in results)


@pytest.mark.parametrize("looks_aside", [True, False])
def test_nothing_gathers_against_a_genuine_participant(looks_aside):
    """Not even where the people of the calibration were all alike, so that a genuine block says nothing."""
    judge = calibrated_judge(SHORT_MEMORY, looks_aside=looks_aside)
    results = judged(judge, call(shown_for(TEN_MINUTES_S, GENUINE)))
    assert transitions(results) == []
    assert {result.verdict for result in since(results, 5.0)} == {Verdict.GENUINE}
    assert max(result.test.evidence[Modality.INTRA] for result in results) < 2.0


@pytest.mark.parametrize(
    "shown",
    [
        HARMLESS["silent"],
        HARMLESS["muted"],
        HARMLESS["camera off"],
        HARMLESS["screen share"],
        HARMLESS["low frame rate"],
    ],
    ids=["silent", "muted", "camera_off", "screen_share", "low_frame_rate"],
)
def test_what_says_nothing_is_not_genuine_for_long(shown):
    results = judged(calibrated_judge(), call(shown_for(30.0, GENUINE), shown_for(60.0, shown)))
    lapse_s = CONFIG.scoring.max_silence_windows * HOP_S + 1.0
    late = since(results, 30.0 + lapse_s)
    assert late
    assert {result.verdict for result in late} == {Verdict.INSUFFICIENT}
    assert all(result.score.reasons for result in late)


@pytest.mark.parametrize(
    ("quality", "reason"),
    [
        ({"face_px": None}, "quality_unknown"),
        ({"sharpness": None}, "quality_unknown"),
        ({"face_px": 70.0}, "not_calibrated"),
        ({"sharpness": 60.0}, "not_calibrated"),
        ({"sharpness": 140.0}, "not_calibrated"),
    ],
)
@pytest.mark.parametrize("known_s", [0.0, 40.0], ids=["from_the_start", "later"])
def test_media_that_nothing_is_known_of_is_degraded_and_never_genuine(quality, reason, known_s):
    poor = replace(GENUINE, **quality)
    results = judged(calibrated_judge(), call(shown_for(known_s, GENUINE), shown_for(120.0, poor)))
    poor_results = since(results, known_s + 2.0)
    assert {result.verdict for result in poor_results} == {Verdict.INSUFFICIENT}
    assert {result.score.status for result in poor_results} == {ScoreStatus.DEGRADED}
    assert {result.score.reasons for result in poor_results} == {(reason,)}


def test_media_is_judged_again_once_its_quality_is_known():
    poor = replace(GENUINE, sharpness=20.0)
    results = judged(calibrated_judge(), call(shown_for(30.0, poor), shown_for(60.0, GENUINE)))
    assert {result.verdict for result in since(results, 40.0)} == {Verdict.GENUINE}


def test_a_channel_that_has_no_calibration_is_degraded():
    whole = calibration()
    only_lips = replace(whole, channels={Modality.CROSS: whole.channels[Modality.CROSS]})
    results = judged(Judge(CONFIG, calibration=only_lips), call(shown_for(60.0, GENUINE)))
    late = since(results, 5.0)
    assert {result.score.reasons for result in late} == {("not_calibrated",)}
    assert {result.verdict for result in late} == {Verdict.INSUFFICIENT}


def test_several_faces_are_degraded_while_they_are_there():
    both = replace(GENUINE, other_faces=1)
    results = judged(
        calibrated_judge(), call(shown_for(20.0, GENUINE), shown_for(20.0, both), shown_for(20.0, GENUINE))
    )
    during = [result for result in since(results, 20.0) if result.window_index * HOP_S < 40.0]
    assert {result.score.reasons for result in during} == {(SEVERAL_FACES,)}
    assert {result.verdict for result in during} == {Verdict.INSUFFICIENT}
    assert all(result.observations == () for result in during)
    assert {result.verdict for result in since(results, 40.0)} == {Verdict.GENUINE}


@pytest.mark.parametrize(("reason", "within_s"), [(IDENTITY_CHANGED, 150.0), (LIPS_DO_NOT_FIT_VOICE, 90.0)])
@pytest.mark.parametrize("looks_aside", [True, False])
def test_after_a_fake_the_participant_is_trusted_again(reason, within_s, looks_aside):
    windows = call(shown_for(60.0, GENUINE), shown_for(20.0, KINDS[reason]), shown_for(200.0, GENUINE))
    results = judged(calibrated_judge(looks_aside=looks_aside), windows)
    assert [alert.state for alert in transitions(results)] == [
        AlertState.SUSPICIOUS,
        AlertState.ALERT,
        AlertState.CLEAR,
    ]
    cleared = transitions(results)[-1]
    assert cleared.reasons == ("consistent_again",)
    assert 85.0 < cleared.time_ns / 1e9 < 80.0 + within_s
    assert results[-1].verdict is Verdict.GENUINE


@pytest.mark.parametrize(
    "shown", [HARMLESS["silent"], HARMLESS["camera off"], HARMLESS["several faces"]], ids=lambda _: ""
)
def test_going_silent_or_out_of_the_picture_lifts_no_alert(shown):
    windows = call(shown_for(30.0, GENUINE), shown_for(20.0, FOREIGN_VOICE), shown_for(TEN_MINUTES_S, shown))
    results = judged(calibrated_judge(), windows)
    assert len(raised(results)) == 1
    assert {result.verdict for result in since(results, 55.0)} == {Verdict.FAKE}


def test_a_rarer_alarm_comes_later():
    windows = call(shown_for(60.0, GENUINE), shown_for(60.0, Shown(ANNA, agreement=0.19)))
    times = []
    for rate in (1.0, 1 / 24, 1 / 1000):
        config = MonitorConfig(decision=DecisionConfig(false_alarms_per_hour=rate))
        times.append(raised(judged(calibrated_judge(config), windows))[0].time_ns)
    assert times == sorted(times)
    assert times[0] < times[-1]


def test_the_same_windows_give_the_same_results():
    windows = call(shown_for(30.0, GENUINE), shown_for(20.0, SWAPPED))
    first, second = judged(calibrated_judge(), windows), judged(calibrated_judge(), windows)
    assert [(r.score, r.verdict, r.test) for r in first] == [(r.score, r.verdict, r.test) for r in second]


def test_twenty_minutes_of_windows_grow_nothing():
    judge = calibrated_judge(SHORT_MEMORY, keep_evidence=True)

    def changing(time_s):
        minute = int(time_s / 60.0) % 5
        return [GENUINE, FOREIGN_VOICE, GENUINE, SWAPPED, HARMLESS["silent"]][minute]

    sizes = set()
    for taken, each in enumerate(call(shown_for(1200.0, changing)), start=1):
        judge.take(each)
        if taken > 750 and taken % 750 == 375:
            sizes.add(footprint(judge))
    assert len(sizes) == 1


def test_evidence_is_kept_only_where_it_is_asked_for():
    windows = call(shown_for(30.0, GENUINE), shown_for(10.0, SWAPPED))
    kept = [r for r in judged(calibrated_judge(keep_evidence=True), windows) if r.evidence is not None]
    assert [r.alert is not None for r in kept] == [True] * len(kept)
    assert len(kept) == 2
    assert all(r.evidence is None for r in judged(calibrated_judge(), windows))


def test_windows_are_moved_by_whole_hops():
    (first,) = call([GENUINE])
    moved = first.moved(7, CONFIG.windows)
    assert moved.window.index == moved.identity.window_index == first.window.index + 7
    assert moved.lips.window_index == moved.voice.window_index == moved.window.index
    assert moved.window.span.start_ns - first.window.span.start_ns == round(7 * HOP_S * 1e9)
    assert moved.window.span.duration_ns == first.window.span.duration_ns
    assert moved.identity.span == moved.lips.span == moved.voice.span == moved.window.span
