"""Tiny ONNX graphs made on the spot."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper

FreeShape = Sequence[int | str]


def make_model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, FreeShape],
    outputs: Mapping[str, FreeShape],
    weights: Mapping[str, np.ndarray] | None = None,
) -> onnx.ModelProto:
    """Return a float32 model that any supported ONNX Runtime reads."""

    def values(shapes):
        return [
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
            for name, shape in shapes.items()
        ]

    initializers = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    graph = helper.make_graph(list(nodes), "test", values(inputs), values(outputs), initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
