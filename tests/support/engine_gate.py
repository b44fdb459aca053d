"""An engine that a test holds back, and what it saw."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy as np

from engines.base import Array
from engines.errors import EngineError
from engines.spec import EngineSpec, Role, TensorSpec


def row_spec(
    *, device: str = "cuda:0", batch: int | None = None, threads: int = 1, max_batch: int | None = None
) -> EngineSpec:
    """The contract of an engine that takes rows of numbers; ``batch`` fixes the batch axis."""
    tensor = TensorSpec(shape=(batch, None))
    return EngineSpec(
        model="rows",
        role=Role.VISUAL,
        inputs={"x": tensor},
        outputs={"y": TensorSpec(shape=(batch,))},
        frontend="none",
        source_sha256="0123456789abcdef" * 4,
        backend="test",
        precision="fp32",
        device=device,
        threads=threads,
        max_batch=max_batch,
    )


class GatedEngine:
    """Sums rows. While the gate is shut, runs stand before it.

    Attributes:
        batches: Shape of the input of every run.
        threads: Names of the threads that ran it.
        failure: Raised by every run while it is set.
        inside: Runs that stand before the gate.
    """

    def __init__(self, spec: EngineSpec | None = None) -> None:
        self.spec = spec or row_spec()
        self.batches: list[tuple[int, ...]] = []
        self.threads: list[str] = []
        self.failure: Exception | None = None
        self.closed = 0
        self.inside = threading.Semaphore(0)
        self._gate = threading.Event()
        self._gate.set()

    def shut(self) -> None:
        self._gate.clear()

    def open(self) -> None:
        self._gate.set()

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        if self.closed:
            raise EngineError("It is closed.", fix="Open it.")
        self.batches.append(inputs["x"].shape)
        self.threads.append(threading.current_thread().name)
        self.inside.release()
        self._gate.wait()
        if self.failure is not None:
            raise self.failure
        return {"y": inputs["x"].sum(axis=1, dtype=np.float32)}

    def close(self) -> None:
        self.closed += 1
