"""Sequence numbers and statistics against plain arithmetic."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.ingest.rtp.sequence import MAX_AHEAD, MAX_BEHIND, SequenceExtender, is_restart, signed_distance
from realtime.ingest.rtp.statistics import SourceStatistics

S = 1_000_000_000


@given(st.integers(0, (1 << 32) - 1), st.integers(-(1 << 31), (1 << 31) - 1))
def test_the_distance_between_wrapping_counters_is_the_short_way(reference: int, distance: int) -> None:
    assert signed_distance((reference + distance) % (1 << 32), reference, 1 << 32) == distance


@settings(max_examples=300)
@given(st.integers(0, (1 << 16) - 1), st.lists(st.integers(-MAX_BEHIND // 2, MAX_AHEAD // 2), max_size=200))
def test_extending_undoes_wrapping(first: int, steps: list[int]) -> None:
    extender = SequenceExtender()
    highest = first
    assert extender.extend(first) == first
    for step in steps:
        number = highest + step
        assert extender.extend(number % (1 << 16)) == number
        highest = max(highest, number)
        assert extender.highest == highest


@given(st.integers(0, (1 << 16) - 1), st.integers(MAX_BEHIND + 1, (1 << 16) - MAX_AHEAD - 2))
def test_a_jump_is_believed_with_its_second_packet(first: int, back: int) -> None:
    extender = SequenceExtender()
    extender.extend(first)
    target = (first - back) % (1 << 16)
    assert extender.extend(target) is None
    assert extender.extend((first + 1) % (1 << 16)) == first + 1
    assert extender.extend(target) is None
    extended = extender.extend((target + 1) % (1 << 16))
    assert extended is not None
    assert extended % (1 << 16) == (target + 1) % (1 << 16)
    assert extended > first + 1
    assert is_restart(extended - first) == (back <= 1 << 15)
    assert extender.extend((target + 2) % (1 << 16)) == extended + 1


def test_one_wild_packet_changes_nothing() -> None:
    extender = SequenceExtender()
    assert [extender.extend(number) for number in (10, 11, 40_000, 12, 40_000, 13)] == [
        10,
        11,
        None,
        12,
        None,
        13,
    ]


def naive_jitter(times: list[tuple[int, int]], clock_hz: int) -> float:
    """RFC 3550, section 6.4.1, in exact arithmetic."""
    jitter = 0.0
    for (earlier_rtp, earlier_ns), (rtp, arrival_ns) in pairwise(times):
        difference = (arrival_ns - earlier_ns) * clock_hz / S - (rtp - earlier_rtp)
        jitter += (abs(difference) - jitter) / 16
    return jitter


@given(
    st.lists(st.tuples(st.integers(1, 9000), st.integers(0, 200_000_000)), min_size=2, max_size=80),
    st.integers(0, (1 << 32) - 1),
    st.sampled_from([48_000, 90_000]),
)
def test_jitter_is_that_of_the_rfc(steps: list[tuple[int, int]], origin: int, clock_hz: int) -> None:
    statistics = SourceStatistics(1, clock_hz=clock_hz)
    times = [(0, 0)]
    for ticks, wait_ns in steps:
        times.append((times[-1][0] + ticks, times[-1][1] + wait_ns))
    for rtp, arrival_ns in times:
        statistics.time_frame((origin + rtp) % (1 << 32), arrival_ns)
    assert statistics.jitter == pytest.approx(naive_jitter(times, clock_hz), abs=3)
    assert statistics.jitter_ms == pytest.approx(naive_jitter(times, clock_hz) / clock_hz * 1000, abs=0.1)


@given(st.lists(st.tuples(st.integers(0, (1 << 32) - 1), st.integers(0, 10**15)), max_size=60))
def test_jitter_fits_into_a_report_whatever_is_sent(frames: list[tuple[int, int]]) -> None:
    statistics = SourceStatistics(1, clock_hz=90_000)
    for timestamp, arrival_ns in frames:
        statistics.time_frame(timestamp, arrival_ns)
        assert 0 <= statistics.jitter < 1 << 32


@given(st.integers(0, 70_000), st.lists(st.booleans(), min_size=1, max_size=300))
def test_losses_are_counted_as_in_a_report(first: int, arrived: list[bool]) -> None:
    statistics = SourceStatistics(1, clock_hz=90_000)
    numbers = [first, *(first + 1 + index for index, came in enumerate(arrived) if came)]
    middle = len(numbers) // 2
    for number in numbers[:middle]:
        statistics.add(number)
    before = statistics.packets_lost
    _ = statistics.fraction_lost
    for number in numbers[middle:]:
        statistics.add(number)
    expected = numbers[-1] - first + 1
    assert statistics.packets_received == len(numbers)
    assert statistics.packets_lost == expected - len(numbers)
    assert statistics.max_seq == numbers[-1]
    newly_expected = numbers[-1] - (numbers[middle - 1] if middle else first - 1)
    lost = statistics.packets_lost - before
    assert statistics.fraction_lost == min(255, lost * 256 // newly_expected)
    assert statistics.fraction_lost == 0
