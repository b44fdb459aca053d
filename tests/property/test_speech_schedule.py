"""Speech activity on a schedule: the same probabilities, and never later than a window needs them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realtime.encoders.speech import CHUNK, MAX_SILENT_SAMPLES, SpeechDetector


class Counter:
    """Stands in for the engine: its state makes every answer depend on all chunks before."""

    def run(self, inputs: dict) -> dict:
        state = inputs["state"] + inputs["input"].sum()
        return {"stateN": state.astype(np.float32), "output": np.tanh(state.reshape(-1)[:1])}


blocks = st.lists(st.tuples(st.integers(1, 2000), st.sampled_from([0, 0, 0, 700])), max_size=40)


@given(blocks, st.integers(1, 9000), st.integers(0, 9000))
def test_a_schedule_changes_when_chunks_run_and_nothing_else(plan, every: int, phase: int) -> None:
    at_once, scheduled = SpeechDetector(Counter()), SpeechDetector(Counter(), (every, phase % every))
    expected, got = [], []
    rng = np.random.default_rng(0)
    start = 0
    for length, jump in plan:
        start += jump
        samples = rng.normal(size=length).astype(np.float32)
        expected += at_once.push(start, samples)
        got += scheduled.push(start, samples)
        start += length
        assert got == expected[: len(got)]
        needed = (start - phase % every) // every * every + phase % every
        if expected and expected[-1][1] >= needed:
            reached = [run for run in expected if run[0] < needed]
            assert got[: len(reached)] == reached
    expected += at_once.flush()
    got += scheduled.flush()
    assert got == expected


def test_chunks_wait_for_the_moment_and_then_run_together() -> None:
    detector = SpeechDetector(Counter(), (6400, 1280))
    block = np.zeros(320, np.float32)
    sizes = [len(list(detector.push(start, block))) for start in range(0, 16000, 320)]
    bursts = [(index, size) for index, size in enumerate(sizes) if size]
    assert [size for _, size in bursts] == [3, 12, 13]
    assert all(size * CHUNK <= 6400 + CHUNK for _, size in bursts)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, MAX_SILENT_SAMPLES)), max_size=40), st.integers(1, 9000)
)
def test_short_holes_are_silence(plan: list[tuple[bool, int]], every: int) -> None:
    rng = np.random.default_rng(0)
    whole, holed = SpeechDetector(Counter(), (every, 0)), SpeechDetector(Counter(), (every, 0))
    expected, got = [], []
    start = 0
    for is_hole, length in plan:
        samples = np.zeros(length, np.float32) if is_hole else rng.normal(size=length).astype(np.float32)
        expected += whole.push(start, samples)
        got += holed.push_gap(start, start + length) if is_hole else holed.push(start, samples)
        start += length
        known = got[-1][1] if got else 0
        assert holed.waiting_from == (known if known < start else None)
    assert [*got, *holed.flush()] == [*expected, *whole.flush()]


def test_a_long_hole_ends_the_run_and_starts_a_fresh_state() -> None:
    detector, fresh = SpeechDetector(Counter()), SpeechDetector(Counter())
    samples = np.ones(700, np.float32)
    before = list(detector.push(0, samples))
    ended = list(detector.push_gap(700, 700 + MAX_SILENT_SAMPLES + 1))
    assert [(first, end) for first, end, _ in before + ended] == [(0, CHUNK), (CHUNK, 700)]
    assert detector.waiting_from is None
    again = 700 + MAX_SILENT_SAMPLES + 1
    assert [run[2] for run in detector.push(again, samples)] == [run[2] for run in fresh.push(0, samples)]
