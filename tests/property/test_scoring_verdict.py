"""Verdicts: genuine needs evidence, alarms outrank everything."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.scoring.verdict import clip_verdict, live_verdict
from realtime.types import Alert, AlertState, Score, ScoreStatus, Verdict

statuses = st.sampled_from(ScoreStatus)


def score(status=ScoreStatus.OK, value: float | None = 1.0, reasons: tuple[str, ...] = ()) -> Score:
    return Score(time_ns=0, status=status, score=value, reasons=reasons)


def alert(state: AlertState, *reasons: str) -> Alert:
    return Alert(time_ns=0, previous=AlertState.CLEAR, state=state, margin=None, reasons=reasons)


@settings(deadline=None)
@given(status=statuses, state=st.sampled_from(AlertState))
def test_live_genuine_needs_a_clear_state_and_an_ok_score(status, state):
    verdict = live_verdict(score(status), state)
    assert (verdict is Verdict.FAKE) == (state is AlertState.ALERT)
    assert (verdict is Verdict.SUSPICIOUS) == (state is AlertState.SUSPICIOUS)
    assert (verdict is Verdict.GENUINE) == (state is AlertState.CLEAR and status is ScoreStatus.OK)


@settings(deadline=None)
@given(
    scores=st.lists(st.builds(score, statuses, st.sampled_from([None, 0.5])), max_size=12),
    states=st.lists(st.sampled_from(AlertState), max_size=4),
)
def test_a_clip_is_genuine_only_with_evidence_and_without_alarms(scores, states):
    verdict, reasons = clip_verdict(iter(scores), [alert(state, f"why_{state}") for state in states])
    if AlertState.ALERT in states:
        assert (verdict, reasons) == (Verdict.FAKE, ("why_alert",))
    elif AlertState.SUSPICIOUS in states:
        assert (verdict, reasons) == (Verdict.SUSPICIOUS, ("why_suspicious",))
    else:
        covered = sum(item.status is ScoreStatus.OK for item in scores) * 2 >= len(scores) > 0
        genuine = covered and scores[-1].score is not None
        assert verdict is (Verdict.GENUINE if genuine else Verdict.INSUFFICIENT)
        assert (reasons == ()) == genuine


@pytest.mark.parametrize(
    ("scores", "reasons"),
    [
        ([], ("too_short",)),
        ([score(ScoreStatus.WARMING_UP, None, ("warming_up",))], ("warming_up",)),
        (
            [
                score(ScoreStatus.WARMING_UP, None, ("warming_up", "no_speech")),
                score(ScoreStatus.INSUFFICIENT, None, ("no_face", "no_speech")),
            ],
            ("no_speech", "no_face"),
        ),
    ],
)
def test_insufficient_says_what_is_missing(scores, reasons):
    assert clip_verdict(scores, []) == (Verdict.INSUFFICIENT, reasons)


def test_a_clip_never_ok_is_not_genuine_even_if_nothing_is_asked_for():
    degraded = score(ScoreStatus.DEGRADED, 1.0, ("overload",))
    assert clip_verdict([degraded], [], min_ok_ratio=0.0) == (Verdict.INSUFFICIENT, ("overload",))
