"""The scorer against the whole history, and what it lets pass."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.config import ScoringConfig, WindowConfig
from realtime.scoring.scorer import IDENTITY_CHANGED, LIPS_DO_NOT_FIT_VOICE, Scorer
from realtime.timebase import TICK_NS
from realtime.types import Modality, ScoreStatus
from tests.support.evidence import embedding, footprint, lag_embeddings, unit, window
from tests.support.naive import NaiveScorer

DIMENSION = 8
SMALL = WindowConfig(length_ticks=6, hop_ticks=3, band_ticks=2)
LAGS = 2 * SMALL.band_ticks + 1
#: Histogram bin and float32 rounding, over the smallest distance of two thresholds.
TOLERANCE = 2e-3
FIELDS = (
    "intra",
    "cross",
    "score",
    "recent_intra",
    "recent_cross",
    "margin",
    "intra_windows",
    "cross_windows",
)

ratios = st.sampled_from([0.0, 0.5, 0.7, 1.0])
moves = st.lists(
    st.tuples(
        st.sampled_from([1, 1, 1, 2, 7]),
        st.sampled_from(["all", "all", "all", "face", "voice", "none"]),
        ratios,
        ratios,
        ratios,
        st.integers(0, 2**32),
        st.sampled_from([None, None, None, 0, TICK_NS, TICK_NS + 1]),
    ),
    min_size=1,
    max_size=40,
)


def match(index, rng, *, fit=1.0, face=0, windows=SMALL):
    """Return embeddings of a window whose lips fit the voice at lag zero by about ``fit``."""
    lags = 2 * windows.band_ticks + 1
    lips = unit(rng.normal(size=DIMENSION))
    rows = unit(rng.normal(size=(lags, DIMENSION)))
    rows[windows.band_ticks] = unit(fit * lips + np.sqrt(max(0.0, 1 - fit**2)) * rows[windows.band_ticks])
    identity = np.eye(DIMENSION)[face] + 0.05 * rng.normal(size=DIMENSION)
    return (
        embedding(index, identity, windows),
        embedding(index, lips, windows),
        lag_embeddings(index, rows, windows=windows),
    )


def feed(scorer, indices, *, fit=0.9, face=0, seed=0, windows=SMALL, **ratios):
    rng = np.random.default_rng(seed)
    score = None
    for index in indices:
        parts = match(index, rng, fit=fit, face=face, windows=windows)
        score = scorer.update(window(index, windows, **ratios), *parts)
    return score


def silent(scorer, indices, *, identity=True, seed=1, **ratios):
    rng = np.random.default_rng(seed)
    score = None
    for index in indices:
        who, _, _ = match(index, rng)
        score = scorer.update(window(index, SMALL, **ratios), who if identity else None, None, None)
    return score


@settings(deadline=None)
@given(
    moves=moves,
    memory=st.integers(2, 14),
    recent=st.integers(1, 6),
    max_silence=st.integers(1, 12),
    minimum=st.integers(1, 4),
)
def test_every_update_agrees_with_the_whole_history(moves, memory, recent, max_silence, minimum):
    scoring = ScoringConfig(
        memory_windows=memory,
        recent_windows=recent,
        max_silence_windows=max_silence,
        min_intra_windows=minimum,
        min_cross_windows=minimum,
    )
    scorer, naive = Scorer(scoring, SMALL), NaiveScorer(scoring, SMALL)
    index = 0
    networked = False
    for step, has, faces, audio, speech, seed, uncertainty_ns in moves:
        index += step
        if uncertainty_ns is not None:
            scorer.set_sync_uncertainty(uncertainty_ns)
            networked = True
        rng = np.random.default_rng(seed)
        identity, lips, voice = match(index, rng, fit=rng.uniform(-1, 1), face=int(rng.integers(3)))
        valid = rng.random(LAGS) > 0.2
        voice = lag_embeddings(index, voice.vectors, valid, SMALL)
        media = window(index, SMALL, faces=faces, audio=audio, speech=speech)
        entry = (
            media,
            identity if has in ("all", "face") else None,
            lips if has in ("all", "face") else None,
            voice if has in ("all", "voice") else None,
        )
        score = scorer.update(*entry)
        naive.history.append(entry)
        naive.uncertainties_ns.append(uncertainty_ns)

        unknown = None if networked else 0
        lag = unknown if score.lag_ms is None else round(score.lag_ms * 1e6 / TICK_NS)
        expected = naive.expect(lag)
        for name in FIELDS:
            value = getattr(score, name)
            if expected[name] is None:
                assert value is None, name
            else:
                assert value == pytest.approx(expected[name], abs=2 * TOLERANCE), name
        live = (expected["identity_margin"] is not None, expected["lips_margin"] is not None)
        assert (score.status is ScoreStatus.OK) == all(live)
        assert (score.reasons == ()) == all(live)
        assert (score.margin is None) == (not any(live))
        fresh = scorer.fresh_margins()
        if entry[1] is not None and live[0]:
            assert fresh[IDENTITY_CHANGED] == pytest.approx(expected["identity_margin"], abs=TOLERANCE * 2)
        else:
            assert fresh[IDENTITY_CHANGED] is None
        if entry[2] is None or entry[3] is None or not live[1]:
            assert fresh[LIPS_DO_NOT_FIT_VOICE] is None
        assert score.time_ns == media.span.end_ns


def test_status_goes_from_warming_up_to_ok():
    scorer = Scorer(ScoringConfig(), SMALL)
    first = feed(scorer, [0])
    assert first.status is ScoreStatus.WARMING_UP
    assert first.reasons == ("warming_up",)
    assert (first.score, first.margin) == (None, None)
    second = feed(scorer, [1], seed=1)
    assert second.status is ScoreStatus.OK
    assert second.reasons == ()
    assert second.score == second.intra + second.cross


@pytest.mark.parametrize(
    ("ratios", "reasons"),
    [
        ({"speech": 0.3}, ("no_speech",)),
        ({"audio": 0.5, "speech": 0.0}, ("no_audio",)),
        ({"audio": 0.0, "reasons": ("muted", "no_face")}, ("no_audio", "muted")),
        ({"faces": 0.5}, ("no_face",)),
        ({"faces": 0.5, "reasons": ("face_too_small", "loss")}, ("face_too_small",)),
        (
            {"faces": 0.0, "speech": 0.0, "reasons": ("no_video", "no_audio"), "audio": 0.0},
            ("no_video", "no_audio"),
        ),
    ],
)
def test_a_window_that_fails_a_gate_does_not_count_and_says_why(ratios, reasons):
    scorer = Scorer(ScoringConfig(max_silence_windows=5), SMALL)
    score = feed(scorer, range(4), **ratios)
    assert score.cross_windows == 0
    assert score.intra_windows == 4
    assert score.status is ScoreStatus.WARMING_UP
    assert score.reasons == ("warming_up", *reasons)
    score = feed(scorer, range(4, 12), **ratios)
    assert score.status is ScoreStatus.INSUFFICIENT
    assert score.reasons == reasons
    assert score.margin is not None
    assert (score.recent_cross, score.score) == (None, None)


def test_silence_keeps_the_live_value_and_then_withdraws_it():
    scoring = ScoringConfig(max_silence_windows=10)
    scorer = Scorer(scoring, SMALL)
    spoken = feed(scorer, range(30))
    silence = silent(scorer, range(30, 40), speech=0.0)
    assert silence.status is ScoreStatus.OK
    assert silence.recent_cross == spoken.recent_cross
    assert scorer.fresh_margins()[LIPS_DO_NOT_FIT_VOICE] is None
    longer = silent(scorer, [40], speech=0.0)
    assert longer.status is ScoreStatus.INSUFFICIENT
    assert longer.reasons == ("no_speech",)
    assert longer.recent_cross is None
    assert longer.margin is not None
    gone = silent(scorer, range(41, 60), identity=False, faces=0.0, speech=0.0, reasons=("no_face",))
    assert gone.margin is None
    assert gone.recent_intra is None
    assert gone.cross == spoken.cross


def test_speech_from_before_a_long_silence_is_no_recent_evidence():
    scorer = Scorer(ScoringConfig(max_silence_windows=10), SMALL)
    feed(scorer, range(30), fit=0.9)
    score = feed(scorer, range(50, 53), fit=-0.9, seed=5)
    assert score.recent_cross == pytest.approx(-0.9, abs=0.3)


def test_an_exchanged_face_of_a_silent_participant_shows_but_is_never_ok():
    scorer = Scorer(ScoringConfig(), SMALL)
    before = feed(scorer, range(60), speech=0.0)
    assert before.margin > 0.8
    after = feed(scorer, range(60, 70), face=1, seed=3, speech=0.0)
    assert after.margin < 0.0
    assert scorer.fresh_margins()[IDENTITY_CHANGED] == after.margin
    assert scorer.fresh_margins()[LIPS_DO_NOT_FIT_VOICE] is None
    assert after.status is ScoreStatus.INSUFFICIENT
    assert after.score is None
    assert scorer.seams(3)[0].kind is Modality.INTRA
    assert scorer.seams(3)[0].a.end_ns <= scorer.seams(3)[0].b.start_ns


def test_a_voice_that_stops_fitting_shows_in_the_lips_channel():
    scorer = Scorer(ScoringConfig(cross_alert=0.0, cross_genuine=0.35), SMALL)
    feed(scorer, range(40))
    score = feed(scorer, range(40, 62), fit=0.0, seed=3)
    margins = scorer.fresh_margins()
    assert margins[LIPS_DO_NOT_FIT_VOICE] == score.margin
    assert score.margin < 0.5 < margins[IDENTITY_CHANGED]
    assert scorer.seams(4)[0].kind is Modality.CROSS


@settings(deadline=None)
@given(windows=st.integers(4, 80), place=st.floats(0, 1), reach=st.integers(1, 2))
def test_one_bad_moment_does_not_decide_but_the_papers_value_shows_it(windows, place, reach):
    """At most as many windows as one moment reaches, and at most a quarter of the memory."""
    reach = min(reach, windows // 4)
    scorer = Scorer(ScoringConfig(), SMALL)
    bad = set(range(int(place * (windows - reach)), int(place * (windows - reach)) + reach))
    for index in range(windows):
        score = feed(scorer, [index], face=1 if index in bad else 0, seed=index, speech=0.0)
    assert score.margin > 0.5
    if 2 * reach * (windows - reach) > 0.05 * (windows**2 - 1) + 1:
        assert score.intra < 0.5


@settings(deadline=None)
@given(windows=st.integers(4, 80), exchanged=st.integers(2, 40))
def test_an_exchange_longer_than_a_moment_decides(windows, exchanged):
    exchanged = min(exchanged, windows // 2)
    scorer = Scorer(ScoringConfig(), SMALL)
    for index in range(windows):
        face = 1 if index >= windows - exchanged else 0
        score = feed(scorer, [index], face=face, seed=index, speech=0.0)
    beyond_a_moment = exchanged > min(2, windows // 4)
    beyond_the_percentile = 2 * exchanged * (windows - exchanged) > 0.05 * (windows**2 - 1) + 1
    if beyond_a_moment and beyond_the_percentile:
        assert score.margin < 0.0


def test_the_live_value_uses_the_tracked_lag():
    windows = WindowConfig(length_ticks=6, hop_ticks=3, band_ticks=4)
    rng = np.random.default_rng(4)
    scorer = Scorer(ScoringConfig(), windows)
    for index in range(60):
        lips = unit(rng.normal(size=DIMENSION))
        rows = unit(rng.normal(size=(9, DIMENSION)))
        rows[4 + 2] = lips
        score = scorer.update(
            window(index, windows),
            embedding(index, np.ones(DIMENSION), windows),
            embedding(index, lips, windows),
            lag_embeddings(index, rows, windows=windows),
        )
    assert score.lag_ms == pytest.approx(80.0, abs=20.0)
    assert score.recent_cross == pytest.approx(1.0, abs=1e-3)
    assert abs(score.cross) < 0.3
    seam = next(seam for seam in scorer.seams(50) if seam.kind is Modality.CROSS)
    assert seam.b.start_ns - seam.a.start_ns == 2 * TICK_NS


def test_what_cannot_show_lips_is_judged_by_identity_alone_and_never_ok():
    scorer = Scorer(ScoringConfig(max_silence_windows=10), SMALL)
    feed(scorer, range(30))
    rng = np.random.default_rng(0)
    for index in range(30, 60):
        face = 0 if index < 45 else 1
        score = scorer.update(window(index, SMALL), *match(index, rng, face=face), unfit=("low_frame_rate",))
        assert score.status is ScoreStatus.INSUFFICIENT
        assert score.reasons == ("low_frame_rate",)
        assert score.recent_cross is None
        assert scorer.fresh_margins()[LIPS_DO_NOT_FIT_VOICE] is None
    assert scorer.fresh_margins()[IDENTITY_CHANGED] == score.margin < 0
    assert score.cross_windows == 30


def test_overload_is_degraded_not_ok():
    scorer = Scorer(ScoringConfig(), SMALL)
    feed(scorer, range(10))
    parts = match(10, np.random.default_rng(0))
    score = scorer.update(window(10, SMALL), *parts, ("overload",))
    assert score.status is ScoreStatus.DEGRADED
    assert score.reasons == ("overload",)
    assert score.margin is not None


def test_coverage_counts_every_tick_once():
    scorer = Scorer(ScoringConfig(recent_windows=4), SMALL)
    feed(scorer, range(4), faces=1.0, speech=1.0)
    score = feed(scorer, range(4, 6), faces=0.5, speech=0.5, seed=2)
    assert score.face_coverage == 0.5
    assert score.speech_coverage == 0.5


def test_windows_out_of_order_or_of_another_shape_are_refused():
    scorer = Scorer(ScoringConfig(), SMALL)
    feed(scorer, [5])
    with pytest.raises(ValueError, match="comes after"):
        scorer.update(window(5, SMALL), None, None, None)
    with pytest.raises(ValueError, match="ticks long"):
        scorer.update(window(6, WindowConfig()), None, None, None)


def test_without_any_evidence_there_is_nothing_to_show():
    scorer = Scorer(ScoringConfig(), SMALL)
    score = silent(scorer, range(3), identity=False, faces=0.0, audio=0.0, speech=0.0)
    assert score.reasons == ("warming_up", "no_face", "no_audio")
    assert scorer.seams(3) == ()
    assert [matrix.values.shape for matrix in scorer.matrices()] == [(0, 0), (0, 0)]


def test_an_hour_of_call_grows_nothing():
    scoring = ScoringConfig(memory_windows=48, recent_windows=10)
    scorer = Scorer(scoring, SMALL)
    rng = np.random.default_rng(9)
    sizes = set()
    for index in range(9000):
        parts = match(index, rng) if rng.random() < 0.8 else (None, None, None)
        scorer.update(window(index, SMALL, speech=float(rng.random() < 0.9)), *parts)
        if index >= 200 and index % 500 == 0:
            sizes.add(footprint(scorer))
    assert len(sizes) == 1
    intra, cross = scorer.matrices()
    assert intra.values.shape == cross.values.shape == (48, 48)
