"""The lag tracker on profiles with and without a peak."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.similarity.lag import MIN_WINDOWS, SEARCH_WINDOWS, SETTLED_UPDATES, LagTracker

BAND = 7
LAGS = np.arange(-BAND, BAND + 1)


def bump(lag_ticks: float, height: float = 0.4) -> np.ndarray:
    return (height * np.exp(-(((LAGS - lag_ticks) / 1.5) ** 2))).astype(np.float32)


def counts(windows: int) -> np.ndarray:
    return np.full(len(LAGS), windows, np.int64)


@settings(deadline=None)
@given(lag=st.floats(-5.5, 5.5), windows=st.integers(20, 256))
def test_a_clear_peak_is_found_between_ticks(lag, windows):
    tracker = LagTracker(BAND)
    tracker.update(bump(lag), counts(windows))
    assert tracker.lag_ms == pytest.approx(lag * 40.0, abs=4.0)
    assert abs(tracker.nearest_tick - lag) <= 0.6


def test_a_voice_after_the_lips_is_positive():
    tracker = LagTracker(BAND)
    tracker.update(bump(3.0), counts(100))
    assert tracker.lag_ms == pytest.approx(120.0, abs=1.0)
    assert tracker.nearest_tick == 3


@settings(deadline=None)
@given(windows=st.integers(0, MIN_WINDOWS - 1), lag=st.integers(-5, 5))
def test_too_little_evidence_says_nothing(windows, lag):
    tracker = LagTracker(BAND)
    for _ in range(50):
        tracker.update(bump(lag, 1.0), counts(windows))
    assert tracker.lag_ms is None
    assert tracker.nearest_tick == 0


@pytest.mark.parametrize(
    "profile",
    [np.zeros(15, np.float32), bump(0.0, 0.03), bump(-BAND), bump(BAND), np.full(15, np.nan, np.float32)],
    ids=["flat", "low", "at the lower end", "at the upper end", "nothing"],
)
def test_no_peak_says_nothing(profile):
    tracker = LagTracker(BAND)
    tracker.update(profile, counts(256))
    assert tracker.lag_ms is None


def test_the_same_height_counts_only_with_enough_windows():
    few, many = LagTracker(BAND), LagTracker(BAND)
    few.update(bump(2.0, 0.15), counts(10))
    many.update(bump(2.0, 0.15), counts(200))
    assert few.lag_ms is None
    assert many.lag_ms is not None


def test_lags_with_few_windows_do_not_take_the_peak():
    profile, windows = bump(-2.0), counts(100)
    profile[10], windows[10] = 0.99, 3
    tracker = LagTracker(BAND)
    tracker.update(profile, windows)
    assert tracker.nearest_tick == -2


def test_a_settled_lag_moves_slowly_and_is_kept_without_a_peak():
    tracker = LagTracker(BAND)
    for _ in range(SETTLED_UPDATES):
        tracker.update(bump(0.0), counts(100))
    tracker.update(bump(5.0), counts(100))
    assert tracker.lag_ms == pytest.approx(5.0 * 40.0 / SETTLED_UPDATES, abs=1.0)
    before = tracker.lag_ms
    for _ in range(100):
        tracker.update(np.zeros(15, np.float32), counts(100))
    assert tracker.lag_ms == before
    for _ in range(8 * SETTLED_UPDATES):
        tracker.update(bump(5.0), counts(100))
    assert tracker.nearest_tick == 5


@settings(deadline=None)
@given(lag=st.floats(-5.5, 5.5), before=st.integers(-5, 5))
def test_a_search_forgets_the_lag_and_ends_with_a_peak(lag, before):
    tracker = LagTracker(BAND)
    assert not tracker.searching
    for _ in range(SETTLED_UPDATES):
        tracker.update(bump(before), counts(100))
    tracker.search()
    assert tracker.searching
    assert tracker.lag_ms is None
    tracker.update(np.zeros(15, np.float32), counts(SEARCH_WINDOWS - 1))
    assert tracker.searching
    tracker.update(bump(lag, 0.9), counts(SEARCH_WINDOWS - 1))
    assert not tracker.searching
    assert tracker.lag_ms == pytest.approx(lag * 40.0, abs=4.0)


low_profiles = st.lists(st.floats(-0.0625, 0.0625, width=32), min_size=15, max_size=15)


@settings(deadline=None)
@given(profiles=st.lists(low_profiles, min_size=1, max_size=5), lag=st.floats(-5.5, 5.5))
def test_a_search_without_a_peak_keeps_to_the_best_lag_there_is_until_one_stands_out(profiles, lag):
    tracker = LagTracker(BAND)
    tracker.search()
    for values in profiles:
        profile = np.array(values, np.float32)
        tracker.update(profile, counts(SEARCH_WINDOWS))
        assert not tracker.searching
        assert profile[tracker.nearest_tick + BAND] == profile.max()
    tracker.update(bump(lag, 0.9), counts(SEARCH_WINDOWS))
    assert tracker.lag_ms == pytest.approx(lag * 40.0, abs=4.0)
    before = tracker.lag_ms
    tracker.update(np.array(profiles[0], np.float32), counts(SEARCH_WINDOWS))
    assert tracker.lag_ms == before


def test_a_search_ends_with_no_lag_of_which_little_is_known():
    profile, windows = np.zeros(15, np.float32), counts(SEARCH_WINDOWS)
    profile[3] = 0.01
    profile[[0, 1, 12]], windows[[0, 1]], profile[12] = 0.99, 2, np.nan
    tracker = LagTracker(BAND)
    tracker.search()
    tracker.update(profile, windows)
    assert tracker.nearest_tick == 3 - BAND


def test_the_wrong_number_of_lags_is_refused():
    with pytest.raises(ValueError, match="15 lags"):
        LagTracker(BAND).update(np.zeros(3, np.float32), np.zeros(3, np.int64))
