"""Loads the engines that a monitor needs from the model store."""

from __future__ import annotations

from dataclasses import dataclass

from engines.base import Engine
from engines.contracts import CONTRACTS
from engines.onnxruntime_engine import BACKEND, OnnxRuntimeEngine
from engines.preparation import PREPARATION_VERSION, prepare
from engines.spec import EngineSpec, Role
from engines.store.catalogue import by_role
from engines.store.store import ModelStore


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSet:
    """One engine a role. Each may be run from several threads at once.

    Attributes:
        detector: Finds faces.
        identity: Embeds aligned faces.
        landmarks: Finds 468 landmarks in a face's region.
        vad: Tells speech from other sound.
        speech: Turns log-mel into speech features.
    """

    detector: Engine
    identity: Engine
    landmarks: Engine
    vad: Engine
    speech: Engine

    @property
    def ids(self) -> dict[str, str]:
        """Engine id by role."""
        return {role.value: engine.spec.id for role, engine in self._by_role().items()}

    def close(self) -> None:
        """Close all engines."""
        for engine in self._by_role().values():
            engine.close()

    def _by_role(self) -> dict[Role, Engine]:
        return {
            Role.DETECTOR: self.detector,
            Role.IDENTITY: self.identity,
            Role.LANDMARKS: self.landmarks,
            Role.VAD: self.vad,
            Role.SPEECH: self.speech,
        }


def load_engines(store: ModelStore, *, threads: int = 1) -> EngineSet:
    """Load the pinned models onto the CPU.

    Args:
        store: Where the models lie.
        threads: Threads that one run of an engine uses.

    Returns:
        The engines.

    Raises:
        ModelStoreError: If a model is missing or damaged.
        EngineError: If a model cannot be prepared or loaded.
    """
    return EngineSet(
        detector=load_engine(store, Role.DETECTOR, threads),
        identity=load_engine(store, Role.IDENTITY, threads),
        landmarks=load_engine(store, Role.LANDMARKS, threads),
        vad=load_engine(store, Role.VAD, threads),
        speech=load_engine(store, Role.SPEECH, threads),
    )


def load_engine(store: ModelStore, role: Role, threads: int) -> Engine:
    """Load one pinned model onto the CPU.

    Args:
        store: Where the models lie.
        role: Which model.
        threads: Threads that one run uses.

    Raises:
        ModelStoreError: If the model is missing or damaged.
        EngineError: If it cannot be prepared or loaded.
    """
    model, contract = by_role(role), CONTRACTS[role]
    path = store.path(model.name)
    graph = store.prepared.get(model.sha256, PREPARATION_VERSION, lambda: prepare(role, path.read_bytes()))
    spec = EngineSpec(
        model=model.name,
        role=role,
        inputs=contract.inputs,
        outputs=contract.outputs,
        frontend=contract.frontend,
        source_sha256=model.sha256,
        backend=BACKEND,
        precision="fp32",
        device="cpu",
        threads=threads,
    )
    return OnnxRuntimeEngine(graph, spec)
