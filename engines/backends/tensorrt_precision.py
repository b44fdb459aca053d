"""A graph in fp32 to one in mixed fp16, for networks whose types are those of the graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from engines.errors import EngineError

HEAVY: Final = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Operations that run in fp16: nearly all the arithmetic is in them, and they add up in fp32."""

SENSITIVE: Final = frozenset(
    {
        "BatchNormalization",
        "Cast",
        "Exp",
        "GroupNormalization",
        "GRU",
        "InstanceNormalization",
        "LayerNormalization",
        "Log",
        "LogSoftmax",
        "LpNormalization",
        "LSTM",
        "Pow",
        "Reciprocal",
        "ReduceL2",
        "ReduceLogSumExp",
        "ReduceMean",
        "ReduceSum",
        "ReduceSumSquare",
        "RNN",
        "Softmax",
        "Sqrt",
    }
)
"""Operations that stay in fp32: sums of squares leave the range of fp16, and roundings add up in a state."""

_ALWAYS_FLOAT_INPUTS: Final[Mapping[str, frozenset[int]]] = {"Resize": frozenset({1, 2})}
_HALF_MAX: Final = float(np.finfo(np.float16).max)


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedGraph:
    """A graph in mixed precision.

    Attributes:
        model: Inputs and outputs are float32.
        half_nodes: Operations on floating-point numbers in fp16.
        float_nodes: Those in fp32; casts are not counted.
    """

    model: onnx.ModelProto
    half_nodes: int
    float_nodes: int


def to_mixed_fp16(model: onnx.ModelProto) -> MixedGraph:
    """Let convolutions and matrix products, and the light operations between them, run in fp16.

    Operations of :data:`HEAVY` are fp16, those of :data:`SENSITIVE` fp32. Any other one goes on in the
    precision of what it reads: fp16 only if all of it is, and a heavy operation is still to come. So the
    arithmetic before the first and after the last of them is fp32, and so are inputs and outputs.

    Args:
        model: All in fp32, in topological order; it is left as it is.

    Raises:
        EngineError: If the model has branches, a type cannot be inferred, or a weight exceeds fp16.
    """
    return _Conversion(model).run()


class _Conversion:
    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = onnx.ModelProto()
        self._model.CopyFrom(model)
        self._graph = self._model.graph
        self._lift_constants()
        self._weights = {tensor.name: tensor for tensor in self._graph.initializer}
        self._float = self._float_tensors()
        self._half: set[str] = set()
        self._casts: dict[tuple[str, bool], str] = {}
        self._nodes: list[onnx.NodeProto] = []

    def run(self) -> MixedGraph:
        last_heavy = self._leads_to_heavy()
        outputs = {value.name for value in self._graph.output}
        counts = {True: 0, False: 0}
        for index, node in enumerate(self._graph.node):
            inputs = [name for name in node.input if name in self._float]
            produced = [name for name in node.output if name in self._float]
            if not inputs and not produced:
                self._nodes.append(node)
                continue
            half = self._is_half(node, inputs, leads_to_heavy=last_heavy[index])
            counts[half] += 1
            fixed = _ALWAYS_FLOAT_INPUTS.get(node.op_type, frozenset())
            for position, name in enumerate(node.input):
                if name in self._float:
                    node.input[position] = self._as(name, half=half and position not in fixed)
            self._nodes.append(node)
            if half:
                self._give_half(node, produced, outputs)
        self._finish()
        return MixedGraph(model=self._model, half_nodes=counts[True], float_nodes=counts[False])

    def _is_half(self, node: onnx.NodeProto, inputs: list[str], *, leads_to_heavy: bool) -> bool:
        if node.op_type in HEAVY:
            return True
        if node.op_type in SENSITIVE or not leads_to_heavy:
            return False
        computed = [name for name in inputs if name not in self._weights]
        return bool(computed) and all(name in self._half for name in computed)

    def _leads_to_heavy(self) -> list[bool]:
        """Say for each node whether a heavy one comes after it on some path."""
        wanted: set[str] = set()
        leads = [False] * len(self._graph.node)
        for index in reversed(range(len(leads))):
            node = self._graph.node[index]
            leads[index] = any(name in wanted for name in node.output)
            if leads[index] or node.op_type in HEAVY:
                wanted.update(node.input)
        return leads

    def _as(self, name: str, *, half: bool) -> str:
        """Return the name under which a tensor is there in a precision, making it if need be."""
        if name in self._weights:
            return self._half_weight(name) if half else name
        if (name in self._half) == half:
            return name
        key = (name, half)
        if key not in self._casts:
            self._casts[key] = f"{name}/{'half' if half else 'float'}"
            self._nodes.append(_cast(name, self._casts[key], half=half))
        return self._casts[key]

    def _half_weight(self, name: str) -> str:
        key = (name, True)
        if key not in self._casts:
            values = numpy_helper.to_array(self._weights[name])
            if values.size and np.abs(values).max() > _HALF_MAX:
                raise EngineError(
                    f"The weight {name!r} is too large for fp16.", fix="Choose --precision fp32."
                )
            self._casts[key] = f"{name}/half"
            self._graph.initializer.append(
                numpy_helper.from_array(values.astype(np.float16), self._casts[key])
            )
        return self._casts[key]

    def _give_half(self, node: onnx.NodeProto, produced: list[str], outputs: set[str]) -> None:
        for position, name in enumerate(node.output):
            if name not in produced:
                continue
            if name not in outputs:
                self._half.add(name)
                continue
            raw = f"{name}/raw"
            node.output[position] = raw
            self._nodes.append(_cast(raw, name, half=False))

    def _lift_constants(self) -> None:
        """Turn nodes that hold a constant tensor into weights."""
        kept = []
        for node in self._graph.node:
            value = next((a for a in node.attribute if a.name == "value"), None)
            if node.op_type == "Constant" and value is not None:
                tensor = value.t
                tensor.name = node.output[0]
                self._graph.initializer.append(tensor)
            else:
                kept.append(onnx.NodeProto.FromString(node.SerializeToString()))
        del self._graph.node[:]
        self._graph.node.extend(kept)

    def _float_tensors(self) -> set[str]:
        for node in self._graph.node:
            if any(a.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for a in node.attribute):
                raise EngineError(
                    f"The graph branches at a node {node.op_type}.", fix="Choose --precision fp32."
                )
        inferred = onnx.shape_inference.infer_shapes(self._model, strict_mode=True).graph
        types = {
            value.name: value.type.tensor_type.elem_type
            for value in (*inferred.input, *inferred.output, *inferred.value_info)
        }
        types |= {tensor.name: tensor.data_type for tensor in self._graph.initializer}
        unknown = [
            name for node in self._graph.node for name in node.output if name and not types.get(name, 0)
        ]
        if unknown:
            raise EngineError(f"The type of {unknown[0]!r} is not known.", fix="Choose --precision fp32.")
        return {name for name, kind in types.items() if kind == TensorProto.FLOAT}

    def _finish(self) -> None:
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)
        del self._graph.value_info[:]
        read = {name for node in self._nodes for name in node.input}
        kept = [tensor for tensor in self._graph.initializer if tensor.name in read]
        del self._graph.initializer[:]
        self._graph.initializer.extend(kept)


def _cast(name: str, result: str, *, half: bool) -> onnx.NodeProto:
    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    return helper.make_node("Cast", [name], [result], to=kind)
