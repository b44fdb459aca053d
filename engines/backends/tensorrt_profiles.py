"""Which shapes a TensorRT engine is built for: batch 1 to N, and the window lengths in use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from engines.contracts import MAX_VAD_CHUNKS, STEPS_PER_TICK
from engines.errors import EngineError
from engines.frontend.detector import LONGEST_SIDE_PX
from engines.spec import Role, TensorSpec

Shape = tuple[int, ...]

# A picture of 16:9, as calls send it, padded to the detector's multiple.
_LIKELY_PICTURE_PX: Final = (192, LONGEST_SIDE_PX)


@dataclass(frozen=True, slots=True)
class ShapeRange:
    """Shapes that one input may have; the kernels are chosen for ``optimum``."""

    minimum: Shape
    optimum: Shape
    maximum: Shape

    def holds(self, shape: Shape) -> bool:
        """Say whether a shape lies in the range."""
        return len(shape) == len(self.minimum) and all(
            low <= size <= high for low, size, high in zip(self.minimum, shape, self.maximum, strict=True)
        )


Profile = Mapping[str, ShapeRange]
"""The range of every input, by name."""


def profiles(
    role: Role, inputs: Mapping[str, TensorSpec], max_batch: int, lengths: Sequence[int]
) -> tuple[Profile, ...]:
    """Return one profile for each window length, or the only one of a role without windows.

    A length has a profile of its own so that only the batch is free in it and the kernels fit that length.

    Args:
        role: What the engine is used for.
        inputs: The contract's inputs.
        max_batch: Largest batch, at least 1.
        lengths: Window lengths in ticks.

    Raises:
        EngineError: If the batch or a length is not positive, a windowed role has no length, or a shape that
            follows from a length breaks the contract.
    """
    if max_batch < 1 or any(length < 1 for length in lengths):
        raise EngineError("Batch and window lengths must be positive.", fix="Choose --max-batch 1 or more.")
    if role not in STEPS_PER_TICK:
        return ({name: _range(role, tensor, max_batch, 0) for name, tensor in inputs.items()},)
    if not lengths:
        raise EngineError(
            f"The role {role.value} needs the window lengths that it will run on.",
            fix="Build the engines with `seamwatch engines build`, which names them.",
        )
    return tuple(
        {name: _range(role, tensor, max_batch, length) for name, tensor in inputs.items()}
        for length in sorted(set(lengths))
    )


def choose(available: Sequence[Profile], shapes: Mapping[str, Shape]) -> int:
    """Return the index of the first profile that holds all shapes.

    Args:
        available: The profiles of an engine.
        shapes: Shape by name of every input that the profiles know.

    Raises:
        EngineError: If there is none.
    """
    for index, profile in enumerate(available):
        if all(wanted.holds(shapes[name]) for name, wanted in profile.items()):
            return index
    found = ", ".join(f"{name} {shape}" for name, shape in sorted(shapes.items()))
    raise EngineError(
        f"The engine was not built for inputs of the shapes {found}.",
        fix="Build it again with a larger --max-batch and the window length in use.",
    )


def _range(role: Role, tensor: TensorSpec, max_batch: int, length: int) -> ShapeRange:
    multiples = tensor.multiples or (1,) * len(tensor.shape)
    axes = [
        (size, size, size) if size is not None else _free_axis(role, axis, multiples[axis], max_batch, length)
        for axis, size in enumerate(tensor.shape)
    ]
    minimum, optimum, maximum = (tuple(axis[bound] for axis in axes) for bound in range(3))
    for shape in (minimum, optimum, maximum):
        if not tensor.fits(shape):
            raise EngineError(
                f"An input of {role.value} must be {tensor}, which {shape} is not.",
                fix="Choose another window length.",
            )
    return ShapeRange(minimum, optimum, maximum)


def _free_axis(role: Role, axis: int, multiple: int, max_batch: int, length: int) -> tuple[int, int, int]:
    if role is Role.DETECTOR:
        return multiple, _LIKELY_PICTURE_PX[axis - 2], LONGEST_SIDE_PX
    if role is Role.VAD:
        return 1, MAX_VAD_CHUNKS, MAX_VAD_CHUNKS
    if axis == 0:
        return 1, max_batch, max_batch
    steps = STEPS_PER_TICK[role] * length
    return steps, steps, steps
