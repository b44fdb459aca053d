"""Recomputes from stored embeddings what an alert claims, with the code that scored the call."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from realtime.evidence.bundle import StoredArrays
from realtime.evidence.record import TOLERANCE, WIRE_TOLERANCE, EvidenceRecord, Scores, SeamRecord
from realtime.similarity.cross_similarity import CrossSimilarity
from realtime.similarity.histogram import SimilarityHistogram
from realtime.similarity.self_similarity import SelfSimilarity
from realtime.timebase import NS_PER_S, TICK_NS
from realtime.types import Embedding, Float32, LagEmbeddings, Modality, Seam, TimeSpan

Float64 = npt.NDArray[np.float64]


class _ScoringSettings(BaseModel):
    """The part of the stored configuration that the scores depend on."""

    model_config = ConfigDict(extra="ignore")

    percentile: float = Field(ge=0, le=100)
    recent_windows: int = Field(ge=1)
    max_silence_windows: int = Field(ge=0)


def disagreements(record: EvidenceRecord, arrays: StoredArrays) -> Iterator[str]:
    """Yield in words every value that the embeddings do not bear out; none for good evidence.

    - The identity similarities follow from the identity embeddings, and ``intra`` (the percentile),
      ``recent_intra`` and the worst intra-modal pairs from those. The percentile is taken over the stored
      similarities: it sorts them into bins, where the last bit of another processor's product could count.
    - ``cross`` is the mean over lips and voice at lag zero, ``recent_cross`` that over the newest windows at
      the lag that was followed, and the worst cross-modal windows lie at that lag.
    - The rounded values of the message are those of the record.

    The followed lag and the margin depend on the whole call, not on what is in memory, and are not
    recomputed.

    Raises:
        ValueError: The embeddings cannot be compared at all.
    """
    try:
        settings = _ScoringSettings.model_validate(record.provenance.config.get("scoring"))
    except ValidationError as error:
        raise ValueError("its configuration lacks the settings of the scores") from error
    yield from _intra_disagreements(record, arrays, settings)
    yield from _cross_disagreements(record, arrays, settings)
    if record.scores.intra is not None and record.scores.cross is not None:
        yield from _differs("score", record.scores.score, record.scores.intra + record.scores.cross)
    yield from _message_disagreements(record)


def _intra_disagreements(
    record: EvidenceRecord, arrays: StoredArrays, settings: _ScoringSettings
) -> Iterator[str]:
    scores, count = record.scores, len(arrays.identity)
    if scores.intra_windows != count:
        yield f"intra_windows is {scores.intra_windows}, and {count} windows with a face are stored"
    if not count:
        yield from _unfounded(record, ("intra", "recent_intra"), Modality.INTRA)
        return
    replay = SelfSimilarity(count, arrays.identity.shape[1], settings.percentile)
    spans = _time_spans(arrays.identity_span_ns)
    for index, span, vector in zip(arrays.identity_window, spans, arrays.identity, strict=True):
        replay.update(Embedding(window_index=int(index), span=span, vector=vector, engine_id=""))
    recomputed = replay.matrix().values
    upper = np.triu_indices(count)
    largest = float(np.max(np.abs(recomputed[upper] - arrays.similarities)))
    if not largest <= TOLERANCE:
        yield f"similarities differ from those of the identity embeddings by up to {largest:.1e}"
        return
    scored = np.zeros((count, count), np.float32)
    scored[upper] = arrays.similarities
    histogram = SimilarityHistogram()
    histogram.add(scored[np.triu_indices(count, 1)], multiplicity=2)
    histogram.add(np.diagonal(scored))
    yield from _differs("intra", scores.intra, histogram.percentile(settings.percentile))
    past = recomputed[-1, :-1]
    yield from _differs("recent_intra", scores.recent_intra, float(np.median(past)) if past.size else None)
    yield from _seam_disagreements(record, Modality.INTRA, replay.seams(1), spans=spans, values=recomputed)


def _cross_disagreements(
    record: EvidenceRecord, arrays: StoredArrays, settings: _ScoringSettings
) -> Iterator[str]:
    scores, count = record.scores, len(arrays.lips)
    if scores.cross_windows != count:
        yield f"cross_windows is {scores.cross_windows}, and {count} windows of lips and voice are stored"
    if not count:
        yield from _unfounded(record, ("cross", "recent_cross"), Modality.CROSS)
        return
    lags, dimension = arrays.voice.shape[1:]
    band_ticks, even = divmod(lags - 1, 2)
    if even or abs(record.lag_ticks) > band_ticks:
        raise ValueError(f"lag {record.lag_ticks} does not lie among {lags} lags")
    replay = CrossSimilarity(count, dimension, band_ticks)
    spans = _time_spans(arrays.lips_voice_span_ns)
    by_lag: list[Float32] = []
    for number, (index, span) in enumerate(zip(arrays.lips_voice_window, spans, strict=True)):
        lips = Embedding(window_index=int(index), span=span, vector=arrays.lips[number], engine_id="")
        voice = LagEmbeddings(
            window_index=int(index),
            span=span,
            vectors=arrays.voice[number],
            valid=arrays.voice_valid[number],
            engine_id="",
        )
        by_lag.append(replay.update(lips, voice))
    yield from _differs("cross", scores.cross, replay.score)
    since = max(record.aligned_from_window, int(arrays.lips_voice_window[-1]) - settings.max_silence_windows)
    newest = replay.newest(record.lag_ticks, settings.recent_windows, since)
    mean = float(np.mean(newest, dtype=np.float64)) if newest.size else None
    yield from _differs("recent_cross", scores.recent_cross, mean)
    worst = replay.seams(record.lag_ticks, 1, record.aligned_from_window)
    values = np.diag(np.stack(by_lag)[:, record.lag_ticks + band_ticks])
    yield from _seam_disagreements(
        record, Modality.CROSS, worst, spans=spans, values=values, shift_ns=record.lag_ticks * TICK_NS
    )


def _seam_disagreements(
    record: EvidenceRecord,
    kind: Modality,
    worst: tuple[Seam, ...],
    *,
    spans: list[TimeSpan],
    values: Float32,
    shift_ns: int = 0,
) -> Iterator[str]:
    seams = [seam for seam in record.seams if seam.kind == kind]
    rows = {(span.start_ns, span.end_ns): row for row, span in enumerate(spans)}
    for seam in seams:
        row = rows.get(seam.a_ns)
        column = rows.get((seam.b_ns[0] - shift_ns, seam.b_ns[1] - shift_ns))
        if row is None or column is None:
            yield f"the pair {_named(seam)} is not among the stored windows"
        else:
            yield from _differs(f"the pair {_named(seam)}", seam.value, float(values[row, column]))
    if seams and worst and seams[0].value > worst[0].value + TOLERANCE:
        yield f"the pair {_named(seams[0])} is not the lowest {kind} pair in memory"


def _message_disagreements(record: EvidenceRecord) -> Iterator[str]:
    values = record.alert.get("values")
    for name, told in (values if isinstance(values, dict) else {}).items():
        if name not in Scores.model_fields:
            continue
        exact = getattr(record.scores, name)
        if not _is_rounded(told, exact):
            yield f"the message's {name} is {told}, the record's {exact}"
    told_seams = record.alert.get("seams")
    for number, told_seam in enumerate(told_seams if isinstance(told_seams, list) else []):
        seam = record.seams[number] if number < len(record.seams) else None
        if seam is None or not _is_told(seam, told_seam, record.offset_ns):
            yield f"pair {number + 1} of the message is not that of the record"


def _is_rounded(told: object, exact: object) -> bool:
    if isinstance(told, float | int) and isinstance(exact, float | int):
        return abs(told - exact) <= WIRE_TOLERANCE
    return told is None and exact is None


def _is_told(seam: SeamRecord, told: object, offset_ns: int) -> bool:
    if not isinstance(told, dict):
        return False
    spans = {
        name: [round((time_ns + offset_ns) / NS_PER_S, 3) for time_ns in span]
        for name, span in (("a", seam.a_ns), ("b", seam.b_ns))
    }
    return told == {"kind": seam.kind, **spans, "value": round(seam.value, 4)}


def _unfounded(record: EvidenceRecord, names: tuple[str, ...], kind: Modality) -> Iterator[str]:
    for name in names:
        if getattr(record.scores, name) is not None:
            yield f"{name} is given, and no embedding is stored for it"
    if any(seam.kind == kind for seam in record.seams):
        yield f"{kind} pairs are given, and no embedding is stored for them"


def _differs(name: str, claimed: float | None, recomputed: float | None) -> Iterator[str]:
    """Yield a sentence where a value is claimed that the embeddings do not give."""
    if claimed is None:
        return
    if recomputed is None:
        yield f"{name} is {claimed}, and cannot be recomputed"
    elif not abs(claimed - recomputed) <= TOLERANCE:
        yield f"{name} is {claimed}, recomputed {recomputed}"


def _time_spans(spans_ns: npt.NDArray[np.int64]) -> list[TimeSpan]:
    return [TimeSpan(start_ns=int(start), end_ns=int(end)) for start, end in spans_ns]


def _named(seam: SeamRecord) -> str:
    return f"{seam.a_ns[0] / NS_PER_S:.2f} s with {seam.b_ns[0] / NS_PER_S:.2f} s"
