"""``--engines`` and ``--backend`` of the commands that watch or judge: which set of engines runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

from clients.cli.engine_inputs import chosen_clips, chosen_plan, live_windows
from clients.cli.steps import counted_steps
from clients.engine_scans import ReferenceScan
from clients.printable import printable
from engines.backends.registry import get_backend
from engines.build.builder import STEPS_A_ROLE, SetRequest, build_set, engine_key
from engines.build.evidence import no_evidence
from engines.build.sets import StoredSet, default_root, misfits, read_set, set_folders
from engines.build.sources import read_sources
from engines.errors import EngineError
from engines.processors import usable_processors
from engines.selection import AUTO, DEFAULT_BACKEND
from engines.spec import Role
from engines.store.store import ModelStore
from realtime.config import MonitorConfig
from realtime.encoders.scheduler import MAX_BATCH
from realtime.errors import ConfigurationError
from realtime.interrupt import sigterm_as_interrupt

BACKENDS: Final = (DEFAULT_BACKEND, "openvino", "tensorrt", "torch-tensorrt", AUTO)
"""What ``--backend`` may be; the backend torch is a reference to compare with."""

_PRECISION: Final = "fp32"


def engine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add both options to a command, which gets them as ``engines`` and ``backend``."""
    add_engines = click.option(
        "--engines",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        help="Run a set from `seamwatch engines build`: a folder, or a name that `engines list` shows.",
    )
    add_backend = click.option(
        "--backend",
        type=click.Choice(BACKENDS),
        help="Run engines of this backend, built for this host when first needed. auto takes TensorRT on a "
        "GPU, else what costs least here.  [default: the models as they are, in onnxruntime]",
    )
    return add_engines(add_backend(command))


def threads_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--threads`` to a command that runs through files."""
    return click.option(
        "--threads",
        type=click.IntRange(min=1),
        default=lambda: max(1, min(4, usable_processors() - 1)),
        show_default="processors but one, which decodes; at most 4",
        help="Processor threads that the models may use.",
    )(command)


def engines_folder(
    engines: Path | None, backend: str | None, *, models_dir: Path | None = None, threads: int = 1
) -> Path | None:
    """Return the set of engines to run, built now if need be; None for the models as they are.

    What runs where is told in one line on stderr.

    Args:
        engines: ``--engines``.
        backend: ``--backend``.
        models_dir: Root of the model store; None for the user's.
        threads: Threads that one run uses on a CPU while engines are compared.

    Raises:
        ConfigurationError: If both are given.
        ModelStoreError: If a model is missing or damaged.
        MissingBackendError: If the backend's library or device is not there.
        EngineError: If an engine cannot be built, or is too far from its model.
    """
    if engines is not None and backend is not None:
        raise ConfigurationError("--engines and --backend exclude each other.", fix="Give one of them.")
    if engines is not None:
        return set_folder(engines)
    if backend is None:
        return None
    return _prepared(backend, models_dir, threads).folder


def set_folder(given: Path) -> Path:
    """Return the folder of a set that was given by its path or by its name in the cache."""
    named = default_root() / given
    return named if not given.exists() and len(given.parts) == 1 and named.is_dir() else given.absolute()


def _prepared(backend: str, models_dir: Path | None, threads: int) -> StoredSet:
    """Return the set of a backend out of the cache, or build it in the way of ``seamwatch engines build``."""
    config, root = MonitorConfig(), default_root()
    windows = live_windows(config)
    with sigterm_as_interrupt(), counted_steps(STEPS_A_ROLE * len(Role) + 2) as steps:
        steps.begin("reading models")
        sources = read_sources(ModelStore(models_dir), None, threads)
        plan = chosen_plan(
            sources,
            windows,
            (backend,),
            (_PRECISION,),
            lambda: steps.within("measuring CPU backends", 0.0),
        )
        click.echo(printable(plan.reason), err=True)
        request = SetRequest(
            sources=sources,
            plan=plan,
            windows=windows,
            max_batch=MAX_BATCH,
            threads=threads,
            evidence=no_evidence(),
            command=("--backend", backend, "--precision", _PRECISION, "--max-batch", str(MAX_BATCH)),
        )
        found = _find(request, root)
        if found is not None:
            return found
        click.echo("These engines are built and compared now, once; this takes a minute.", err=True)
        steps.begin("scanning a clip with the models")
        clips = chosen_clips((), steps.within)
        evidence = ReferenceScan(clips, sources, config, steps.within).evidence()
        built = build_set(
            replace(request, evidence=evidence),
            root,
            None,
            lambda role, what: steps.begin(f"{role.value}: {what}"),
        )
    return built.stored


def _find(request: SetRequest, root: Path) -> StoredSet | None:
    """Return a set of the cache that is what a build would make, and fits this host."""
    wanted = {
        role: engine_key(request, role, get_backend(assignment.backend).fingerprint())
        for role, assignment in request.plan.assignments.items()
    }
    for folder in set_folders(root):
        try:
            stored = read_set(folder)
        except EngineError:
            continue
        if {role: record.key for role, record in stored.engines.items()} == wanted and not misfits(stored):
            return stored
    return None
