"""Compiles the modules of trained encoders with torch-tensorrt, and runs what came out."""

from __future__ import annotations

import importlib
import inspect
import io
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim

from engines.backends.base import BuildRequest, BuiltEngine
from engines.backends.tensorrt_profiles import Profile, profiles
from engines.base import Array, check_inputs, check_outputs
from engines.errors import EngineError
from engines.spec import EngineSpec
from training.engines.half_convolutions import with_half_convolutions
from training.engines.torch_engine import checkpoint_weights, module_of

DEVICE: Final = "cuda:0"
SUFFIX: Final = ".pt2"

_REBUILD: Final = "Build it again with `seamwatch engines build --backend torch-tensorrt`."


class TorchTensorRtEngine:
    """One exported program for each window length, on a stream of their own; threads take turns.

    Args:
        programs: Compiled modules by the shape of the first input behind its batch.
        spec: The contract.
    """

    def __init__(self, programs: Mapping[tuple[int, ...], nn.Module], spec: EngineSpec) -> None:
        self.spec = spec
        self._programs = dict(programs)
        self._lock = threading.Lock()
        stream_class: Any = torch.cuda.Stream
        self._stream = stream_class(device=DEVICE)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run the program of the inputs' length; see ``engines.base.Engine.run``."""
        check_inputs(self.spec, inputs)
        arrays = [np.ascontiguousarray(inputs[name]) for name in self.spec.inputs]
        with self._lock:
            if not self._programs:
                raise EngineError(f"{self.spec.id} is closed.", fix="Load the engine again.")
            program = self._programs.get(arrays[0].shape[1:])
            if program is None:
                raise EngineError(
                    f"{self.spec.id} was not built for inputs of the shape {arrays[0].shape}.",
                    fix="Build it again with the window length in use.",
                )
            try:
                outputs = self._forward(program, arrays)
            # A program's guards on its shapes are assertions.
            except (AssertionError, RuntimeError) as error:
                raise EngineError(
                    f"{self.spec.id} failed: {error}",
                    fix="Build it with a larger --max-batch if the batch was too large; else report this "
                    "with the version of torch-tensorrt.",
                ) from error
        check_outputs(self.spec, outputs)
        return outputs

    def close(self) -> None:
        """Release the programs."""
        with self._lock:
            self._programs.clear()

    def _forward(self, program: nn.Module, arrays: list[Array]) -> dict[str, Array]:
        with torch.inference_mode(), torch.cuda.stream(self._stream):
            tensors = [torch.tensor(array).pin_memory().to(DEVICE, non_blocking=True) for array in arrays]
            result = program(*tensors)
            output: Tensor = result[0] if isinstance(result, (tuple, list)) else result
            values = output.float().cpu().numpy()
        (name,) = self.spec.outputs
        return {name: values}


def fingerprint() -> str:
    """Return GPU and versions of the libraries, as readable text."""
    major, minor = torch.cuda.get_device_capability(0)
    versions = ", ".join(f"{name} {version}" for name, version in _versions().items())
    return f"{torch.cuda.get_device_name(0)} (sm_{major}{minor}); {versions}"


def build(request: BuildRequest) -> BuiltEngine:
    """Compile one program for each window length.

    Raises:
        EngineError: If the weights are damaged, or an operation does not compile.
    """
    module = module_of(checkpoint_weights(request), request.spec).requires_grad_(False)
    if request.precision == "fp16":
        module = with_half_convolutions(module)
    module = module.to(DEVICE)
    ranges = profiles(request.role, request.spec.inputs, request.max_batch, request.lengths)
    return BuiltEngine(
        files={f"{_length(profile, request.spec)}{SUFFIX}": _compiled(module, profile) for profile in ranges},
        versions=_versions(),
        device=DEVICE,
        device_fingerprint=fingerprint(),
        notes=("The convolutions run in fp16, everything else in fp32.",)
        if request.precision == "fp16"
        else (),
    )


def load(files: Mapping[str, bytes], spec: EngineSpec) -> TorchTensorRtEngine:
    """Load the programs.

    Raises:
        EngineError: If one cannot be loaded.
    """
    # Its import registers the operators that the programs call.
    importlib.import_module("torch_tensorrt")
    name = next(iter(spec.inputs))
    rest = spec.inputs[name].shape[2:]
    programs: dict[tuple[int, ...], nn.Module] = {}
    try:
        for file, content in files.items():
            shape = (int(file.removesuffix(SUFFIX)), *(size for size in rest if size is not None))
            programs[shape] = torch.export.load(io.BytesIO(content)).module().to(DEVICE)
    except Exception as error:
        raise EngineError(f"{spec.id} cannot be loaded: {error}", fix=_REBUILD) from error
    if not programs:
        raise EngineError(f"{spec.id} holds no program.", fix=_REBUILD)
    return TorchTensorRtEngine(programs, spec)


def export(module: nn.Module, profile: Profile, device: str) -> torch.export.ExportedProgram:
    """Return the exported program of a module, free in its batch.

    Args:
        module: The encoder, on ``device``.
        profile: Range of every input, in the order in which the module takes them.
        device: Where the example inputs lie.
    """
    examples = tuple(torch.zeros(wanted.optimum, device=device) for wanted in profile.values())
    largest = next(iter(profile.values())).maximum[0]
    # torch takes an example with a batch of one as fixed, and a free batch of one at most as a mistake.
    axes = {0: Dim("batch", min=1, max=largest)} if largest > 1 else {}
    with torch.no_grad():
        return torch.export.export(module, examples, dynamic_shapes=tuple(dict(axes) for _ in profile))


def _compiled(module: nn.Module, profile: Profile) -> bytes:
    library = importlib.import_module("torch_tensorrt")
    program = export(module, profile, DEVICE)
    settings: dict[str, Any] = {
        "disable_tf32": True,
        "min_block_size": 1,
        "require_full_compilation": True,
    }
    # Before TensorRT 11 a network follows the types of the graph only if it is asked to.
    if "use_explicit_typing" in inspect.signature(library.dynamo.compile).parameters:
        settings["use_explicit_typing"] = True
    inputs = [
        library.Input(
            min_shape=wanted.minimum, opt_shape=wanted.optimum, max_shape=wanted.maximum, dtype=torch.float32
        )
        for wanted in profile.values()
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"program{SUFFIX}"
        try:
            compiled = library.dynamo.compile(program, arg_inputs=inputs, **settings)
            # Traced again, it would forget that its batch is free.
            library.save(compiled, str(path), output_format="exported_program", retrace=False)
        except Exception as error:
            raise EngineError(
                f"torch-tensorrt cannot compile the module: {error}",
                fix="Choose the backend tensorrt, or report this with the version of torch-tensorrt.",
            ) from error
        return path.read_bytes()


def _length(profile: Profile, spec: EngineSpec) -> int:
    return profile[next(iter(spec.inputs))].optimum[1]


def _versions() -> dict[str, str]:
    return {
        "torch": str(torch.__version__),
        "torch-tensorrt": str(importlib.import_module("torch_tensorrt").__version__),
        "tensorrt": str(importlib.import_module("tensorrt").__version__),
    }
