"""Speech activity on a schedule: the same probabilities, and never later than a window needs them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realtime.encoders.speech import CHUNK, SpeechDetector


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
