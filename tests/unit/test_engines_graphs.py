import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import helper

from engines import graphs
from engines.errors import EngineError
from engines.store.store import ModelStore
from tests.support.onnx_graphs import make_model

pytest_plugins = ["tests.support.models"]

DETECTOR_OUTPUTS = [f"{name}_{stride}" for name in ("cls", "obj", "bbox", "kps") for stride in (8, 16, 32)]


def run(model, inputs):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


@given(
    slopes=hnp.arrays(np.float32, 3, elements=st.floats(-2, 3, width=32)),
    x=hnp.arrays(np.float32, (2, 3, 2, 2), elements=st.floats(-100, 100, width=32)),
)
def test_rewritten_prelu_equals_its_definition_for_any_slope(slopes, x):
    slope = slopes.reshape(3, 1, 1)
    model = make_model(
        [helper.make_node("PRelu", ["x", "a"], ["y"])], {"x": x.shape}, {"y": x.shape}, {"a": slope}
    )
    graphs.rewrite_prelu(model.graph)

    assert "PRelu" not in {node.op_type for node in model.graph.node}
    np.testing.assert_allclose(run(model, {"x": x})[0], np.where(x < 0, slope * x, x), rtol=1e-5, atol=1e-4)


def test_prelu_with_a_computed_slope_is_refused():
    nodes = [helper.make_node("Neg", ["x"], ["a"]), helper.make_node("PRelu", ["x", "a"], ["y"])]
    model = make_model(nodes, {"x": [1, 2]}, {"y": [1, 2]})
    with pytest.raises(EngineError, match="not a constant"):
        graphs.rewrite_prelu(model.graph)


def test_stripping_leaves_the_true_inputs_alone():
    node = helper.make_node("Add", ["x", "w"], ["y"])
    model = make_model([node], {"x": [2], "w": [2]}, {"y": [2]}, {"w": np.ones(2, np.float32)})
    graphs.strip_initializers_from_inputs(model.graph)
    assert [value.name for value in model.graph.input] == ["x"]
    np.testing.assert_array_equal(run(model, {"x": np.zeros(2, np.float32)})[0], [1, 1])


def test_normalisation_comes_before_every_use_of_the_input():
    nodes = [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("Add", ["x", "r"], ["y"])]
    model = make_model(nodes, {"x": [3]}, {"y": [3]})
    graphs.normalise_input(model.graph, "x", mean=127.5, scale=1 / 127.5)
    onnx.checker.check_model(model)
    result = run(model, {"x": np.array([0, 127.5, 255], np.float32)})[0]
    np.testing.assert_allclose(result, [-1, 0, 2])


def test_renaming_follows_every_reference():
    nodes = [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("Mul", ["r", "w"], ["y"])]
    model = make_model(nodes, {"x": [1]}, {"y": [1]}, {"w": np.full(1, 3, np.float32)})
    graphs.rename_tensors(model.graph, {"x": "picture", "y": "answer", "w": "weight"})
    onnx.checker.check_model(model)
    assert model.graph.input[0].name == "picture"
    assert run(model, {"picture": np.full(1, 2, np.float32)})[0] == 6


def test_cleaned_recogniser_equals_the_file_as_shipped(model_store: ModelStore, engine_set):
    faces = np.random.default_rng(1).uniform(0, 255, (3, 3, 112, 112)).astype(np.float32)
    shipped = onnxruntime.InferenceSession(
        model_store.path("sface-2021dec"), providers=["CPUExecutionProvider"]
    )
    expected = np.concatenate([shipped.run(None, {"data": face[None]})[0] for face in faces])
    result = engine_set.identity.run({"faces": faces})["embedding"]
    np.testing.assert_allclose(result, expected, atol=2e-5)


def test_cleaned_detector_equals_the_file_as_shipped(model_store: ModelStore, engine_set):
    image = np.random.default_rng(2).uniform(0, 255, (1, 3, 640, 640)).astype(np.float32)
    shipped = onnxruntime.InferenceSession(
        model_store.path("yunet-2023mar"), providers=["CPUExecutionProvider"]
    )
    expected = dict(zip(DETECTOR_OUTPUTS, shipped.run(DETECTOR_OUTPUTS, {"input": image}), strict=True))
    result = engine_set.detector.run({"image": image})
    for name, values in expected.items():
        np.testing.assert_allclose(result[name], values, atol=2e-5)


@pytest.mark.parametrize("size", [(256, 320), (32, 64)])
def test_cleaned_detector_equals_another_runtime_at_other_sizes(model_store: ModelStore, engine_set, size):
    image = np.random.default_rng(3).uniform(0, 255, (1, 3, *size)).astype(np.float32)
    network = cv2.dnn.readNetFromONNX(str(model_store.path("yunet-2023mar")))
    network.setInput(image)
    result = engine_set.detector.run({"image": image})
    for name, expected in zip(DETECTOR_OUTPUTS, network.forward(DETECTOR_OUTPUTS), strict=True):
        np.testing.assert_allclose(result[name], expected, atol=1e-4)
