"""Edits of ONNX graphs that make them faster or their shapes free, and leave their results alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper

from engines.errors import EngineError

FreeShape = Sequence[int | str]


def strip_initializers_from_inputs(graph: onnx.GraphProto) -> None:
    """Remove weights from the list of graph inputs.

    A caller may override a weight that is listed as an input, so a runtime can fold nothing into it.
    """
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    del graph.input[:]
    graph.input.extend(inputs)


def rewrite_prelu(graph: onnx.GraphProto) -> None:
    """Replace every PRelu by ``a x + (1 - a) max(x, 0)``, which equals it for every slope ``a``.

    ONNX Runtime's CPU kernel for PRelu is slow and breaks its blocked convolution layout; it keeps the layout
    through Mul, Relu and Add. Where no slope is above 1 the second term is ``max((1 - a) x, 0)``: a Relu that
    follows a Mul is done in the same pass.

    Raises:
        EngineError: If a slope is not a constant of the graph.
    """
    weights = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type != "PRelu":
            nodes.append(node)
            continue
        x, slope = node.input
        (y,) = node.output
        if slope not in weights:
            raise EngineError(
                f"The slope {slope!r} of a PRelu is not a constant.", fix="Export the model with constants."
            )
        rest = numpy_helper.from_array(
            np.float32(1) - numpy_helper.to_array(weights[slope]), f"{y}/one_minus_slope"
        )
        graph.initializer.append(rest)
        linear, positive, scaled = f"{y}/linear", f"{y}/positive", f"{y}/scaled"
        nodes.append(helper.make_node("Mul", [x, slope], [linear]))
        if (numpy_helper.to_array(rest) >= 0).all():
            nodes += [
                helper.make_node("Mul", [x, rest.name], [scaled]),
                helper.make_node("Relu", [scaled], [positive]),
                helper.make_node("Add", [linear, positive], [y]),
            ]
        else:
            nodes += [
                helper.make_node("Relu", [x], [positive]),
                helper.make_node("Mul", [positive, rest.name], [scaled]),
                helper.make_node("Add", [linear, scaled], [y]),
            ]
    del graph.node[:]
    graph.node.extend(nodes)


def rename_tensors(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Rename inputs, outputs and everything that refers to them; graphs with subgraphs are not followed."""
    for node in graph.node:
        for field in (node.input, node.output):
            for index, name in enumerate(field):
                field[index] = names.get(name, name)
    for value in (*graph.input, *graph.output):
        value.name = names.get(value.name, value.name)
    for weights in graph.initializer:
        weights.name = names.get(weights.name, weights.name)


def set_shapes(values: Iterable[onnx.ValueInfoProto], shapes: Mapping[str, FreeShape]) -> None:
    """Declare float32 shapes of inputs or outputs; a string names a free dimension."""
    for value in values:
        if value.name in shapes:
            value.type.CopyFrom(helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, shapes[value.name]))


def forget_inner_shapes(graph: onnx.GraphProto) -> None:
    """Drop recorded shapes of inner tensors, which stop being true once the inputs' shapes are free."""
    del graph.value_info[:]


def normalise_input(graph: onnx.GraphProto, name: str, *, mean: float, scale: float) -> None:
    """Make the graph compute ``(x - mean) * scale`` of an input before anything else uses it."""
    centred, normalised = f"{name}/centred", f"{name}/normalised"
    rename_tensors(graph, {name: normalised})
    for value in graph.input:
        if value.name == normalised:
            value.name = name
    for label, number in (("mean", mean), ("scale", scale)):
        graph.initializer.append(numpy_helper.from_array(np.asarray(number, np.float32), f"{name}/{label}"))
    steps = [
        helper.make_node("Sub", [name, f"{name}/mean"], [centred]),
        helper.make_node("Mul", [centred, f"{name}/scale"], [normalised]),
    ]
    nodes = [*steps, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
