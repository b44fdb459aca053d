"""From a prepared graph to the one that TensorRT parses: without branches, in the wanted precision."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import onnxruntime as untyped_onnxruntime

from engines.backends.tensorrt_precision import to_mixed_fp16
from engines.errors import EngineError
from engines.preparation import parse
from engines.spec import TensorSpec

# The package exports its classes without annotations.
onnxruntime: Any = untyped_onnxruntime

BASE_DOMAINS = frozenset({"", "ai.onnx"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorRtGraph:
    """What goes into TensorRT's parser.

    Attributes:
        content: Serialised ONNX model; inputs and outputs are float32.
        notes: What was done to it, one sentence each.
    """

    content: bytes
    notes: tuple[str, ...]


def tensorrt_graph(graph: bytes, inputs: Mapping[str, TensorSpec], *, half: bool) -> TensorRtGraph:
    """Prepare a graph for TensorRT.

    TensorRT's builder fails on branches whose condition is a shape: they are folded where the contract fixes
    that shape. Batch norms go into the convolutions before them.

    Args:
        graph: Prepared ONNX model in fp32.
        inputs: The contract's inputs.
        half: Whether it is to run in fp16, mixed as ``engines.backends.tensorrt_precision`` says.

    Raises:
        EngineError: If the graph cannot be read, or holds what TensorRT does not take.
    """
    model = _folded(_with_shapes(parse(graph), inputs))
    notes: tuple[str, ...] = ()
    if half:
        mixed = to_mixed_fp16(model)
        model = mixed.model
        notes = (
            f"{mixed.half_nodes} operations run in fp16, {mixed.float_nodes} in fp32: normalisation, "
            "softmax, recurrence, and the arithmetic before the first and after the last convolution or "
            "matrix product.",
        )
    return TensorRtGraph(content=bytes(model.SerializeToString(deterministic=True)), notes=notes)


def _with_shapes(model: onnx.ModelProto, inputs: Mapping[str, TensorSpec]) -> onnx.ModelProto:
    """Write the contract's fixed sizes into the graph's inputs; what follows from them is then constant."""
    for value in model.graph.input:
        if value.name in inputs:
            for dimension, size in zip(
                value.type.tensor_type.shape.dim, inputs[value.name].shape, strict=True
            ):
                if size is not None:
                    dimension.dim_value = size
    return model


def _folded(model: onnx.ModelProto) -> onnx.ModelProto:
    """Apply ONNX Runtime's basic rewrites, which stay within ONNX's own operators.

    Raises:
        EngineError: If ONNX Runtime cannot load the graph, or used operators of its own.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "folded.onnx"
        options.optimized_model_filepath = str(path)
        try:
            onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
            folded = parse(path.read_bytes())
        except EngineError:
            raise
        except Exception as error:
            raise EngineError(
                f"The graph cannot be folded: {error}", fix="Run `seamwatch models verify`."
            ) from error
    foreign = sorted({node.op_type for node in folded.graph.node if node.domain not in BASE_DOMAINS})
    if foreign:
        raise EngineError(
            f"Folding the graph left operators that TensorRT does not know: {', '.join(foreign)}.",
            fix="Install another version of onnxruntime.",
        )
    opsets = [opset for opset in folded.opset_import if opset.domain in BASE_DOMAINS]
    del folded.opset_import[:]
    folded.opset_import.extend(opsets)
    return folded
