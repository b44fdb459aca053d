"""Folds what follows from constants and fixed shapes, with ONNX's own operators only."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import onnxruntime as untyped_onnxruntime

from engines.errors import EngineError
from engines.spec import TensorSpec

# The package exports its classes without annotations.
onnxruntime: Any = untyped_onnxruntime

STANDARD_DOMAINS = frozenset({"", "ai.onnx"})


def with_fixed_shapes(model: onnx.ModelProto, tensors: Mapping[str, TensorSpec]) -> onnx.ModelProto:
    """Return a copy in whose inputs and outputs the sizes that a contract fixes are written."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for value in (*fixed.graph.input, *fixed.graph.output):
        if value.name not in tensors:
            continue
        sizes = tensors[value.name].shape
        for dimension, size in zip(value.type.tensor_type.shape.dim, sizes, strict=True):
            if size is not None:
                dimension.dim_value = size
    return fixed


def folded(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with constants folded, decided branches gone, and normalisations inside convolutions.

    Raises:
        EngineError: If ONNX Runtime cannot load the graph, or leaves operators of its own.
    """
    options = onnxruntime.SessionOptions()
    # Higher levels write operators that only ONNX Runtime knows.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "folded.onnx"
        options.optimized_model_filepath = str(path)
        try:
            onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
            result = onnx.load(path)
        except Exception as error:
            raise EngineError(
                f"The graph cannot be folded: {error}", fix="Run `seamwatch models verify`."
            ) from error
    foreign = sorted({node.op_type for node in result.graph.node if node.domain not in STANDARD_DOMAINS})
    if foreign:
        raise EngineError(
            f"Folding the graph left operators that are not ONNX's: {', '.join(foreign)}.",
            fix="Install another version of onnxruntime.",
        )
    opsets = [opset for opset in result.opset_import if opset.domain in STANDARD_DOMAINS]
    del result.opset_import[:]
    result.opset_import.extend(opsets)
    return result
