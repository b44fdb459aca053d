"""The VAD over a burst of chunks against the VAD over each of them, and graphs that are no VAD."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from engines.contracts import MAX_VAD_CHUNKS
from engines.errors import EngineError
from engines.silero_graph import over_chunks

RATE = np.array(16_000, np.int64)


def speech_like(chunks: int) -> np.ndarray:
    rng = np.random.default_rng(chunks)
    time_s = np.arange(chunks * 512 + 64) / 16_000
    tone = sum(np.sin(2 * np.pi * 130 * k * time_s) / k for k in range(1, 20))
    envelope = 0.05 + 0.15 * (np.sin(2 * np.pi * 4 * time_s) > 0)
    samples = (envelope * tone + rng.normal(0, 1e-3, len(time_s))).astype(np.float32)
    return np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(samples, 576)[::512])


@pytest.mark.parametrize("burst", [2, 3, 13, MAX_VAD_CHUNKS])
def test_a_burst_is_its_chunks_one_after_the_other(engine_set, burst):
    rows = speech_like(3 * burst)
    alone, together = [], []
    state = np.zeros((2, 1, 128), np.float32)
    for row in rows:
        outputs = engine_set.vad.run({"input": row[None], "state": state, "sr": RATE})
        state = outputs["stateN"]
        alone.append(outputs["output"])
    carried = np.zeros((2, 1, 128), np.float32)
    for start in range(0, len(rows), burst):
        outputs = engine_set.vad.run({"input": rows[start : start + burst], "state": carried, "sr": RATE})
        carried = outputs["stateN"]
        together.append(outputs["output"])
    np.testing.assert_allclose(np.concatenate(together), np.concatenate(alone), rtol=0, atol=1e-6)
    np.testing.assert_allclose(carried, state, rtol=0, atol=1e-6)
    assert np.ptp(np.concatenate(alone)) > 0.1


def test_another_graph_is_refused():
    tensor = helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, [1, 576])
    output = helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, [1, 576])
    graph = helper.make_graph([helper.make_node("Relu", ["input"], ["output"])], "g", [tensor], [output])
    with pytest.raises(EngineError, match="no Silero VAD"):
        over_chunks(helper.make_model(graph))
