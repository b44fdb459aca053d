"""Skew, jumps and drift of a participant's clocks in virtual time: the network is never taken for a fake."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.config import ScoringConfig
from realtime.scoring.scorer import Scorer
from realtime.similarity.lag import MAX_UNCERTAINTY_NS, SEARCH_WINDOWS
from realtime.timebase import NS_PER_MS
from realtime.types import AlertState, Modality, ScoreStatus, Verdict
from tests.support.evidence import embedding, lag_embeddings, window
from tests.support.talking import HOP_S, LAGS, WINDOWS, Curve, Moment, call, raised_at_s, steady

#: What is left of a misalignment by arrival times, before the first sender report.
ARRIVAL_MS = 20.0
#: By how much the clock moves the pictures in a second.
SLEW_MS_PER_S = 50.0

seeds = st.integers(0, 2**32)


def jump(from_ms: float, to_ms: float, at_s: float) -> tuple[Curve, Curve]:
    """Return the lag and the uncertainty of a clock that slews from one alignment to another."""
    lasts_s = abs(to_ms - from_ms) / SLEW_MS_PER_S

    def done(time_s: float) -> float:
        return min(1.0, max(0.0, (time_s - at_s) / lasts_s))

    def uncertainty_ms(time_s: float) -> float:
        left = 1.0 - done(time_s) if time_s >= at_s else 0.0
        return 10.0 + left * abs(to_ms - from_ms)

    return lambda time_s: from_ms + done(time_s) * (to_ms - from_ms), uncertainty_ms


def assert_calm(moments: list[Moment]) -> None:
    assert {moment.state for moment in moments} == {AlertState.CLEAR}


@settings(deadline=None, derandomize=True, max_examples=15)
@given(skew_ms=st.floats(-200, 200), seed=seeds)
def test_a_constant_skew_from_the_start_stays_genuine(skew_ms: float, seed: int) -> None:
    moments = list(call(60, lag_ms=steady(skew_ms), uncertainty_ms=steady(ARRIVAL_MS), seed=seed))
    assert_calm(moments)
    judged = moments[SEARCH_WINDOWS:]
    assert {moment.verdict for moment in judged} == {Verdict.GENUINE}
    assert moments[-1].score.lag_ms == pytest.approx(skew_ms, abs=40)


def test_without_a_search_a_skew_would_be_suspected() -> None:
    alarmed = [
        any(moment.state is not AlertState.CLEAR for moment in call(20, lag_ms=steady(200.0), seed=seed))
        for seed in range(10)
    ]
    assert any(alarmed)


def test_nothing_is_judged_before_the_lag_is_found() -> None:
    moments = list(call(30, lag_ms=steady(160.0), uncertainty_ms=steady(ARRIVAL_MS)))
    searching = [moment for moment in moments if moment.score.lag_ms is None]
    assert 0 < len(searching) < SEARCH_WINDOWS
    for moment in searching:
        assert moment.score.status is ScoreStatus.WARMING_UP
        assert moment.score.reasons == ("warming_up",)
        assert moment.score.recent_cross is None


@settings(deadline=None, derandomize=True, max_examples=15)
@given(
    from_ms=st.floats(-100, 100),
    step_ms=st.sampled_from([-160, -120, -60, 60, 120, 160]),
    at_s=st.floats(20, 60),
    seed=seeds,
)
def test_a_jump_that_the_clock_tells_raises_nothing_and_is_followed(
    from_ms: float, step_ms: float, at_s: float, seed: int
) -> None:
    lag_ms, uncertainty_ms = jump(from_ms, from_ms + step_ms, at_s)
    moments = list(call(at_s + 40, lag_ms=lag_ms, uncertainty_ms=uncertainty_ms, seed=seed))
    assert_calm(moments)
    moving = [moment for moment in moments if uncertainty_ms(moment.time_s) * NS_PER_MS > MAX_UNCERTAINTY_NS]
    assert moving
    for moment in moving:
        assert moment.verdict is Verdict.INSUFFICIENT
        assert moment.score.reasons[-1] == "clock_unsure"
    assert moments[-1].verdict is Verdict.GENUINE
    assert moments[-1].score.lag_ms == pytest.approx(from_ms + step_ms, abs=40)


def test_a_jump_of_which_the_clock_knows_nothing_is_evidence() -> None:
    lag_ms, _ = jump(-120, 120, 40)
    alarmed = [
        any(
            moment.state is not AlertState.CLEAR
            for moment in call(60, lag_ms=lag_ms, uncertainty_ms=steady(ARRIVAL_MS), seed=seed)
        )
        for seed in range(10)
    ]
    assert any(alarmed)


@settings(deadline=None, derandomize=True, max_examples=10)
@given(direction=st.sampled_from([-1, 1]), pauses=st.booleans(), seed=seeds)
def test_a_drift_of_two_milliseconds_a_second_raises_no_alert(
    direction: int, pauses: bool, seed: int
) -> None:
    """Through most of the band, by somebody who speaks all the time or every other ten seconds."""

    def drifting(time_s: float) -> float:
        return direction * (2.0 * time_s - 200.0)

    def speaks(time_s: float) -> bool:
        return not pauses or time_s % 20.0 < 10.0

    moments = list(call(200, lag_ms=drifting, uncertainty_ms=steady(ARRIVAL_MS), speaks=speaks, seed=seed))
    assert raised_at_s(moments) is None
    assert moments[-1].score.lag_ms == pytest.approx(direction * 200.0, abs=160.0)


@settings(deadline=None, derandomize=True, max_examples=10)
@given(at_s=st.integers(30, 60), seed=seeds)
def test_an_exchanged_voice_is_raised_as_soon_as_with_tracks_that_share_a_clock(at_s: int, seed: int) -> None:
    def genuine(time_s: float) -> bool:
        return time_s < at_s

    shared = raised_at_s(list(call(at_s + 30, genuine=genuine, seed=seed)), at_s)
    networked = raised_at_s(
        list(call(at_s + 30, genuine=genuine, uncertainty_ms=steady(ARRIVAL_MS), seed=seed)), at_s
    )
    assert networked == shared
    assert shared is not None
    assert shared - at_s <= 15


@settings(deadline=None, derandomize=True, max_examples=10)
@given(seed=seeds)
def test_a_jump_of_the_clock_hides_an_exchange_only_until_the_lag_is_searched(seed: int) -> None:
    lag_ms, uncertainty_ms = jump(0, 120, 40)
    moments = list(
        call(90, lag_ms=lag_ms, uncertainty_ms=uncertainty_ms, genuine=lambda s: s < 40, seed=seed)
    )
    raised = raised_at_s(moments, 40)
    assert raised is not None
    assert raised - 40 <= 2.4 + (SEARCH_WINDOWS + ScoringConfig().recent_windows + 10) * HOP_S


@settings(deadline=None, derandomize=True, max_examples=5)
@given(seed=seeds, genuine=st.booleans())
def test_a_clock_that_never_settles_is_insufficient_and_says_so(seed: int, genuine: bool) -> None:
    moments = list(call(60, uncertainty_ms=steady(41.0), genuine=lambda _: genuine, seed=seed))
    assert_calm(moments)
    assert {moment.verdict for moment in moments} == {Verdict.INSUFFICIENT}
    assert {moment.score.reasons for moment in moments[WINDOWS.length_ticks * 3 :]} == {("clock_unsure",)}
    assert moments[-1].score.status is ScoreStatus.INSUFFICIENT
    assert moments[-1].score.cross_windows == 0


@settings(deadline=None, derandomize=True, max_examples=5)
@given(seed=seeds)
def test_a_clock_that_wavers_for_ever_is_never_genuine_and_raises_nothing(seed: int) -> None:
    def wavering(time_s: float) -> float:
        return 60.0 if time_s % 2.0 < 1.0 else 10.0

    moments = list(call(60, uncertainty_ms=wavering, genuine=lambda _: False, seed=seed))
    assert_calm(moments)
    assert {moment.verdict for moment in moments} == {Verdict.INSUFFICIENT}


@settings(deadline=None, derandomize=True, max_examples=5)
@given(seed=seeds)
def test_an_alarm_outlives_a_clock_that_becomes_unsure(seed: int) -> None:
    moments = list(
        call(
            90,
            uncertainty_ms=lambda time_s: ARRIVAL_MS if time_s < 50 else 100.0,
            genuine=lambda time_s: time_s < 20,
            seed=seed,
        )
    )
    assert raised_at_s(moments) is not None
    assert {moment.verdict for moment in moments[-50:]} == {Verdict.FAKE}


def test_another_connection_begins_with_a_search() -> None:
    moments = list(
        call(
            80,
            lag_ms=lambda time_s: -150.0 if time_s < 40 else 150.0,
            uncertainty_ms=steady(ARRIVAL_MS),
            realigned_at_s=40.0,
        )
    )
    assert_calm(moments)
    after = [moment for moment in moments if moment.time_s >= 40]
    assert after[0].score.reasons[-1] == "clock_unsure"
    assert after[0].score.lag_ms is None
    assert moments[-1].verdict is Verdict.GENUINE
    assert moments[-1].score.lag_ms == pytest.approx(150, abs=40)


def test_seams_of_an_earlier_alignment_are_no_evidence() -> None:
    scorer = Scorer(ScoringConfig(), WINDOWS)
    scorer.set_sync_uncertainty(0)

    def update(index: int, lag_ticks: int) -> None:
        rows = [[1.0, 0.0] if lag == lag_ticks else [0.0, 1.0] for lag in LAGS]
        scorer.update(window(index, WINDOWS), None, embedding(index, [1.0, 0.0]), lag_embeddings(index, rows))

    for index in range(30):
        update(index, -4)
    scorer.set_sync_uncertainty(MAX_UNCERTAINTY_NS + 1)
    assert scorer.seams(5) == ()
    scorer.set_sync_uncertainty(0)
    for index in range(30, 60):
        update(index, 4)
    seams = scorer.seams(5)
    assert {seam.kind for seam in seams} == {Modality.CROSS}
    assert all(seam.value == pytest.approx(1.0) for seam in seams)
    assert all(seam.a.start_ns >= 30 * HOP_S * 1e9 for seam in seams)
