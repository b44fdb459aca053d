"""A PRelu is written in the cheapest form that its slopes allow, and found again in either."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from engines.backends.openvino_graph import restore_prelu
from engines.graphs import rewrite_prelu
from tests.support.onnx_graphs import make_model

FLAT, STEEP = [0.25, -0.5, 1.0], [0.25, -0.5, 1.5]


def prelu_model(slopes):
    slope = np.array(slopes, np.float32).reshape(-1, 1)
    return make_model(
        [helper.make_node("PRelu", ["x", "a"], ["y"])], {"x": ["n", 3, 4]}, {"y": ["n", 3, 4]}, {"a": slope}
    )


def outputs(model, x):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


@pytest.mark.parametrize(
    ("slopes", "operators"),
    [(FLAT, ["Mul", "Mul", "Relu", "Add"]), (STEEP, ["Mul", "Relu", "Mul", "Add"])],
)
def test_the_form_follows_the_slopes(slopes, operators):
    model = prelu_model(slopes)
    x = np.random.default_rng(0).normal(0, 10, (2, 3, 4)).astype(np.float32)
    expected = outputs(model, x)
    rewrite_prelu(model.graph)
    assert [node.op_type for node in model.graph.node] == operators
    np.testing.assert_allclose(outputs(model, x), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("slopes", [FLAT, STEEP])
def test_either_form_is_found_again(slopes):
    model = prelu_model(slopes)
    before = [(node.op_type, list(node.input), list(node.output)) for node in model.graph.node]
    rewrite_prelu(model.graph)
    restore_prelu(model.graph)
    assert [(node.op_type, list(node.input), list(node.output)) for node in model.graph.node] == before
    onnx.checker.check_model(model)


def test_scaling_by_less_than_zero_inside_of_the_relu_is_no_prelu():
    model = prelu_model(FLAT)
    rewrite_prelu(model.graph)
    for tensor in model.graph.initializer:
        values = np.array(STEEP, np.float32).reshape(-1, 1)
        if tensor.name != "a":
            values = np.float32(1) - values
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    before = model.SerializeToString()
    restore_prelu(model.graph)
    assert model.SerializeToString() == before
