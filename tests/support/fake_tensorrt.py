"""The parts of TensorRT's Python API that engines use; plans are JSON, and every engine doubles its input."""

import ctypes
import enum
import json
import threading
from types import SimpleNamespace

import numpy as np


class _Severity(enum.IntEnum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2


class ILogger:
    Severity = _Severity


class _Error:
    def __init__(self, operator, reason):
        self._operator, self._reason = operator, reason

    def node_operator(self):
        return self._operator

    def node_name(self):
        return "node 3"

    def desc(self):
        return self._reason


class _Cache:
    def __init__(self, content):
        self.content = content

    def serialize(self):
        return self.content


class _Config:
    def __init__(self):
        self.flags = {"TF32"}
        self.profiles = []
        self.cache = None
        self.limits = {}
        self.accepts_profiles = True

    def clear_flag(self, flag):
        self.flags.discard(flag)

    def set_memory_pool_limit(self, pool, size_bytes):
        self.limits[pool] = size_bytes

    def create_timing_cache(self, content):
        return _Cache(bytes(content))

    def set_timing_cache(self, cache, ignore_mismatch):
        assert not ignore_mismatch
        self.cache = cache
        return True

    def get_timing_cache(self):
        self.cache.content += b"+"
        return self.cache

    def add_optimization_profile(self, profile):
        self.profiles.append(profile.shapes)
        return len(self.profiles) - 1 if self.accepts_profiles else -1


class _OptimizationProfile:
    def __init__(self):
        self.shapes = {}

    def set_shape(self, name, minimum, optimum, maximum):
        self.shapes[name] = [list(minimum), list(optimum), list(maximum)]


class FakeTensorRt:
    """Stands in for the module ``tensorrt``.

    Args:
        version: Its version.
        cuda: The fake runtime that addresses belong to.
        tensors: Name to (is input, dtype, shape with -1 for free) of every engine.
    """

    ILogger = ILogger
    NetworkDefinitionCreationFlag = SimpleNamespace(STRONGLY_TYPED=1)
    BuilderFlag = SimpleNamespace(TF32="TF32")
    MemoryPoolType = SimpleNamespace(WORKSPACE="workspace")
    TensorIOMode = SimpleNamespace(INPUT="input", OUTPUT="output")
    TensorLocation = SimpleNamespace(DEVICE="device", HOST="host")
    ExecutionContextAllocationStrategy = SimpleNamespace(USER_MANAGED="user")

    def __init__(self, version="11.4.0.106", cuda=None, tensors=None):
        self.__version__ = version
        self.cuda = cuda
        self.tensors = tensors or {}
        self.parse_errors = []
        self.build_fails = False
        self.accepts_profiles = True
        self.capturable = True
        self.location = "device"
        self.running = threading.Lock()
        self.contexts = 0
        self.configs = []
        self.network_flags = []

    @staticmethod
    def nptype(kind):
        return np.dtype(kind)

    def Builder(self, logger):
        return _Builder(self, logger)

    def OnnxParser(self, network, logger):
        return SimpleNamespace(
            parse=lambda graph: not self.parse_errors,
            num_errors=len(self.parse_errors),
            get_error=lambda index: _Error(*self.parse_errors[index]),
        )

    def Runtime(self, logger):
        return SimpleNamespace(deserialize_cuda_engine=lambda plan: self._engine(plan, logger))

    def _engine(self, plan, logger):
        try:
            return _Engine(self, json.loads(plan))
        except ValueError:
            logger.log(_Severity.ERROR, "the magic tag is wrong")
            logger.log(_Severity.WARNING, "a remark")
            return None


class _Builder:
    def __init__(self, library, logger):
        self._library, self._logger = library, logger

    def create_network(self, flags):
        self._library.network_flags.append(flags)
        return SimpleNamespace()

    def create_builder_config(self):
        config = _Config()
        config.accepts_profiles = self._library.accepts_profiles
        self._library.configs.append(config)
        return config

    def create_optimization_profile(self):
        return _OptimizationProfile()

    def build_serialized_network(self, network, config):
        if self._library.build_fails:
            self._logger.log(_Severity.ERROR, "no kernel fits")
            return None
        return json.dumps(config.profiles).encode()


class _Engine:
    device_memory_size_v2 = 64

    def __init__(self, library, profiles):
        self._library, self._profiles = library, profiles
        self._names = list(library.tensors)

    @property
    def num_io_tensors(self):
        return len(self._names)

    @property
    def num_optimization_profiles(self):
        return len(self._profiles)

    def get_tensor_name(self, index):
        return self._names[index]

    def get_tensor_mode(self, name):
        return "input" if self._library.tensors[name][0] else "output"

    def get_tensor_dtype(self, name):
        return self._library.tensors[name][1]

    def get_tensor_shape(self, name):
        return self._library.tensors[name][2]

    def get_tensor_location(self, name):
        return self._library.location

    def get_tensor_profile_shape(self, name, index):
        return self._profiles[index][name]

    def create_execution_context(self, strategy):
        assert strategy == "user"
        self._library.contexts += 1
        return _Context(self._library, self._profiles)


class _Context:
    """Doubles ``x`` of shape (n, 3) into ``y`` of the same shape."""

    def __init__(self, library, profiles):
        self._library, self._profiles = library, profiles
        self._profile = None
        self._shape = None
        self._addresses = {}
        self._scratch = None

    def set_device_memory(self, address, size_bytes):
        assert address in self._library.cuda.live["device"]
        self._scratch = address

    def set_optimization_profile_async(self, index, stream):
        self._profile = self._profiles[index]
        return True

    def set_input_shape(self, name, shape):
        low, _, high = self._profile[name]
        self._shape = tuple(shape)
        return all(a <= b <= c for a, b, c in zip(low, shape, high, strict=True))

    def get_tensor_shape(self, name):
        return self._shape

    def set_tensor_address(self, name, address):
        assert address in self._library.cuda.live["device"]
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream):
        cuda = self._library.cuda
        if cuda.recording is not None and not self._library.capturable:
            return False
        cuda.do(self._double)
        return True

    def _double(self):
        assert self._scratch in self._library.cuda.live["device"]
        assert self._library.running.acquire(blocking=False), "two runs share the scratch memory"
        count = int(np.prod(self._shape))
        x, y = (
            np.ctypeslib.as_array((ctypes.c_float * count).from_address(self._addresses[name]))
            for name in ("x", "y")
        )
        y[:] = 2 * x
        self._library.running.release()
