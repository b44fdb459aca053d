"""Holds an engine against a reference: how far apart are the directions of what they give?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from engines.backends.base import Inputs, Precision
from engines.base import Array, Engine
from engines.errors import EngineError
from engines.spec import Role

TOLERANCES: Mapping[Precision, float] = {"fp32": 1e-4, "fp16": 1e-3, "bf16": 1e-3, "int8": 1e-2}
"""Largest cosine distance that 99 of 100 outputs may have.

Two unit vectors at the cosine distance d of their references change a similarity by ``2 sqrt(2 d)`` at the
very most: 0.03 for 1e-4, 0.09 for 1e-3. The thresholds of a verdict are 0.25 and more apart. Rounding itself
gives about half the square of the relative error: fp32 lies near 1e-12, fp16 near 1e-6, bf16 near 1e-4.
"""

_EMBEDDINGS: frozenset[Role] = frozenset({Role.IDENTITY, Role.SPEECH, Role.VISUAL, Role.AUDIO})
_NOTHING = 1e-6


class Distances(BaseModel):
    """Cosine distances over one kind of inputs.

    Attributes:
        reference: What the engine was held against: ``onnx`` or ``torch``.
        inputs: ``recorded`` or ``random``.
        outputs: How many outputs were compared.
        mean: Of the cosine distances, each in [0, 2].
        p99: 99th percentile.
        max: Largest one.
        tolerance: What ``p99`` must not exceed; None where it is told but decides nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reference: str
    inputs: str
    outputs: int
    mean: float
    p99: float
    max: float
    tolerance: float | None

    @property
    def passed(self) -> bool:
        """Say whether the engine may be used, as far as these inputs go."""
        return self.tolerance is None or self.p99 <= self.tolerance


class Parity(BaseModel):
    """How far one engine is from its references.

    Attributes:
        comparisons: One for each reference and kind of inputs.
        evidence: Where the recorded inputs come from, in words.
        evidence_sha256: Hash of the recorded inputs.
        notes: What was not compared, and why.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    comparisons: tuple[Distances, ...]
    evidence: str
    evidence_sha256: str
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Say whether every comparison passed, and there was one that could fail."""
        return any(found.tolerance is not None for found in self.comparisons) and all(
            found.passed for found in self.comparisons
        )


def compare(
    engine: Engine,
    reference: Engine,
    inputs: Iterable[Inputs],
    *,
    reference_name: str,
    kind: str,
    tolerance: float | None,
) -> Distances | None:
    """Run both engines on the same inputs.

    Args:
        engine: The one that was built.
        reference: The one that is right.
        inputs: What both are run on.
        reference_name: What the reference is called in reports.
        kind: What the inputs are called in reports.
        tolerance: What the 99th percentile must not exceed; None where it decides nothing.

    Returns:
        The distances; None where there are no inputs.

    Raises:
        EngineError: If an engine fails, or their outputs differ in shape.
    """
    role = engine.spec.role
    parts = [cosine_distances(role, engine.run(one), reference.run(one), engine.spec.id) for one in inputs]
    if not parts:
        return None
    distances = np.concatenate(parts)
    return Distances(
        reference=reference_name,
        inputs=kind,
        outputs=len(distances),
        mean=float(distances.mean()),
        p99=float(np.percentile(distances, 99)),
        max=float(distances.max()),
        tolerance=tolerance,
    )


def cosine_distances(
    role: Role, found: Mapping[str, Array], wanted: Mapping[str, Array], engine_id: str
) -> npt.NDArray[np.float64]:
    """Return the cosine distances of two results of a run.

    Every embedding of identity, speech, visual and audio counts for itself. Of the other roles each output
    is one vector, of every row where it has rows. A single number x counts as the direction (1, x).

    Args:
        role: What the outputs are.
        found: Outputs by name.
        wanted: Outputs of the reference by name.
        engine_id: Named where shapes differ.

    Raises:
        EngineError: If an output's shape differs.
    """
    parts = []
    for name in sorted(wanted):
        if found[name].shape != wanted[name].shape:
            raise EngineError(
                f"Output {name!r} of {engine_id} has the shape {found[name].shape}, "
                f"that of the reference {wanted[name].shape}.",
                fix="Report this with the versions of the libraries.",
            )
        parts.append(_distances(_vectors(role, found[name]), _vectors(role, wanted[name])))
    return np.concatenate(parts)


def _vectors(role: Role, output: Array) -> npt.NDArray[np.float64]:
    wide = np.asarray(output, np.float64)
    rows = wide.reshape(-1, wide.shape[-1]) if role in _EMBEDDINGS else wide.reshape(len(wide), -1)
    return np.hstack([np.ones_like(rows), rows]) if rows.shape[1] == 1 else rows


def _distances(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return half the squared distance of the unit vectors, which is 1 - cos without cancellation."""
    norm_a, norm_b = (np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    both_nothing = (np.maximum(norm_a, norm_b) < _NOTHING)[:, 0]
    apart = a / np.maximum(norm_a, _NOTHING) - b / np.maximum(norm_b, _NOTHING)
    return np.asarray(np.where(both_nothing, 0.0, 0.5 * np.square(apart).sum(axis=1)), np.float64)
