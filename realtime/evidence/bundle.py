"""From a snapshot to the files of a bundle, and back to arrays. Bytes only; nothing is written here."""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from realtime.evidence.decision_files import decision_files, decision_record
from realtime.evidence.media_files import media_files
from realtime.evidence.memory import EvidenceSnapshot, TracePoint
from realtime.evidence.record import (
    ARRAYS_NAME,
    MANIFEST_NAME,
    RECORD_NAME,
    TRACE_NAME,
    EvidenceRecord,
    FileEntry,
    Manifest,
    Provenance,
    Scores,
    SeamRecord,
    Source,
    readable_json,
    sha256,
)
from realtime.similarity.cross_similarity import MAX_CAPACITY
from realtime.timebase import NS_PER_S
from realtime.types import Bool, Float32, Seam, TimeSpan

Int64 = npt.NDArray[np.int64]

#: Arrays that take more are not read: five times what a scan's memory of 2048 windows comes to.
MAX_ARRAY_BYTES = 1 << 30

_UNREADABLE = (
    OSError, EOFError, KeyError, MemoryError, NotImplementedError, OverflowError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip

_TRACE_COLUMNS = (
    "window", "time_s", "status", "reasons", "face_size_px", "face_coverage", "speech_coverage", "lag_ms",
    "intra", "cross", "recent_intra", "recent_cross", "margin",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceItem:
    """A snapshot and what the session knows beside it.

    Attributes:
        snapshot: What the transition rests on.
        alert: The message as on the wire.
        source: Where the media came from.
        offset_ns: Call time minus time on the participant's own timeline.
        reception: How well the media came in; None for a file.
    """

    snapshot: EvidenceSnapshot
    alert: Mapping[str, Any]
    source: Source
    offset_ns: int = 0
    reception: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredArrays:
    """``embeddings.npz``: T windows with a face, S windows whose lips and voice were compared.

    Attributes:
        identity: float32, shape (T, D), unit-norm rows.
        identity_window: int64, shape (T,), window indices.
        identity_span_ns: int64, shape (T, 2).
        similarities: float32, shape (T (T + 1) / 2,): the upper triangle of the T x T identity similarities,
            row by row, diagonal included, as they were scored.
        lips: float32, shape (S, E), unit-norm rows.
        voice: float32, shape (S, L, E): the voice at every lag; unit-norm rows, zero where not valid.
        voice_valid: bool, shape (S, L).
        lips_voice_window: int64, shape (S,), window indices.
        lips_voice_span_ns: int64, shape (S, 2).
    """

    identity: Float32
    identity_window: Int64
    identity_span_ns: Int64
    similarities: Float32
    lips: Float32
    voice: Float32
    voice_valid: Bool
    lips_voice_window: Int64
    lips_voice_span_ns: Int64


_TYPES_AND_AXES: Mapping[str, tuple[type[np.generic], int]] = {
    "identity": (np.float32, 2),
    "identity_window": (np.int64, 1),
    "identity_span_ns": (np.int64, 2),
    "similarities": (np.float32, 1),
    "lips": (np.float32, 2),
    "voice": (np.float32, 3),
    "voice_valid": (np.bool_, 2),
    "lips_voice_window": (np.int64, 1),
    "lips_voice_span_ns": (np.int64, 2),
}


def bundle_files(item: EvidenceItem, provenance: Provenance) -> dict[str, bytes]:
    """Return the files of a bundle by name, without its manifest."""
    media, test = item.snapshot.media, item.snapshot.test
    return {
        RECORD_NAME: readable_json(_record(item, provenance)),
        ARRAYS_NAME: _packed(item.snapshot),
        TRACE_NAME: _trace(item.snapshot.trace, item.offset_ns),
        **({} if test is None else decision_files(test)),
        **({} if media is None else media_files(media, item.offset_ns)),
    }


def manifest_of(
    files: Mapping[str, bytes], *, chain: str, n: int, previous: str, written_at: str, lost_before: int
) -> Manifest:
    """Return the manifest over a bundle's files; see ``Manifest``."""
    return Manifest(
        chain=chain,
        n=n,
        previous=previous,
        written_at=written_at,
        lost_before=lost_before,
        files={name: FileEntry(sha256=sha256(data), bytes=len(data)) for name, data in files.items()},
    )


def file_faults(files: Mapping[str, bytes], manifest: Manifest) -> dict[str, str]:
    """Return what is wrong with a bundle's files, by name; empty where they are as the manifest says."""
    faults: dict[str, str] = {}
    for name, entry in manifest.files.items():
        data = files.get(name)
        if data is None:
            faults[name] = "is missing"
        elif len(data) != entry.bytes or sha256(data) != entry.sha256:
            faults[name] = "was changed"
    for name in files:
        if name != MANIFEST_NAME and name not in manifest.files:
            faults[name] = "was added"
    return faults


def read_arrays(data: bytes) -> StoredArrays:
    """Read ``embeddings.npz``.

    Raises:
        ValueError: It is not what the monitor writes.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(info.file_size for info in archive.infolist())
        if size > MAX_ARRAY_BYTES:
            raise ValueError(f"its arrays take {size} bytes, more than a monitor writes")
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in _TYPES_AND_AXES}
    except _UNREADABLE as error:
        raise ValueError(f"its arrays cannot be read ({type(error).__name__})") from error
    for name, (dtype, axes) in _TYPES_AND_AXES.items():
        if arrays[name].dtype != dtype or arrays[name].ndim != axes:
            raise ValueError(f"its array {name} is not of the type that a monitor writes")
    windows, compared = len(arrays["identity"]), len(arrays["lips"])
    if max(windows, compared) > MAX_CAPACITY:
        raise ValueError(f"it holds more than {MAX_CAPACITY} windows")
    lags, dimension = arrays["voice"].shape[1:]
    wanted: dict[str, tuple[int, ...]] = {
        "identity_window": (windows,),
        "identity_span_ns": (windows, 2),
        "similarities": (windows * (windows + 1) // 2,),
        "lips": (compared, dimension),
        "voice": (compared, lags, dimension),
        "voice_valid": (compared, lags),
        "lips_voice_window": (compared,),
        "lips_voice_span_ns": (compared, 2),
    }
    for name, shape in wanted.items():
        if arrays[name].shape != shape:
            raise ValueError(f"its array {name} has the shape {arrays[name].shape}, not {shape}")
    return StoredArrays(**arrays)


def _record(item: EvidenceItem, provenance: Provenance) -> EvidenceRecord:
    snapshot, score = item.snapshot, item.snapshot.score
    return EvidenceRecord(
        alert=dict(item.alert),
        source=item.source,
        offset_ns=item.offset_ns,
        scores=Scores(
            time_ns=score.time_ns,
            status=score.status.value,
            reasons=list(score.reasons),
            intra=score.intra,
            cross=score.cross,
            score=score.score,
            recent_intra=score.recent_intra,
            recent_cross=score.recent_cross,
            lag_ms=score.lag_ms,
            margin=score.margin,
            intra_windows=score.intra_windows,
            cross_windows=score.cross_windows,
        ),
        lag_ticks=snapshot.alignment.lag_ticks,
        aligned_from_window=snapshot.alignment.from_window,
        seams=[_seam(seam) for seam in snapshot.seams],
        reception=None if item.reception is None else dict(item.reception),
        test=None if snapshot.test is None else decision_record(snapshot.test),
        provenance=provenance,
    )


def _seam(seam: Seam) -> SeamRecord:
    return SeamRecord(kind=seam.kind.value, a_ns=_pair(seam.a), b_ns=_pair(seam.b), value=seam.value)


def _packed(snapshot: EvidenceSnapshot) -> bytes:
    identity = snapshot.identity
    lips = [pair.lips for pair in snapshot.lips_and_voice]
    voice = [pair.voice for pair in snapshot.lips_and_voice]
    values = snapshot.similarities.values
    arrays = StoredArrays(
        identity=_stacked([one.vector for one in identity], axes=1),
        identity_window=np.array([one.window_index for one in identity], np.int64),
        identity_span_ns=_spans(one.span for one in identity),
        similarities=np.asarray(values[np.triu_indices(len(values))], np.float32),
        lips=_stacked([one.vector for one in lips], axes=1),
        voice=_stacked([one.vectors for one in voice], axes=2),
        voice_valid=np.stack([one.valid for one in voice]) if voice else np.zeros((0, 0), np.bool_),
        lips_voice_window=np.array([one.window_index for one in lips], np.int64),
        lips_voice_span_ns=_spans(one.span for one in lips),
    )
    packed = io.BytesIO()
    # The voice at one lag is that at the next but for one tick, which deflate finds.
    np.savez_compressed(packed, **{name: getattr(arrays, name) for name in _TYPES_AND_AXES})
    return packed.getvalue()


def _stacked(rows: Sequence[Float32], *, axes: int) -> Float32:
    return np.stack(rows).astype(np.float32) if rows else np.zeros((0,) * (axes + 1), np.float32)


def _spans(spans: Iterable[TimeSpan]) -> Int64:
    return np.array([_pair(span) for span in spans], np.int64).reshape(-1, 2)


def _pair(span: TimeSpan) -> tuple[int, int]:
    return span.start_ns, span.end_ns


def _trace(points: Sequence[TracePoint], offset_ns: int) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_TRACE_COLUMNS)
    for point in points:
        score = point.score
        numbers = (
            point.face_size_px,
            score.face_coverage,
            score.speech_coverage,
            score.lag_ms,
            score.intra,
            score.cross,
            score.recent_intra,
            score.recent_cross,
            score.margin,
        )
        writer.writerow(
            [
                point.window_index,
                f"{(score.time_ns + offset_ns) / NS_PER_S:.3f}",
                score.status.value,
                " ".join(score.reasons),
                *("" if number is None else f"{number:.6g}" for number in numbers),
            ]
        )
    return text.getvalue().encode()
