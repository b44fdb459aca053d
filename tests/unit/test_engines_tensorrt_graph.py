import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from engines.backends.base import BuildRequest
from engines.backends.tensorrt_graph import tensorrt_graph
from engines.backends.tensorrt_precision import to_mixed_fp16
from engines.build.evidence import made_up
from engines.build.parity import cosine_distances
from engines.build.record import Windows
from engines.build.sources import read_sources
from engines.errors import EngineError
from engines.folding import STANDARD_DOMAINS
from engines.spec import Role, TensorSpec
from tests.support.onnx_graphs import make_model

RNG = np.random.default_rng(7)
X = RNG.normal(size=(2, 8)).astype(np.float32)
WEIGHT = RNG.normal(size=(8, 8)).astype(np.float32)


def run(model, feed):
    content = model if isinstance(model, bytes) else model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(None, {value.name: feed[value.name] for value in session.get_inputs()})


def mixed(nodes, weights=None, outputs=None):
    model = make_model(nodes, {"x": ["n", 8]}, outputs or {"y": ["n", 8]}, {"w": WEIGHT, **(weights or {})})
    before = model.SerializeToString()
    result = to_mixed_fp16(model)
    assert model.SerializeToString() == before
    onnx.checker.check_model(result.model, full_check=True)
    return model, result


def computed_in(model, tensor):
    """Element type in which a tensor is computed: of the node's own output, before any cast."""
    types = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    found = {v.name: v.type.tensor_type.elem_type for v in (*types.value_info, *types.output, *types.input)}
    return found[tensor]


def test_heavy_operations_are_half_and_the_outside_is_float():
    model, result = mixed([helper.make_node("MatMul", ["x", "w"], ["y"])])
    (value,) = result.model.graph.output
    assert value.type.tensor_type.elem_type == TensorProto.FLOAT
    assert computed_in(result.model, "y/raw") == TensorProto.FLOAT16
    assert (result.half_nodes, result.float_nodes) == (1, 0)
    np.testing.assert_allclose(run(result.model, {"x": X})[0], X @ WEIGHT, rtol=0, atol=0.03)
    assert not np.array_equal(run(result.model, {"x": X})[0], run(model, {"x": X})[0])


