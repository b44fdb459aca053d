"""Nobody is genuine before there is a face to compare later ones with; a file is judged as a whole."""

from __future__ import annotations

from dataclasses import replace

from realtime.judge import Judge
from realtime.scoring.verdict import NOT_ENROLLED, clip_verdict
from realtime.types import Modality, ScoreStatus, Verdict
from tests.support.judged_calls import CONFIG, Shown, calibration, call, face_of, judged, shown_for

ANNA = Shown(face_of(0))


def results_of(seconds: float, shown: Shown = ANNA):
    return judged(Judge(CONFIG, calibration=calibration()), call(shown_for(seconds, shown)))


def first(results, wanted):
    return next(number for number, each in enumerate(results) if wanted(each))


def test_the_live_verdict_waits_until_the_face_is_known():
    results = results_of(20.0)
    compared = first(results, lambda each: any(one.channel is Modality.INTRA for one in each.observations))
    assert compared > 2
    assert Verdict.GENUINE not in {each.verdict for each in results[: compared - 1]}
    waiting = [each for each in results[: compared - 1] if NOT_ENROLLED in each.score.reasons]
    assert waiting
    assert {each.score.status for each in waiting} == {ScoreStatus.DEGRADED}
    assert all(each.verdict is Verdict.GENUINE for each in results[compared:])


def test_a_voice_alone_is_never_genuine():
    unseen = replace(ANNA, face=None)
    assert Verdict.GENUINE not in {each.verdict for each in results_of(60.0, unseen)}


def test_a_short_file_is_judged_by_all_its_faces_together():
    scores = [each.score for each in results_of(2.4)]
    assert sum(each.status is ScoreStatus.OK for each in scores) < len(scores) / 2
    assert clip_verdict(scores, ()) == (Verdict.GENUINE, ())


def test_scores_are_what_they_would_be_without_a_test():
    windows = call(shown_for(20.0, ANNA))
    tested = judged(Judge(CONFIG, calibration=calibration()), windows)
    untested = judged(Judge(CONFIG), windows)
    for one, other in zip(tested, untested, strict=True):
        assert replace(one.score, status=other.score.status, reasons=other.score.reasons) == other.score
