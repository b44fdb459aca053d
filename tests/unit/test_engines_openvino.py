import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from engines.backends.base import BuildRequest, MissingBackendError
from engines.backends.openvino_backend import OpenVinoBackend, _settings
from engines.backends.openvino_graph import adapt_graph, restore_prelu
from engines.checkpoint import DEFAULT_CHECKPOINT, checkpoint_graphs
from engines.errors import EngineError
from engines.graphs import rewrite_prelu
from engines.onnxruntime_engine import OnnxRuntimeEngine
from engines.reference import ReferenceGraph, pinned_graph
from engines.spec import EngineSpec, Role, TensorSpec
from tests.support.onnx_graphs import make_model

try:
    import openvino
except ImportError:
    openvino = None

needs_openvino = pytest.mark.skipif(openvino is None, reason="openvino is not installed")

SQRT = make_model(
    [helper.make_node("Sqrt", ["x"], ["y"])], {"x": ["n", 2, "w"]}, {"y": ["n", 2, "w"]}
).SerializeToString()

RNG = np.random.default_rng(11)


def uniform(*shape, high=1.0):
    return RNG.uniform(0, high, shape).astype(np.float32)


INPUTS = {
    Role.DETECTOR: [{"image": uniform(1, 3, 192, 320, high=255)}, {"image": uniform(1, 3, 96, 64, high=255)}],
    Role.LANDMARKS: [{"faces": uniform(1, 192, 192, 3)}, {"faces": uniform(3, 192, 192, 3)}],
    Role.IDENTITY: [
        {"faces": uniform(2, 3, 112, 112, high=255)},
        {"faces": uniform(1, 3, 112, 112, high=255)},
    ],
    Role.VAD: [
        {"input": uniform(n, 576) - 0.5, "state": uniform(2, 1, 128) - 0.5, "sr": np.array(16_000, np.int64)}
        for n in (1, 13)
    ],
    Role.SPEECH: [{"mel": uniform(1, 156, 80)}, {"mel": uniform(2, 40, 80)}],
    Role.VISUAL: [
        {"lips": uniform(1, 25, 40, 2), "mouth": uniform(1, 25, 64, 64, high=255)},
        {"lips": uniform(2, 11, 40, 2), "mouth": uniform(2, 11, 64, 64, high=255)},
    ],
    Role.AUDIO: [{"speech": uniform(1, 78, 384)}, {"speech": uniform(3, 22, 384)}],
}


def spec(**changes):
    tensor = TensorSpec(shape=(None, 2, None))
    fields = {
        "model": "root",
        "role": Role.DETECTOR,
        "inputs": {"x": tensor},
        "outputs": {"y": tensor},
        "frontend": "none",
        "source_sha256": "0123456789abcdef" * 4,
        "backend": "openvino",
        "precision": "fp32",
        "device": "cpu",
        "threads": 1,
    }
    return EngineSpec(**(fields | changes))


def request(graph, contract, precision="fp32"):
    return BuildRequest(role=contract.role, graph=graph, spec=contract, precision=precision)


def load(graph, contract):
    backend = OpenVinoBackend()
    return backend.load(backend.build(request(graph, contract)).files, replace(contract, backend="openvino"))


def reference(role, store) -> ReferenceGraph:
    if role in (Role.VISUAL, Role.AUDIO):
        graphs = checkpoint_graphs(DEFAULT_CHECKPOINT, 1)
        return graphs.visual if role is Role.VISUAL else graphs.audio
    return pinned_graph(store, role, 1)


def test_without_openvino_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    for use in (OpenVinoBackend().require, OpenVinoBackend().fingerprint):
        with pytest.raises(MissingBackendError, match=r"pip install 'seamwatch\[openvino\]'"):
            use()


@needs_openvino
@pytest.mark.parametrize("role", list(Role))
def test_every_role_gives_what_onnx_runtime_gives(role, model_store):
    source = reference(role, model_store)
    engine, onnxruntime_engine = load(source.graph, source.spec), OnnxRuntimeEngine(source.graph, source.spec)
    assert engine.spec.id.endswith("/openvino-fp32-cpu")
    for inputs in INPUTS[role]:
        expected = onnxruntime_engine.run(inputs)
        for name, found in engine.run(inputs).items():
            scale = max(1.0, float(np.abs(expected[name]).max()))
            np.testing.assert_allclose(found / scale, expected[name] / scale, atol=2e-5)


@needs_openvino
def test_threads_share_an_engine_and_results_stay():
    engine = load(SQRT, spec())
    pictures = [np.full((1, 2, 4 * (1 + index % 3)), index, np.float32) for index in range(60)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda x: engine.run({"x": x})["y"], pictures))
    for x, y in zip(pictures, results, strict=True):
        np.testing.assert_allclose(y, np.sqrt(x), rtol=1e-6)


@needs_openvino
def test_takes_arrays_that_are_not_contiguous_or_read_only():
    x = np.arange(32, dtype=np.float32).reshape(4, 2, 4)[::2, :, ::-1]
    x.flags.writeable = False
    np.testing.assert_allclose(load(SQRT, spec()).run({"x": x})["y"], np.sqrt(x), rtol=1e-6)


@needs_openvino
def test_inputs_and_outputs_are_held_to_the_contract():
    engine = load(SQRT, spec())
    with pytest.raises(EngineError, match=r"float32 \(\?, 2, \?\); it is float64"):
        engine.run({"x": np.zeros((1, 2, 4))})
    with pytest.raises(EngineError, match="not finite"):
        engine.run({"x": -np.ones((1, 2, 4), np.float32)})
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.run({"x": np.zeros((1, 2, 4), np.float32)})


