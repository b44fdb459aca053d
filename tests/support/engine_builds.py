"""Tiny graphs for all seven roles, and what builds sets of engines from them in a moment."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from onnx import helper

from engines.backends import registry
from engines.backends.base import BuildRequest, BuiltEngine, MissingBackendError
from engines.build.builder import BuildResult, SetRequest, build_set
from engines.build.evidence import Evidence, no_evidence
from engines.build.plan import Assignment, Plan
from engines.build.record import CheckpointRecord, Windows
from engines.build.sources import Sources
from engines.checkpoint import DEFAULT_CHECKPOINT
from engines.contracts import CONTRACTS, audio_contract, visual_contract
from engines.onnxruntime_engine import OnnxRuntimeEngine
from engines.reference import ReferenceGraph, reference_spec
from engines.spec import Role
from engines.store.catalogue import by_role
from tests.support.onnx_graphs import make_model

WINDOWS = Windows(length_ticks=25, hop_ticks=10, band_ticks=7)
DIMENSION = 6


def tiny_sources(folder: Path = DEFAULT_CHECKPOINT, scale: float = 1.0) -> Sources:
    """Return graphs that keep to the contracts and compute next to nothing.

    Args:
        folder: Of a checkpoint with contract and weights; only its name is used here.
        scale: A number in the graph of the audio encoder: another one makes another model of it.
    """
    graphs = {}
    for role in Role:
        contract = {
            Role.VISUAL: visual_contract(DIMENSION),
            Role.AUDIO: audio_contract(DIMENSION),
        }.get(role) or CONTRACTS[role]
        spec = reference_spec(
            f"tiny-{role.value}",
            role,
            contract,
            by_role(role).sha256 if role in CONTRACTS else "a" * 64,
            1,
        )
        graphs[role] = ReferenceGraph(graph=_graph(role, spec.inputs, spec.outputs, scale), spec=spec)
    return Sources(
        graphs=graphs,
        checkpoint=CheckpointRecord(name="tiny", sha256="c" * 64, dimension=DIMENSION, context_ticks=5),
        folder=folder,
    )


def _graph(role, inputs, outputs, scale: float) -> bytes:
    """Each output: means of the first input over all axes that the output has not, times weights."""
    factor = scale if role is Role.AUDIO else 1.0
    first = next(iter(inputs))
    source = inputs[first].shape
    nodes, weights = [], {}
    for index, (name, tensor) in enumerate(outputs.items()):
        rank = len(tensor.shape)
        lengthy = rank > 1 and tensor.shape[1] is None
        shares_first = source[0] is not None or tensor.shape[0] is None
        kept = {0, source.index(None, 1)} if lengthy else {0} if shares_first else set()
        axes = [axis for axis in range(len(source)) if axis not in kept]
        shape = [0, -1, *[1] * (rank - 2)] if lengthy else [-1, *[1] * (rank - 1)]
        rng = np.random.default_rng(index)
        weights[f"w{index}"] = (factor + rng.random([size or 1 for size in tensor.shape])).astype(np.float32)
        weights[f"s{index}"] = np.array(shape, np.int64)
        nodes += [
            helper.make_node("ReduceMean", [first], [f"mean{index}"], axes=axes, keepdims=0),
            helper.make_node("Reshape", [f"mean{index}", f"s{index}"], [f"like{index}"]),
            helper.make_node("Mul", [f"like{index}", f"w{index}"], [name]),
        ]
    # Inputs that nothing reads are still inputs.
    model = make_model(
        nodes,
        {name: _named(name, tensor.shape) for name, tensor in inputs.items() if tensor.dtype == "float32"},
        {name: _named(name, tensor.shape) for name, tensor in outputs.items()},
        weights,
    )
    for name, tensor in inputs.items():
        if tensor.dtype == "int64":
            model.graph.input.append(helper.make_tensor_value_info(name, 7, list(tensor.shape)))
    return model.SerializeToString()


def _named(name, shape):
    return [f"{name}_{axis}" if size is None else size for axis, size in enumerate(shape)]


class FakeBackend:
    """ONNX Runtime under the names of any backend, with knobs.

    Args:
        name: What it is called.
        fingerprint: Device and versions that it claims.
        spoil: Changes an output of a loaded engine.
    """

    precisions = frozenset({"fp32", "fp16", "int8"})
    roles = frozenset(Role)

    def __init__(self, name="onnxruntime", fingerprint="cpu one; library 1", spoil=None) -> None:
        self.name = name
        self.claimed = fingerprint
        self.spoil: Callable[[np.ndarray], np.ndarray] | None = spoil
        self.built: list[Role] = []
        self.requests: list[BuildRequest] = []

    def require(self) -> None:
        return

    def fingerprint(self) -> str:
        return self.claimed

    def build(self, request: BuildRequest) -> BuiltEngine:
        self.built.append(request.role)
        self.requests.append(request)
        return BuiltEngine(
            files={"graph.onnx": request.graph, "more.bin": b"more"},
            versions={"library": "1"},
            device="cpu",
            device_fingerprint=self.claimed,
        )

    def load(self, files, spec):
        engine = OnnxRuntimeEngine(files["graph.onnx"], spec)
        return engine if self.spoil is None else _Spoilt(engine, self.spoil)


class MissingBackend(FakeBackend):
    """A backend whose library is not installed."""

    def require(self) -> None:
        raise MissingBackendError(f"{self.name} is not installed.", fix=f"Install {self.name}.")

    def fingerprint(self) -> str:
        self.require()
        return ""


def use_backends(monkeypatch, *backends: FakeBackend) -> None:
    """Put backends into the registry, and take torch out of it."""
    for backend in (MissingBackend("torch"), *backends):
        attribute = f"make_{backend.name.replace('-', '_')}"
        monkeypatch.setattr(sys.modules[__name__], attribute, lambda backend=backend: backend, raising=False)
        monkeypatch.setitem(registry._FACTORIES, backend.name, (__name__, attribute))


class _Spoilt:
    def __init__(self, engine, spoil) -> None:
        self._engine, self._spoil, self.spec = engine, spoil, engine.spec

    def run(self, inputs):
        return {name: self._spoil(array) for name, array in self._engine.run(inputs).items()}

    def close(self) -> None:
        self._engine.close()


def set_request(sources: Sources | None = None, **changes) -> SetRequest:
    """Return a request for a set in fp32."""
    request = SetRequest(
        sources=sources or tiny_sources(),
        plan=plan_for(),
        windows=WINDOWS,
        max_batch=2,
        threads=1,
        evidence=no_evidence(),
        command=("--backend", "onnxruntime", "--no-clips"),
    )
    return replace(request, **changes)


def plan_for(backend="onnxruntime", precision="fp32", **by_role: str) -> Plan:
    """Return a plan with one backend and, but for ``by_role``, one precision."""
    return Plan(
        assignments={
            role: Assignment(backend=backend, precision=by_role.get(role.value, precision)) for role in Role
        },
        reason="as asked",
    )


def recorded(samples: Mapping[Role, list], sha256: str = "e" * 64) -> Evidence:
    """Return evidence of given inputs."""
    return Evidence("windows of a test", sha256, lambda: samples)


def build(request: SetRequest, root: Path, out: Path | None = None) -> BuildResult:
    """Build without telling anybody."""
    return build_set(request, root, out, lambda _role, _what: None)
