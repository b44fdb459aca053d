"""What the engines of a set are built from: the graphs of all roles, and the requests that go to backends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from engines.backends.base import BuildRequest, Calibration, Precision
from engines.build.evidence import Evidence, made_up
from engines.build.record import CheckpointRecord, Windows
from engines.checkpoint import DEFAULT_CHECKPOINT, checkpoint_graphs
from engines.reference import ReferenceGraph, pinned_graph
from engines.spec import Role
from engines.store.store import ModelStore

PINNED_ROLES = (Role.DETECTOR, Role.LANDMARKS, Role.IDENTITY, Role.VAD, Role.SPEECH)
"""Roles whose models lie in the model store."""

CHECKPOINT_ROLES = (Role.VISUAL, Role.AUDIO)
"""Roles whose models lie in the checkpoint's folder."""

DEFAULT_NAME = "default"
"""What the checkpoint that ships is called in records and on the command line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The reference graphs of all roles.

    Attributes:
        graphs: By role.
        checkpoint: What visual and audio belong to.
        folder: Where that checkpoint lies.
    """

    graphs: Mapping[Role, ReferenceGraph]
    checkpoint: CheckpointRecord
    folder: Path


def read_sources(store: ModelStore, checkpoint: Path | None, threads: int) -> Sources:
    """Read the models.

    Args:
        store: The model store.
        checkpoint: Folder as written by ``seamwatch export``; None for the one that ships.
        threads: Threads that one run of a reference engine uses.

    Raises:
        ModelStoreError: If a model is missing or damaged.
        EngineError: If a model cannot be prepared, or the checkpoint cannot be used.
    """
    folder = DEFAULT_CHECKPOINT if checkpoint is None else checkpoint
    trained = checkpoint_graphs(folder, threads)
    graphs = {role: pinned_graph(store, role, threads) for role in PINNED_ROLES}
    return Sources(
        graphs={**graphs, Role.VISUAL: trained.visual, Role.AUDIO: trained.audio},
        checkpoint=CheckpointRecord(
            name=DEFAULT_NAME if checkpoint is None else str(checkpoint),
            sha256=trained.sha256,
            dimension=trained.dimension,
            context_ticks=trained.context_ticks,
        ),
        folder=folder,
    )


def build_request(
    sources: Sources,
    role: Role,
    precision: Precision,
    windows: Windows,
    evidence: Evidence,
    *,
    max_batch: int,
    threads: int,
) -> BuildRequest:
    """Return what a backend needs to build a role's engine.

    Args:
        sources: The reference graphs.
        role: Which of them.
        precision: Arithmetic that is wanted.
        windows: Windows of the live path.
        evidence: Recorded inputs; ranges of int8 are chosen by every other one, or by made-up inputs where
            there are none.
        max_batch: Largest batch.
        threads: Threads that one run uses on a CPU.
    """
    reference = sources.graphs[role]
    request = BuildRequest(
        role=role,
        graph=reference.graph,
        spec=reference.spec,
        precision=precision,
        max_batch=max_batch,
        lengths=windows.lengths(role),
        threads=threads,
        checkpoint=sources.folder if role in CHECKPOINT_ROLES else None,
    )
    return replace(request, calibration=_calibration(request, evidence))


def _calibration(request: BuildRequest, evidence: Evidence) -> Calibration:
    # Noise with another seed than that of the comparison.
    return lambda: iter(evidence.calibration(request.role) or made_up(request, seed=1))
