from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from engines.backends import tensorrt_runtime
from engines.backends.tensorrt_builder import build_plan
from engines.backends.tensorrt_memory import CUDA_CALLS, Cuda, CudaError
from engines.backends.tensorrt_profiles import ShapeRange
from engines.backends.tensorrt_runtime import TensorRtEngine
from engines.errors import EngineError
from engines.spec import EngineSpec, Role, TensorSpec
from tests.support.fake_cuda import Error, FakeCudaRuntime
from tests.support.fake_tensorrt import FakeTensorRt

TENSORS = {"x": (True, "float32", (-1, 3)), "y": (False, "float32", (-1, 3))}
SPEC = EngineSpec(
    model="double",
    role=Role.IDENTITY,
    inputs={"x": TensorSpec(shape=(None, 3))},
    outputs={"y": TensorSpec(shape=(None, 3))},
    frontend="none",
    source_sha256="0" * 64,
    backend="tensorrt",
    precision="fp32",
    device="cuda:0",
    threads=1,
)
RANGE = {"x": ShapeRange((1, 3), (4, 3), (4, 3))}


@pytest.fixture
def cuda():
    return FakeCudaRuntime()


@pytest.fixture
def library(cuda):
    return FakeTensorRt(cuda=cuda, tensors=TENSORS)


def load(library, cuda):
    return TensorRtEngine(library, Cuda(cuda), build_plan(library, b"graph", [RANGE]).content, SPEC)


def batch(rows, start=0):
    return {"x": np.arange(start, start + 3 * rows, dtype=np.float32).reshape(rows, 3)}


def test_runs_of_a_shape_repeat_one_recorded_graph(library, cuda):
    engine = load(library, cuda)
    for start in range(3):
        np.testing.assert_array_equal(engine.run(batch(2, start))["y"], 2 * batch(2, start)["x"])
    np.testing.assert_array_equal(engine.run(batch(4))["y"], 2 * batch(4)["x"])
    assert (library.contexts, engine.captured_shapes) == (2, 2)
    assert cuda.calls.count("cudaGraphLaunch") == 4
    assert cuda.calls.count("cudaStreamEndCapture") == 2


def test_results_do_not_change_with_the_next_run(library, cuda):
    engine = load(library, cuda)
    first = engine.run(batch(2))["y"]
    kept = first.copy()
    engine.run(batch(2, 50))
    np.testing.assert_array_equal(first, kept)


def test_inputs_may_lie_in_any_order_in_memory(library, cuda):
    inputs = {"x": np.asfortranarray(batch(4)["x"])}
    np.testing.assert_array_equal(load(library, cuda).run(inputs)["y"], 2 * inputs["x"])


def test_threads_take_turns(library, cuda):
    engine = load(library, cuda)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda k: engine.run(batch(1 + k % 4, k))["y"], range(64)))
    for k, result in enumerate(results):
        np.testing.assert_array_equal(result, 2 * batch(1 + k % 4, k)["x"])


def test_what_cuda_cannot_record_is_enqueued_every_time(library, cuda):
    library.capturable = False
    engine = load(library, cuda)
    for start in range(2):
        np.testing.assert_array_equal(engine.run(batch(2, start))["y"], 2 * batch(2, start)["x"])
    assert engine.captured_shapes == 0
    assert "cudaGraphLaunch" not in cuda.calls
    engine.close()
    assert cuda.leaks() == {}


def test_the_oldest_shape_makes_room(library, cuda, monkeypatch):
    monkeypatch.setattr(tensorrt_runtime, "MAX_PREPARED_SHAPES", 2)
    engine = load(library, cuda)
    for rows in (1, 2, 1, 3, 1, 2):
        np.testing.assert_array_equal(engine.run(batch(rows))["y"], 2 * batch(rows)["x"])
    assert library.contexts == 4
    assert engine.captured_shapes == 2


def test_close_releases_everything_and_runs_end(library, cuda):
    engine = load(library, cuda)
    engine.run(batch(1))
    engine.run(batch(3))
    engine.close()
    engine.close()
    assert cuda.leaks() == {}
    with pytest.raises(EngineError, match="is closed"):
        engine.run(batch(1))


def test_a_batch_beyond_the_profile_is_refused_and_the_engine_goes_on(library, cuda):
    engine = load(library, cuda)
    with pytest.raises(EngineError, match="max-batch"):
        engine.run(batch(5))
    np.testing.assert_array_equal(engine.run(batch(1))["y"], 2 * batch(1)["x"])


def test_a_full_gpu_is_told_and_leaks_nothing(library, cuda):
    engine = load(library, cuda)
    cuda.fail["cudaMalloc"] = Error.cudaErrorMemoryAllocation
    with pytest.raises(CudaError, match="cudaMalloc failed: cudaErrorMemoryAllocation"):
        engine.run(batch(2))
    del cuda.fail["cudaMalloc"]
    np.testing.assert_array_equal(engine.run(batch(2))["y"], 2 * batch(2)["x"])
    engine.close()
    assert cuda.leaks() == {}


def test_a_damaged_plan_is_refused_with_what_tensorrt_said(library, cuda):
    with pytest.raises(EngineError, match=r"the magic tag is wrong\. Build it again") as caught:
        TensorRtEngine(library, Cuda(cuda), b"damaged", SPEC)
    assert "a remark" not in caught.value.message


@pytest.mark.parametrize(
    "tensors",
    [
        {"x": TENSORS["x"], "z": TENSORS["y"]},
        {**TENSORS, "extra": (True, "float32", (1,))},
        {**TENSORS, "x": (True, "int64", (-1, 3))},
        {**TENSORS, "y": (False, "float32", (-1, 4))},
        {**TENSORS, "y": (False, "float32", (-1, 3, 1))},
    ],
)
def test_a_plan_with_another_contract_is_refused(library, cuda, tensors):
    plan = build_plan(library, b"graph", [RANGE]).content
    library.tensors = tensors
    with pytest.raises(EngineError, match="should"):
        TensorRtEngine(library, Cuda(cuda), plan, SPEC)


def test_a_tensor_in_the_hosts_memory_is_refused(library, cuda):
    library.location = "host"
    with pytest.raises(EngineError, match="should be"):
        load(library, cuda)


def test_every_call_of_cuda_is_listed(library, cuda):
    engine = load(library, cuda)
    Cuda(cuda).device_count()
    Cuda(cuda).device_name()
    engine.run(batch(1))
    engine.close()
    assert set(cuda.calls) == set(CUDA_CALLS)
