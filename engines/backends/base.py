"""What turns a prepared graph into an engine for one kind of device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from engines.base import Array, Engine
from engines.errors import EngineError
from engines.spec import EngineSpec, Role

BackendName = Literal["onnxruntime", "openvino", "tensorrt", "torch-tensorrt", "torch"]
Precision = Literal["fp32", "fp16", "bf16", "int8"]

Inputs = Mapping[str, Array]
"""One array for each input of an engine, by name."""

Calibration = Callable[[], Iterator[Inputs]]
"""Gives typical inputs of one role, anew on every call; for choosing the ranges of int8."""


class MissingBackendError(EngineError):
    """A backend's library or device is not there; the fix names the extra or the device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """What a backend needs to know to build one engine.

    Attributes:
        role: What the engine is used for.
        graph: The prepared fp32 ONNX model, with free batch and window length, named by the contract.
        spec: The contract of ``graph`` as it runs in ONNX Runtime on the CPU, the reference. A backend reads
            names, shapes, dtypes, frontend, model and source hash from it.
        precision: Arithmetic that is wanted.
        max_batch: Largest batch that a run will get, at least 1; the detector always gets 1, the VAD
            any number of chunks up to ``engines.contracts.MAX_VAD_CHUNKS``.
        lengths: Window lengths in ticks that a run of this role will get; empty for roles without windows.
        threads: Threads that one run uses on a CPU.
        checkpoint: Folder with the torch weights of visual and audio; None for the other roles.
        calibration: Typical inputs; None where there are none.
    """

    role: Role
    graph: bytes
    spec: EngineSpec
    precision: Precision
    max_batch: int = 1
    lengths: tuple[int, ...] = ()
    threads: int = 1
    checkpoint: Path | None = None
    calibration: Calibration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltEngine:
    """What a backend made.

    Attributes:
        files: Content by plain file name; what ``load`` gets back, byte for byte.
        versions: Version by library that took part.
        device: Where the engine runs: ``cpu``, or ``cuda:0``.
        device_fingerprint: What ``Backend.fingerprint`` said while it was built.
        notes: What a person should know about the build, one sentence each.
    """

    files: Mapping[str, bytes]
    versions: Mapping[str, str]
    device: str
    device_fingerprint: str
    notes: tuple[str, ...] = ()


class Backend(Protocol):
    """One library that runs engines. Its modules import the library only inside these methods."""

    @property
    def name(self) -> BackendName:
        """The name under which it is registered."""

    @property
    def precisions(self) -> frozenset[Precision]:
        """Arithmetic that it can build on this kind of device."""

    @property
    def roles(self) -> frozenset[Role]:
        """Roles that it can build."""

    def require(self) -> None:
        """Make sure that the library and the device are there.

        Raises:
            MissingBackendError: If not; the fix is what to install.
        """

    def fingerprint(self) -> str:
        """Return the device and library versions that an engine built now is valid for, as readable text.

        Raises:
            MissingBackendError: If the library or the device is not there.
        """

    def build(self, request: BuildRequest) -> BuiltEngine:
        """Build one engine.

        Raises:
            MissingBackendError: If the library or the device is not there.
            EngineError: If the graph cannot be built in the wanted precision.
        """

    def load(self, files: Mapping[str, bytes], spec: EngineSpec) -> Engine:
        """Load what ``build`` made.

        Args:
            files: ``BuiltEngine.files``.
            spec: The contract, with this backend, its precision, device and threads filled in.

        Raises:
            MissingBackendError: If the library or the device is not there.
            EngineError: If the engine cannot be loaded or disagrees with the contract.
        """
