"""The speech encoder: reading the weights, and a graph that computes what the architecture says."""

from __future__ import annotations

import struct
from math import erf

import numpy as np
import onnx
import onnxruntime
import pytest

from engines.ctranslate2_import import read_weights
from engines.errors import EngineError
from engines.whisper_graph import whisper_prefix

BINS, WIDTH, HEADS, POSITIONS = 5, 12, 3, 40
RNG = np.random.default_rng(0)


def container(weights: dict[str, np.ndarray]) -> bytes:
    """Write weights the way CTranslate2 does."""

    def name(text: str) -> bytes:
        return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"

    codes = {"float32": 0, "int8": 1, "float16": 4}
    parts = [struct.pack("<I", 6), name("WhisperSpec"), struct.pack("<II", 3, len(weights))]
    for key, values in weights.items():
        shape = struct.pack(f"<B{values.ndim}I", values.ndim, *values.shape)
        parts += [name(key), shape, struct.pack("<BI", codes[values.dtype.name], values.nbytes)]
        parts.append(values.tobytes())
    return b"".join(parts)


def made_up_weights(layers: int) -> dict[str, np.ndarray]:
    shapes = {
        "conv1/weight": (WIDTH, BINS, 3),
        "conv1/bias": (WIDTH,),
        "conv2/weight": (WIDTH, WIDTH, 3),
        "conv2/bias": (WIDTH,),
        "position_encodings/encodings": (POSITIONS, WIDTH),
    }
    for layer in range(layers):
        for part, out in (("self_attention", 3 * WIDTH), ("ffn", 4 * WIDTH)):
            scope = f"layer_{layer}/{part}"
            shapes |= {f"{scope}/layer_norm/{value}": (WIDTH,) for value in ("gamma", "beta")}
            shapes |= {f"{scope}/linear_0/weight": (out, WIDTH), f"{scope}/linear_0/bias": (out,)}
            back = WIDTH if part == "self_attention" else 4 * WIDTH
            shapes |= {f"{scope}/linear_1/weight": (WIDTH, back), f"{scope}/linear_1/bias": (WIDTH,)}
    return {f"encoder/{key}": RNG.normal(0.0, 0.4, shape).astype(np.float32) for key, shape in shapes.items()}


def gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + np.vectorize(erf)(x / np.sqrt(2)))


def naive(weights: dict[str, np.ndarray], mel: np.ndarray, layers: int) -> np.ndarray:
    """One sound, position by position and head by head."""
    w = {key.removeprefix("encoder/"): value.astype(np.float64) for key, value in weights.items()}

    def convolved(x: np.ndarray, scope: str, stride: int) -> np.ndarray:
        padded = np.pad(x, ((1, 1), (0, 0)))
        return np.array(
            [
                np.einsum("oik,ki->o", w[f"{scope}/weight"], padded[i : i + 3]) + w[f"{scope}/bias"]
                for i in range(0, len(x), stride)
            ]
        )

    def normed(x: np.ndarray, scope: str) -> np.ndarray:
        centred = x - x.mean(axis=1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
        return scaled * w[f"{scope}/gamma"] + w[f"{scope}/beta"]

    def linear(x: np.ndarray, scope: str) -> np.ndarray:
        return x @ w[f"{scope}/weight"].T + w[f"{scope}/bias"]

    x = gelu(convolved(gelu(convolved(mel.astype(np.float64), "conv1", 1)), "conv2", 2))
    x = x + w["position_encodings/encodings"][: len(x)]
    for layer in range(layers):
        attention, network = f"layer_{layer}/self_attention", f"layer_{layer}/ffn"
        query, key, value = np.split(
            linear(normed(x, f"{attention}/layer_norm"), f"{attention}/linear_0"), 3, 1
        )
        heads = []
        for part in np.split(np.arange(WIDTH), HEADS):
            scores = query[:, part] @ key[:, part].T / np.sqrt(len(part))
            attended = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
            heads.append(attended @ value[:, part])
        x = x + linear(np.concatenate(heads, axis=1), f"{attention}/linear_1")
        hidden = gelu(linear(normed(x, f"{network}/layer_norm"), f"{network}/linear_0"))
        x = x + linear(hidden, f"{network}/linear_1")
    return x


@pytest.mark.parametrize(("layers", "frames"), [(1, 2), (2, 24)])
def test_the_graph_computes_what_the_architecture_says(layers: int, frames: int) -> None:
    weights = made_up_weights(2)
    model = whisper_prefix(weights, layers=layers, heads=HEADS)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    mel = RNG.normal(size=(3, frames, BINS)).astype(np.float32)
    (features,) = session.run(None, {"mel": mel})
    assert features.shape == (3, frames // 2, WIDTH)
    for sound, found in zip(mel, features, strict=True):
        assert found == pytest.approx(naive(weights, sound, layers), abs=1e-4)


def test_a_missing_layer_is_named() -> None:
    with pytest.raises(EngineError, match="layer_1/self_attention"):
        whisper_prefix(made_up_weights(1), layers=2, heads=HEADS)


def test_weights_are_read_as_they_were_written() -> None:
    written = {
        "a": RNG.normal(size=(2, 3)).astype(np.float32),
        "b": RNG.normal(size=4).astype(np.float16),
        "table": np.arange(6, dtype=np.int8),
        "number": np.array(3.0, np.float32),
    }
    read = read_weights(container(written))
    assert read.keys() == {"a", "b", "number"}
    for name, values in read.items():
        assert values.dtype == np.float32
        assert np.array_equal(values, written[name].astype(np.float32))


def test_what_is_no_model_is_refused() -> None:
    good = container({"a": np.ones((2, 3), np.float32)})
    for damaged in (b"", b"text", good[:-1], good[:20], b"\7" + good[1:]):
        with pytest.raises(EngineError, match="CTranslate2"):
            read_weights(damaged)
