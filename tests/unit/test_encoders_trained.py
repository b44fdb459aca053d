"""The trained encoders, with engines whose frame embeddings are known: time alignment, gaps, unit norm."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from engines.frontend.mel import log_mel
from realtime.encoders.trained import TrainedAudioEncoder, TrainedVisualEncoder
from realtime.timebase import SAMPLES_PER_TICK, TICK_NS
from realtime.types import TimeSpan, Window

LENGTH, BAND, CONTEXT, DIMENSION = 25, 7, 5, 8
CODES = np.random.default_rng(0).normal(size=(256, DIMENSION)).astype(np.float32)
CODES /= np.linalg.norm(CODES, axis=1, keepdims=True)


class CodeEngine:
    """Gives each tick the code of the number that its input carries."""

    spec = SimpleNamespace(id="code")

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if "mel" in inputs:
            return {"features": inputs["mel"]}
        if "speech" in inputs:
            numbers = loudness_rank(inputs["speech"][0])
        else:
            numbers = inputs["mouth"][0, :, 0, 0].astype(int)
            assert np.array_equal(np.rint(inputs["lips"][0, :, 0, 0]).astype(int), numbers)
        return {"frames": CODES[numbers[CONTEXT:-CONTEXT]][np.newaxis]}


def loudness_rank(mel: np.ndarray) -> np.ndarray:
    """Read the number of each tick from how loud it is."""
    loudness = mel.reshape(-1, 4, 80)[:, 1:3].mean(axis=(1, 2))
    return np.rint((loudness - LOUDEST) / (2 * np.log10(0.9) / 4)).astype(int)


def sound(numbers: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(1).choice([-0.5, 0.5], size=SAMPLES_PER_TICK)
    return np.concatenate([noise * 0.9**number for number in numbers]).astype(np.float32)


LOUDEST = float(log_mel(sound(np.zeros(3)))[5:7].mean())


def window(
    first: int, lag: int, *, lips: np.ndarray | None = None, heard: np.ndarray | None = None
) -> Window:
    """Lips that show the numbers from ``first`` on, and a voice that says them ``lag`` ticks later."""
    numbers = np.arange(first, first + LENGTH)
    present = np.ones(LENGTH, np.bool_) if lips is None else lips
    audio_present = np.ones(LENGTH + 2 * BAND, np.bool_) if heard is None else heard
    said = np.arange(first - BAND - lag, first + LENGTH + BAND - lag)
    return Window(
        index=0,
        span=TimeSpan(start_ns=0, end_ns=LENGTH * TICK_NS),
        lips=np.broadcast_to(numbers[:, None, None], (LENGTH, 40, 2)).astype(np.float32)
        * present[:, None, None],
        lips_present=present,
        mouth=np.broadcast_to(numbers[:, None, None], (LENGTH, 64, 64)).astype(np.uint8)
        * present[:, None, None],
        mouth_present=present,
        identity_embeddings=np.zeros((0, 4), np.float32),
        track_ids=(),
        audio=sound(said) * np.repeat(audio_present, SAMPLES_PER_TICK),
        audio_present=audio_present,
        speech=np.ones(LENGTH + 2 * BAND, np.float32),
    )


def encode(case: Window):
    visual = TrainedVisualEncoder(CodeEngine(), 0.6).encode(case)
    audio = TrainedAudioEncoder(CodeEngine(), CodeEngine(), CONTEXT, BAND, 0.8).encode(case)
    return visual, audio


@pytest.mark.parametrize("lag", [-7, -1, 0, 4, 7])
def test_the_similarity_is_the_mean_cosine_of_frames_at_each_lag(lag: int) -> None:
    visual, audio = encode(window(14, lag))
    frames = LENGTH - 2 * CONTEXT
    expected = [
        np.mean([CODES[14 + CONTEXT + k] @ CODES[14 + CONTEXT + k + at - BAND - lag] for k in range(frames)])
        for at in range(2 * BAND + 1)
    ]
    assert audio.vectors @ visual.vector == pytest.approx(np.array(expected), abs=1e-5)
    assert (audio.vectors @ visual.vector).argmax() - BAND == lag
    assert np.linalg.norm(visual.vector) == pytest.approx(1.0, abs=1e-5)
    assert np.linalg.norm(audio.vectors, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_lips_are_bridged_by_lines_and_pictures_by_the_nearest() -> None:
    class Recording(CodeEngine):
        def run(self, inputs):
            self.seen = inputs
            return {"frames": CODES[: LENGTH - 2 * CONTEXT][np.newaxis]}

    engine = Recording()
    present = np.ones(LENGTH, np.bool_)
    present[8:11] = False
    assert TrainedVisualEncoder(engine, 0.6).encode(window(14, 0, lips=present)) is not None
    assert engine.seen["lips"][0, :, 0, 0] == pytest.approx(np.arange(14, 14 + LENGTH))
    assert engine.seen["mouth"][0, 7:12, 0, 0].tolist() == [21, 21, 21, 25, 25]


def test_too_few_lips_or_no_mouth_picture_is_no_embedding() -> None:
    few = np.zeros(LENGTH, np.bool_)
    few[:10] = True
    assert encode(window(14, 0, lips=few))[0] is None


def test_lags_whose_audio_is_missing_are_not_valid() -> None:
    heard = np.ones(LENGTH + 2 * BAND, np.bool_)
    heard[-12:] = False
    _, audio = encode(window(14, 0, heard=heard))
    assert audio.valid.tolist() == [True] * 8 + [False] * 7
    assert not audio.vectors[8:].any()
    assert encode(window(14, 0, heard=np.zeros_like(heard)))[1] is None
