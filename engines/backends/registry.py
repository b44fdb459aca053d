"""The backends by name; a module is imported only when its backend is used."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import cast, get_args

from engines.backends.base import Backend, BackendName
from engines.errors import EngineError

BACKEND_NAMES: tuple[BackendName, ...] = get_args(BackendName)

_FACTORIES: Mapping[BackendName, tuple[str, str]] = {
    "onnxruntime": ("engines.backends.onnxruntime_backend", "OnnxRuntimeBackend"),
    "openvino": ("engines.backends.openvino_backend", "OpenVinoBackend"),
    "tensorrt": ("engines.backends.tensorrt_backend", "TensorRtBackend"),
    "torch-tensorrt": ("training.engines.torch_tensorrt_backend", "TorchTensorRtBackend"),
    "torch": ("training.engines.torch_backend", "TorchBackend"),
}


def get_backend(name: str) -> Backend:
    """Return a backend; its library is not imported yet.

    Raises:
        EngineError: If there is no backend of that name.
    """
    for known, (module, attribute) in _FACTORIES.items():
        if known == name:
            return cast(Backend, getattr(importlib.import_module(module), attribute)())
    raise EngineError(f"There is no backend named {name}.", fix=f"Choose among {', '.join(BACKEND_NAMES)}.")
