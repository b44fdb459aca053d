"""Measures the CPU backends of this host and keeps the result, for ``engines.selection``."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import platformdirs

from engines.backends.base import Backend, BackendName, BuildRequest, Inputs, MissingBackendError
from engines.backends.registry import get_backend
from engines.base import Engine
from engines.errors import EngineError
from engines.selection import CPU_BACKENDS, GPU_BACKEND, Costs, Selection, select_backends
from engines.spec import Role
from engines.store.files import write_atomically

RUNS: Final = 15
_WARM_UP_RUNS: Final = 3
_CPUINFO: Final = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What is measured for one role.

    Attributes:
        request: The engine to build.
        inputs: What the live path runs it on.
    """

    request: BuildRequest
    inputs: Inputs


def choose_backends(
    trials: Mapping[Role, Trial],
    *,
    cache: Path | None = None,
    find_backend: Callable[[str], Backend] = get_backend,
    on_measure: Callable[[], None] = lambda: None,
) -> Selection:
    """Choose a backend for every role on this host; see ``engines.selection``.

    Args:
        trials: By role, all roles that are needed.
        cache: Where measurements are kept; None for a file in the user's cache folder.
        find_backend: Gives a backend by name.
        on_measure: Called once before anything is measured, which takes some seconds.

    Raises:
        EngineError: If ONNX Runtime cannot run a role.
    """
    gpu = _present(find_backend, GPU_BACKEND)
    on_gpu = gpu.roles & trials.keys() if gpu is not None else frozenset[Role]()
    on_cpu = {role: trial for role, trial in trials.items() if role not in on_gpu}
    candidates = [backend for name in CPU_BACKENDS if (backend := _present(find_backend, name)) is not None]
    costs: Costs = {}
    if len(candidates) > 1 and on_cpu:
        costs = _known_or_measured(on_cpu, candidates, cache or default_cache(), on_measure)
    return select_backends(
        trials,
        on_gpu=on_gpu,
        costs=costs,
        processor=processor_name(),
        gpu=None if gpu is None else gpu.fingerprint(),
    )


def default_cache() -> Path:
    """Return the file in the user's cache folder."""
    return platformdirs.user_cache_path("seamwatch") / "backend-costs.json"


def measure_costs(trials: Mapping[Role, Trial], candidates: list[Backend]) -> Costs:
    """Return the CPU time of one run in ms, by role and backend.

    Every engine has one thread, so that its CPU time is what it takes from others. The backends take turns
    run by run: whatever else the machine does falls on all of them. A backend that cannot build a role has
    no cost for it.

    Args:
        trials: By role.
        candidates: The backends; the first one must be able to build every role.

    Raises:
        EngineError: If the first backend cannot build a role.
    """
    return {role: _measure_role(trial, candidates) for role, trial in trials.items()}


@functools.cache
def processor_name() -> str:
    """Return what the processor calls itself."""
    with contextlib.suppress(OSError):
        for line in _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "this processor"


def _present(find_backend: Callable[[str], Backend], name: BackendName) -> Backend | None:
    backend = find_backend(name)
    try:
        backend.require()
    except MissingBackendError:
        return None
    return backend


def _known_or_measured(
    trials: Mapping[Role, Trial], candidates: list[Backend], cache: Path, on_measure: Callable[[], None]
) -> Costs:
    known = _read(cache)
    keys = {role: _key(trial, candidates) for role, trial in trials.items()}
    missing = {role: trials[role] for role, key in keys.items() if key not in known}
    if missing:
        on_measure()
        for role, costs_ms in measure_costs(missing, candidates).items():
            known[keys[role]] = {name: round(cost_ms, 4) for name, cost_ms in costs_ms.items()}
        # A cache that cannot be written costs the next start some seconds and no more.
        with contextlib.suppress(OSError):
            write_atomically(cache, json.dumps(known, indent=1, sort_keys=True).encode())
    return {role: known[key] for role, key in keys.items()}


def _key(trial: Trial, candidates: list[Backend]) -> str:
    shapes = {name: [array.dtype.name, *array.shape] for name, array in sorted(trial.inputs.items())}
    parts = [
        processor_name(),
        *sorted(backend.fingerprint() for backend in candidates),
        hashlib.sha256(trial.request.graph).hexdigest(),
        json.dumps(shapes, sort_keys=True),
    ]
    return f"{trial.request.role.value}-{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()[:32]}"


def _read(cache: Path) -> dict[str, dict[BackendName, float]]:
    """Return what is kept; nothing where the file is missing or is not what was written."""
    try:
        content = json.loads(cache.read_text(encoding="utf-8"))
        return {
            str(key): {name: float(costs_ms[name]) for name in CPU_BACKENDS if name in costs_ms}
            for key, costs_ms in content.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _measure_role(trial: Trial, candidates: list[Backend]) -> dict[BackendName, float]:
    engines: dict[BackendName, Engine] = {}
    try:
        for backend in candidates:
            try:
                engines[backend.name] = _build(backend, trial.request)
            except EngineError:
                if backend is candidates[0]:
                    raise
        spent_ms: dict[BackendName, list[float]] = {name: [] for name in engines}
        for run in range(_WARM_UP_RUNS + RUNS):
            for name, engine in engines.items():
                # Of the whole process: some libraries work on threads of their own.
                started_ns = time.process_time_ns()
                engine.run(trial.inputs)
                if run >= _WARM_UP_RUNS:
                    spent_ms[name].append((time.process_time_ns() - started_ns) / 1e6)
        return {name: statistics.median(times_ms) for name, times_ms in spent_ms.items()}
    finally:
        for engine in engines.values():
            engine.close()


def _build(backend: Backend, request: BuildRequest) -> Engine:
    one_thread = replace(request, precision="fp32", threads=1)
    built = backend.build(one_thread)
    spec = replace(request.spec, backend=backend.name, precision="fp32", device=built.device, threads=1)
    return backend.load(built.files, spec)
