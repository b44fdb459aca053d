"""torch-tensorrt: the torch modules of trained encoders, compiled by TensorRT, on the first NVIDIA GPU."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Final

from engines.backends.base import BackendName, BuildRequest, BuiltEngine, MissingBackendError, Precision
from engines.base import Engine
from engines.errors import EngineError
from engines.spec import EngineSpec, Role

_INSTALL: Final = "Run pip install 'seamwatch[torch-tensorrt]'."


class TorchTensorRtBackend:
    """Exported programs that hold for one kind of GPU and one version of the libraries."""

    name: BackendName = "torch-tensorrt"
    precisions: frozenset[Precision] = frozenset({"fp32", "fp16"})
    roles: frozenset[Role] = frozenset({Role.VISUAL, Role.AUDIO})

    def require(self) -> None:
        """Make sure that the libraries and a GPU are there; see ``engines.backends.base.Backend.require``."""
        for name in ("torch", "torch_tensorrt"):
            try:
                importlib.import_module(name)
            # A library that is installed but lacks a shared object raises OSError.
            except (ImportError, OSError) as error:
                raise MissingBackendError(
                    f"The backend torch-tensorrt needs the module {name}: {error}.", fix=_INSTALL
                ) from error
        if not importlib.import_module("torch").cuda.is_available():
            raise MissingBackendError(
                "torch-tensorrt needs an NVIDIA GPU, and torch finds none.",
                fix="Run on a host whose nvidia-smi lists a GPU, or choose --backend onnxruntime.",
            )

    def fingerprint(self) -> str:
        """Return GPU and library versions; see ``engines.backends.base.Backend.fingerprint``."""
        return str(self._engine_module().fingerprint())

    def build(self, request: BuildRequest) -> BuiltEngine:
        """Compile the module of a checkpoint; see ``engines.backends.base.Backend.build``."""
        if request.precision not in self.precisions:
            raise EngineError(
                f"torch-tensorrt engines are built in fp32 or fp16, not in {request.precision}: the torch "
                "modules carry no ranges for int8, and bf16 is coarser than fp16 and no faster.",
                fix="Choose --precision fp16.",
            )
        if request.role not in self.roles:
            raise EngineError(
                f"The role {request.role.value} has no torch module, only an ONNX graph.",
                fix="Build it with the backend tensorrt.",
            )
        built: BuiltEngine = self._engine_module().build(request)
        return built

    def load(self, files: Mapping[str, bytes], spec: EngineSpec) -> Engine:
        """Load exported programs; see ``engines.backends.base.Backend.load``."""
        engine: Engine = self._engine_module().load(files, spec)
        return engine

    def _engine_module(self) -> Any:
        self.require()
        return importlib.import_module("training.engines.torch_tensorrt_engine")
