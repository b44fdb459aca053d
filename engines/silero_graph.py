"""Silero VAD over several chunks in one run: what was its batch becomes the steps of its LSTM."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from engines import graphs
from engines.errors import EngineError

_STATE_SIZE = 128


def over_chunks(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph with a free number of chunks, oldest first, where it had one.

    The convolutions see a batch of chunks, the LSTM a sequence of them, and what follows the LSTM its output
    at every step in place of the last one alone.

    Args:
        model: For one chunk of a fixed size, without branches; ``input`` (1, n), ``output`` (1, 1).

    Raises:
        EngineError: If the graph is built in another way.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    made_by = {output: node for node in graph.node for output in node.output}
    cells = [node for node in graph.node if node.op_type == "LSTM"]
    heads = [
        node
        for node in graph.node
        if node.op_type == "Unsqueeze" and _follows(node, made_by, cells) and _feeds(node, graph, "Relu")
    ]
    if len(cells) != 1 or len(heads) != 1 or made_by[cells[0].input[0]].op_type != "Unsqueeze":
        raise EngineError("The graph is no Silero VAD that is known.", fix="Run `seamwatch models verify`.")
    (cell,), (head,) = cells, heads
    _give(graph, "chunks/batch_axis", [1])
    made_by[cell.input[0]].input[1] = "chunks/batch_axis"
    _give(graph, "chunks/steps", [-1, _STATE_SIZE, 1])
    head.op_type = "Reshape"
    head.input[:] = [cell.output[0], "chunks/steps"]
    graphs.forget_inner_shapes(graph)
    samples = graph.input[0].type.tensor_type.shape.dim[1].dim_value
    graphs.set_shapes(graph.input, {"input": ["chunks", samples]})
    graphs.set_shapes(graph.output, {"output": ["chunks", 1]})
    return result


def _follows(node: onnx.NodeProto, made_by: dict[str, onnx.NodeProto], cells: list[onnx.NodeProto]) -> bool:
    """Say whether a node takes the squeezed last hidden state."""
    before = made_by.get(node.input[0])
    return before is not None and any(before.input[0] == cell.output[1] for cell in cells)


def _feeds(node: onnx.NodeProto, graph: onnx.GraphProto, operator: str) -> bool:
    return any(node.output[0] in other.input for other in graph.node if other.op_type == operator)


def _give(graph: onnx.GraphProto, name: str, values: list[int]) -> None:
    graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), name))
