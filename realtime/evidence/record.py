"""The JSON files of an evidence bundle, as pydantic models, and the hashes over them."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

#: Stands where nothing came before.
NO_HASH = "0" * 64

#: Two processors multiply float32 vectors to within less than this.
TOLERANCE = 1e-6
#: Half of the last digit on the wire, and a little for the binary fraction.
WIRE_TOLERANCE = 0.5e-4 + 1e-9

RECORD_NAME = "evidence.json"
ARRAYS_NAME = "embeddings.npz"
TRACE_NAME = "trace.csv"
OBSERVATIONS_NAME = "observations.csv"
CALIBRATION_NAME = "calibration.json"
FACES_NAME = "faces.csv"
ENVELOPE_NAME = "envelope.csv"
MANIFEST_NAME = "manifest.json"
CHAIN_NAME = "chain.jsonl"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Span = tuple[int, int]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class EngineInfo(_Strict):
    """What ran: the engine's id and, where it runs a model, that model."""

    id: str
    model: str | None = None
    source_sha256: Sha256 | None = Field(default=None, description="SHA-256 of the model's source file.")
    frontend: str | None = None
    backend: str | None = None
    precision: str | None = None
    device: str | None = None


class Provenance(_Strict):
    """Which program, settings and models made the evidence."""

    program: str
    config: dict[str, Any]
    config_sha256: Sha256 = Field(description="Over the configuration as canonical JSON.")
    engines: dict[str, EngineInfo]


class Source(_Strict):
    """Where the media came from; a file is named by its hash too."""

    kind: Literal["call", "file"]
    file: str | None = None
    sha256: Sha256 | None = None


class Scores(_Strict):
    """The scores at the transition, unrounded; times in ns of the participant's own timeline."""

    time_ns: int
    status: str
    reasons: list[str]
    intra: float | None
    cross: float | None
    score: float | None
    recent_intra: float | None
    recent_cross: float | None
    lag_ms: float | None
    margin: float | None
    intra_windows: int
    cross_windows: int


class SeamRecord(_Strict):
    """Two spans that disagree: two moments of the face (intra), or lips and voice (cross)."""

    kind: Literal["intra", "cross"]
    a_ns: Span
    b_ns: Span
    value: float


class DecisionRecord(_Strict):
    """Where the sequential test stood; evidence as natural logarithms, unrounded.

    Attributes:
        question: "changed" or "from_start".
        evidence: By channel, "intra" and "cross".
        combined: Logarithm of the mean over the channels.
        threshold: What ``combined`` is compared with.
        alarm: Whether the alarm is raised.
        observations: How many ``observations.csv`` holds.
        complete: Whether these are all since the participant came.
        decision: Rate of false alarms, and what else decides.
    """

    question: str
    evidence: dict[str, float]
    combined: float
    threshold: float
    alarm: bool
    observations: int = Field(ge=0)
    complete: bool
    decision: dict[str, float]


class EvidenceRecord(_Strict):
    """``evidence.json``.

    Attributes:
        alert: The message as on the wire.
        offset_ns: Call time minus time on the participant's own timeline.
        lag_ticks: Lag at which lips and voice were compared.
        aligned_from_window: Windows with a lower index did not count for ``recent_cross``.
        reception: How well the media came in; None for a file.
        test: The sequential test; None where none ran.
    """

    v: Literal[1] = 1
    alert: dict[str, Any]
    source: Source
    offset_ns: int
    scores: Scores
    lag_ticks: int
    aligned_from_window: int
    seams: list[SeamRecord]
    reception: dict[str, Any] | None
    test: DecisionRecord | None = None
    provenance: Provenance


class FileEntry(_Strict):
    """One file of a bundle."""

    sha256: Sha256
    bytes: int = Field(ge=0)


class Manifest(_Strict):
    """``manifest.json``: every other file of a bundle, and the head of the chain before it.

    Attributes:
        chain: Name of the chain.
        n: Number of the bundle's entry in it.
        previous: SHA-256 of the entry before; thereby of everything before.
        written_at: RFC 3339, UTC.
        lost_before: Bundles since the one before that could not be written.
    """

    v: Literal[1] = 1
    chain: str
    n: int = Field(ge=1)
    previous: Sha256
    written_at: str
    lost_before: int = Field(ge=0)
    files: dict[str, FileEntry]


class ChainEntry(_Strict):
    """One line of ``chain.jsonl``. It names no call and no participant.

    Attributes:
        n: Number, from 0 on.
        kind: "begun" opens the chain, "bundle" adds a bundle, "expired" says that one was deleted.
        at: RFC 3339, UTC.
        chain: Name of the chain, with "begun".
        manifest: SHA-256 of the bundle's manifest, with "bundle" and "expired".
        expired: Number of the entry whose bundle was deleted, with "expired".
        previous: SHA-256 of the line before.
    """

    v: Literal[1] = 1
    n: int = Field(ge=0)
    kind: Literal["begun", "bundle", "expired"]
    at: str
    chain: str | None = None
    manifest: Sha256 | None = None
    expired: int | None = None
    previous: Sha256


def canonical_json(value: Any) -> bytes:
    """Return JSON with sorted keys and no white space, as it is hashed.

    Raises:
        ValueError: If a number is not finite.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def readable_json(model: BaseModel) -> bytes:
    """Return a model as JSON for people, with a line end."""
    return model.model_dump_json(indent=1).encode() + b"\n"


def sha256(data: bytes) -> str:
    """Return the SHA-256 of bytes, hexadecimal."""
    return hashlib.sha256(data).hexdigest()
