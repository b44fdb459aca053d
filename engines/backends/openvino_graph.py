"""Edits that make a prepared graph one that OpenVINO can read and runs well; results stay as they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper

from engines.errors import EngineError
from engines.preparation import parse
from engines.spec import EngineSpec


def adapt_graph(graph: bytes, spec: EngineSpec) -> bytes:
    """Return the graph for OpenVINO.

    Args:
        graph: A prepared graph.
        spec: Its contract.

    Raises:
        EngineError: If the graph cannot be read, or branches on the values of its inputs: OpenVINO reads
            no convolution behind a branch.
    """
    model = parse(graph)
    if any(node.op_type == "If" for node in model.graph.node):
        raise EngineError(
            f"The graph of {spec.model} branches on the values of its inputs.",
            fix="Run this encoder with the backend onnxruntime.",
        )
    restore_prelu(model.graph)
    return bytes(model.SerializeToString())


def restore_prelu(graph: onnx.GraphProto) -> None:
    """Undo ``engines.graphs.rewrite_prelu``, which helps ONNX Runtime and costs OpenVINO a fifth."""
    made_by = {output: node for node in graph.node for output in node.output}
    uses = Counter(name for node in graph.node for name in node.input)
    weights = {tensor.name: tensor for tensor in graph.initializer}
    replaced: set[str] = set()
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        parts = _prelu_parts(node, made_by, weights) if node.op_type == "Add" else None
        if parts is None or any(uses[name] != 1 for name in parts.inner):
            nodes.append(node)
            continue
        replaced.update(parts.inner)
        nodes.append(helper.make_node("PRelu", [parts.x, parts.slope], [node.output[0]]))
    kept = [node for node in nodes if node.output[0] not in replaced]
    del graph.node[:]
    graph.node.extend(kept)


class _PreluParts:
    """``Add(Mul(x, slope), Mul(Relu(x), rest))`` or ``Add(Mul(x, slope), Relu(Mul(x, rest)))``: its names."""

    def __init__(self, linear: onnx.NodeProto, inner: onnx.NodeProto, outer: onnx.NodeProto) -> None:
        self.x, self.slope = linear.input
        self.inner = (linear.output[0], inner.output[0], outer.output[0])


def _prelu_parts(
    node: onnx.NodeProto, made_by: Mapping[str, onnx.NodeProto], weights: Mapping[str, onnx.TensorProto]
) -> _PreluParts | None:
    linear, outer = (made_by.get(name) for name in node.input)
    if linear is None or outer is None or linear.op_type != "Mul" or outer.op_type not in ("Mul", "Relu"):
        return None
    inner = made_by.get(outer.input[0])
    if inner is None or {inner.op_type, outer.op_type} != {"Mul", "Relu"}:
        return None
    scaling = outer if outer.op_type == "Mul" else inner
    slope, rest = weights.get(linear.input[1]), weights.get(scaling.input[1])
    if slope is None or rest is None or inner.input[0] != linear.input[0]:
        return None
    factor = numpy_helper.to_array(rest)
    if not np.array_equal(np.float32(1) - numpy_helper.to_array(slope), factor):
        return None
    if scaling is inner and (factor < 0).any():
        return None
    return _PreluParts(linear, inner, outer)
