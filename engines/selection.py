"""Which backend runs which role when the user leaves it open. Pure.

TensorRT takes what it can where it is present. Every other role goes to the CPU backend that costs least on
this host, as measured; ONNX Runtime, which is always installed, keeps a role unless another one is clearly
cheaper.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from engines.backends.base import BackendName
from engines.spec import Role

AUTO: Final = "auto"
CPU_BACKENDS: Final[tuple[BackendName, ...]] = ("onnxruntime", "openvino")
DEFAULT_BACKEND: Final[BackendName] = "onnxruntime"
GPU_BACKEND: Final[BackendName] = "tensorrt"

MIN_GAIN: Final = 0.1
"""Share of the default's cost that another backend must save: less is within the spread of a measurement."""

Costs = Mapping[Role, Mapping[BackendName, float]]
"""CPU time of one run in ms, by role and backend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """One backend a role.

    Attributes:
        backends: By role.
        reason: Why, as one line for the user.
    """

    backends: Mapping[Role, BackendName]
    reason: str


def select_backends(
    roles: Collection[Role], *, on_gpu: Collection[Role], costs: Costs, processor: str, gpu: str | None
) -> Selection:
    """Choose a backend for every role.

    Args:
        roles: What is needed.
        on_gpu: Roles that TensorRT can take on this host; empty where it or a GPU is missing.
        costs: What was measured for the others; empty where ONNX Runtime is the only CPU backend.
        processor: What the measured processor is called.
        gpu: What the GPU is called; None where there is none.
    """
    backends: dict[Role, BackendName] = {
        role: GPU_BACKEND if role in on_gpu else cheapest(costs.get(role, {})) for role in roles
    }
    reasons = []
    if GPU_BACKEND in backends.values():
        reasons.append(f"TensorRT is present on {gpu}")
    if any(costs.get(role) for role in roles):
        reasons.append(f"CPU time measured on {processor}")
    elif DEFAULT_BACKEND in backends.values():
        reasons.append("no other CPU backend is installed")
    return Selection(backends=backends, reason=f"auto: {describe(backends)} ({'; '.join(reasons)})")


def cheapest(costs_ms: Mapping[BackendName, float]) -> BackendName:
    """Return the backend with the lowest cost; the default unless another saves ``MIN_GAIN`` of its cost."""
    best = min(costs_ms, key=lambda name: costs_ms[name], default=DEFAULT_BACKEND)
    default_ms = costs_ms.get(DEFAULT_BACKEND)
    if default_ms is not None and costs_ms[best] > (1 - MIN_GAIN) * default_ms:
        return DEFAULT_BACKEND
    return best


def complete_with_default(
    backend: BackendName, can_build: Collection[Role], roles: Collection[Role]
) -> Selection:
    """Give every role to one backend, and the roles that it has no engine for to the default.

    Args:
        backend: What the user asked for.
        can_build: Roles that it builds.
        roles: What is needed.
    """
    backends: dict[Role, BackendName] = {
        role: backend if role in can_build else DEFAULT_BACKEND for role in roles
    }
    reason = describe(backends)
    if set(roles) - set(can_build):
        reason += f" ({backend} builds no others)"
    return Selection(backends=backends, reason=reason)


def describe(backends: Mapping[Role, BackendName]) -> str:
    """Return who runs what, the backend of most roles last."""

    def by_backend(item: tuple[Role, BackendName]) -> tuple[int, str]:
        return list(backends.values()).count(item[1]), item[1]

    groups = [
        (key[1], [role.value for role, _ in items])
        for key, items in groupby(sorted(backends.items(), key=by_backend), key=by_backend)
    ]
    if len(groups) == 1:
        return f"{groups[0][0]} runs everything"
    return ", ".join(f"{name} runs {', '.join(names)}" for name, names in groups)
