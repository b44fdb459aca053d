"""Builds a set of engines. Each is built or taken from an earlier set, and compared; then all are written."""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from engines.backends.base import Backend, BuildRequest
from engines.backends.registry import get_backend
from engines.build.evidence import Evidence
from engines.build.folder import write_folder
from engines.build.parity import Parity
from engines.build.plan import Assignment, Plan
from engines.build.record import (
    EngineRecord,
    Frontend,
    SealedSet,
    SetRecord,
    TensorRecord,
    Windows,
    as_json,
    canonical_sha256,
)
from engines.build.report import parity_report
from engines.build.sets import (
    INDEX_NAME,
    PARITY_NAME,
    RECORD_NAME,
    StoredSet,
    read_files,
    read_set,
    set_folders,
)
from engines.build.sources import CHECKPOINT_ROLES, Sources, build_request
from engines.build.verification import measure_parity, require_parity
from engines.contracts import FRONTEND_VERSION
from engines.errors import EngineError
from engines.preparation import PREPARATION_VERSION
from engines.spec import Role

STEPS_A_ROLE = 2

OnStep = Callable[[Role, str], None]
"""Told of a role and of what happens to it now; called ``STEPS_A_ROLE`` times for each role."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRequest:
    """Everything that a set depends on.

    Attributes:
        sources: Reference graphs.
        plan: Backend and precision by role.
        windows: Windows of the live path.
        max_batch: Largest batch.
        threads: Threads that one run uses on a CPU while engines are compared.
        evidence: Recorded inputs.
        command: Arguments that build the set again, without its folder.
    """

    sources: Sources
    plan: Plan
    windows: Windows
    max_batch: int
    threads: int
    evidence: Evidence
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """What a build did.

    Attributes:
        stored: The set.
        reused: Roles whose engine came from an earlier set.
        written: Whether the folder was written; not, where it held this very set.
    """

    stored: StoredSet
    reused: tuple[Role, ...]
    written: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """One engine, and the set that it was taken from; None where it was built."""

    record: EngineRecord
    files: Mapping[str, bytes]
    origin: StoredSet | None


def build_set(request: SetRequest, root: Path, out: Path | None, on_step: OnStep) -> BuildResult:
    """Build a set and write it.

    Args:
        request: What to build.
        root: Folder of all sets; earlier engines are looked for there.
        out: Folder of this set; None for one in ``root`` that is named by backend, precision and key.
        on_step: Told what happens.

    Raises:
        MissingBackendError: If a backend's library or device is not there; nothing is built then.
        ParityError: If an engine is too far from its reference; nothing is written then.
        EngineError: If an engine cannot be built or loaded, or the folder cannot be written.
    """
    backends = {role: get_backend(found.backend) for role, found in request.plan.assignments.items()}
    for backend in backends.values():
        backend.require()
    keys = {role: engine_key(request, role, backends[role].fingerprint()) for role in backends}
    set_key = canonical_sha256({role.value: key for role, key in keys.items()})
    folder = out if out is not None else root / f"{_name(request.plan.assignments.values())}-{set_key[:12]}"
    _require_replaceable(folder)
    earlier = _readable_sets((folder, *set_folders(root)))
    made = {}
    for role, backend in backends.items():
        made[role] = _make(request, role, backend, key=keys[role], earlier=earlier, on_step=on_step)
    reused = tuple(role for role, one in made.items() if one.origin is not None)
    for present in earlier:
        unchanged = all(
            one.origin is present and one.record == present.engines[role] for role, one in made.items()
        )
        if present.folder == folder and unchanged:
            return BuildResult(stored=present, reused=reused, written=False)
    _write(request, folder, set_key, made)
    return BuildResult(stored=read_set(folder), reused=reused, written=True)


def engine_key(request: SetRequest, role: Role, fingerprint: str) -> str:
    """Return what the build cache knows an engine by: a hash over all that it depends on.

    Args:
        request: The set that it belongs to.
        role: Which engine.
        fingerprint: Device and library versions, as the backend says.
    """
    assignment = request.plan.assignments[role]
    reference = request.sources.graphs[role]
    spec = reference.spec
    return canonical_sha256(
        {
            "role": role.value,
            "model": spec.model,
            "source": spec.source_sha256,
            "graph": hashlib.sha256(reference.graph).hexdigest(),
            "checkpoint": _checkpoint_sha256(request, role),
            "preparation": PREPARATION_VERSION,
            "inputs": {name: str(tensor) for name, tensor in spec.inputs.items()},
            "outputs": {name: str(tensor) for name, tensor in spec.outputs.items()},
            "frontend": [spec.frontend, FRONTEND_VERSION],
            "windows": request.windows.model_dump(),
            "max_batch": request.max_batch,
            "backend": assignment.backend,
            "precision": assignment.precision,
            "fingerprint": fingerprint,
            "calibration": request.evidence.sha256 if assignment.precision == "int8" else None,
        }
    )


def _make(
    request: SetRequest,
    role: Role,
    backend: Backend,
    *,
    key: str,
    earlier: Sequence[StoredSet],
    on_step: OnStep,
) -> _Made:
    assignment = request.plan.assignments[role]
    wanted = build_request(
        request.sources,
        role,
        assignment.precision,
        request.windows,
        request.evidence,
        max_batch=request.max_batch,
        threads=request.threads,
    )
    found = _find(earlier, role, key)
    on_step(role, "cached" if found is not None else f"building with {backend.name}")
    if found is None:
        record, files = _build(request, wanted, backend, key)
    else:
        record, files = found.engines[role], read_files(found, role)
    on_step(role, "comparing")
    if found is None or record.parity.evidence_sha256 != request.evidence.sha256:
        with closing(backend.load(files, record.spec(request.threads))) as engine:
            parity = measure_parity(engine, wanted, request.evidence)
        record = record.model_copy(update={"parity": parity})
    require_parity(record.parity, wanted, backend)
    return _Made(record=record, files=files, origin=found)


def _build(
    request: SetRequest, wanted: BuildRequest, backend: Backend, key: str
) -> tuple[EngineRecord, Mapping[str, bytes]]:
    started_s = time.perf_counter()
    built = backend.build(wanted)
    seconds = time.perf_counter() - started_s
    notes = built.notes
    if wanted.precision == "int8":
        real = request.evidence.calibration(wanted.role)
        notes += (f"Its ranges were chosen by {request.evidence.description if real else 'made-up inputs'}.",)
    spec = wanted.spec
    record = EngineRecord(
        key=key,
        role=wanted.role,
        model=spec.model,
        inputs={name: TensorRecord.of(tensor) for name, tensor in spec.inputs.items()},
        outputs={name: TensorRecord.of(tensor) for name, tensor in spec.outputs.items()},
        frontend=Frontend(id=spec.frontend, version=FRONTEND_VERSION),
        windows=request.windows,
        lengths=wanted.lengths,
        max_batch=wanted.max_batch,
        backend=backend.name,
        precision=wanted.precision,
        versions=dict(built.versions),
        device=built.device,
        device_fingerprint=built.device_fingerprint,
        source_sha256=spec.source_sha256,
        graph_sha256=hashlib.sha256(wanted.graph).hexdigest(),
        checkpoint_sha256=_checkpoint_sha256(request, wanted.role),
        built_at=_now(),
        build_seconds=round(seconds, 3),
        files={name: hashlib.sha256(data).hexdigest() for name, data in built.files.items()},
        parity=Parity(comparisons=(), evidence="", evidence_sha256=""),
        notes=notes,
    )
    return record, built.files


def _write(request: SetRequest, folder: Path, set_key: str, made: Mapping[Role, _Made]) -> None:
    records = {role: as_json(one.record) for role, one in made.items()}
    index = SetRecord(
        key=set_key,
        engines={role: hashlib.sha256(content).hexdigest() for role, content in records.items()},
        checkpoint=request.sources.checkpoint,
        windows=request.windows,
        max_batch=request.max_batch,
        built_at=_now(),
        seamwatch=_version(),
        command=request.command,
    )
    files: dict[str, bytes] = {}
    for role, one in made.items():
        files |= {f"{role.value}/{name}": data for name, data in one.files.items()}
        files[f"{role.value}/{RECORD_NAME}"] = records[role]
    files[PARITY_NAME] = parity_report({role: one.record.parity for role, one in made.items()})
    files[INDEX_NAME] = as_json(SealedSet.seal(index))
    try:
        write_folder(folder, files)
    except OSError as error:
        raise EngineError(
            f"The engines cannot be written to {folder}: {error.strerror}.",
            fix="Free space there, or name another folder with --out.",
        ) from error


def _find(earlier: Sequence[StoredSet], role: Role, key: str) -> StoredSet | None:
    """Return an earlier set that has this engine undamaged."""
    for stored in earlier:
        if stored.engines[role].key == key:
            try:
                read_files(stored, role)
            except EngineError:
                continue
            return stored
    return None


def _readable_sets(folders: Iterable[Path]) -> list[StoredSet]:
    found: dict[Path, StoredSet] = {}
    for folder in folders:
        try:
            found[folder] = read_set(folder)
        except EngineError:
            continue
    return list(found.values())


def _require_replaceable(folder: Path) -> None:
    """Refuse to replace what is no set of engines, be it damaged or not."""
    ours = {INDEX_NAME, PARITY_NAME, *Role}
    if folder.exists() and not (folder.is_dir() and all(path.name in ours for path in folder.iterdir())):
        raise EngineError(f"{folder} is no set of engines.", fix="Name another folder with --out.")


def _name(assignments: Iterable[Assignment]) -> str:
    def joined(values: Iterable[str]) -> str:
        different = sorted(set(values))
        return different[0] if len(different) == 1 else "mixed"

    found = list(assignments)
    return f"{joined(one.backend for one in found)}-{joined(one.precision for one in found)}"


def _checkpoint_sha256(request: SetRequest, role: Role) -> str | None:
    return request.sources.checkpoint.sha256 if role in CHECKPOINT_ROLES else None


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _version() -> str:
    try:
        return importlib.metadata.version("seamwatch")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
