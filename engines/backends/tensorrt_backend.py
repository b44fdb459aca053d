"""TensorRT 10 and 11 on the first NVIDIA GPU."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Final

import onnxruntime

from engines.backends.base import BackendName, BuildRequest, BuiltEngine, MissingBackendError, Precision
from engines.backends.tensorrt_builder import SUPPORTED_MAJORS, build_plan
from engines.backends.tensorrt_graph import tensorrt_graph
from engines.backends.tensorrt_memory import Cuda, CudaError
from engines.backends.tensorrt_profiles import profiles
from engines.backends.tensorrt_runtime import TensorRtEngine
from engines.backends.tensorrt_timing import TimingCache
from engines.base import Engine
from engines.errors import EngineError
from engines.spec import EngineSpec, Role

PLAN: Final = "engine.plan"
DEVICE: Final = "cuda:0"

_INSTALL: Final = "pip install 'seamwatch[tensorrt]'"
_REFUSALS: Final[Mapping[Precision, str]] = {
    "int8": "TensorRT's parser takes none of ONNX Runtime's int8 graphs: no int32 bias behind "
    "DequantizeLinear, no DynamicQuantizeLinear, no MatMulInteger",
    "bf16": "bf16 keeps three bits less than fp16 and is no faster, so it is not built for TensorRT",
}


class TensorRtBackend:
    """ONNX graphs to TensorRT plans, which hold for one kind of GPU and one version of TensorRT.

    Args:
        timing: Measurements of earlier builds; None for those in the user's cache.
    """

    name: BackendName = "tensorrt"
    precisions: frozenset[Precision] = frozenset({"fp32", "fp16"})
    roles: frozenset[Role] = frozenset(Role)

    def __init__(self, timing: TimingCache | None = None) -> None:
        self._timing = timing or TimingCache()

    def require(self) -> None:
        """Make sure that TensorRT and a GPU are there; see ``engines.backends.base.Backend.require``."""
        _libraries()

    def fingerprint(self) -> str:
        """Return GPU and version of TensorRT; see ``engines.backends.base.Backend.fingerprint``."""
        library, cuda = _libraries()
        return _fingerprint(library, cuda)

    def build(self, request: BuildRequest) -> BuiltEngine:
        """Build a plan; see ``engines.backends.base.Backend.build``."""
        if request.precision in _REFUSALS:
            raise EngineError(
                f"TensorRT engines are built in fp32 or fp16: {_REFUSALS[request.precision]}.",
                fix="Choose --precision fp16.",
            )
        library, cuda = _libraries()
        fingerprint = _fingerprint(library, cuda)
        ranges = profiles(request.role, request.spec.inputs, request.max_batch, request.lengths)
        graph = tensorrt_graph(request.graph, request.spec.inputs, half=request.precision == "fp16")
        cuda.use_device()
        plan = build_plan(library, graph.content, ranges, timing_cache=self._timing.read(fingerprint))
        self._timing.write(fingerprint, plan.timing_cache)
        return BuiltEngine(
            files={PLAN: plan.content},
            versions={"tensorrt": str(library.__version__), "onnxruntime": str(onnxruntime.__version__)},
            device=DEVICE,
            device_fingerprint=fingerprint,
            notes=graph.notes,
        )

    def load(self, files: Mapping[str, bytes], spec: EngineSpec) -> Engine:
        """Load a plan; see ``engines.backends.base.Backend.load``."""
        if PLAN not in files:
            raise EngineError(
                f"{spec.id} lacks {PLAN}.",
                fix="Build it again with `seamwatch engines build --backend tensorrt`.",
            )
        library, cuda = _libraries()
        return TensorRtEngine(library, cuda, files[PLAN], spec)


def _libraries() -> tuple[Any, Cuda]:
    """Return TensorRT and the GPU.

    Raises:
        MissingBackendError: If a library is missing, TensorRT has another version, or no GPU answers.
    """
    library, cuda = _import("tensorrt"), Cuda(_import("cuda.bindings.runtime"))
    if int(str(library.__version__).partition(".")[0]) not in SUPPORTED_MAJORS:
        raise MissingBackendError(
            f"TensorRT {library.__version__} is installed; supported are "
            f"{' and '.join(map(str, SUPPORTED_MAJORS))}.",
            fix=f"Run {_INSTALL}.",
        )
    reason = "none is installed"
    try:
        if cuda.device_count() > 0:
            return library, cuda
    except CudaError as error:
        reason = error.message
    raise MissingBackendError(
        f"TensorRT needs an NVIDIA GPU: {reason}.".replace("..", "."),
        fix="Run on a host whose nvidia-smi lists a GPU, or choose --backend onnxruntime.",
    )


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    # A library that is installed but lacks a shared object raises OSError.
    except (ImportError, OSError) as error:
        raise MissingBackendError(
            f"The backend tensorrt needs the module {name}: {error}.", fix=f"Run {_INSTALL}."
        ) from error


def _fingerprint(library: Any, cuda: Cuda) -> str:
    return f"{cuda.device_name()}; TensorRT {library.__version__}"
