"""Made-up scan results: a clip with a face that is exchanged half way, and its parts."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from realtime.scan import ScanResult
from realtime.timebase import NS_PER_S
from realtime.types import (
    Alert,
    AlertState,
    Modality,
    Score,
    ScoreStatus,
    Seam,
    SimilarityMatrix,
    TimeSpan,
    Verdict,
)

HOP_S = 0.4
ENGINES = {"identity": "sface-fp32-cpu", "visual": "baseline-lip-opening", "audio": "baseline-envelope"}


def span(start_s: float, length_s: float = 1.0) -> TimeSpan:
    return TimeSpan(start_ns=round(start_s * NS_PER_S), end_ns=round((start_s + length_s) * NS_PER_S))


def matrix(windows: int, *, change: int | None = None, missing: tuple[int, ...] = ()) -> SimilarityMatrix:
    """Blocks of 0.9 within a side of the change and 0.1 across it; NaN rows and columns where missing."""
    side = np.arange(windows) >= (windows if change is None else change)
    values = np.where(side[:, None] == side[None, :], 0.9, 0.1).astype(np.float32)
    for index in missing:
        values[index, :] = values[:, index] = np.nan
    spans = tuple(span(index * HOP_S) for index in range(windows))
    return SimilarityMatrix(values=values, spans=spans, worst=(0, windows - 1) if windows else None)


def scores(windows: int, *, change: int, warming_up: int = 2) -> tuple[Score, ...]:
    made = []
    for index in range(windows):
        time_ns = round((1.0 + index * HOP_S) * NS_PER_S)
        if index < warming_up:
            made.append(Score(time_ns=time_ns, status=ScoreStatus.WARMING_UP, reasons=("warming_up",)))
            continue
        recent = 0.9 if index < change else 0.1
        made.append(
            Score(
                time_ns=time_ns,
                status=ScoreStatus.OK,
                intra=0.8,
                cross=0.4,
                score=1.2,
                recent_intra=recent,
                recent_cross=recent / 2,
            )
        )
    return tuple(made)


def exchanged(**changes: Any) -> ScanResult:
    """A file with 20 windows whose face is exchanged at window 10; fields may be replaced."""
    seams = (
        Seam(kind=Modality.INTRA, a=span(0.0), b=span(7.6), value=0.1),
        Seam(kind=Modality.CROSS, a=span(6.0), b=span(6.12), value=-0.25),
    )
    alert = Alert(
        time_ns=7 * NS_PER_S,
        previous=AlertState.SUSPICIOUS,
        state=AlertState.ALERT,
        margin=-0.123456,
        reasons=("identity_changed",),
        seams=seams[:1],
        values={"recent_intra": 0.1, "recent_cross": None},
    )
    result = ScanResult(
        file="clip.mp4",
        duration_s=9.0,
        score=0.512345,
        intra=0.1,
        cross=0.412345,
        lag_ms=40.0,
        verdict=Verdict.FAKE,
        reasons=("identity_changed",),
        seams=seams,
        alerts=(alert,),
        latency_ms=41.23,
        engines=ENGINES,
        timeline=scores(20, change=10),
        progress=(*([0.0] * 10), *(min(1.0, 0.15 * step) for step in range(10))),
        intra_matrix=matrix(20, change=10),
        cross_matrix=matrix(20, missing=(3,)),
    )
    return dataclasses.replace(result, **changes)
