"""The rate of real pictures, as the 25 fps grid shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.ingest.grid import FrameGrid, GridPicture
from realtime.scoring.picture_rate import MIN_COUNTED_TICKS, MIN_RATE_HZ, SPAN_TICKS, PictureRate
from realtime.timebase import FRAME_RATE_HZ, NS_PER_S
from tests.support.evidence import footprint


def ticks_of(times_ns: Iterable[int]) -> Iterator[tuple[int, bool]]:
    """Yield every tick of the grid over pictures at these times, and whether its picture is a new one."""
    grid: FrameGrid[int] = FrameGrid()
    shown = None
    for number, time_ns in enumerate(times_ns):
        for item in grid.push(time_ns, number):
            if isinstance(item, GridPicture):
                yield item.tick, item.payload != shown
                shown = item.payload
            else:
                for tick in range(item.first_tick, item.end_tick):
                    yield tick, False


def steady(fps: float, seconds: float, start_s: float = 0.0) -> list[int]:
    return [round((start_s + n / fps) * NS_PER_S) for n in range(round(seconds * fps))]


def measured(times_ns: Iterable[int]) -> list[float | None]:
    rate = PictureRate()
    seen = []
    for tick, is_new in ticks_of(times_ns):
        rate.take(tick, is_new=is_new)
        seen.append(rate.hz)
    return seen


@pytest.mark.parametrize("fps", [1, 2, 5, 8, 9.5, 12, 15, 24, 25, 29.97, 30, 60])
def test_a_steady_source_has_its_own_rate_up_to_that_of_the_grid(fps: float) -> None:
    rates = measured(steady(fps, 20))[SPAN_TICKS:]
    assert rates
    for hz in rates:
        assert hz == pytest.approx(min(fps, FRAME_RATE_HZ), rel=0.08)


@pytest.mark.parametrize(("fps", "low"), [(2, True), (8, True), (12, False), (15, False), (25, False)])
def test_identity_only_below_ten_pictures_a_second(fps: float, low: bool) -> None:
    rate = PictureRate()
    for tick, is_new in ticks_of(steady(fps, 20)):
        rate.take(tick, is_new=is_new)
        if rate.hz is not None:
            assert rate.is_low is low


@pytest.mark.parametrize("fps", [12, 15, 25])
@pytest.mark.parametrize("frozen_s", [0.3, 1.0, 2.5, 8.0])
def test_a_freeze_is_no_low_rate(fps: float, frozen_s: float) -> None:
    rates = measured(steady(fps, 5) + steady(fps, 5, start_s=5 + frozen_s))
    assert all(hz is None or hz >= MIN_RATE_HZ for hz in rates)


def test_a_source_that_slows_down_is_found_out_within_the_span_and_forgiven_within_it() -> None:
    slowed = measured(steady(25, 5) + steady(5, 10, start_s=5) + steady(25, 5, start_s=15))
    low = [tick for tick, hz in enumerate(slowed) if hz is not None and hz < MIN_RATE_HZ]
    assert 5 * FRAME_RATE_HZ < low[0] <= 5 * FRAME_RATE_HZ + SPAN_TICKS
    assert low == list(range(low[0], low[-1] + 1))
    assert 15 * FRAME_RATE_HZ < low[-1] <= 15 * FRAME_RATE_HZ + SPAN_TICKS


def test_what_this_host_drops_is_no_low_rate() -> None:
    rate = PictureRate()
    for tick in range(500):
        dropped = tick % 5 > 0
        rate.take(tick, is_new=not dropped, dropped=dropped)
    assert rate.hz is None
    assert not rate.is_low


def naive_hz(history: list[tuple[int, bool, bool]]) -> float | None:
    newest = history[-1][0]
    pauses = []
    last = None
    for tick, is_new, dropped in history:
        if dropped:
            last = None
        elif is_new:
            if last is not None and tick > newest - SPAN_TICKS:
                pauses.append(tick - last)
            last = tick
    pauses.sort()
    counted = pauses[:-1]
    return FRAME_RATE_HZ * len(counted) / sum(counted) if sum(counted) >= MIN_COUNTED_TICKS else None


@settings(deadline=None)
@given(
    moves=st.lists(
        st.tuples(st.integers(1, 40), st.sampled_from(["new", "new", "held", "dropped"])),
        min_size=1,
        max_size=60,
    )
)
def test_every_tick_agrees_with_the_whole_history(moves: list[tuple[int, str]]) -> None:
    rate = PictureRate()
    history: list[tuple[int, bool, bool]] = []
    tick = 0
    for step, what in moves:
        tick += step
        history.append((tick, what == "new", what == "dropped"))
        rate.take(tick, is_new=what == "new", dropped=what == "dropped")
        expected = naive_hz(history)
        assert rate.hz == (None if expected is None else pytest.approx(expected))


def test_a_long_call_grows_nothing() -> None:
    rate = PictureRate()
    sizes = set()
    for tick in range(20_000):
        rate.take(tick, is_new=True)
        if tick > 1_000:
            sizes.add(footprint(rate))
    assert len(sizes) == 1


def test_a_camera_that_comes_back_is_measured_anew() -> None:
    rates = measured([*steady(25, 5), *steady(25, 5, start_s=60)])
    assert rates[30 * FRAME_RATE_HZ] is None
    assert rates[-1] == pytest.approx(25)
