"""Runs ONNX graphs with ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnxruntime as untyped_onnxruntime

from engines.base import Array, check_inputs, check_outputs
from engines.errors import EngineError
from engines.spec import EngineSpec, TensorSpec

# The package exports its classes without annotations.
onnxruntime: Any = untyped_onnxruntime

BACKEND = "onnxruntime"
_TYPE_NAMES = {"tensor(float)": "float32", "tensor(int64)": "int64"}


class OnnxRuntimeEngine:
    """One graph in one ONNX Runtime session.

    Args:
        graph: Serialised ONNX model.
        spec: The contract that the graph must keep to.

    Raises:
        EngineError: If the graph cannot be loaded or disagrees with the contract.
    """

    def __init__(self, graph: bytes, spec: EngineSpec) -> None:
        self.spec = spec
        try:
            session = onnxruntime.InferenceSession(
                graph, _session_options(spec.threads), providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise EngineError(
                f"{spec.id} cannot be loaded: {error}", fix="Run `seamwatch models verify`."
            ) from error
        _compare(spec, spec.inputs, session.get_inputs(), "input")
        _compare(spec, spec.outputs, session.get_outputs(), "output")
        self._session: Any = session
        self._output_names = list(spec.outputs)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run the graph; see ``engines.base.Engine.run``."""
        session = self._session
        if session is None:
            raise EngineError(f"{self.spec.id} is closed.", fix="Load the engine again.")
        check_inputs(self.spec, inputs)
        try:
            results = session.run(self._output_names, dict(inputs))
        except Exception as error:
            raise EngineError(
                f"{self.spec.id} failed: {error}", fix="Report this with the version of onnxruntime."
            ) from error
        outputs: dict[str, Array] = dict(zip(self._output_names, results, strict=True))
        check_outputs(self.spec, outputs)
        return outputs

    def close(self) -> None:
        """Release the session."""
        self._session = None


def _session_options(threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    # Patterns are kept for every shape ever seen, and picture sizes and batches vary.
    options.enable_mem_pattern = False
    # Waiting threads must not burn the cores that other participants' threads need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _compare(spec: EngineSpec, tensors: Mapping[str, TensorSpec], found: Sequence[Any], kind: str) -> None:
    """Raise EngineError unless the graph has these tensors, each dimension free or as the contract says."""
    fix = "Use the model file that the contract was written for."
    by_name = {argument.name: argument for argument in found}
    if by_name.keys() != tensors.keys():
        raise EngineError(
            f"{spec.id} should have the {kind}s {', '.join(sorted(tensors))}; "
            f"its graph has {', '.join(sorted(by_name))}.",
            fix=fix,
        )
    for name, tensor in tensors.items():
        argument = by_name[name]
        shape: list[int | str | None] = argument.shape
        agrees = len(shape) == len(tensor.shape) and all(
            not isinstance(size, int) or size == wanted
            for size, wanted in zip(shape, tensor.shape, strict=True)
        )
        if _TYPE_NAMES.get(argument.type) != tensor.dtype or not agrees:
            raise EngineError(
                f"{kind.capitalize()} {name!r} of {spec.id} should be {tensor}; "
                f"its graph has {argument.type} {shape}.",
                fix=fix,
            )