def test_a_sum_of_squares_beyond_fp16_stays_finite():
    """(300 w)^2 summed over 8 lies beyond 65504, the largest number of fp16."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Mul", ["a", "a"], ["squares"]),
        helper.make_node("ReduceSum", ["squares", "axis"], ["sum"], keepdims=1),
        helper.make_node("Sqrt", ["sum"], ["norm"]),
        helper.make_node("Div", ["a", "norm"], ["y"]),
    ]
    model, result = mixed(nodes, {"axis": np.array([-1], np.int64)})
    feed = {"x": 300 * X}
    assert np.square(300 * X @ WEIGHT).sum(-1).max() > 65504
    np.testing.assert_allclose(run(result.model, feed)[0], run(model, feed)[0], atol=2e-3)
    assert (result.half_nodes, result.float_nodes) == (1, 4)


def test_between_heavy_operations_light_ones_follow_what_they_read():
    nodes = [
        helper.make_node("Mul", ["x", "scale"], ["before"]),
        helper.make_node("MatMul", ["before", "w"], ["a"]),
        helper.make_node("Relu", ["a"], ["between"]),
        helper.make_node("Softmax", ["between"], ["soft"]),
        helper.make_node("Add", ["soft", "between"], ["joined"]),
        helper.make_node("MatMul", ["joined", "w"], ["b"]),
        helper.make_node("Sigmoid", ["b"], ["y"]),
    ]
    model, result = mixed(nodes, {"scale": np.float32([0.1] * 8)})
    wanted = {
        "before": False,
        "a": True,
        "between": True,
        "soft": False,
        "joined": False,
        "b": True,
        "y": False,
    }
    for name, half in wanted.items():
        assert computed_in(result.model, name) == (TensorProto.FLOAT16 if half else TensorProto.FLOAT), name
    np.testing.assert_allclose(run(result.model, {"x": X})[0], run(model, {"x": X})[0], atol=5e-3)


def test_a_value_is_cast_once_for_all_that_read_it():
    nodes = [helper.make_node("MatMul", ["x", "w"], [name]) for name in "abc"]
    nodes += [helper.make_node("Sum", ["a", "b", "c"], ["y"])]
    _, result = mixed(nodes)
    casts = [node for node in result.model.graph.node if node.op_type == "Cast"]
    assert sorted(node.input[0] for node in casts) == ["a", "b", "c", "x"]
    assert len(result.model.graph.initializer) == 1


def test_constants_in_nodes_are_weights_too():
    nodes = [
        helper.make_node("Constant", [], ["bias"], value=numpy_helper.from_array(np.float32([1.0] * 8))),
        helper.make_node("Gemm", ["x", "w", "bias"], ["y"]),
    ]
    model, result = mixed(nodes)
    np.testing.assert_allclose(run(result.model, {"x": X})[0], run(model, {"x": X})[0], atol=0.03)
    assert [node.op_type for node in result.model.graph.node] == ["Cast", "Gemm", "Cast"]


def test_scales_of_a_resize_stay_float():
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["a"], kernel_shape=[1, 1]),
        helper.make_node("Resize", ["a", "", "scales"], ["b"], mode="nearest"),
        helper.make_node("Conv", ["b", "k"], ["y"], kernel_shape=[1, 1]),
    ]
    weights = {
        "k": RNG.normal(size=(2, 2, 1, 1)).astype(np.float32),
        "scales": np.float32([1, 1, 2, 2]),
    }
    model = make_model(nodes, {"x": [1, 2, 3, 3]}, {"y": [1, 2, 6, 6]}, weights)
    result = to_mixed_fp16(model)
    feed = {"x": RNG.normal(size=(1, 2, 3, 3)).astype(np.float32)}
    np.testing.assert_allclose(run(result.model, feed)[0], run(model, feed)[0], atol=0.02)
    assert computed_in(result.model, "b") == TensorProto.FLOAT16


def test_a_weight_beyond_fp16_is_refused():
    with pytest.raises(EngineError, match="too large for fp16"):
        mixed([helper.make_node("MatMul", ["x", "big"], ["y"])], {"big": np.full((8, 8), 1e5, np.float32)})


def branching():
    then = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["t"])],
        "then",
        [],
        [helper.make_tensor_value_info("t", TensorProto.FLOAT, ["n", 8])],
    )
    other = helper.make_graph(
        [helper.make_node("Neg", ["x"], ["e"])],
        "else",
        [],
        [helper.make_tensor_value_info("e", TensorProto.FLOAT, ["n", 8])],
    )
    return [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "one"], ["width"]),
        helper.make_node("Equal", ["width", "eight"], ["is_eight"]),
        helper.make_node("If", ["is_eight"], ["y"], then_branch=then, else_branch=other),
    ], {"one": np.array(1, np.int64), "eight": np.array(8, np.int64)}


def test_branches_on_the_contracts_sizes_are_folded():
    nodes, weights = branching()
    model = make_model(nodes, {"x": ["n", "width"]}, {"y": ["n", "width"]}, weights)
    inputs = {"x": TensorSpec(shape=(2, 8))}
    graph = tensorrt_graph(model.SerializeToString(), inputs, half=False)
    folded = onnx.load_model_from_string(graph.content)
    assert [node.op_type for node in folded.graph.node] == ["Relu"]
    np.testing.assert_array_equal(run(graph.content, {"x": X})[0], np.maximum(X, 0))


def test_branches_cannot_be_mixed():
    nodes, weights = branching()
    with pytest.raises(EngineError, match="branches at a node If"):
        to_mixed_fp16(make_model(nodes, {"x": ["n", "width"]}, {"y": ["n", "width"]}, weights))


def test_what_is_no_working_graph_is_refused():
    inputs = {"x": TensorSpec(shape=(None, 8))}
    with pytest.raises(EngineError, match="not an ONNX model"):
        tensorrt_graph(b"damaged", inputs, half=False)
    broken = make_model([helper.make_node("MatMul", ["x", "gone"], ["y"])], {"x": ["n", 8]}, {"y": ["n", 8]})
    with pytest.raises(EngineError, match="cannot be folded"):
        tensorrt_graph(broken.SerializeToString(), inputs, half=False)


@pytest.fixture(scope="module")
def sources(model_store):
    return read_sources(model_store, None, 1)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(("half", "tolerance"), [(False, 1e-7), (True, 1e-4)])
def test_the_graphs_of_the_live_path_keep_their_results(sources, role, half, tolerance):
    source = sources.graphs[role]
    windows = Windows(length_ticks=25, hop_ticks=10, band_ticks=7)
    request = BuildRequest(
        role=role,
        graph=source.graph,
        spec=source.spec,
        precision="fp32",
        max_batch=2,
        lengths=windows.lengths(role),
    )
    graph = tensorrt_graph(source.graph, source.spec.inputs, half=half)
    model = onnx.load_model_from_string(graph.content)
    assert {node.domain for node in model.graph.node} <= STANDARD_DOMAINS
    assert not any(node.op_type == "If" for node in model.graph.node)
    assert [value.name for value in model.graph.input] == list(source.spec.inputs)
    assert (len(graph.notes) == 1) is half
    names = list(source.spec.outputs)
    reference = onnxruntime.InferenceSession(source.graph, providers=["CPUExecutionProvider"])
    prepared = onnxruntime.InferenceSession(graph.content, providers=["CPUExecutionProvider"])
    for inputs in list(made_up(request))[::4]:
        found, wanted = (
            dict(zip(names, session.run(names, inputs), strict=True)) for session in (prepared, reference)
        )
        assert cosine_distances(role, found, wanted, "prepared").max() < tolerance
