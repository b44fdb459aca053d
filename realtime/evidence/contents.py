"""What a bundle holds, as values on the call's timeline. Bytes in, values out."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from realtime.evidence.bundle import StoredArrays
from realtime.evidence.media import KeptMedia
from realtime.evidence.media_files import read_media, seam_of
from realtime.evidence.record import EvidenceRecord, Manifest, sha256
from realtime.similarity.cross_similarity import CrossSimilarity
from realtime.timebase import NS_PER_S
from realtime.types import (
    Embedding,
    LagEmbeddings,
    Modality,
    Score,
    ScoreStatus,
    Seam,
    SimilarityMatrix,
    TimeSpan,
    read_only,
)

#: A trace has a line a window of the memory.
MAX_TRACE_LINES = 100_000


def unchanged_files(files: Mapping[str, bytes], manifest: Manifest) -> dict[str, bytes]:
    """Return the files that are as the manifest says."""
    return {
        name: files[name]
        for name, entry in manifest.files.items()
        if name in files and len(files[name]) == entry.bytes and sha256(files[name]) == entry.sha256
    }


def call_seams(record: EvidenceRecord) -> tuple[Seam, ...]:
    """Return the pairs that disagree most, in call time, worst first."""
    return tuple(_moved(seam_of(seam), record.offset_ns) for seam in record.seams)


def call_trace(content: bytes) -> tuple[Score, ...]:
    """Return the scores of ``trace.csv`` in call time, oldest first; columns it does not name are unset.

    Raises:
        ValueError: It is not what a monitor writes.
    """
    try:
        rows = csv.DictReader(io.StringIO(content.decode("ascii")), strict=True)
        return tuple(_score(row) for row in itertools.islice(rows, MAX_TRACE_LINES))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, csv.Error) as error:
        raise ValueError("its trace is not what a monitor writes") from error


def call_matrices(record: EvidenceRecord, arrays: StoredArrays) -> tuple[SimilarityMatrix, SimilarityMatrix]:
    """Return the intra-modal and the cross-modal matrix in call time.

    The first is as it was scored, the second recomputed from lips and voice at lag zero.

    Raises:
        ValueError: The embeddings cannot be compared.
    """
    return _intra(record, arrays), _cross(record, arrays)


def kept_media(files: Mapping[str, bytes]) -> KeptMedia | None:
    """Return the media of a bundle, on the participant's own timeline; None where none can be read."""
    try:
        return read_media(files)
    except ValueError:
        return None


def _score(row: Mapping[str, str]) -> Score:
    def number(name: str) -> float | None:
        text = row.get(name)
        return float(text) if text else None

    return Score(
        time_ns=round(float(row["time_s"]) * NS_PER_S),
        status=ScoreStatus(row["status"]),
        reasons=tuple(row["reasons"].split()),
        intra=number("intra"),
        cross=number("cross"),
        recent_intra=number("recent_intra"),
        recent_cross=number("recent_cross"),
        lag_ms=number("lag_ms"),
        margin=number("margin"),
        face_coverage=number("face_coverage") or 0.0,
        speech_coverage=number("speech_coverage") or 0.0,
    )


def _intra(record: EvidenceRecord, arrays: StoredArrays) -> SimilarityMatrix:
    count = len(arrays.identity)
    values = np.zeros((count, count), np.float32)
    upper = np.triu_indices(count)
    values[upper] = arrays.similarities
    values.T[upper] = arrays.similarities
    spans = _spans(arrays.identity_span_ns, record.offset_ns)
    starts = {span.start_ns: row for row, span in enumerate(spans)}
    worst = next((seam for seam in call_seams(record) if seam.kind is Modality.INTRA), None)
    pair = None
    if worst is not None and worst.a.start_ns in starts and worst.b.start_ns in starts:
        pair = starts[worst.a.start_ns], starts[worst.b.start_ns]
    return SimilarityMatrix(values=read_only(values), spans=spans, worst=pair)


def _cross(record: EvidenceRecord, arrays: StoredArrays) -> SimilarityMatrix:
    spans = _spans(arrays.lips_voice_span_ns, record.offset_ns)
    count, (lags, dimension) = len(arrays.lips), arrays.voice.shape[1:]
    if not count:
        return SimilarityMatrix(values=np.zeros((0, 0), np.float32), spans=(), worst=None)
    replay = CrossSimilarity(count, dimension, (lags - 1) // 2)
    for number, span in enumerate(spans):
        index = int(arrays.lips_voice_window[number])
        replay.update(
            Embedding(window_index=index, span=span, vector=arrays.lips[number], engine_id=""),
            LagEmbeddings(
                window_index=index,
                span=span,
                vectors=arrays.voice[number],
                valid=arrays.voice_valid[number],
                engine_id="",
            ),
        )
    return replay.matrix()


def _spans(spans_ns: np.ndarray[tuple[int, ...], np.dtype[np.int64]], offset_ns: int) -> tuple[TimeSpan, ...]:
    return tuple(
        TimeSpan(start_ns=int(start) + offset_ns, end_ns=int(end) + offset_ns) for start, end in spans_ns
    )


def _moved(seam: Seam, offset_ns: int) -> Seam:
    def moved(span: TimeSpan) -> TimeSpan:
        return TimeSpan(start_ns=span.start_ns + offset_ns, end_ns=span.end_ns + offset_ns)

    return replace(seam, a=moved(seam.a), b=moved(seam.b))
