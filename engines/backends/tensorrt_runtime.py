"""Runs TensorRT plans."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from engines.backends.tensorrt_builder import Messages
from engines.backends.tensorrt_memory import Buffer, Cuda
from engines.backends.tensorrt_profiles import Profile, Shape, ShapeRange, choose
from engines.base import Array, check_inputs, check_outputs
from engines.errors import EngineError
from engines.spec import EngineSpec, TensorSpec

MAX_PREPARED_SHAPES: Final = 32
"""Shapes that stay prepared; the one that was not used for longest makes room."""

_REBUILD: Final = "Build it again with `seamwatch engines build --backend tensorrt`."


class TensorRtEngine:
    """One plan on its own stream; runs from several threads take turns.

    Every shape has an execution context, pinned and device memory, and a CUDA graph that holds copies and
    kernels. The contexts share one block of scratch memory, since only one of them runs at a time.

    Args:
        library: The module ``tensorrt``.
        cuda: The GPU.
        plan: The serialised engine.
        spec: The contract that the plan must keep to.

    Raises:
        EngineError: If TensorRT does not load the plan, or it disagrees with the contract.
    """

    def __init__(self, library: Any, cuda: Cuda, plan: bytes, spec: EngineSpec) -> None:
        self.spec = spec
        self._library = library
        self._cuda = cuda
        self._messages = Messages(library)
        self._lock = threading.Lock()
        cuda.use_device()
        self._runtime = library.Runtime(self._messages.logger)
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise EngineError(f"{spec.id} cannot be loaded: {self._messages.text()}.", fix=_REBUILD)
        _compare(library, self._engine, spec)
        self._profiles = _profiles_of(self._engine, spec)
        self._stream = cuda.create_stream()
        self._scratch = cuda.allocate_device(self._engine.device_memory_size_v2)
        self._prepared: OrderedDict[tuple[Shape, ...], _FixedShape] = OrderedDict()

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run the plan; see ``engines.base.Engine.run``."""
        check_inputs(self.spec, inputs)
        with self._lock:
            if self._engine is None:
                raise EngineError(f"{self.spec.id} is closed.", fix="Load the engine again.")
            self._cuda.use_device()
            outputs = self._shape({name: array.shape for name, array in inputs.items()}).run(inputs)
        check_outputs(self.spec, outputs)
        return outputs

    def close(self) -> None:
        """Release the plan and its memory."""
        with self._lock:
            if self._engine is None:
                return
            self._cuda.use_device()
            self._cuda.synchronize(self._stream)
            for prepared in self._prepared.values():
                prepared.close()
            self._prepared.clear()
            self._cuda.free_device(self._scratch)
            self._cuda.destroy_stream(self._stream)
            self._engine = self._runtime = None

    @property
    def captured_shapes(self) -> int:
        """Prepared shapes that run as a CUDA graph."""
        with self._lock:
            return sum(prepared.graph is not None for prepared in self._prepared.values())

    def _shape(self, shapes: Mapping[str, Shape]) -> _FixedShape:
        key = tuple(shapes[name] for name in self.spec.inputs)
        if key in self._prepared:
            self._prepared.move_to_end(key)
            return self._prepared[key]
        if len(self._prepared) >= MAX_PREPARED_SHAPES:
            self._prepared.popitem(last=False)[1].close()
        profile = choose(self._profiles, shapes)
        prepared = _FixedShape(self, profile, shapes)
        self._prepared[key] = prepared
        return prepared

    def context(self) -> Any:
        """Return a new execution context on the shared scratch memory."""
        strategy = self._library.ExecutionContextAllocationStrategy.USER_MANAGED
        context = self._engine.create_execution_context(strategy)
        if context is None:
            raise self.failure()
        context.set_device_memory(self._scratch, self._engine.device_memory_size_v2)
        return context

    def failure(self) -> EngineError:
        """Return the error that says what TensorRT said."""
        return EngineError(
            f"{self.spec.id} failed: {self._messages.text()}.",
            fix="Report this with the version of TensorRT.",
        )

    @property
    def cuda(self) -> Cuda:
        """The GPU."""
        return self._cuda

    @property
    def stream(self) -> Any:
        """The engine's stream."""
        return self._stream


