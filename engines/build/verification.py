"""Compares a loaded engine with its references on recorded and on made-up inputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

from engines.backends.base import Backend, BuildRequest, Inputs, MissingBackendError
from engines.backends.registry import get_backend
from engines.base import Engine
from engines.build.evidence import Evidence, batched, made_up
from engines.build.parity import TOLERANCES, Distances, Parity, compare
from engines.build.sources import CHECKPOINT_ROLES
from engines.errors import EngineError
from engines.onnxruntime_engine import OnnxRuntimeEngine

ONNX, TORCH = "onnx", "torch"
RECORDED, RANDOM = "recorded", "random"


class ParityError(EngineError):
    """An engine does not give what its reference gives."""


def measure_parity(engine: Engine, request: BuildRequest, evidence: Evidence) -> Parity:
    """Hold an engine against the fp32 graph, and visual and audio also against torch where it is installed.

    Ranges of int8 are chosen by real inputs, and noise lies outside of them: there, noise decides only where
    nothing was recorded.

    Args:
        engine: The one that was built.
        request: What it was built from.
        evidence: Recorded inputs.

    Raises:
        EngineError: If an engine fails to run.
    """
    tolerance = TOLERANCES[request.precision]
    recorded = evidence.comparison(request.role, request.precision)
    noise_decides = request.precision != "int8" or not recorded
    found: list[Distances] = []
    notes: list[str] = [] if recorded else ["No input was recorded; only noise was compared."]

    def hold_against(name: str, reference: Engine) -> None:
        kinds: tuple[tuple[str, Iterable[Inputs], float | None], ...] = (
            (RECORDED, batched(recorded, request), tolerance),
            (RANDOM, made_up(request), tolerance if noise_decides else None),
        )
        for kind, inputs, limit in kinds:
            distances = compare(engine, reference, inputs, reference_name=name, kind=kind, tolerance=limit)
            if distances is not None:
                found.append(distances)

    with closing(OnnxRuntimeEngine(request.graph, request.spec)) as reference:
        hold_against(ONNX, reference)
    if request.role in CHECKPOINT_ROLES and engine.spec.backend != TORCH:
        try:
            with _torch_reference(request) as torch_reference:
                hold_against(TORCH, torch_reference)
        except MissingBackendError as error:
            notes.append(f"Not compared with torch. {error.message} {error.fix}")
    return Parity(
        comparisons=tuple(found),
        evidence=evidence.description,
        evidence_sha256=evidence.sha256,
        notes=tuple(notes),
    )


def require_parity(parity: Parity, request: BuildRequest, backend: Backend) -> None:
    """Refuse an engine that is too far from a reference.

    Raises:
        ParityError: If it is; the message says by how much, the fix how to build it closer.
    """
    if parity.passed:
        return
    worst = "; ".join(
        f"{one.p99:.2g} on {one.inputs} inputs against {one.reference}"
        for one in parity.comparisons
        if not one.passed
    )
    role = request.role.value
    fix = (
        f"Add --precision {role}=fp32."
        if request.precision != "fp32"
        else f"Add --backend {role}=onnxruntime."
        if backend.name != "onnxruntime"
        else "Report this with the version of onnxruntime."
    )
    raise ParityError(
        f"The {request.precision} engine of {backend.name} for {role} is too far from its reference: "
        f"the 99th percentile of the cosine distance is {worst or 'unknown'}, "
        f"and {TOLERANCES[request.precision]:g} is let pass.",
        fix=fix,
    )


@contextmanager
def _torch_reference(request: BuildRequest) -> Iterator[Engine]:
    backend = get_backend(TORCH)
    backend.require()
    built = backend.build(replace(request, precision="fp32"))
    spec = replace(request.spec, backend=backend.name, device=built.device)
    with closing(backend.load(built.files, spec)) as engine:
        yield engine
