"""Whether something grows, and who comes and goes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.soak.trend import trend_of
from bench.soak.visits import visits

LENGTHS = st.integers(5, 300)


@given(LENGTHS, st.floats(-100, 100), st.floats(-1000, 1000), st.floats(0, 50))
def test_a_straight_line_has_its_own_slope(count: int, slope: float, start: float, allowance: float) -> None:
    hours = [index / 60 for index in range(count)]
    trend = trend_of(hours, [start + slope * hour for hour in hours], allowance)
    assert trend.slope_per_h == pytest.approx(slope, abs=1e-6)
    assert trend.growth == pytest.approx(slope * hours[-1], abs=1e-6)
    if abs(slope * hours[-1] - allowance) > 1e-6:
        assert trend.growing == (slope * hours[-1] > allowance)


@given(st.integers(20, 300), st.data())
def test_single_peaks_are_no_growth(count: int, data: st.DataObject) -> None:
    peaks = data.draw(st.sets(st.integers(0, count - 1), max_size=count // 8))
    values = [1000.0 if index in peaks else 10.0 for index in range(count)]
    trend = trend_of([float(index) for index in range(count)], values, 0.0)
    assert trend.slope_per_h == 0
    assert trend.verdict == "flat"


@given(st.integers(2, 40), st.integers(1, 40))
def test_a_leak_that_comes_in_steps_is_growth(per_step: int, step: int) -> None:
    count = step * 8
    values = [float(index // step * per_step) for index in range(count)]
    assert trend_of([float(index) for index in range(count)], values, per_step).verdict == "growing"


def test_one_sample_is_no_trend() -> None:
    with pytest.raises(ValueError, match="two samples"):
        trend_of([0.0], [1.0], 0.0)


@given(st.integers(0, 10**6), st.floats(1, 4000))
def test_visits_fill_the_time_and_come_again_with_their_seed(seed: int, until_s: float) -> None:
    ranges = {"stays_s": (5.0, 40.0), "away_s": (2.0, 30.0)}
    drawn = list(visits(seed, **ranges, until_s=until_s))
    assert drawn == list(visits(seed, **ranges, until_s=until_s))
    assert sum(visit.stays_s + visit.away_s for visit in drawn) == pytest.approx(until_s)
    assert all(5.0 <= visit.stays_s <= 40.0 and 2.0 <= visit.away_s <= 30.0 for visit in drawn[:-1])
