from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from onnx import helper

from engines.errors import EngineError
from engines.onnxruntime_engine import OnnxRuntimeEngine
from engines.spec import EngineSpec, Role, TensorSpec
from tests.support.onnx_graphs import make_model

SQRT = make_model(
    [helper.make_node("Sqrt", ["x"], ["y"])], {"x": ["n", 2, "w"]}, {"y": ["n", 2, "w"]}
).SerializeToString()


def spec(inputs=None, outputs=None):
    tensor = TensorSpec(shape=(None, 2, None), multiples=(1, 1, 4))
    return EngineSpec(
        model="root",
        role=Role.DETECTOR,
        inputs=inputs or {"x": tensor},
        outputs=outputs or {"y": tensor},
        frontend="none",
        source_sha256="0123456789abcdef" * 4,
        backend="onnxruntime",
        precision="fp32",
        device="cpu",
        threads=1,
    )


@pytest.fixture
def engine():
    return OnnxRuntimeEngine(SQRT, spec())


def test_the_id_names_model_source_and_backend(engine):
    assert engine.spec.id == "root@01234567/onnxruntime-fp32-cpu"


def test_runs_within_the_contract(engine):
    x = np.arange(16, dtype=np.float32).reshape(2, 2, 4)
    np.testing.assert_allclose(engine.run({"x": x})["y"], np.sqrt(x))


def test_takes_arrays_that_are_not_contiguous_or_read_only(engine):
    x = np.arange(32, dtype=np.float32).reshape(4, 2, 4)[::2, :, ::-1]
    x.flags.writeable = False
    np.testing.assert_allclose(engine.run({"x": x})["y"], np.sqrt(x))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "got none"),
        ({"z": np.zeros((1, 2, 4), np.float32)}, "got z"),
        ({"x": np.zeros((1, 2, 4), np.float32), "z": np.zeros(1, np.float32)}, "got x, z"),
        ({"x": np.zeros((1, 2, 4))}, r"float32 \(\?, 2, 4 \* \?\); it is float64"),
        ({"x": np.zeros((1, 3, 4), np.float32)}, r"\(1, 3, 4\)"),
        ({"x": np.zeros((2, 4), np.float32)}, r"\(2, 4\)"),
        ({"x": np.zeros((0, 2, 4), np.float32)}, r"\(0, 2, 4\)"),
        ({"x": np.zeros((1, 2, 6), np.float32)}, r"\(1, 2, 6\)"),
    ],
)
def test_inputs_that_break_the_contract_are_refused(engine, inputs, message):
    with pytest.raises(EngineError, match=message):
        engine.run(inputs)


def test_outputs_that_are_not_finite_are_refused(engine):
    x = np.ones((1, 2, 4), np.float32)
    x[0, 1, 2] = -1
    with pytest.raises(EngineError, match="not finite"):
        engine.run({"x": x})


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
def test_a_graph_that_disagrees_with_its_contract_is_not_loaded(contract):
    with pytest.raises(EngineError, match="its graph has"):
        OnnxRuntimeEngine(SQRT, spec(**contract))


def test_what_is_no_graph_is_not_loaded():
    with pytest.raises(EngineError, match="cannot be loaded"):
        OnnxRuntimeEngine(b"not a graph", spec())


def test_a_closed_engine_refuses_to_run(engine):
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.run({"x": np.zeros((1, 2, 4), np.float32)})


def test_threads_share_an_engine(engine):
    pictures = [np.full((1, 2, 4 * (1 + index % 3)), index, np.float32) for index in range(40)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda x: engine.run({"x": x})["y"], pictures))
    for x, y in zip(pictures, results, strict=True):
        np.testing.assert_allclose(y, np.sqrt(x))
