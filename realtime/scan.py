"""What scanning a file yields."""

from __future__ import annotations

from dataclasses import dataclass

from realtime.types import Alert, Score, Seam, SimilarityMatrix, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanResult:
    """Everything that one file said.

    Attributes:
        file: The path as given.
        duration_s: Length of the media.
        score: The paper's Score (Eq. 4) over the whole file; None when insufficient.
        intra: The paper's intra-modal score; None when insufficient.
        cross: The paper's cross-modal score; None when insufficient.
        lag_ms: Tracked lag of the voice behind the lips.
        verdict: The verdict on the file.
        reasons: Why, as stable identifiers; for "insufficient" what is missing.
        seams: The window pairs that disagree most, worst first.
        alerts: The transitions of the alert state machine.
        latency_ms: Median processing time from the last sample of a window to its score.
        engines: Engine id per encoder.
        timeline: The running score after every window.
        intra_matrix: Identity self-similarity of the newest windows in memory.
        cross_matrix: Lips-voice similarity of the newest windows in memory.
    """

    file: str
    duration_s: float
    score: float | None
    intra: float | None
    cross: float | None
    lag_ms: float | None
    verdict: Verdict
    reasons: tuple[str, ...]
    seams: tuple[Seam, ...]
    alerts: tuple[Alert, ...]
    latency_ms: float | None
    engines: dict[str, str]
    timeline: tuple[Score, ...]
    intra_matrix: SimilarityMatrix
    cross_matrix: SimilarityMatrix
