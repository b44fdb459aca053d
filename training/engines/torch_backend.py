"""torch, eager: the reference that every other engine of a trained encoder is held against."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from engines.backends.base import BackendName, BuildRequest, BuiltEngine, MissingBackendError, Precision
from engines.base import Engine
from engines.errors import EngineError
from engines.spec import EngineSpec, Role
from training.errors import TrainingError, require_torch


class TorchBackend:
    """torch in fp32, on the first GPU where there is one, else on the CPU.

    An engine is the checkpoint's weights as they are. The pinned models are graphs without a torch module:
    their roles are not among ``roles``, and nothing takes their place.
    """

    name: BackendName = "torch"
    precisions: frozenset[Precision] = frozenset({"fp32"})
    roles: frozenset[Role] = frozenset({Role.VISUAL, Role.AUDIO})

    def require(self) -> None:
        """Make sure that torch is there; see ``engines.backends.base.Backend.require``."""
        try:
            require_torch()
        except TrainingError as error:
            raise MissingBackendError("The backend torch needs torch.", fix=error.fix) from error

    def fingerprint(self) -> str:
        """Return device and version of torch; see ``engines.backends.base.Backend.fingerprint``."""
        return str(self._engine_module().fingerprint())

    def build(self, request: BuildRequest) -> BuiltEngine:
        """Take the weights of the checkpoint; see ``engines.backends.base.Backend.build``."""
        if request.precision not in self.precisions:
            raise EngineError(
                f"The reference computes in fp32, not in {request.precision}.", fix="Choose --precision fp32."
            )
        if request.role not in self.roles:
            raise EngineError(
                f"The role {request.role.value} has no torch module, only an ONNX graph.",
                fix="Build it with the backend onnxruntime, openvino or tensorrt.",
            )
        module: Any = self._engine_module()
        built: BuiltEngine = module.build(request)
        return built

    def load(self, files: Mapping[str, bytes], spec: EngineSpec) -> Engine:
        """Put the weights onto the device of the contract; see ``engines.backends.base.Backend.load``."""
        engine: Engine = self._engine_module().load(files, spec)
        return engine

    def _engine_module(self) -> Any:
        self.require()
        return importlib.import_module("training.engines.torch_engine")
