"""Speech activity on a schedule: the same probabilities, and never later than a window needs them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engines.contracts import MAX_VAD_CHUNKS
from realtime.encoders.speech import CHUNK, CONTEXT, MAX_SILENT_SAMPLES, SpeechDetector


class Counter:
    """Stands in for the engine: its state makes every answer depend on all chunks before."""

    def run(self, inputs: dict) -> dict:
        state, outputs = inputs["state"], []
        assert 1 <= len(inputs["input"]) <= MAX_VAD_CHUNKS
        for chunk in inputs["input"]:
            state = (state + chunk.sum()).astype(np.float32)
            outputs.append(np.tanh(state.reshape(-1)[:1]))
        return {"stateN": state, "output": np.stack(outputs)}


class OneByOne(Counter):
    """Is never given more than a chunk, as the oracle's engine."""

    def run(self, inputs: dict) -> dict:
        assert inputs["input"].shape == (1, CONTEXT + CHUNK)
        return super().run(inputs)


def one_by_one(samples: np.ndarray) -> list[float]:
    """Run every chunk alone, with the 64 samples before it."""
    engine, heard = OneByOne(), np.concatenate([np.zeros(CONTEXT, np.float32), samples])
    state, outputs = np.zeros((2, 1, 128), np.float32), []
    for end in range(CONTEXT + CHUNK, len(heard) + 1, CHUNK):
        result = engine.run({"input": heard[None, end - CONTEXT - CHUNK : end], "state": state})
        state = result["stateN"]
        outputs.append(float(result["output"].item()))
    return outputs


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


@given(st.integers(1, 3 * MAX_VAD_CHUNKS * CHUNK), st.integers(1, 9000), st.integers(0, 2**32 - 1))
def test_chunks_that_run_together_say_what_they_say_alone(length: int, step: int, seed: int) -> None:
    samples = np.random.default_rng(seed).normal(size=length).astype(np.float32)
    detector = SpeechDetector(Counter(), (6400, 1280))
    got = []
    for start in range(0, length, step):
        got += detector.push(start, samples[start : start + step])
    got += detector.flush()
    padded = np.pad(samples, (0, -length % CHUNK))
    assert [probability for *_, probability in got] == one_by_one(padded)
    assert [(first, end) for first, end, _ in got] == [
        (first, min(first + CHUNK, length)) for first in range(0, length, CHUNK)
    ]


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
