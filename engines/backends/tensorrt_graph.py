"""From a prepared graph to the one that TensorRT parses: without branches, in the wanted precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engines.backends.tensorrt_precision import to_mixed_fp16
from engines.folding import folded, with_fixed_shapes
from engines.preparation import parse
from engines.spec import TensorSpec


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
    model = folded(with_fixed_shapes(parse(graph), inputs))
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
