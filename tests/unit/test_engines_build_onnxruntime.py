from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import helper

from engines.backends.base import BuildRequest
from engines.backends.onnxruntime_backend import OnnxRuntimeBackend
from engines.errors import EngineError
from engines.onnxruntime_engine import OnnxRuntimeEngine
from engines.spec import EngineSpec, Role, TensorSpec
from tests.support.onnx_graphs import make_model


def convolution(opset=17):
    """A convolution and a batch normalisation, over a weight that is computed from constants."""
    rng = np.random.default_rng(3)
    model = make_model(
        [
            helper.make_node("Add", ["half", "half"], ["weight"]),
            helper.make_node("Conv", ["faces", "weight"], ["raw"], pads=[1, 1, 1, 1]),
            helper.make_node("BatchNormalization", ["raw", "scale", "shift", "mean", "variance"], ["normal"]),
            helper.make_node("Relu", ["normal"], ["embedding"]),
        ],
        {"faces": ["n", 3, 8, 8]},
        {"embedding": ["n", 4, 8, 8]},
        {
            "half": rng.normal(size=(4, 3, 3, 3)).astype(np.float32),
            **{
                name: rng.uniform(0.5, 1.5, 4).astype(np.float32)
                for name in ("scale", "shift", "mean", "variance")
            },
        },
    )
    model.opset_import[0].version = opset
    return model.SerializeToString()


SPEC = EngineSpec(
    model="test",
    role=Role.IDENTITY,
    inputs={"faces": TensorSpec(shape=(None, 3, 8, 8))},
    outputs={"embedding": TensorSpec(shape=(None, 4, 8, 8))},
    frontend="none",
    source_sha256="0" * 64,
    backend="onnxruntime",
    precision="fp32",
    device="cpu",
    threads=1,
)


def samples():
    rng = np.random.default_rng(5)
    return iter([{"faces": rng.uniform(-1, 1, (1, 3, 8, 8)).astype(np.float32)} for _ in range(8)])


def request(**changes):
    return replace(
        BuildRequest(role=Role.IDENTITY, graph=convolution(), spec=SPEC, precision="fp32"), **changes
    )


def outputs(graph):
    engine = OnnxRuntimeEngine(graph, SPEC)
    return np.concatenate([engine.run(one)["embedding"] for one in samples()])


def test_cleaning_folds_what_is_constant_and_changes_nothing():
    source = convolution()
    cleaned = OnnxRuntimeBackend().build(request()).files["graph.onnx"]
    kinds = [node.op_type for node in onnx.load_model_from_string(cleaned).graph.node]
    assert kinds == ["Conv", "Relu"]
    assert {node.domain for node in onnx.load_model_from_string(cleaned).graph.node} <= {"", "ai.onnx"}
    np.testing.assert_allclose(outputs(cleaned), outputs(source), atol=1e-5)


def test_a_built_engine_gives_what_the_graph_gives():
    backend = OnnxRuntimeBackend()
    built = backend.build(request())
    assert built.device == "cpu"
    assert built.device_fingerprint == backend.fingerprint()
    assert set(built.versions) == {"onnx", "onnxruntime"}
    one = next(samples())
    found = backend.load(built.files, SPEC).run(one)["embedding"]
    wanted = OnnxRuntimeEngine(convolution(), SPEC).run(one)["embedding"]
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("opset", [11, 17])
def test_int8_is_near_and_holds_quantised_weights(opset):
    graph = convolution(opset)
    built = OnnxRuntimeBackend().build(request(graph=graph, precision="int8", calibration=samples))
    made = onnx.load_model_from_string(built.files["graph.onnx"])
    assert onnx.TensorProto.INT8 in {tensor.data_type for tensor in made.graph.initializer}
    found, wanted = outputs(built.files["graph.onnx"]), outputs(graph)
    assert 0 < np.abs(found - wanted).max() < 0.1 * np.abs(wanted).max()


def test_what_cannot_be_built_is_refused():
    backend = OnnxRuntimeBackend()
    with pytest.raises(EngineError, match="does not run fp16"):
        backend.build(request(precision="fp16"))
    with pytest.raises(EngineError, match="needs inputs"):
        backend.build(request(precision="int8"))
    with pytest.raises(EngineError, match="not an ONNX model"):
        backend.build(request(graph=b"no graph"))
    wrong = lambda: iter([{"nose": np.zeros((1, 3, 8, 8), np.float32)}])  # noqa: E731
    with pytest.raises(EngineError, match="cannot be quantised") as refused:
        backend.build(request(precision="int8", calibration=wrong))
    assert "--precision identity=fp32" in refused.value.fix
