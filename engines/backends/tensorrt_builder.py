"""Builds TensorRT plans, by what the Python APIs of TensorRT 10 and 11 have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engines.backends.tensorrt_profiles import Profile
from engines.errors import EngineError

SUPPORTED_MAJORS: Final = (10, 11)
WORKSPACE_BYTES: Final = 1 << 30
NO_REASON: Final = "it gave no reason"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the builder made.

    Attributes:
        content: The serialised engine.
        timing_cache: What it measured, for the next build on this device.
    """

    content: bytes
    timing_cache: bytes


class Messages:
    """What TensorRT said; errors are kept, the rest is dropped."""

    def __init__(self, library: Any) -> None:
        severity = library.ILogger.Severity
        serious = (severity.INTERNAL_ERROR, severity.ERROR)
        errors: list[str] = []

        def log(_: Any, level: Any, message: str) -> None:
            if level in serious:
                errors.append(message)

        self.errors = errors
        self.logger = type("Logger", (library.ILogger,), {"log": log})()

    def text(self) -> str:
        """Return the errors so far as one line."""
        return "; ".join(self.errors) or NO_REASON


def build_plan(
    library: Any,
    graph: bytes,
    profiles: Sequence[Profile],
    *,
    timing_cache: bytes = b"",
    configure: Callable[[Any], None] | None = None,
) -> Plan:
    """Parse a graph and build it.

    The network is strongly typed, so the graph's own types decide; TensorRT 11 has no other kind of network,
    and ignores the flag that 10 needs. TF32 is off: what is fp32 in the graph is computed in fp32.

    Args:
        library: The module ``tensorrt``, or one with its API.
        graph: ONNX model as from ``engines.backends.tensorrt_graph``.
        profiles: Shapes to build for.
        timing_cache: Measurements of earlier builds on the same device and version; empty for none.
        configure: Further settings of the builder's configuration.

    Raises:
        EngineError: If TensorRT does not parse the graph, refuses a profile, or cannot build.
    """
    messages = Messages(library)
    builder = library.Builder(messages.logger)
    network = parse_network(library, builder, messages, graph)
    config = builder.create_builder_config()
    config.set_memory_pool_limit(library.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    config.clear_flag(library.BuilderFlag.TF32)
    cache = config.create_timing_cache(timing_cache)
    config.set_timing_cache(cache, ignore_mismatch=False)
    for shapes in profiles:
        profile = builder.create_optimization_profile()
        for name, wanted in shapes.items():
            profile.set_shape(name, wanted.minimum, wanted.optimum, wanted.maximum)
        if config.add_optimization_profile(profile) < 0:
            raise EngineError(
                f"TensorRT refuses the shapes of the inputs: {messages.text()}.",
                fix="Choose another --max-batch or window length.",
            )
    if configure is not None:
        configure(config)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise EngineError(
            f"TensorRT cannot build the graph: {messages.text()}.",
            fix="Choose another backend for it, or report this with the version of TensorRT.",
        )
    measured = config.get_timing_cache()
    return Plan(content=bytes(plan), timing_cache=b"" if measured is None else bytes(measured.serialize()))


def parse_network(library: Any, builder: Any, messages: Messages, graph: bytes) -> Any:
    """Return the strongly typed network of an ONNX model.

    Raises:
        EngineError: If it does not parse.
    """
    network = builder.create_network(1 << int(library.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = library.OnnxParser(network, messages.logger)
    if not parser.parse(graph):
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        reasons = [f"{error.node_operator()} {error.node_name()!r}: {error.desc()}" for error in errors]
        raise EngineError(
            f"TensorRT does not parse the graph: {'; '.join(reasons) or messages.text()}.",
            fix="Choose another backend for it, or report this with the version of TensorRT.",
        )
    return network
