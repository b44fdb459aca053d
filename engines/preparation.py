"""From a pinned source file to the ONNX graph that runs: cleaned, free in shape, named by the contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import onnx
from onnx import helper, numpy_helper

from engines import graphs, tflite_import
from engines.contracts import CONTRACTS
from engines.ctranslate2_import import read_weights
from engines.errors import EngineError
from engines.folding import folded, with_fixed_shapes
from engines.silero_graph import over_chunks
from engines.spec import Role
from engines.whisper_graph import whisper_prefix

PREPARATION_VERSION = 4
"""Raised whenever a preparation changes what it writes."""

SFACE_DIMENSION = 128
_WHISPER_LAYERS, _WHISPER_HEADS = 2, 6


def prepare(role: Role, source: bytes) -> bytes:
    """Turn the source file of a role's pinned model into the graph that its engine runs.

    Args:
        role: Which of the models it is.
        source: The file's content.

    Returns:
        A serialised ONNX model with the names of the role's contract.

    Raises:
        EngineError: If the file cannot be parsed or holds operators that are not known.
    """
    return _PREPARATIONS[role](source)


def parse(source: bytes) -> onnx.ModelProto:
    """Parse a serialised ONNX model.

    Raises:
        EngineError: If it is not one.
    """
    try:
        return onnx.load_model_from_string(source)
    except Exception as error:
        raise EngineError(
            "The model file is not an ONNX model.", fix="Use the original model file."
        ) from error


def prepare_identity(graph: onnx.GraphProto, dimension: int) -> None:
    """Edit a face recogniser with one input and one output to keep to the identity contract.

    Args:
        graph: The recogniser; its input has the shape (batch, 3, 112, 112). Changed in place.
        dimension: Length of its embeddings.
    """
    graphs.strip_initializers_from_inputs(graph)
    graphs.rewrite_prelu(graph)
    graphs.forget_inner_shapes(graph)
    graphs.rename_tensors(graph, {graph.input[0].name: "faces", graph.output[0].name: "embedding"})
    graphs.set_shapes(graph.input, {"faces": ["n", 3, 112, 112]})
    graphs.set_shapes(graph.output, {"embedding": ["n", dimension]})


def _sface(source: bytes) -> bytes:
    model = parse(source)
    prepare_identity(model.graph, SFACE_DIMENSION)
    return bytes(model.SerializeToString())


def _yunet(source: bytes) -> bytes:
    model = parse(source)
    graph = model.graph
    graphs.forget_inner_shapes(graph)
    graphs.rename_tensors(graph, {graph.input[0].name: "image"})
    graphs.set_shapes(graph.input, {"image": [1, 3, "height", "width"]})
    for output in graph.output:
        stride = output.name.partition("_")[2]
        width = output.type.tensor_type.shape.dim[2].dim_value
        graphs.set_shapes([output], {output.name: [1, f"cells_{stride}", width]})
    return bytes(model.SerializeToString())


def _face_mesh(source: bytes) -> bytes:
    model = tflite_import.convert(source)
    graph = model.graph
    graphs.rewrite_prelu(graph)
    faces = graph.input[0].name
    landmarks, confidence = (output.name for output in graph.output)
    del graph.input[:], graph.output[:]
    graph.input.append(_float_tensor("faces", ["n", 192, 192, 3]))
    graph.output.append(_float_tensor("landmarks", ["n", 468, 3]))
    graph.output.append(_float_tensor("confidence", ["n"]))
    graph.node.insert(0, helper.make_node("Transpose", ["faces"], [faces], perm=[0, 3, 1, 2]))
    for source_name, name, shape in (
        (landmarks, "landmarks", [-1, 468, 3]),
        (confidence, "confidence", [-1]),
    ):
        graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), f"{name}/shape"))
        graph.node.append(helper.make_node("Reshape", [source_name, f"{name}/shape"], [name]))
    return bytes(model.SerializeToString())


def _silero(source: bytes) -> bytes:
    contract = CONTRACTS[Role.VAD]
    one_chunk = {
        name: replace(tensor, shape=tuple(size or 1 for size in tensor.shape))
        for name, tensor in {**contract.inputs, **contract.outputs}.items()
    }
    model = folded(with_fixed_shapes(parse(source), one_chunk))
    return bytes(over_chunks(model).SerializeToString())


def _whisper(source: bytes) -> bytes:
    model = whisper_prefix(read_weights(source), layers=_WHISPER_LAYERS, heads=_WHISPER_HEADS)
    return bytes(model.SerializeToString())


def _float_tensor(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)


_PREPARATIONS: Mapping[Role, Callable[[bytes], bytes]] = {
    Role.DETECTOR: _yunet,
    Role.IDENTITY: _sface,
    Role.LANDMARKS: _face_mesh,
    Role.VAD: _silero,
    Role.SPEECH: _whisper,
}
