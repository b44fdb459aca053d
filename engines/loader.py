"""Loads the engines that a monitor needs: from the model store, or from a set that was built."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engines.base import Engine
from engines.build.opening import open_engines
from engines.build.record import Windows
from engines.build.sets import read_set
from engines.checkpoint import CheckpointEngines
from engines.errors import EngineError
from engines.onnxruntime_engine import OnnxRuntimeEngine
from engines.reference import pinned_graph
from engines.spec import Role
from engines.store.store import ModelStore

CPU = "cpu"
"""The device of engines that run on the processor."""


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
        return {role.value: engine.spec.id for role, engine in self.by_role.items()}

    def close(self) -> None:
        """Close all engines."""
        for engine in self.by_role.values():
            engine.close()

    @property
    def by_role(self) -> dict[Role, Engine]:
        """The engines by role."""
        return {
            Role.DETECTOR: self.detector,
            Role.IDENTITY: self.identity,
            Role.LANDMARKS: self.landmarks,
            Role.VAD: self.vad,
            Role.SPEECH: self.speech,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSet:
    """A built set, sorted as a monitor wants it.

    Attributes:
        engines: Engines of the pinned models.
        checkpoint: Engines of the trained encoders.
    """

    engines: EngineSet
    checkpoint: CheckpointEngines


def load_set(folder: Path, *, windows: Windows, rows: int, threads: int) -> LoadedSet:
    """Load a set of engines that was built for this host.

    Args:
        folder: As written by ``seamwatch engines build``.
        windows: Windows of the live path.
        rows: Faces that the live path puts into one run.
        threads: Threads that one run of an engine uses on a CPU.

    Raises:
        EngineError: If the set is missing or damaged, was built for another version, host or library, for
            other windows or smaller batches, or an engine cannot be loaded; the fix is the command that
            builds it again.
    """
    stored = read_set(folder)
    # An engine for the CPU takes any batch.
    if stored.record.max_batch < rows and any(one.device != CPU for one in stored.engines.values()):
        raise EngineError(
            f"The engines in {folder} were built for batches of up to {stored.record.max_batch}, "
            f"and the monitor runs {rows} faces at once.",
            fix=f"Run `{stored.rebuild_command}` with --max-batch {rows} or more.",
        )
    opened = open_engines(folder, threads=threads, windows=windows)
    engines = opened.engines
    return LoadedSet(
        engines=EngineSet(
            detector=engines[Role.DETECTOR],
            identity=engines[Role.IDENTITY],
            landmarks=engines[Role.LANDMARKS],
            vad=engines[Role.VAD],
            speech=engines[Role.SPEECH],
        ),
        checkpoint=CheckpointEngines(
            visual=engines[Role.VISUAL],
            audio=engines[Role.AUDIO],
            context_ticks=opened.record.checkpoint.context_ticks,
        ),
    )


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
    reference = pinned_graph(store, role, threads)
    return OnnxRuntimeEngine(reference.graph, reference.spec)
