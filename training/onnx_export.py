"""A trained encoder to an ONNX graph that gives the same numbers."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as untyped_onnxruntime
import torch
from torch import nn
from torch.export import Dim
from torch.nn.utils import fuse_conv_bn_eval

from engines.contracts import SPEECH_FEATURES
from engines.frontend.lips import LIP_POINTS
from engines.frontend.mouth import MOUTH_SIZE_PX
from engines.graphs import FreeShape, forget_inner_shapes, set_shapes
from training.errors import TrainingError
from training.models.audio import FEATURES_PER_TICK
from training.models.temporal import CONTEXT_TICKS
from training.models.visual import VisualEncoder

Float32 = npt.NDArray[np.float32]

# The package exports its classes without annotations.
onnxruntime: Any = untyped_onnxruntime

OPSET: Final = 18
MAX_DIFFERENCE: Final = 1e-4
"""Largest difference between torch and ONNX Runtime, in any component of an embedding, that is let pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """One input of an exported encoder, float32, shape (n, steps * length, *rest).

    Attributes:
        steps: Entries of the second axis in one unit of the length.
        rest: The other axes.
        low: Smallest value that the graph is checked with.
        high: Largest one.
    """

    steps: int = 1
    rest: tuple[int, ...]
    low: float
    high: float

    def shape(self, count: int, length: int) -> tuple[int, ...]:
        """Return the shape of ``count`` inputs of a length."""
        return (count, self.steps * length, *self.rest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """What goes into an exported encoder and comes out.

    Attributes:
        inputs: By name, in the order in which the module takes them.
        output: Name of the output, float32.
        length: Name of the free length.
        lost: How much shorter the output is; None where it has no such axis.
    """

    inputs: Mapping[str, Port]
    output: str
    length: str
    lost: int | None

    @property
    def min_length(self) -> int:
        """Smallest length."""
        return (self.lost or 0) + 1

    def input_shape(self, name: str) -> FreeShape:
        """Return the shape of an input, its free axes by name."""
        port = self.inputs[name]
        return ("n", self.length if port.steps == 1 else f"{port.steps} {self.length}", *port.rest)

    def output_shape(self, dimension: int) -> FreeShape:
        """Return the shape of the output with D given, its free axes by name."""
        left = [] if self.lost is None else [f"{self.length} - {self.lost}"]
        return ("n", *left, dimension)


_LOST: Final = 2 * CONTEXT_TICKS

INTERFACES: Final[Mapping[str, Interface]] = MappingProxyType(
    {
        "visual": Interface(
            inputs={
                "lips": Port(rest=(LIP_POINTS, 2), low=0.9, high=1.1),
                "mouth": Port(rest=(MOUTH_SIZE_PX, MOUTH_SIZE_PX), low=0.0, high=255.0),
            },
            output="frames",
            length="ticks",
            lost=_LOST,
        ),
        "audio": Interface(
            inputs={
                "speech": Port(
                    steps=FEATURES_PER_TICK,
                    rest=(SPEECH_FEATURES,),
                    low=-2.0,
                    high=2.0,
                )
            },
            output="frames",
            length="ticks",
            lost=_LOST,
        ),
        "identity": Interface(
            inputs={
                "faces": Port(rest=(128,), low=-0.15, high=0.15),
                "weight": Port(rest=(), low=0.0, high=1.0),
            },
            output="embedding",
            length="rows",
            lost=None,
        ),
    }
)
"""``visual``: ``lips`` (n, F, 40, 2) and ``mouth`` (n, F, 64, 64) to ``frames`` (n, F - 2R, D).

``audio``: ``speech`` (n, 2 F, 384) to ``frames`` (n, F - 2R, D).

``identity``: ``faces`` (n, K, 128) and ``weight`` (n, K) to ``embedding`` (n, D).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedGraph:
    """An ONNX file that was compared with the module.

    Attributes:
        content: The file.
        dimension: Length D of an embedding.
        difference: Largest difference between torch and ONNX Runtime, in any component of an embedding.
    """

    content: bytes
    dimension: int
    difference: float


def export_graph(name: str, module: nn.Module) -> ExportedGraph:
    """Export an encoder.

    Args:
        name: Key of :data:`INTERFACES`.
        module: The encoder, on the CPU; it is left as it is, but in evaluation mode.

    Raises:
        TrainingError: If the graph does not give what the module gives.
    """
    interface = INTERFACES[name]
    module.eval()
    count, length = Dim("count"), Dim(interface.length, min=interface.min_length)
    sample = _inputs(interface, 2, interface.min_length + 3)
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            _folded(module),
            tuple(map(torch.from_numpy, sample.values())),
            input_names=list(interface.inputs),
            output_names=[interface.output],
            opset_version=OPSET,
            dynamo=True,
            dynamic_shapes=tuple({0: count, 1: port.steps * length} for port in interface.inputs.values()),
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise TrainingError(f"torch made no graph of {name}.", fix="Install another version of torch.")
    model = program.model_proto
    _forget_origin(model)
    dimension = model.graph.output[0].type.tensor_type.shape.dim[-1].dim_value
    forget_inner_shapes(model.graph)
    set_shapes(model.graph.input, {key: interface.input_shape(key) for key in interface.inputs})
    set_shapes(model.graph.output, {interface.output: interface.output_shape(dimension)})
    onnx.checker.check_model(model, full_check=True)
    content = model.SerializeToString(deterministic=True)
    difference = largest_difference(name, module, content)
    if not difference <= MAX_DIFFERENCE:
        raise TrainingError(
            f"The ONNX graph of {name} differs from the module by {difference:.2g}.",
            fix="Install other versions of torch, onnxscript and onnxruntime.",
        )
    return ExportedGraph(content=content, dimension=dimension, difference=difference)


def largest_difference(name: str, module: nn.Module, content: bytes) -> float:
    """Return how far a graph and a module are apart, over several batch sizes and lengths.

    Args:
        name: Key of :data:`INTERFACES`.
        module: The encoder, in evaluation mode.
        content: ONNX file.

    Returns:
        Largest absolute difference; infinite if the shapes differ or a number is not finite.
    """
    interface = INTERFACES[name]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    worst = 0.0
    for count, extra in ((1, 0), (1, 14), (3, 5)):
        feed = _inputs(interface, count, interface.min_length + extra)
        with torch.no_grad():
            expected = module(*map(torch.from_numpy, feed.values())).numpy()
        (found,) = session.run([interface.output], feed)
        if found.shape != expected.shape or not np.isfinite(found).all():
            return float("inf")
        worst = max(worst, float(np.abs(found - expected).max()))
    return worst


def _inputs(interface: Interface, count: int, length: int) -> dict[str, Float32]:
    rng = np.random.default_rng([count, length])
    return {
        name: rng.uniform(port.low, port.high, port.shape(count, length)).astype(np.float32)
        for name, port in interface.inputs.items()
    }


def _folded(module: nn.Module) -> nn.Module:
    """Return a copy without the one normalisation that the exporter cannot fold: a reshape is before it."""
    if not isinstance(module, VisualEncoder):
        return module
    copied = copy.deepcopy(module)
    mouth = copied.mouth
    norm = mouth.enter[0]
    if not isinstance(norm, nn.BatchNorm1d):
        raise TypeError("the mouth encoder does not begin its second part with a normalisation")
    mouth.place, mouth.enter[0] = fuse_conv_bn_eval(mouth.place, norm), nn.Identity()
    return copied


def _forget_origin(model: onnx.ModelProto) -> None:
    """Drop what the exporter notes about the source code, paths of this machine among it."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks, which a user can do nothing about, off stderr."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
