"""Trained encoders: a folder with ONNX graphs and the contract that they keep to."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.base import Engine
from engines.contracts import Contract, audio_contract, visual_contract
from engines.errors import EngineError
from engines.onnxruntime_engine import OnnxRuntimeEngine
from engines.reference import ReferenceGraph, reference_spec
from engines.spec import Role

DEFAULT_CHECKPOINT = Path(__file__).parent / "checkpoints" / "compact"
CONTRACT_NAME = "checkpoint.json"

_FIX = "Install the package again, or export the checkpoint again."


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointGraphs:
    """The graphs of one checkpoint.

    Attributes:
        visual: gamma.
        audio: alpha.
        context_ticks: R: F ticks in give F - 2R frame embeddings out.
        dimension: Length D of a frame embedding.
        sha256: SHA-256 of the checkpoint's contract, which names the hashes of all its files.
    """

    visual: ReferenceGraph
    audio: ReferenceGraph
    context_ticks: int
    dimension: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointEngines:
    """Engines of one checkpoint.

    Attributes:
        visual: gamma.
        audio: alpha.
        context_ticks: R: F ticks in give F - 2R frame embeddings out.
    """

    visual: Engine
    audio: Engine
    context_ticks: int

    def close(self) -> None:
        """Close both engines."""
        self.visual.close()
        self.audio.close()


def load_checkpoint(folder: Path = DEFAULT_CHECKPOINT, *, threads: int = 1) -> CheckpointEngines:
    """Load the encoders of a checkpoint onto the CPU.

    Args:
        folder: As written by ``seamwatch export``.
        threads: Threads that one run of an engine uses.

    Raises:
        EngineError: If the folder is incomplete, a file is damaged, or it was made for other frontends.
    """
    graphs = checkpoint_graphs(folder, threads)
    return CheckpointEngines(
        visual=OnnxRuntimeEngine(graphs.visual.graph, graphs.visual.spec),
        audio=OnnxRuntimeEngine(graphs.audio.graph, graphs.audio.spec),
        context_ticks=graphs.context_ticks,
    )


def checkpoint_graphs(folder: Path, threads: int) -> CheckpointGraphs:
    """Return the graphs of a checkpoint.

    Args:
        folder: As written by ``seamwatch export``.
        threads: Threads that one run of an engine uses.

    Raises:
        EngineError: If the folder is incomplete, a file is damaged, or it was made for other frontends.
    """
    try:
        content = (folder / CONTRACT_NAME).read_bytes()
        contract = json.loads(content)
        dimension = int(contract["dimension"])
        return CheckpointGraphs(
            visual=_checkpoint_graph(folder, contract, Role.VISUAL, visual_contract(dimension), threads),
            audio=_checkpoint_graph(folder, contract, Role.AUDIO, audio_contract(dimension), threads),
            context_ticks=int(contract["context_ticks"]),
            dimension=dimension,
            sha256=hashlib.sha256(content).hexdigest(),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(f"There is no usable checkpoint in {folder}.", fix=_FIX) from error


def _checkpoint_graph(
    folder: Path, contract: dict[str, Any], role: Role, wanted: Contract, threads: int
) -> ReferenceGraph:
    name = f"{role.value}.onnx"
    graph = (folder / name).read_bytes()
    sha256 = hashlib.sha256(graph).hexdigest()
    if sha256 != contract["files"][name]:
        raise EngineError(f"{folder / name} is damaged.", fix=_FIX)
    if contract["frontends"][role.value] != wanted.frontend:
        raise EngineError(
            f"{folder / name} was trained on {contract['frontends'][role.value]}, "
            f"this version computes {wanted.frontend}.",
            fix="Train and export it again with this version.",
        )
    return ReferenceGraph(
        graph=graph, spec=reference_spec(f"{contract['family']}-{role.value}", role, wanted, sha256, threads)
    )
