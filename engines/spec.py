"""What an engine promises: tensors, source file, and where it runs."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


class Role(enum.StrEnum):
    """What a model is used for."""

    DETECTOR = "detector"
    IDENTITY = "identity"
    LANDMARKS = "landmarks"
    VAD = "vad"
    SPEECH = "speech"
    VISUAL = "visual"
    AUDIO = "audio"


TensorType = Literal["float32", "int64"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """Shape and dtype of one input or output.

    Attributes:
        shape: One entry a dimension; None accepts any length of at least one.
        dtype: The numpy dtype, by name.
        multiples: Where given, what each dimension must be a multiple of (1 for no demand).
    """

    shape: tuple[int | None, ...]
    dtype: TensorType = "float32"
    multiples: tuple[int, ...] | None = None

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Say whether a concrete shape keeps to this one."""
        if len(shape) != len(self.shape):
            return False
        multiples = self.multiples or (1,) * len(shape)
        return all(
            (size == wanted if wanted is not None else size >= 1) and size % multiple == 0
            for size, wanted, multiple in zip(shape, self.shape, multiples, strict=True)
        )

    def __str__(self) -> str:
        """Return dtype and shape, with ``?`` for a free dimension."""
        multiples = self.multiples or (1,) * len(self.shape)
        sizes = [
            str(size) if size is not None else "?" if multiple == 1 else f"{multiple} * ?"
            for size, multiple in zip(self.shape, multiples, strict=True)
        ]
        return f"{self.dtype} ({', '.join(sizes)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSpec:
    """The contract of a loaded engine.

    Attributes:
        model: Short name of the model, such as ``sface-2021dec``.
        role: What the model is used for.
        inputs: Tensors that ``run`` needs, by name.
        outputs: Tensors that ``run`` returns, by name.
        frontend: Identifier of the preprocessing that the inputs went through.
        source_sha256: SHA-256 of the pinned source file, hexadecimal.
        backend: Library that runs the graph.
        precision: Arithmetic of the graph.
        device: Where it runs.
        threads: Threads that one ``run`` uses.
        max_batch: Longest first axis that one ``run`` takes where it is free; None for any.
    """

    model: str
    role: Role
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    frontend: str
    source_sha256: str
    backend: str
    precision: str
    device: str
    threads: int
    max_batch: int | None = None

    @property
    def id(self) -> str:
        """Name that tells apart any two engines whose outputs may differ."""
        return f"{self.model}@{self.source_sha256[:8]}/{self.backend}-{self.precision}-{self.device}"
