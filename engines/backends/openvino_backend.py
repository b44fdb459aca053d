"""Builds and runs engines with OpenVINO on the CPU."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from engines.backends.base import BackendName, BuildRequest, BuiltEngine, MissingBackendError, Precision
from engines.backends.host import cpu_fingerprint
from engines.backends.openvino_graph import adapt_graph
from engines.base import Array, Engine, check_inputs, check_outputs
from engines.errors import EngineError
from engines.processors import usable_processors
from engines.spec import EngineSpec, Role, TensorSpec

_MODEL: Final = "model.xml"
_WEIGHTS: Final = "model.bin"
# Left to itself OpenVINO computes in bf16 where the processor can, which changes results and is often slower.
_PRECISION_HINTS: Final[Mapping[str, str]] = {"fp32": "f32", "bf16": "bf16"}
_DEVICE: Final = "CPU"
MAX_STREAMS: Final = 4
"""Runs of one engine at a time; each costs the memory of its intermediate results."""


class OpenVinoBackend:
    """OpenVINO's CPU plugin. An engine is an OpenVINO IR: ``model.xml`` and ``model.bin``."""

    name: BackendName = "openvino"
    precisions: frozenset[Precision] = frozenset({"fp32", "bf16"})
    roles: frozenset[Role] = frozenset(Role)

    def require(self) -> None:
        """Make sure that OpenVINO is there; see ``Backend.require``."""
        _openvino()

    def fingerprint(self) -> str:
        """Return processor and version of OpenVINO; see ``Backend.fingerprint``."""
        return f"{cpu_fingerprint()}; openvino {_openvino().get_version()}"

    def build(self, request: BuildRequest) -> BuiltEngine:
        """Convert a graph to OpenVINO's own format; see ``Backend.build``."""
        openvino = _openvino()
        core = openvino.Core()
        _require_precision(core, request.precision)
        graph = adapt_graph(request.graph, request.spec)
        try:
            model = core.read_model(graph)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / _MODEL
                openvino.save_model(model, path, compress_to_fp16=False)
                files = {name: path.with_name(name).read_bytes() for name in (_MODEL, _WEIGHTS)}
        except Exception as error:
            raise EngineError(
                f"OpenVINO cannot read the graph of {request.spec.model}: {_first_line(error)}",
                fix="Run this encoder with the backend onnxruntime.",
            ) from error
        return BuiltEngine(
            files=files,
            versions={"openvino": str(openvino.get_version())},
            device="cpu",
            device_fingerprint=self.fingerprint(),
        )

    def load(self, files: Mapping[str, bytes], spec: EngineSpec) -> Engine:
        """Compile an engine for this processor; see ``Backend.load``."""
        core = _openvino().Core()
        _require_precision(core, spec.precision)
        return OpenVinoEngine(core, files, spec)


class OpenVinoEngine:
    """One compiled model, and as many infer requests as callers have ever run it at once.

    Runs go on side by side, each on ``threads`` threads, as far as there are cores for them and up to
    ``MAX_STREAMS``; further ones wait.

    Args:
        core: ``openvino.Core``.
        files: The IR.
        spec: The contract that it must keep to.

    Raises:
        EngineError: If the model cannot be compiled or disagrees with the contract.
    """

    def __init__(self, core: Any, files: Mapping[str, bytes], spec: EngineSpec) -> None:
        self.spec = spec
        try:
            model = core.read_model(files[_MODEL], files[_WEIGHTS])
            compiled = core.compile_model(model, _DEVICE, _settings(spec))
        except Exception as error:
            raise EngineError(
                f"{spec.id} cannot be loaded: {_first_line(error)}", fix="Build the engines again."
            ) from error
        _compare(spec, spec.inputs, compiled.inputs, "input")
        _compare(spec, spec.outputs, compiled.outputs, "output")
        self._compiled: Any = compiled
        self._idle: list[Any] = []

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run the model; see ``engines.base.Engine.run``."""
        compiled, idle = self._compiled, self._idle
        if compiled is None:
            raise EngineError(f"{self.spec.id} is closed.", fix="Load the engine again.")
        check_inputs(self.spec, inputs)
        try:
            try:
                request = idle.pop()
            except IndexError:
                request = compiled.create_infer_request()
            results = request.infer(dict(inputs), share_inputs=True)
            outputs = {name: np.asarray(results[name]) for name in self.spec.outputs}
        except Exception as error:
            raise EngineError(
                f"{self.spec.id} failed: {_first_line(error)}",
                fix="Report this with the version of openvino.",
            ) from error
        idle.append(request)
        check_outputs(self.spec, outputs)
        return outputs

    def close(self) -> None:
        """Release the model."""
        self._compiled, self._idle = None, []


def _openvino() -> Any:
    try:
        return importlib.import_module("openvino")
    except ImportError as error:
        raise MissingBackendError(
            "OpenVINO is not installed.", fix="Run pip install 'seamwatch[openvino]'."
        ) from error


def _require_precision(core: Any, precision: str) -> None:
    if precision not in _PRECISION_HINTS:
        raise EngineError(
            f"OpenVINO engines compute in {' or '.join(_PRECISION_HINTS)}, not in {precision}.",
            fix="Choose --precision fp32.",
        )
    if precision == "bf16" and "BF16" not in core.get_property(_DEVICE, "OPTIMIZATION_CAPABILITIES"):
        raise EngineError("This processor does not compute in bf16.", fix="Choose --precision fp32.")


def _settings(spec: EngineSpec) -> dict[str, Any]:
    streams = max(1, min(MAX_STREAMS, usable_processors() // spec.threads))
    return {
        "INFERENCE_PRECISION_HINT": _PRECISION_HINTS[spec.precision],
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": streams * spec.threads,
        # A pinned thread would fight with decoding for its core.
        "ENABLE_CPU_PINNING": False,
    }


def _first_line(error: Exception) -> str:
    """Return what OpenVINO means: the last line that is no place in its sources."""
    lines = [line.strip() for line in str(error).splitlines()]
    telling = [line for line in lines if line and not line.startswith(("Exception from", "Check '"))]
    return telling[0] if telling else type(error).__name__


def _compare(spec: EngineSpec, tensors: Mapping[str, TensorSpec], found: Sequence[Any], kind: str) -> None:
    """Raise EngineError unless the model has these tensors, each dimension free or as the contract says."""
    fix = "Build the engines again."
    by_name = {name: port for port in found for name in port.names if name in tensors}
    if by_name.keys() != tensors.keys() or len(found) != len(tensors):
        names = ", ".join(sorted(min(port.names, default="?") for port in found))
        raise EngineError(
            f"{spec.id} should have the {kind}s {', '.join(sorted(tensors))}; its model has {names}.", fix=fix
        )
    for name, tensor in tensors.items():
        shape, dtype = by_name[name].partial_shape, by_name[name].element_type.to_dtype().name
        agrees = len(shape) == len(tensor.shape) and all(
            size.is_dynamic or size.get_length() == wanted
            for size, wanted in zip(shape, tensor.shape, strict=True)
        )
        if dtype != tensor.dtype or not agrees:
            raise EngineError(
                f"{kind.capitalize()} {name!r} of {spec.id} should be {tensor}; "
                f"its model has {dtype} {shape}.",
                fix=fix,
            )
