"""ONNX Runtime on the CPU: the prepared graph, cleaned, in fp32 or in int8.

A cleaned graph holds standard operators only: constants are folded and normalisations are part of their
convolutions. ONNX Runtime could also store what it does afterwards: fused operators, and weights laid out
for the processor's vectors. It is done at every load instead, because such a file is bound to one version
and one vector width, and loading takes a tenth of a second at most.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import onnx
import onnx.version_converter

from engines.backends.base import BackendName, BuildRequest, BuiltEngine, Calibration, Inputs, Precision
from engines.backends.host import VNNI, cpu_features, cpu_fingerprint
from engines.base import Engine
from engines.errors import EngineError
from engines.folding import folded
from engines.onnxruntime_engine import OnnxRuntimeEngine, onnxruntime
from engines.preparation import parse
from engines.spec import EngineSpec, Role

GRAPH_NAME = "graph.onnx"

_QUANTISED_OPERATORS = ["Conv", "MatMul", "Gemm"]
_PER_CHANNEL_OPSET = 13


class OnnxRuntimeBackend:
    """The embedded default."""

    name: BackendName = "onnxruntime"
    precisions: frozenset[Precision] = frozenset({"fp32", "int8"})
    roles: frozenset[Role] = frozenset(Role)

    def require(self) -> None:
        """ONNX Runtime is always installed."""

    def fingerprint(self) -> str:
        """Return processor and version; see ``engines.backends.base.Backend.fingerprint``."""
        return f"{cpu_fingerprint()}; onnxruntime {onnxruntime.__version__}"

    def build(self, request: BuildRequest) -> BuiltEngine:
        """Clean and, for int8, quantise the graph; see ``engines.backends.base.Backend.build``."""
        notes: tuple[str, ...] = ()
        graph = bytes(folded(parse(request.graph)).SerializeToString())
        if request.precision == "int8":
            if request.calibration is None:
                raise EngineError(
                    f"int8 for {request.role.value} needs inputs to choose its ranges by.",
                    fix="Name clips with --clips.",
                )
            graph = _quantise(graph, request.calibration, request.spec)
            notes = (f"int8 in {', '.join(_QUANTISED_OPERATORS)}; the rest is fp32.",)
        elif request.precision not in self.precisions:
            raise EngineError(
                f"ONNX Runtime does not run {request.precision} on the CPU.",
                fix=f"Choose among {', '.join(sorted(self.precisions))}.",
            )
        return BuiltEngine(
            files={GRAPH_NAME: graph},
            versions={"onnxruntime": str(onnxruntime.__version__), "onnx": str(onnx.__version__)},
            device="cpu",
            device_fingerprint=self.fingerprint(),
            notes=notes,
        )

    def load(self, files: Mapping[str, bytes], spec: EngineSpec) -> Engine:
        """Load a built graph; see ``engines.backends.base.Backend.load``."""
        return OnnxRuntimeEngine(files[GRAPH_NAME], spec)


class _Reader:
    """Gives calibration inputs in the way in which the quantiser asks for them."""

    def __init__(self, inputs: Iterator[Inputs]) -> None:
        self._inputs = inputs

    def get_next(self) -> dict[str, Any] | None:
        found = next(self._inputs, None)
        return None if found is None else dict(found)


def _quantise(graph: bytes, calibration: Calibration, spec: EngineSpec) -> bytes:
    # The package exports its names without annotations, takes a while, and only builds of int8 need it.
    quantization: Any = importlib.import_module("onnxruntime.quantization")
    with tempfile.TemporaryDirectory() as folder:
        source, prepared, target = (
            Path(folder) / name for name in ("source.onnx", "prepared.onnx", GRAPH_NAME)
        )
        try:
            onnx.save(_with_ranges_per_channel(graph), source)
            quantization.shape_inference.quant_pre_process(source, prepared, skip_symbolic_shape=True)
            quantization.quantize_static(
                prepared,
                target,
                _Reader(calibration()),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=_QUANTISED_OPERATORS,
                per_channel=True,
                # Without these instructions pairs of products saturate at 16 bits unless weights have 7.
                reduce_range=not VNNI.intersection(cpu_features()),
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                calibrate_method=quantization.CalibrationMethod.MinMax,
            )
        except Exception as error:
            raise EngineError(
                f"{spec.id} cannot be quantised: {error}",
                fix=f"Build it in fp32 with --precision {spec.role.value}=fp32.",
            ) from error
        return target.read_bytes()


def _with_ranges_per_channel(graph: bytes) -> onnx.ModelProto:
    """Return a model of an operator set in which each channel of a weight may have a range of its own."""
    model = onnx.load_model_from_string(graph)
    standard = next(opset.version for opset in model.opset_import if not opset.domain)
    if standard >= _PER_CHANNEL_OPSET:
        return model
    return onnx.version_converter.convert_version(model, _PER_CHANNEL_OPSET)