class _FixedShape:
    """Everything that runs of one shape need again and again."""

    def __init__(self, engine: TensorRtEngine, profile: int, shapes: Mapping[str, Shape]) -> None:
        self._engine = engine
        self._cuda, self._stream = engine.cuda, engine.stream
        self._inputs: dict[str, Buffer] = {}
        self._outputs: dict[str, Buffer] = {}
        self.graph: Any = None
        try:
            self._context = self._bound_context(profile, shapes)
            # The first run after a change of shape sets things up that a recording must not contain.
            self._enqueue()
            self._cuda.synchronize(self._stream)
            self.graph = self._recorded()
        except BaseException:
            self.close()
            raise

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        for name, buffer in self._inputs.items():
            np.copyto(buffer.host, inputs[name])
        if self.graph is None:
            self._enqueue()
        else:
            self._cuda.launch(self.graph, self._stream)
        self._cuda.synchronize(self._stream)
        return {name: buffer.host.copy() for name, buffer in self._outputs.items()}

    def close(self) -> None:
        self._cuda.synchronize(self._stream)
        if self.graph is not None:
            self._cuda.destroy_graph(self.graph)
            self.graph = None
        for buffer in (*self._inputs.values(), *self._outputs.values()):
            self._cuda.free(buffer)
        self._inputs.clear()
        self._outputs.clear()
        self._context = None

    def _bound_context(self, profile: int, shapes: Mapping[str, Shape]) -> Any:
        spec = self._engine.spec
        context = self._engine.context()
        if not context.set_optimization_profile_async(profile, self._stream):
            raise self._engine.failure()
        self._cuda.synchronize(self._stream)
        for name, tensor in spec.inputs.items():
            if not context.set_input_shape(name, shapes[name]):
                raise self._engine.failure()
            self._inputs[name] = self._cuda.allocate(shapes[name], tensor.dtype)
            self._inputs[name].host.fill(0)
        for name, tensor in spec.outputs.items():
            self._outputs[name] = self._cuda.allocate(tuple(context.get_tensor_shape(name)), tensor.dtype)
        for name, buffer in (*self._inputs.items(), *self._outputs.items()):
            if not context.set_tensor_address(name, buffer.device):
                raise self._engine.failure()
        return context

    def _enqueue(self) -> None:
        for buffer in self._inputs.values():
            self._cuda.copy_to_device(buffer, self._stream)
        if not self._context.execute_async_v3(int(self._stream)):
            raise self._engine.failure()
        for buffer in self._outputs.values():
            self._cuda.copy_to_host(buffer, self._stream)

    def _recorded(self) -> Any:
        """Return the CUDA graph; None where the plan holds what CUDA cannot record, such as some loops."""
        try:
            return self._cuda.capture(self._stream, self._enqueue)
        except EngineError:
            return None


def _profiles_of(engine: Any, spec: EngineSpec) -> list[Profile]:
    return [
        {
            name: ShapeRange(*(tuple(shape) for shape in engine.get_tensor_profile_shape(name, index)))
            for name in spec.inputs
        }
        for index in range(engine.num_optimization_profiles)
    ]


def _compare(library: Any, engine: Any, spec: EngineSpec) -> None:
    """Raise EngineError unless the plan has the contract's tensors, in the GPU's memory."""
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    for mode, tensors in (
        (library.TensorIOMode.INPUT, spec.inputs),
        (library.TensorIOMode.OUTPUT, spec.outputs),
    ):
        found = {name for name in names if engine.get_tensor_mode(name) == mode}
        if found != tensors.keys():
            raise EngineError(
                f"{spec.id} should have the tensors {', '.join(sorted(tensors))}; "
                f"its plan has {', '.join(sorted(found))}.",
                fix=_REBUILD,
            )
        for name, tensor in tensors.items():
            _compare_tensor(library, engine, spec, name, tensor)


def _compare_tensor(library: Any, engine: Any, spec: EngineSpec, name: str, tensor: TensorSpec) -> None:
    dtype = np.dtype(library.nptype(engine.get_tensor_dtype(name))).name
    shape: Shape = tuple(engine.get_tensor_shape(name))
    agrees = len(shape) == len(tensor.shape) and all(
        size in (-1, wanted) for size, wanted in zip(shape, tensor.shape, strict=True) if wanted is not None
    )
    on_device = engine.get_tensor_location(name) == library.TensorLocation.DEVICE
    if dtype != tensor.dtype or not agrees or not on_device:
        raise EngineError(
            f"{name!r} of {spec.id} should be {tensor}; its plan has {dtype} {shape}.", fix=_REBUILD
        )
