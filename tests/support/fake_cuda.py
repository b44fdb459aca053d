"""CUDA's runtime in host memory: the calls that engines make, with every leak and misuse visible."""

import ctypes
import enum


class Error(enum.IntEnum):
    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorMemoryAllocation = 2
    cudaErrorInsufficientDriver = 35
    cudaErrorStreamCaptureInvalidated = 901


class _Properties:
    name = b"NVIDIA Test"
    major, minor = 8, 9


class _Kinds:
    cudaMemcpyHostToDevice = "in"
    cudaMemcpyDeviceToHost = "out"


class _Modes:
    cudaStreamCaptureModeThreadLocal = 1


class FakeCudaRuntime:
    """Stands in for the module ``cuda.bindings.runtime``; there is one stream at most in capture.

    Attributes:
        live: What was made and not yet released, by kind.
        calls: Names of the calls, in order.
        fail: Calls that answer with an error.
    """

    cudaStreamNonBlocking = 1
    cudaMemcpyKind = _Kinds
    cudaStreamCaptureMode = _Modes

    def __init__(self, devices=1):
        self.devices = devices
        self.live = {"device": {}, "host": {}, "stream": set(), "graph": {}, "executable": {}}
        self.calls = []
        self.fail = {}
        self.recording = None
        self._next = 1

    def __getattribute__(self, name):
        value = object.__getattribute__(self, name)
        if not name.startswith("cuda") or not callable(value) or isinstance(value, type):
            return value

        def call(*arguments):
            self.calls.append(name)
            if name in self.fail:
                return (self.fail[name], None)
            result = value(*arguments)
            return (Error.cudaSuccess,) if result is None else (Error.cudaSuccess, result)

        return call

    def _handle(self):
        self._next += 1
        return self._next

    def _memory(self, kind, size_bytes):
        memory = ctypes.create_string_buffer(size_bytes)
        address = ctypes.addressof(memory)
        self.live[kind][address] = memory
        return address

    def do(self, step):
        """Run a step of a stream, or record it."""
        if self.recording is None:
            step()
        else:
            self.recording.append(step)

    def cudaGetDeviceCount(self):
        return self.devices

    def cudaGetDeviceProperties(self, device):
        return _Properties()

    def cudaSetDevice(self, device):
        assert device == 0

    def cudaMalloc(self, size_bytes):
        return self._memory("device", size_bytes)

    def cudaFree(self, address):
        del self.live["device"][address]

    def cudaMallocHost(self, size_bytes):
        return self._memory("host", size_bytes)

    def cudaFreeHost(self, address):
        del self.live["host"][address]

    def cudaMemcpyAsync(self, target, source, size_bytes, kind, stream):
        assert stream in self.live["stream"]
        sides = ("host", "device") if kind == "in" else ("device", "host")
        assert source in self.live[sides[0]]
        assert target in self.live[sides[1]]
        self.do(lambda: ctypes.memmove(target, source, size_bytes))

    def cudaStreamCreateWithFlags(self, flags):
        stream = self._handle()
        self.live["stream"].add(stream)
        return stream

    def cudaStreamDestroy(self, stream):
        self.live["stream"].remove(stream)

    def cudaStreamSynchronize(self, stream):
        assert self.recording is None
        assert stream in self.live["stream"]

    def cudaStreamBeginCapture(self, stream, mode):
        assert self.recording is None
        self.recording = []

    def cudaStreamEndCapture(self, stream):
        graph = self._handle()
        self.live["graph"][graph] = self.recording
        self.recording = None
        return graph

    def cudaGraphDestroy(self, graph):
        del self.live["graph"][graph]

    def cudaGraphInstantiate(self, graph, flags):
        executable = self._handle()
        self.live["executable"][executable] = list(self.live["graph"][graph])
        return executable

    def cudaGraphLaunch(self, executable, stream):
        for step in self.live["executable"][executable]:
            step()

    def cudaGraphExecDestroy(self, executable):
        del self.live["executable"][executable]

    def leaks(self):
        """Return how many things of each kind were never released."""
        return {kind: len(things) for kind, things in self.live.items() if things}
