"""Turns a float32 TFLite convolution network into an ONNX graph.

It knows the operators that MediaPipe's face landmark model uses and no others. TFLite keeps activations as
NHWC and filters as OHWI; the ONNX graph works on NCHW throughout, so nothing is transposed at run time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import tflite as untyped_tflite
from onnx import helper, numpy_helper

from engines.errors import EngineError

# The generated schema classes carry no annotations.
tflite: Any = untyped_tflite

OPSET = 17
IR_VERSION = 8

_NHWC_TO_NCHW = (0, 3, 1, 2)
_FIX = "Use the pinned model file; other TFLite files may need operators that are not known here."
_OPERATOR_NAMES = {code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)}


def convert(data: bytes) -> onnx.ModelProto:
    """Convert a TFLite file.

    Args:
        data: Content of a verified file: one subgraph, float32, batch 1.

    Returns:
        The same network with the file's tensor names, NCHW inputs and outputs, and a free batch dimension.

    Raises:
        EngineError: If it is no TFLite file or holds an operator that is not known.
    """
    if data[4:8] != b"TFL3":
        raise EngineError("The landmark model is not a TFLite file.", fix=_FIX)
    model = tflite.Model.GetRootAsModel(data, 0)
    if model.SubgraphsLength() != 1:
        raise EngineError("The TFLite file holds more than one graph.", fix=_FIX)
    return _Conversion(model).run()


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return TFLite's SAME padding before and after one dimension; the odd element goes after.

    Args:
        size: Input length.
        kernel: Filter length.
        stride: Step of the filter.
    """
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class _Conversion:
    """One pass over the operators of a TFLite graph, in their order."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._graph = model.Subgraphs(0)
        self._nodes: list[onnx.NodeProto] = []
        self._weights: dict[str, onnx.TensorProto] = {}
        self._operators: dict[int, Callable[[Any], None]] = {
            tflite.BuiltinOperator.CONV_2D: self._convolution,
            tflite.BuiltinOperator.DEPTHWISE_CONV_2D: self._depthwise_convolution,
            tflite.BuiltinOperator.PRELU: self._prelu,
            tflite.BuiltinOperator.ADD: self._add,
            tflite.BuiltinOperator.MAX_POOL_2D: self._max_pool,
            tflite.BuiltinOperator.PAD: self._pad,
        }

    def run(self) -> onnx.ModelProto:
        for index in range(self._graph.OperatorsLength()):
            operator = self._graph.Operators(index)
            code = _builtin_code(self._model.OperatorCodes(operator.OpcodeIndex()))
            if code not in self._operators:
                name = _OPERATOR_NAMES.get(code, str(code))
                raise EngineError(f"The TFLite operator {name} is not known.", fix=_FIX)
            self._operators[code](operator)
        inputs = [self._value(index) for index in self._graph.InputsAsNumpy()]
        outputs = [self._value(index) for index in self._graph.OutputsAsNumpy()]
        graph = helper.make_graph(self._nodes, "tflite", inputs, outputs, list(self._weights.values()))
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)

    def _name(self, index: int) -> str:
        return str(self._graph.Tensors(index).Name().decode())

    def _shape(self, index: int) -> list[int]:
        return [int(size) for size in self._graph.Tensors(index).ShapeAsNumpy()]

    def _value(self, index: int) -> onnx.ValueInfoProto:
        _, height, width, channels = self._shape(index)
        return helper.make_tensor_value_info(
            self._name(index), onnx.TensorProto.FLOAT, ["n", channels, height, width]
        )

    def _constant(self, index: int, dtype: type[np.generic] = np.float32) -> npt.NDArray[Any]:
        tensor = self._graph.Tensors(index)
        kinds: dict[type[np.generic], int] = {
            np.float32: tflite.TensorType.FLOAT32,
            np.int32: tflite.TensorType.INT32,
        }
        buffer = self._model.Buffers(tensor.Buffer())
        if tensor.Type() != kinds[dtype] or buffer.DataLength() == 0:
            raise EngineError(f"{self._name(index)!r} is not a {dtype.__name__} constant.", fix=_FIX)
        return np.frombuffer(buffer.DataAsNumpy().tobytes(), dtype).reshape(self._shape(index))

    def _weight(self, index: int, array: npt.NDArray[Any]) -> str:
        name = self._name(index)
        self._weights[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def _emit(self, kind: str, operator: Any, inputs: list[str], **attributes: Any) -> None:
        output = self._name(operator.Outputs(0))
        self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))

    def _convolution(self, operator: Any) -> None:
        options = _options(operator, tflite.Conv2DOptions)
        kernel = self._constant(operator.Inputs(1)).transpose(_NHWC_TO_NCHW)
        self._emit_convolution(operator, options, kernel, group=1)

    def _depthwise_convolution(self, operator: Any) -> None:
        options = _options(operator, tflite.DepthwiseConv2DOptions)
        if options.DepthMultiplier() != 1:
            raise EngineError("A depthwise convolution with a depth multiplier is not known.", fix=_FIX)
        kernel = self._constant(operator.Inputs(1)).transpose(3, 0, 1, 2)
        self._emit_convolution(operator, options, kernel, group=kernel.shape[0])

    def _emit_convolution(
        self, operator: Any, options: Any, kernel: npt.NDArray[np.float32], *, group: int
    ) -> None:
        _refuse_activation(options)
        if (options.DilationHFactor(), options.DilationWFactor()) != (1, 1):
            raise EngineError("A dilated convolution is not known.", fix=_FIX)
        source, weights, bias = (operator.Inputs(index) for index in range(3))
        self._emit(
            "Conv",
            operator,
            [
                self._name(source),
                self._weight(weights, kernel),
                self._weight(bias, self._constant(bias)),
            ],
            group=group,
            strides=[options.StrideH(), options.StrideW()],
            pads=self._pads(source, options, kernel.shape[2], kernel.shape[3]),
        )

    def _pads(self, source: int, options: Any, kernel_height: int, kernel_width: int) -> list[int]:
        if options.Padding() == tflite.Padding.VALID:
            return [0, 0, 0, 0]
        _, height, width, _ = self._shape(source)
        top, bottom = same_padding(height, kernel_height, options.StrideH())
        left, right = same_padding(width, kernel_width, options.StrideW())
        return [top, left, bottom, right]

    def _prelu(self, operator: Any) -> None:
        source, alpha = operator.Inputs(0), operator.Inputs(1)
        slope = self._constant(alpha)
        if slope.shape[:-1] != (1, 1):
            raise EngineError("A PReLU whose slope varies over the picture is not known.", fix=_FIX)
        self._emit("PRelu", operator, [self._name(source), self._weight(alpha, slope.reshape(-1, 1, 1))])

    def _add(self, operator: Any) -> None:
        _refuse_activation(_options(operator, tflite.AddOptions))
        if self._shape(operator.Inputs(0)) != self._shape(operator.Inputs(1)):
            raise EngineError("A sum of different shapes is not known.", fix=_FIX)
        self._emit("Add", operator, [self._name(operator.Inputs(0)), self._name(operator.Inputs(1))])

    def _max_pool(self, operator: Any) -> None:
        options = _options(operator, tflite.Pool2DOptions)
        _refuse_activation(options)
        source = operator.Inputs(0)
        kernel = [options.FilterHeight(), options.FilterWidth()]
        self._emit(
            "MaxPool",
            operator,
            [self._name(source)],
            kernel_shape=kernel,
            strides=[options.StrideH(), options.StrideW()],
            pads=self._pads(source, options, *kernel),
        )

    def _pad(self, operator: Any) -> None:
        """Append zero channels by a 1x1 convolution: unlike Pad it keeps the blocked layout of a runtime."""
        source = operator.Inputs(0)
        paddings = self._constant(operator.Inputs(1), np.int32)
        if paddings[:3].any() or paddings[3, 0]:
            raise EngineError("Padding other than channels at the end is not known.", fix=_FIX)
        channels = self._shape(source)[3]
        identity = np.eye(channels + int(paddings[3, 1]), channels, dtype=np.float32)[..., None, None]
        self._emit("Conv", operator, [self._name(source), self._weight(operator.Inputs(1), identity)])


def _builtin_code(operator_code: Any) -> int:
    # Files older than schema version 3a carry the code in the deprecated byte only.
    return max(int(operator_code.BuiltinCode()), int(operator_code.DeprecatedBuiltinCode()))


def _options(operator: Any, kind: type[Any]) -> Any:
    table = operator.BuiltinOptions()
    options = kind()
    options.Init(table.Bytes, table.Pos)
    return options


def _refuse_activation(options: Any) -> None:
    if options.FusedActivationFunction() != tflite.ActivationFunctionType.NONE:
        raise EngineError("A fused activation function is not known.", fix=_FIX)
