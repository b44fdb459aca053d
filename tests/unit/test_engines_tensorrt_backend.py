import importlib
from dataclasses import replace

import numpy as np
import pytest
from onnx import helper

from engines.backends.base import BuildRequest, MissingBackendError
from engines.backends.registry import get_backend
from engines.backends.tensorrt_backend import PLAN, TensorRtBackend
from engines.backends.tensorrt_timing import TimingCache
from engines.errors import EngineError
from engines.spec import EngineSpec, Role, TensorSpec
from tests.support.fake_cuda import Error, FakeCudaRuntime
from tests.support.fake_tensorrt import FakeTensorRt
from tests.support.onnx_graphs import make_model

TENSORS = {"x": (True, "float32", (-1, 3)), "y": (False, "float32", (-1, 3))}
SPEC = EngineSpec(
    model="double",
    role=Role.IDENTITY,
    inputs={"x": TensorSpec(shape=(None, 3))},
    outputs={"y": TensorSpec(shape=(None, 3))},
    frontend="none",
    source_sha256="0" * 64,
    backend="onnxruntime",
    precision="fp32",
    device="cpu",
    threads=1,
)
GRAPH = make_model(
    [helper.make_node("Add", ["x", "x"], ["y"])], {"x": ["n", 3]}, {"y": ["n", 3]}
).SerializeToString()
REQUEST = BuildRequest(role=Role.IDENTITY, graph=GRAPH, spec=SPEC, precision="fp32", max_batch=4)


@pytest.fixture
def modules(monkeypatch):
    """The libraries that are installed, by module name."""
    cuda = FakeCudaRuntime()
    installed = {"cuda.bindings.runtime": cuda, "tensorrt": FakeTensorRt(cuda=cuda, tensors=TENSORS)}
    real = importlib.import_module

    def import_module(name, *rest):
        if name not in ("tensorrt", "cuda.bindings.runtime"):
            return real(name, *rest)
        if isinstance(installed.get(name), FakeTensorRt | FakeCudaRuntime):
            return installed[name]
        raise installed.get(name) or ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", import_module)
    return installed


@pytest.fixture
def backend(tmp_path):
    return TensorRtBackend(TimingCache(tmp_path))


def test_the_registry_knows_it_without_its_libraries():
    backend = get_backend("tensorrt")
    assert isinstance(backend, TensorRtBackend)
    assert (backend.name, backend.precisions) == ("tensorrt", {"fp32", "fp16"})
    assert backend.roles == set(Role)


@pytest.mark.parametrize("version", ["10.3.0", "10.13.0.35", "11.4.0.106"])
def test_a_built_engine_runs_and_says_what_it_is_valid_for(modules, backend, version):
    modules["tensorrt"].__version__ = version
    backend.require()
    built = backend.build(REQUEST)
    assert built.device_fingerprint == backend.fingerprint() == f"NVIDIA Test (sm_89); TensorRT {version}"
    assert (built.device, built.versions["tensorrt"]) == ("cuda:0", version)
    engine = backend.load(built.files, replace(SPEC, backend="tensorrt", device="cuda:0"))
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(engine.run({"x": x})["y"], 2 * x)


def test_networks_are_strongly_typed_and_tf32_is_off(modules, backend):
    backend.build(REQUEST)
    (config,) = modules["tensorrt"].configs
    assert modules["tensorrt"].network_flags == [1 << 1]
    assert config.flags == set()
    assert config.profiles == [{"x": [[1, 3], [4, 3], [4, 3]]}]


def test_the_timing_cache_goes_from_build_to_build_of_the_same_device_and_version(modules, backend):
    library = modules["tensorrt"]
    backend.build(REQUEST)
    backend.build(REQUEST)
    assert [config.cache.content for config in library.configs] == [b"+", b"++"]
    library.__version__ = "11.5.0"
    backend.build(REQUEST)
    assert library.configs[-1].cache.content == b"+"


def test_a_timing_cache_that_cannot_be_written_stops_nothing(modules, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert PLAN in TensorRtBackend(TimingCache(blocked)).build(REQUEST).files


@pytest.mark.parametrize(("precision", "reason"), [("int8", "MatMulInteger"), ("bf16", "three bits")])
def test_other_precisions_are_refused_with_the_reason(backend, precision, reason):
    with pytest.raises(EngineError, match=reason) as caught:
        backend.build(replace(REQUEST, precision=precision))
    assert caught.value.fix == "Choose --precision fp16."


@pytest.mark.parametrize("missing", ["tensorrt", "cuda.bindings.runtime"])
@pytest.mark.parametrize("error", [None, OSError("libnvinfer.so.11: cannot open shared object file")])
def test_a_missing_library_names_the_extra(modules, backend, missing, error):
    modules[missing] = error
    for act in (backend.require, backend.fingerprint, lambda: backend.build(REQUEST)):
        with pytest.raises(MissingBackendError, match=missing.replace(".", r"\.")) as caught:
            act()
        assert "pip install 'seamwatch[tensorrt]'" in caught.value.fix


@pytest.mark.parametrize("version", ["8.6.1", "9.0.0", "12.0.0"])
def test_another_version_is_refused(modules, backend, version):
    modules["tensorrt"].__version__ = version
    with pytest.raises(MissingBackendError, match=f"TensorRT {version} is installed"):
        backend.require()


@pytest.mark.parametrize(
    ("devices", "error", "reason"),
    [(0, None, "none is installed"), (1, Error.cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver")],
)
def test_no_gpu_is_refused(modules, backend, devices, error, reason):
    cuda = modules["cuda.bindings.runtime"]
    cuda.devices = devices
    if error is not None:
        cuda.fail["cudaGetDeviceCount"] = error
    with pytest.raises(MissingBackendError, match=f"needs an NVIDIA GPU: .*{reason}") as caught:
        backend.require()
    assert "onnxruntime" in caught.value.fix


def test_what_tensorrt_does_not_parse_or_build_is_told(modules, backend):
    library = modules["tensorrt"]
    library.parse_errors = [("MatMulInteger", "not supported")]
    with pytest.raises(EngineError, match="MatMulInteger 'node 3': not supported"):
        backend.build(REQUEST)
    library.parse_errors = []
    library.build_fails = True
    with pytest.raises(EngineError, match="no kernel fits"):
        backend.build(REQUEST)
    library.build_fails = False
    library.accepts_profiles = False
    with pytest.raises(EngineError, match="refuses the shapes"):
        backend.build(REQUEST)


def test_a_set_without_its_plan_is_refused(modules, backend):
    with pytest.raises(EngineError, match=PLAN):
        backend.load({}, SPEC)


def test_files_that_are_no_graph_are_refused(modules, backend):
    with pytest.raises(EngineError, match="not an ONNX model"):
        backend.build(replace(REQUEST, graph=b"damaged"))
