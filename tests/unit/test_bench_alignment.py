"""The alignment error that the bench reports is the one that was put in."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bench.janus.alignment import (
    RECOVERY_NS,
    AlignmentError,
    Captured,
    Heard,
    Seen,
    Stall,
    alignment_errors,
)
from bench.janus.alignment_runs import DIRECT, LIMITS_MS, summary
from bench.janus.numbered_clip import (
    CLIP_S,
    PICTURES_PER_S,
    BeepFinder,
    beeps,
    numbered_pictures,
    read_number,
    spelled,
)
from bench.janus.requirements import CallBenchError
from realtime.ingest.grid import FrameGrid, GridPicture
from realtime.timebase import NS_PER_S, tick_time_ns

MS = 1_000_000
NETWORK_NS = 40 * MS
LOOP = PICTURES_PER_S * CLIP_S


def a_call(
    *, seconds: int, skew_ns: int, start_ns: int, jitter_ns: int = 0, seed: int = 0, keeps: float = 1.0
) -> tuple[Captured, list[Seen], list[Heard]]:
    """A sender's account, and what a receiver makes of it that places sound later by ``skew_ns``."""
    rng = random.Random(seed)
    captured, seen, heard = Captured(), [], []
    grid: FrameGrid[tuple[int, int]] = FrameGrid()
    origin_ns = 5 * NS_PER_S + start_ns
    for index in range(seconds * PICTURES_PER_S):
        at_ns = origin_ns + index * NS_PER_S // PICTURES_PER_S + rng.randint(0, jitter_ns)
        captured.pictures[index % LOOP].append(at_ns)
        if rng.random() > keeps:
            continue
        for decided in grid.push(at_ns - 5 * NS_PER_S, (index % LOOP, at_ns + NETWORK_NS)):
            if isinstance(decided, GridPicture):
                number, arrival_ns = decided.payload
                seen.append(Seen(number=number, time_ns=tick_time_ns(decided.tick), arrival_ns=arrival_ns))
    for second in range(seconds):
        at_ns = origin_ns + second * NS_PER_S
        captured.beeps.append(at_ns)
        heard.append(Heard(time_ns=at_ns - 5 * NS_PER_S + skew_ns, arrival_ns=at_ns + NETWORK_NS))
    return captured, seen, heard


@example(skew_ms=0.0, start_ms=94.0, jitter_ms=0.625, keeps=0.9)
@given(
    skew_ms=st.floats(-200, 200),
    start_ms=st.floats(0, 100),
    jitter_ms=st.floats(0, 6),
    keeps=st.sampled_from([1.0, 0.9]),
)
def test_the_error_that_was_put_in_comes_out(
    skew_ms: float, start_ms: float, jitter_ms: float, keeps: float
) -> None:
    captured, seen, heard = a_call(
        seconds=16,
        skew_ns=round(skew_ms * MS),
        start_ns=round(start_ms * MS),
        jitter_ns=round(jitter_ms * MS),
        keeps=keeps,
    )
    errors = alignment_errors(captured, seen, heard)
    assert len(errors) >= 13
    for error in errors:
        is_at_edge = not 1.5 <= error.since_start_s <= 14.5
        grid_ms = 6.7 if is_at_edge else 3.4
        assert error.error_ms == pytest.approx(skew_ms, abs=grid_ms + jitter_ms / 2)


def test_misread_numbers_do_not_matter() -> None:
    captured, seen, heard = a_call(seconds=12, skew_ns=20 * MS, start_ns=0)
    rng = random.Random(1)
    misread = [
        Seen(number=rng.randrange(LOOP), time_ns=picture.time_ns, arrival_ns=picture.arrival_ns)
        if rng.random() < 0.03
        else picture
        for picture in seen
    ]
    for error in alignment_errors(captured, misread, heard):
        assert error.error_ms == pytest.approx(20, abs=5)


def test_a_beep_that_arrives_after_the_next_was_captured_is_not_taken_for_it() -> None:
    captured, seen, heard = a_call(seconds=12, skew_ns=20 * MS, start_ns=0)
    late = [Heard(time_ns=beep.time_ns, arrival_ns=beep.arrival_ns + 1100 * MS) for beep in heard[4:6]]
    errors = alignment_errors(captured, seen, [*heard[:4], *late, *heard[6:]])
    assert len(errors) == len(alignment_errors(captured, seen, heard))
    for error in errors:
        assert error.error_ms == pytest.approx(20, abs=5)


def test_nothing_is_said_without_pictures_or_without_the_senders_account() -> None:
    captured, seen, heard = a_call(seconds=6, skew_ns=0, start_ns=0)
    assert alignment_errors(captured, [], heard) == []
    assert alignment_errors(Captured(), seen, heard) == []


def test_beeps_after_a_stall_are_told_apart() -> None:
    captured, seen, heard = a_call(seconds=30, skew_ns=0, start_ns=0)
    stall_ns = captured.beeps[8] - MS
    captured.stalls.append(Stall(time_ns=stall_ns, length_ms=10))
    errors = alignment_errors(captured, seen, heard)
    stalled = [error.since_start_s for error in errors if error.stalled]
    assert stalled == [float(second) for second in range(8, 8 + RECOVERY_NS // NS_PER_S)]


def test_the_summary_judges_settled_errors_only_and_keeps_the_others_in_view() -> None:
    errors = [
        AlignmentError(since_start_s=float(second), error_ms=40.0 if second < 10 else 2.0)
        for second in range(20)
    ]
    errors += [AlignmentError(since_start_s=21.0, error_ms=-33.0, stalled=True)]
    figures = summary(errors, LIMITS_MS[DIRECT])
    assert figures["holds"]
    assert (figures["settled"], figures["median_ms"], figures["after_stalls"]) == (10, 2.0, 1)
    assert (figures["first_seconds_largest_ms"], figures["after_stalls_largest_ms"]) == (40.0, -33.0)
    late = [*errors, AlignmentError(since_start_s=22.0, error_ms=-15.1)]
    assert not summary(late, LIMITS_MS[DIRECT])["holds"]


def test_too_few_beeps_are_no_measurement() -> None:
    with pytest.raises(CallBenchError, match="only 0"):
        summary([AlignmentError(since_start_s=1.0, error_ms=0.0)], 15)


def test_every_picture_tells_its_number_also_when_it_comes_smaller() -> None:
    for number, picture in zip(range(40), numbered_pictures(), strict=False):
        assert read_number(picture) == number
        assert read_number(picture[::2, ::2]) == number
    assert spelled(65_535).min() > 128


@given(st.lists(st.integers(50, 4000), min_size=1, max_size=40))
def test_beeps_are_found_wherever_blocks_begin(lengths: list[int]) -> None:
    sound = beeps()[: 3 * 44_100]
    finder, found, at = BeepFinder(44_100), [], 0
    sizes = itertools.cycle(lengths)
    while at < sound.size:
        block = sound[at : at + next(sizes)]
        found += [at + start for start in finder.push(block)]
        at += len(block)
    assert found == BeepFinder(44_100).push(sound)
    assert [round(start / 44_100, 3) for start in found] == [1.0, 2.0]