@needs_openvino
@pytest.mark.parametrize(
    "contract",
    [
        {"inputs": {"picture": TensorSpec(shape=(None, 2, None))}},
        {"inputs": {"x": TensorSpec(shape=(None, 3, None))}},
        {"inputs": {"x": TensorSpec(shape=(None, 2))}},
        {"inputs": {"x": TensorSpec(shape=(None, 2, None), dtype="int64")}},
        {"outputs": {"y": TensorSpec(shape=(None, 4, None))}},
        {"outputs": {"y": TensorSpec(shape=(None, 2, None)), "z": TensorSpec(shape=(1,))}},
    ],
)
def test_a_model_that_disagrees_with_its_contract_is_not_loaded(contract):
    built = OpenVinoBackend().build(request(SQRT, spec()))
    with pytest.raises(EngineError, match=r"its model has .*Build the engines again"):
        OpenVinoBackend().load(built.files, spec(**contract))


@needs_openvino
def test_damaged_or_missing_files_are_not_loaded():
    files = dict(OpenVinoBackend().build(request(SQRT, spec())).files)
    for broken in ({}, files | {"model.xml": b"<net"}, {"model.xml": files["model.xml"]}):
        with pytest.raises(EngineError, match="cannot be loaded"):
            OpenVinoBackend().load(broken, spec())


@needs_openvino
@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_precisions_that_it_cannot_build_are_refused(precision):
    assert precision not in OpenVinoBackend.precisions
    with pytest.raises(EngineError, match=f"not in {precision}"):
        OpenVinoBackend().build(request(SQRT, spec(), precision))


@pytest.mark.parametrize(
    ("cores", "threads", "streams"), [(1, 1, 1), (2, 1, 2), (2, 2, 1), (64, 1, 4), (3, 2, 1)]
)
def test_runs_go_on_side_by_side_as_far_as_there_are_cores(monkeypatch, cores, threads, streams):
    monkeypatch.setattr("engines.backends.openvino_backend.usable_processors", lambda: cores)
    settings = _settings(spec(threads=threads))
    assert (settings["NUM_STREAMS"], settings["INFERENCE_NUM_THREADS"]) == (streams, streams * threads)


@needs_openvino
def test_computes_in_fp32_even_where_the_processor_prefers_bf16():
    setting = load(SQRT, spec())._compiled.get_property
    assert setting("INFERENCE_PRECISION_HINT") == openvino.Type.f32
    assert setting("ENABLE_CPU_PINNING") is False


@needs_openvino
def test_a_graph_of_unknown_operators_is_refused():
    graph = make_model([helper.make_node("Nonsense", ["x"], ["y"])], {"x": ["n"]}, {"y": ["n"]})
    tensor = TensorSpec(shape=(None,))
    with pytest.raises(EngineError, match="OpenVINO cannot read the graph of root"):
        OpenVinoBackend().build(
            request(graph.SerializeToString(), spec(inputs={"x": tensor}, outputs={"y": tensor}))
        )


def branching_graph(condition):
    """Return ``y = sqrt(x)`` where the condition holds, else ``-x``."""
    branches = [
        helper.make_graph(
            [helper.make_node(kind, ["x"], [f"{kind}_y"])],
            kind,
            [],
            [helper.make_tensor_value_info(f"{kind}_y", TensorProto.FLOAT, None)],
        )
        for kind in ("Sqrt", "Neg")
    ]
    last = helper.make_node("If", ["wanted"], ["y"], then_branch=branches[0], else_branch=branches[1])
    return make_model([*condition, last], {"x": ["n", 2, "w"]}, {"y": ["n", 2, "w"]})


def test_a_branch_on_values_is_refused():
    condition = [
        helper.make_node("ReduceMax", ["x"], ["largest"], keepdims=0),
        helper.make_node("Cast", ["largest"], ["wanted"], to=TensorProto.BOOL),
    ]
    tensor = TensorSpec(shape=(1, 2, 4))
    graph = branching_graph(condition).SerializeToString()
    with pytest.raises(EngineError, match="branches on the values"):
        adapt_graph(graph, spec(inputs={"x": tensor}, outputs={"y": tensor}))


def prelu_graph():
    slope = helper.make_tensor("slope", TensorProto.FLOAT, [2, 1], [0.25, -0.5])
    model = make_model(
        [helper.make_node("PRelu", ["x", "slope"], ["z"]), helper.make_node("Add", ["z", "x"], ["y"])],
        {"x": ["n", 2, "w"]},
        {"y": ["n", 2, "w"]},
    )
    model.graph.initializer.append(slope)
    return model


def test_prelu_is_restored_exactly():
    model = prelu_graph()
    before = [(node.op_type, list(node.input), list(node.output)) for node in model.graph.node]
    rewrite_prelu(model.graph)
    assert len(model.graph.node) == 5
    restore_prelu(model.graph)
    assert [(node.op_type, list(node.input), list(node.output)) for node in model.graph.node] == before
    onnx.checker.check_model(model)


def test_sums_that_are_no_prelu_stay():
    model = prelu_graph()
    rewrite_prelu(model.graph)
    rest = next(tensor for tensor in model.graph.initializer if tensor.name != "slope")
    rest.CopyFrom(helper.make_tensor(rest.name, TensorProto.FLOAT, [2, 1], [0.75, 1.0]))
    before = model.SerializeToString()
    restore_prelu(model.graph)
    assert model.SerializeToString() == before


def test_a_prelu_whose_parts_are_used_elsewhere_stays():
    model = prelu_graph()
    rewrite_prelu(model.graph)
    model.graph.node[-1].input[1] = "z/positive"
    before = [node.op_type for node in model.graph.node]
    restore_prelu(model.graph)
    assert [node.op_type for node in model.graph.node] == before
