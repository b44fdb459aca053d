"""Inputs that engines are compared on and calibrated with: recorded from real windows, and made up."""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from engines.backends.base import BuildRequest, Inputs, Precision
from engines.base import Array
from engines.contracts import MAX_VAD_CHUNKS, STEPS_PER_TICK
from engines.frontend.detector import LONGEST_SIDE_PX
from engines.spec import Role, TensorSpec

MADE_UP_RUNS = 4
"""Runs of made-up inputs for every batch size and length."""

_VAD_RATE_HZ = 16_000
_DETECTOR_SIZES = ((192, LONGEST_SIDE_PX), (256, LONGEST_SIDE_PX), (LONGEST_SIDE_PX, 192))

_RANGES: Mapping[tuple[Role, str], tuple[float, float]] = {
    (Role.DETECTOR, "image"): (0.0, 255.0),
    (Role.IDENTITY, "faces"): (0.0, 255.0),
    (Role.LANDMARKS, "faces"): (0.0, 1.0),
    (Role.VAD, "input"): (-0.3, 0.3),
    (Role.VAD, "state"): (-1.0, 1.0),
    (Role.SPEECH, "mel"): (-1.0, 1.0),
    (Role.VISUAL, "lips"): (0.9, 1.1),
    (Role.VISUAL, "mouth"): (0.0, 255.0),
    (Role.AUDIO, "speech"): (-2.0, 2.0),
}


Recorded = Mapping[Role, Sequence[Inputs]]
"""Inputs with a batch of one, as the live path computed them, by role."""


class Evidence:
    """Recorded inputs, which are recorded when they are first asked for.

    Args:
        description: Where they come from, in words.
        sha256: Hash of what they come from.
        record: Gives them.
    """

    def __init__(self, description: str, sha256: str, record: Callable[[], Recorded]) -> None:
        self.description = description
        self.sha256 = sha256
        self._record = functools.cache(record)

    def calibration(self, role: Role) -> Sequence[Inputs]:
        """Return every other input of a role, from the first on; ranges of int8 are chosen by them."""
        return self._record().get(role, ())[::2]

    def comparison(self, role: Role, precision: Precision) -> Sequence[Inputs]:
        """Return the inputs of a role to compare on; for int8 only those that chose no ranges."""
        inputs = self._record().get(role, ())
        return inputs[1::2] if precision == "int8" else inputs


def no_evidence() -> Evidence:
    """Return evidence of no recorded inputs at all."""
    return Evidence("no clips", hashlib.sha256().hexdigest(), dict)


def batched(inputs: Sequence[Inputs], request: BuildRequest) -> Iterator[Inputs]:
    """Join inputs of equal shape up to the batch that the engine is built for.

    Args:
        inputs: Each with a batch of one.
        request: What the engine is built for.
    """
    size = request.max_batch if has_free_batch(request) else 1
    by_shape: dict[tuple[tuple[int, ...], ...], list[Inputs]] = {}
    for one in inputs:
        by_shape.setdefault(tuple(one[name].shape for name in sorted(one)), []).append(one)
    for group in by_shape.values():
        for start in range(0, len(group), size):
            part = group[start : start + size]
            yield (
                part[0]
                if len(part) == 1
                else {name: np.concatenate([one[name] for one in part]) for name in part[0]}
            )


def has_free_batch(request: BuildRequest) -> bool:
    """Say whether all inputs and outputs of a role have a batch that may vary."""
    tensors = (*request.spec.inputs.values(), *request.spec.outputs.values())
    return all(tensor.shape and tensor.shape[0] is None for tensor in tensors)


def made_up(request: BuildRequest, seed: int = 0) -> Iterator[Inputs]:
    """Yield uniform noise in the range of real inputs, for each batch size and length that is in use.

    Args:
        request: What the engine is built for.
        seed: Which noise.
    """
    rng = np.random.default_rng([seed, *request.role.value.encode()])
    largest = request.max_batch if has_free_batch(request) else 1
    batches = sorted({1, MAX_VAD_CHUNKS if request.role is Role.VAD else largest})
    lengths = request.lengths or (1,)
    for batch, length, run in itertools.product(batches, lengths, range(MADE_UP_RUNS)):
        yield {
            name: _noise(request.role, name, tensor, rng, batch=batch, length=length, run=run)
            for name, tensor in request.spec.inputs.items()
        }


def _noise(
    role: Role, name: str, tensor: TensorSpec, rng: np.random.Generator, *, batch: int, length: int, run: int
) -> Array:
    if tensor.dtype == "int64":
        return np.full([size or 1 for size in tensor.shape], _VAD_RATE_HZ, np.int64)
    if role is Role.DETECTOR:
        free = iter(_DETECTOR_SIZES[run % len(_DETECTOR_SIZES)])
    else:
        free = iter((batch, STEPS_PER_TICK.get(role, 1) * length))
    shape = [next(free) if size is None else size for size in tensor.shape]
    low, high = _RANGES.get((role, name), (-1.0, 1.0))
    return rng.uniform(low, high, shape).astype(np.float32)
