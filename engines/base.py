"""The interface behind which a model runs, and the checks that hold it to its contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from engines.errors import EngineError
from engines.spec import EngineSpec, TensorSpec

Array = npt.NDArray[Any]


class Engine(Protocol):
    """A model that is loaded and ready to run."""

    @property
    def spec(self) -> EngineSpec:
        """The contract that inputs and outputs keep to."""

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run the model once; safe to call from several threads.

        Args:
            inputs: One array for each tensor of ``spec.inputs``, by name.

        Returns:
            One array for each tensor of ``spec.outputs``, by name; all values are finite.

        Raises:
            EngineError: If the inputs break the contract, the model fails, or an output breaks the contract.
        """

    def close(self) -> None:
        """Release the model; ``run`` raises EngineError afterwards."""


def check_inputs(spec: EngineSpec, arrays: Mapping[str, Array]) -> None:
    """Hold inputs to the contract.

    Raises:
        EngineError: If a name, a dtype or a shape disagrees.
    """
    _check(spec, spec.inputs, arrays, "input", "Prepare the input with the frontend that the engine names.")


def check_outputs(spec: EngineSpec, arrays: Mapping[str, Array]) -> None:
    """Hold outputs to the contract.

    Raises:
        EngineError: If a name, a dtype or a shape disagrees, or a value is not finite.
    """
    fix = "Run `seamwatch models verify`, and check the input for values that are not finite."
    _check(spec, spec.outputs, arrays, "output", fix)
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise EngineError(f"Output {name!r} of {spec.id} holds values that are not finite.", fix=fix)


def _check(
    spec: EngineSpec, tensors: Mapping[str, TensorSpec], arrays: Mapping[str, Array], kind: str, fix: str
) -> None:
    if arrays.keys() != tensors.keys():
        wanted, given = ", ".join(sorted(tensors)), ", ".join(sorted(arrays))
        raise EngineError(f"{spec.id} has the {kind}s {wanted}; it got {given or 'none'}.", fix=fix)
    for name, tensor in tensors.items():
        array = arrays[name]
        if array.dtype.name != tensor.dtype or not tensor.fits(array.shape):
            raise EngineError(
                f"{kind.capitalize()} {name!r} of {spec.id} must be {tensor}; "
                f"it is {array.dtype.name} {array.shape}.",
                fix=fix,
            )
