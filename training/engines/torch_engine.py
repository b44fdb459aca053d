"""The modules of trained encoders behind the engine interface."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor, nn

from engines.backends.base import BuildRequest, BuiltEngine, MissingBackendError
from engines.backends.host import cpu_fingerprint
from engines.base import Array, check_inputs, check_outputs
from engines.checkpoint import CONTRACT_NAME
from engines.errors import EngineError
from engines.spec import EngineSpec, Role
from training.checkpoint import load_weights
from training.errors import TrainingError
from training.models.audio import AudioEncoder
from training.models.visual import VisualEncoder

WEIGHTS: Final = "weights.safetensors"
_MODULES: Final[Mapping[Role, Callable[[int], nn.Module]]] = {
    Role.VISUAL: VisualEncoder,
    Role.AUDIO: AudioEncoder,
}
_CHECKPOINT_FIX: Final = "Export the checkpoint again."
_REBUILD_FIX: Final = "Build the engines again."
# Thread count and cuDNN's flags belong to the process.
_TURN: Final = threading.Lock()


class TorchEngine:
    """One module in evaluation mode.

    Args:
        module: Takes the tensors of ``spec.inputs`` in their order, gives the only one of ``spec.outputs``.
        spec: The contract; its device is where the module goes.
    """

    def __init__(self, module: nn.Module, spec: EngineSpec) -> None:
        self.spec = spec
        self._device = torch.device(spec.device)
        self._module: nn.Module | None = module.eval().requires_grad_(False).to(self._device)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run the module; see ``engines.base.Engine.run``."""
        module = self._module
        if module is None:
            raise EngineError(f"{self.spec.id} is closed.", fix="Load the engine again.")
        check_inputs(self.spec, inputs)
        try:
            outputs = self._forward(module, [inputs[name] for name in self.spec.inputs])
        except RuntimeError as error:
            raise EngineError(
                f"{self.spec.id} failed: {error}", fix="Report this with the version of torch."
            ) from error
        check_outputs(self.spec, outputs)
        return outputs

    def close(self) -> None:
        """Release the module."""
        self._module = None

    def _forward(self, module: nn.Module, arrays: list[Array]) -> dict[str, Array]:
        tensors = [torch.tensor(np.ascontiguousarray(array), device=self._device) for array in arrays]
        # TF32, which cuDNN takes by default, keeps ten bits of a number.
        with _TURN, torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            threads_before = torch.get_num_threads()
            torch.set_num_threads(self.spec.threads)
            try:
                output: Tensor = module(*tensors)
                result = output.cpu().numpy()
            finally:
                torch.set_num_threads(threads_before)
        (name,) = self.spec.outputs
        return {name: result}


def fingerprint() -> str:
    """Return device and version of torch, as readable text."""
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else cpu_fingerprint()
    return f"{device}; torch {torch.__version__}"


def build(request: BuildRequest) -> BuiltEngine:
    """Take a role's weights out of the checkpoint.

    Raises:
        EngineError: If the weights are missing, damaged, or those of another module.
    """
    weights = checkpoint_weights(request)
    module_of(weights, request.spec)
    return BuiltEngine(
        files={WEIGHTS: weights},
        versions={"torch": str(torch.__version__)},
        device="cuda:0" if torch.cuda.is_available() else "cpu",
        device_fingerprint=fingerprint(),
    )


def load(files: Mapping[str, bytes], spec: EngineSpec) -> TorchEngine:
    """Put a role's weights onto the device of its contract.

    Raises:
        MissingBackendError: If the device is a GPU and there is none.
        EngineError: If the weights are missing, damaged, or those of another module.
    """
    if torch.device(spec.device).type == "cuda" and not torch.cuda.is_available():
        raise MissingBackendError(f"{spec.id} was built for a GPU, and there is none.", fix=_REBUILD_FIX)
    if WEIGHTS not in files:
        raise EngineError(f"{spec.id} lacks {WEIGHTS}.", fix=_REBUILD_FIX)
    return TorchEngine(module_of(files[WEIGHTS], spec), spec)


def checkpoint_weights(request: BuildRequest) -> bytes:
    """Return the safetensors of the role that a request is about.

    Raises:
        EngineError: If the file is missing or damaged.
    """
    name = f"{request.role.value}.safetensors"
    if request.checkpoint is None:
        raise EngineError(f"There is no checkpoint to take {name} from.", fix="Name one with --checkpoint.")
    try:
        contract = json.loads((request.checkpoint / CONTRACT_NAME).read_text(encoding="utf-8"))
        weights = (request.checkpoint / name).read_bytes()
        intact = hashlib.sha256(weights).hexdigest() == contract["files"][name]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(
            f"There is no usable {name} in {request.checkpoint}.", fix=_CHECKPOINT_FIX
        ) from error
    if not intact:
        raise EngineError(f"{request.checkpoint / name} is damaged.", fix=_CHECKPOINT_FIX)
    return weights


def module_of(weights: bytes, spec: EngineSpec) -> nn.Module:
    """Return the module of a trained encoder with its weights, on the CPU, in evaluation mode.

    Args:
        weights: safetensors.
        spec: Its contract, which states the role and the length of an embedding.

    Raises:
        EngineError: If there is no such module, or the weights are damaged or another module's.
    """
    dimension = next(iter(spec.outputs.values())).shape[-1]
    if spec.role not in _MODULES or dimension is None:
        raise EngineError(f"{spec.id} is no trained encoder.", fix=_REBUILD_FIX)
    module = _MODULES[spec.role](dimension)
    try:
        load_weights(module, load_tensors(weights), Path(WEIGHTS))
    except (SafetensorError, TrainingError) as error:
        raise EngineError(
            f"The weights do not fit the module of {spec.model}.", fix=_CHECKPOINT_FIX
        ) from error
    return module.eval()
