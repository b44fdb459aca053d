"""The first layers of a Whisper encoder as an ONNX graph: speech features that hardly depend on the speaker.

The lower layers see sounds, the upper ones words. Only as many as are used are built, and the table of
positions, fixed sinusoids, ends with the sound instead of after 30 s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from engines.errors import EngineError

Float32 = npt.NDArray[np.float32]

_OPSET = 17
_IR_VERSION = 8
_NORM_EPSILON = 1e-5


def whisper_prefix(weights: Mapping[str, Float32], *, layers: int, heads: int) -> onnx.ModelProto:
    """Build the graph.

    Args:
        weights: Of a Whisper model in CTranslate2's names; ``W`` maps (..., in) to (..., out) by ``x W^T``.
        layers: Transformer layers, at least one.
        heads: Attention heads of each.

    Returns:
        A model from ``mel`` float32 (n, 2 P, bins), as from ``engines.frontend.mel``, to ``features``
        float32 (n, P, width): the state after the last of the layers.

    Raises:
        EngineError: If a weight is missing.
    """
    try:
        return _Builder(weights, heads).build(layers)
    except KeyError as error:
        raise EngineError(
            f"The Whisper model lacks {error.args[0]}.", fix="Use the original model file."
        ) from error


class _Builder:
    def __init__(self, weights: Mapping[str, Float32], heads: int) -> None:
        self._weights, self._heads = weights, heads
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._made = 0

    def build(self, layers: int) -> onnx.ModelProto:
        bins = self._weights["encoder/conv1/weight"].shape[1]
        width = self._weights["encoder/conv1/weight"].shape[0]
        x = self._node("Transpose", ["mel"], perm=[0, 2, 1])
        x = self._gelu(self._convolution(x, "encoder/conv1", stride=1))
        x = self._gelu(self._convolution(x, "encoder/conv2", stride=2))
        x = self._add_positions(self._node("Transpose", [x], perm=[0, 2, 1]))
        for layer in range(layers):
            x = self._layer(x, f"encoder/layer_{layer}", width)
        self._nodes.append(helper.make_node("Identity", [x], ["features"]))
        graph = helper.make_graph(
            self._nodes,
            "whisper_prefix",
            [helper.make_tensor_value_info("mel", onnx.TensorProto.FLOAT, ["n", "2 positions", bins])],
            [helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, ["n", "positions", width])],
            list(self._constants.values()),
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)])
        model.ir_version = _IR_VERSION
        return model

    def _layer(self, x: str, scope: str, width: int) -> str:
        attended = self._attention(self._norm(x, f"{scope}/self_attention/layer_norm"), scope, width)
        x = self._node("Add", [x, attended])
        hidden = self._linear(self._norm(x, f"{scope}/ffn/layer_norm"), f"{scope}/ffn/linear_0")
        return self._node("Add", [x, self._linear(self._gelu(hidden), f"{scope}/ffn/linear_1")])

    def _attention(self, x: str, scope: str, width: int) -> str:
        head = width // self._heads
        joined = self._linear(x, f"{scope}/self_attention/linear_0")
        split = self._node("Reshape", [joined, self._constant("heads", np.array([0, 0, 3, -1, head]))])
        ordered = self._node("Transpose", [split], perm=[2, 0, 3, 1, 4])
        query, key, value = (
            self._node("Gather", [ordered, self._constant(f"index_{i}", np.array(i))], axis=0)
            for i in range(3)
        )
        scaled = self._node("Mul", [query, self._constant("scale", np.float32(head**-0.5))])
        scores = self._node("MatMul", [scaled, self._node("Transpose", [key], perm=[0, 1, 3, 2])])
        mixed = self._node("MatMul", [self._node("Softmax", [scores], axis=-1), value])
        merged = self._node("Transpose", [mixed], perm=[0, 2, 1, 3])
        flat = self._node("Reshape", [merged, self._constant("flat", np.array([0, 0, width]))])
        return self._linear(flat, f"{scope}/self_attention/linear_1")

    def _add_positions(self, x: str) -> str:
        table = self._weights["encoder/position_encodings/encodings"]
        length = self._node(
            "Gather", [self._node("Shape", [x]), self._constant("one", np.array([1]))], axis=0
        )
        zero = self._constant("zero", np.array([0]))
        part = self._node("Slice", [self._constant("positions", table), zero, length, zero])
        return self._node("Add", [x, part])

    def _convolution(self, x: str, scope: str, *, stride: int) -> str:
        parameters = [self._weight(f"{scope}/weight"), self._weight(f"{scope}/bias")]
        return self._node("Conv", [x, *parameters], kernel_shape=[3], strides=[stride], pads=[1, 1])

    def _linear(self, x: str, scope: str) -> str:
        weight = self._constant(f"{scope}/weight", self._weights[f"{scope}/weight"].T)
        return self._node("Add", [self._node("MatMul", [x, weight]), self._weight(f"{scope}/bias")])

    def _norm(self, x: str, scope: str) -> str:
        parameters = [self._weight(f"{scope}/gamma"), self._weight(f"{scope}/beta")]
        return self._node("LayerNormalization", [x, *parameters], axis=-1, epsilon=_NORM_EPSILON)

    def _gelu(self, x: str) -> str:
        """0.5 x (1 + erf(x / sqrt 2)), in the form that runtimes recognise."""
        scaled = self._node("Div", [x, self._constant("sqrt_2", np.float32(np.sqrt(2.0)))])
        grown = self._node("Add", [self._node("Erf", [scaled]), self._constant("float_one", np.float32(1.0))])
        return self._node("Mul", [self._node("Mul", [x, grown]), self._constant("half", np.float32(0.5))])

    def _weight(self, name: str) -> str:
        return self._constant(name, self._weights[name])

    def _constant(self, name: str, values: npt.ArrayLike) -> str:
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.asarray(values, order="C"), name)
        return name

    def _node(self, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
        self._made += 1
        output = f"{kind.lower()}_{self._made}"
        self._nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output
