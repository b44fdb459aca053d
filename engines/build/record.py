"""What is written beside an engine: ``engine.json`` for each one, ``engines.json`` for a set of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from engines.backends.base import BackendName, Precision
from engines.build.parity import Parity
from engines.spec import EngineSpec, Role, TensorSpec, TensorType

FORMAT: Final = 1

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TensorRecord(_Record):
    """``engines.spec.TensorSpec`` in JSON."""

    shape: tuple[Annotated[int, Field(ge=1)] | None, ...]
    dtype: TensorType
    multiples: tuple[Annotated[int, Field(ge=1)], ...] | None = None

    @classmethod
    def of(cls, spec: TensorSpec) -> TensorRecord:
        """Return the record of a tensor."""
        return cls(shape=spec.shape, dtype=spec.dtype, multiples=spec.multiples)

    def spec(self) -> TensorSpec:
        """Return the tensor of the record."""
        return TensorSpec(shape=self.shape, dtype=self.dtype, multiples=self.multiples)


class Frontend(_Record):
    """The preprocessing that an engine's inputs go through."""

    id: str
    version: int


class Windows(_Record):
    """Windows of the live path, in ticks of 40 ms.

    Attributes:
        length_ticks: Length F of a window.
        hop_ticks: Step between windows.
        band_ticks: Lags B on both sides; the sound of a window is 2 B ticks longer.
    """

    length_ticks: Annotated[int, Field(ge=1)]
    hop_ticks: Annotated[int, Field(ge=1)]
    band_ticks: Annotated[int, Field(ge=0)]

    def lengths(self, role: Role) -> tuple[int, ...]:
        """Return the lengths in ticks that a run of a role gets; none where it knows no windows."""
        if role is Role.VISUAL:
            return (self.length_ticks,)
        if role in (Role.SPEECH, Role.AUDIO):
            return (self.length_ticks + 2 * self.band_ticks,)
        return ()


class EngineRecord(_Record):
    """The contract of one built engine.

    Attributes:
        format: Version of this record.
        key: What the build cache knows the engine by.
        role: What it is used for.
        model: Short name of the model.
        inputs: Tensors by name.
        outputs: Tensors by name.
        frontend: Preprocessing of the inputs.
        windows: Windows that the set is for.
        lengths: Window lengths in ticks that the engine was built for.
        max_batch: Largest batch.
        backend: Library that runs it.
        precision: Arithmetic.
        versions: Version by library that took part.
        device: Where it runs.
        device_fingerprint: Device and library versions that it is valid for.
        source_sha256: Of the model's source file.
        graph_sha256: Of the prepared fp32 graph.
        checkpoint_sha256: Of the checkpoint's contract; None for models of the store.
        built_at: UTC time in ISO 8601.
        build_seconds: How long the build took, without its comparison.
        files: SHA-256 by name of the files beside this one.
        parity: How far it is from its references.
        notes: What a person should know, one sentence each.
    """

    format: Literal[1] = FORMAT
    key: Sha256
    role: Role
    model: str
    inputs: Mapping[str, TensorRecord]
    outputs: Mapping[str, TensorRecord]
    frontend: Frontend
    windows: Windows
    lengths: tuple[int, ...]
    max_batch: Annotated[int, Field(ge=1)]
    backend: BackendName
    precision: Precision
    versions: Mapping[str, str]
    device: str
    device_fingerprint: str
    source_sha256: Sha256
    graph_sha256: Sha256
    checkpoint_sha256: Sha256 | None
    built_at: str
    build_seconds: float
    files: Mapping[FileName, Sha256]
    parity: Parity
    notes: tuple[str, ...] = ()

    def spec(self, threads: int) -> EngineSpec:
        """Return the contract of the engine once it is loaded.

        Args:
            threads: Threads that one run uses on a CPU.
        """
        return EngineSpec(
            model=self.model,
            role=self.role,
            inputs={name: tensor.spec() for name, tensor in self.inputs.items()},
            outputs={name: tensor.spec() for name, tensor in self.outputs.items()},
            frontend=self.frontend.id,
            source_sha256=self.source_sha256,
            backend=self.backend,
            precision=self.precision,
            device=self.device,
            threads=threads,
            max_batch=self.max_batch,
        )


class CheckpointRecord(_Record):
    """The checkpoint behind visual and audio.

    Attributes:
        name: ``default``, or the folder as given.
        sha256: Of its contract.
        dimension: Length D of a frame embedding.
        context_ticks: R: F ticks in give F - 2R frame embeddings out.
    """

    name: str
    sha256: Sha256
    dimension: Annotated[int, Field(ge=1)]
    context_ticks: Annotated[int, Field(ge=0)]


class SetRecord(_Record):
    """A set of engines, one for each role.

    Attributes:
        format: Version of this record.
        key: Hash over the engines' keys.
        engines: SHA-256 of each role's ``engine.json``.
        checkpoint: The checkpoint behind visual and audio.
        windows: Windows that the set is for.
        max_batch: Largest batch.
        built_at: UTC time in ISO 8601.
        seamwatch: Version of the program.
        command: Arguments that build the set again, without the folder.
    """

    format: Literal[1] = FORMAT
    key: Sha256
    engines: Mapping[Role, Sha256]
    checkpoint: CheckpointRecord
    windows: Windows
    max_batch: Annotated[int, Field(ge=1)]
    built_at: str
    seamwatch: str
    command: tuple[str, ...]


class SealedSet(_Record):
    """A set's record with a hash of its own, so that damage is seen."""

    set: SetRecord
    sha256: Sha256

    @classmethod
    def seal(cls, record: SetRecord) -> SealedSet:
        """Add the hash."""
        return cls(set=record, sha256=canonical_sha256(record.model_dump(mode="json")))

    @property
    def sound(self) -> bool:
        """Say whether the hash is that of the record."""
        return canonical_sha256(self.set.model_dump(mode="json")) == self.sha256


def canonical_sha256(value: Any) -> str:
    """Return the hash of a value that JSON can hold, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def as_json(record: BaseModel) -> bytes:
    """Return a record as the content of a file."""
    return f"{json.dumps(record.model_dump(mode='json'), indent=1, sort_keys=True)}\n".encode()
