"""Streams, memory and graphs of CUDA, as far as an engine needs them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from engines.base import Array
from engines.errors import EngineError

CUDA_CALLS: Final = (
    "cudaFree",
    "cudaFreeHost",
    "cudaGetDeviceCount",
    "cudaGetDeviceProperties",
    "cudaGraphDestroy",
    "cudaGraphExecDestroy",
    "cudaGraphInstantiate",
    "cudaGraphLaunch",
    "cudaMalloc",
    "cudaMallocHost",
    "cudaMemcpyAsync",
    "cudaSetDevice",
    "cudaStreamBeginCapture",
    "cudaStreamCreateWithFlags",
    "cudaStreamDestroy",
    "cudaStreamEndCapture",
    "cudaStreamSynchronize",
)
"""Every function of ``cuda.bindings.runtime`` that is called here."""

_DEVICE: Final = 0


class CudaError(EngineError):
    """A call of CUDA failed."""

    def __init__(self, call: str, reason: str) -> None:
        super().__init__(
            f"{call} failed: {reason}.",
            fix="Check the GPU with nvidia-smi, and free its memory if it is full.",
        )


@dataclass(frozen=True, slots=True)
class Buffer:
    """One tensor's memory on both sides.

    Attributes:
        host: View of pinned memory.
        device: Address on the GPU.
    """

    host: Array
    device: int


class Cuda:
    """The first GPU that CUDA_VISIBLE_DEVICES lets through, with calls that raise.

    Args:
        runtime: The module ``cuda.bindings.runtime``.
    """

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime

    def device_count(self) -> int:
        """Return the number of GPUs.

        Raises:
            CudaError: If there is no driver, or it is too old.
        """
        return int(self._call("cudaGetDeviceCount"))

    def device_name(self) -> str:
        """Return name and compute capability, such as ``NVIDIA L4 (sm_89)``."""
        properties = self._call("cudaGetDeviceProperties", _DEVICE)
        name = properties.name.decode() if isinstance(properties.name, bytes) else str(properties.name)
        return f"{name} (sm_{properties.major}{properties.minor})"

    def use_device(self) -> None:
        """Make the device the calling thread's."""
        self._call("cudaSetDevice", _DEVICE)

    def create_stream(self) -> Any:
        """Return a stream that does not wait for the default one."""
        return self._call("cudaStreamCreateWithFlags", self._runtime.cudaStreamNonBlocking)

    def destroy_stream(self, stream: Any) -> None:
        """Destroy a stream."""
        self._call("cudaStreamDestroy", stream)

    def synchronize(self, stream: Any) -> None:
        """Wait until all work of a stream is done."""
        self._call("cudaStreamSynchronize", stream)

    def allocate_device(self, size_bytes: int) -> int:
        """Return the address of new memory on the GPU."""
        return int(self._call("cudaMalloc", max(size_bytes, 1)))

    def free_device(self, address: int) -> None:
        """Free memory on the GPU."""
        self._call("cudaFree", address)

    def allocate(self, shape: tuple[int, ...], dtype: str) -> Buffer:
        """Return new memory for a tensor on both sides."""
        count = int(np.prod(shape, dtype=np.int64))
        size_bytes = max(count, 1) * np.dtype(dtype).itemsize
        address = int(self._call("cudaMallocHost", size_bytes))
        try:
            device = self.allocate_device(size_bytes)
        except CudaError:
            self._call("cudaFreeHost", address)
            raise
        memory = (ctypes.c_uint8 * size_bytes).from_address(address)
        return Buffer(np.ctypeslib.as_array(memory).view(dtype)[:count].reshape(shape), device)

    def free(self, buffer: Buffer) -> None:
        """Free the memory of a tensor; its view must not be used afterwards."""
        self.free_device(buffer.device)
        self._call("cudaFreeHost", buffer.host.ctypes.data)

    def copy_to_device(self, buffer: Buffer, stream: Any) -> None:
        """Enqueue the copy of a tensor to the GPU."""
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        host = buffer.host
        self._call("cudaMemcpyAsync", buffer.device, host.ctypes.data, host.nbytes, kind, stream)

    def copy_to_host(self, buffer: Buffer, stream: Any) -> None:
        """Enqueue the copy of a tensor from the GPU."""
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        host = buffer.host
        self._call("cudaMemcpyAsync", host.ctypes.data, buffer.device, host.nbytes, kind, stream)

    def capture(self, stream: Any, enqueue: Callable[[], None]) -> Any:
        """Record what ``enqueue`` puts onto a stream, without running it.

        Returns:
            The graph, ready to launch.

        Raises:
            EngineError: If something in it cannot be recorded; the stream is usable again.
        """
        mode = self._runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._call("cudaStreamBeginCapture", stream, mode)
        try:
            enqueue()
        except EngineError:
            _, abandoned = self._runtime.cudaStreamEndCapture(stream)
            if abandoned is not None and int(abandoned) != 0:
                self._call("cudaGraphDestroy", abandoned)
            raise
        graph = self._call("cudaStreamEndCapture", stream)
        try:
            return self._call("cudaGraphInstantiate", graph, 0)
        finally:
            self._call("cudaGraphDestroy", graph)

    def launch(self, graph: Any, stream: Any) -> None:
        """Enqueue a recorded graph."""
        self._call("cudaGraphLaunch", graph, stream)

    def destroy_graph(self, graph: Any) -> None:
        """Destroy a recorded graph."""
        self._call("cudaGraphExecDestroy", graph)

    def _call(self, name: str, *arguments: Any) -> Any:
        error, *values = getattr(self._runtime, name)(*arguments)
        if int(error) != 0:
            raise CudaError(name, getattr(error, "name", str(error)))
        return values[0] if values else None
