"""Turns results of the pipeline into messages of the wire schema, on the call's clock."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime

import numpy as np

from realtime.decision.sequential import TestState
from realtime.decision.support import Support
from realtime.ingest.reception import Reception, TrackReception
from realtime.judge import CHANNEL_REASONS, WindowResult
from realtime.server import wire
from realtime.server.wire import (
    AlertDraft,
    EncoderInfo,
    Matrices,
    ReceptionUpdate,
    ScoreUpdate,
    SeamInfo,
    TrackCounters,
    Tracks,
)
from realtime.timebase import NS_PER_S
from realtime.types import Alert, Seam, SimilarityMatrix, TimeSpan

#: Windows shown per matrix: what a screen can resolve.
SHOWN_WINDOWS = 96
NO_VALUE = 255

#: What a score says once the analysis behind it has failed.
_NO_EVIDENCE = {
    "status": "insufficient",
    "verdict": "insufficient",
    "reasons": ["analysis_failed"],
    "score": None,
    "intra": None,
    "cross": None,
    "recent_intra": None,
    "recent_cross": None,
    "reference": None,
    "margin": None,
}


class Narrator:
    """Speaks for one participant.

    Args:
        call: The call.
        participant: The participant.
        encoders: Engine per encoder.
        offset_ns: Call time at which the participant's own timeline starts.
        support: What the promised rate of false alarms rests on; None where nothing is promised.
    """

    def __init__(
        self,
        call: str,
        participant: str,
        encoders: Mapping[str, EncoderInfo],
        offset_ns: int,
        support: Support | None = None,
    ) -> None:
        self._call = call
        self._participant = participant
        self._encoders = dict(encoders)
        self.offset_ns = offset_ns
        self._support = support
        self._before: tuple[int, Reception] | None = None

    def score(self, result: WindowResult, latency_ms: float | None, tracks: Tracks) -> ScoreUpdate:
        """Return the running scores after one window."""
        score = result.score
        return ScoreUpdate(
            call=self._call,
            participant=self._participant,
            time_s=self._seconds(score.time_ns),
            status=score.status.value,
            reasons=list(score.reasons),
            verdict=result.verdict.value,
            state=result.state.value,
            score=rounded(score.score),
            intra=rounded(score.intra),
            cross=rounded(score.cross),
            recent_intra=rounded(score.recent_intra),
            recent_cross=rounded(score.recent_cross),
            reference=rounded(score.reference),
            margin=rounded(score.margin),
            lag_ms=rounded(score.lag_ms, 1),
            face_coverage=round(score.face_coverage, 3),
            speech_coverage=round(score.speech_coverage, 3),
            intra_windows=score.intra_windows,
            cross_windows=score.cross_windows,
            latency_ms=rounded(latency_ms, 1),
            tracks=tracks,
            test=self._test(result.test),
        )

    def alert(self, alert: Alert, raised_at: datetime, test: TestState | None = None) -> AlertDraft:
        """Return a transition with its evidence."""
        return AlertDraft(
            call=self._call,
            participant=self._participant,
            time_s=self._seconds(alert.time_ns),
            raised_at=raised_at.isoformat(timespec="milliseconds"),
            previous=alert.previous.value,
            state=alert.state.value,
            margin=rounded(alert.margin),
            reasons=list(alert.reasons),
            seams=[self._seam(seam) for seam in alert.seams],
            values={name: rounded(value) for name, value in alert.values.items()},
            engines=self._encoders,
            test=self._test(test),
        )

    def matrices(self, intra: SimilarityMatrix, cross: SimilarityMatrix) -> Matrices:
        """Return both matrices, the newest windows of each."""
        intra, cross = newest(intra, SHOWN_WINDOWS), newest(cross, SHOWN_WINDOWS)
        spans = intra.spans or cross.spans
        return Matrices(
            call=self._call,
            participant=self._participant,
            window_s=spans[0].duration_ns / NS_PER_S if spans else 0.0,
            intra_starts_s=[self._seconds(span.start_ns) for span in intra.spans],
            intra=encode(intra),
            intra_worst=intra.worst,
            cross_starts_s=[self._seconds(span.start_ns) for span in cross.spans],
            cross=encode(cross),
            cross_worst=cross.worst,
        )

    def reception(
        self, reception: Reception, *, seat: int, picture_px: tuple[int, int], now_ns: int
    ) -> ReceptionUpdate:
        """Return how well the media comes in; frame rates are those since the call before.

        Args:
            reception: Now.
            seat: The participant's number at the monitor.
            picture_px: Width and height of the newest picture.
            now_ns: Monotonic clock.
        """
        before, self._before = self._before, (now_ns, reception)
        before_ns, earlier = (now_ns, None) if before is None else before
        elapsed_ns = now_ns - before_ns
        return ReceptionUpdate(
            call=self._call,
            participant=self._participant,
            seat=seat,
            audio=_counters(reception.audio, None if earlier is None else earlier.audio, elapsed_ns),
            video=_counters(reception.video, None if earlier is None else earlier.video, elapsed_ns),
            width=picture_px[0],
            height=picture_px[1],
            sync=reception.sync,
            skew_ms=round(reception.skew_ms, 1),
            uncertainty_ms=round(reception.uncertainty_ms, 1),
        )

    def _test(self, state: TestState | None) -> wire.TestState | None:
        if state is None or self._support is None:
            return None
        return wire.TestState(
            evidence=round(max(0.0, state.combined), 3),
            threshold=round(state.threshold, 3),
            progress=round(state.progress, 3),
            channels={
                CHANNEL_REASONS[channel]: round(max(0.0, evidence), 3)
                for channel, evidence in state.evidence.items()
            },
            false_alarms_per_hour=self._support.asked_per_hour,
            supported=self._support.verified,
            reasons=sorted(set(state.missing.values())),
        )

    def _seam(self, seam: Seam) -> SeamInfo:
        return SeamInfo(
            kind=seam.kind.value, a=self._span(seam.a), b=self._span(seam.b), value=round(seam.value, 4)
        )

    def _span(self, span: TimeSpan) -> tuple[float, float]:
        return self._seconds(span.start_ns), self._seconds(span.end_ns)

    def _seconds(self, time_ns: int) -> float:
        return round((time_ns + self.offset_ns) / NS_PER_S, 3)


def without_evidence(score: ScoreUpdate) -> ScoreUpdate:
    """Return the score that stands for a participant once its analysis has failed."""
    return score.model_copy(update=_NO_EVIDENCE)


def _counters(
    now: TrackReception | None, before: TrackReception | None, elapsed_ns: int
) -> TrackCounters | None:
    """Return a track's counters; fewer frames than before are those of another connection."""
    if now is None:
        return None
    rate_hz = None
    if before is not None and now.frames >= before.frames and elapsed_ns > 0:
        rate_hz = round((now.frames - before.frames) * NS_PER_S / elapsed_ns, 1)
    return TrackCounters(
        packets=now.packets,
        lost=now.lost,
        recovered=now.recovered,
        nacks=now.nacks,
        key_frame_requests=now.key_frame_requests,
        frames=now.frames,
        damaged=now.damaged,
        freezes=now.freezes,
        missing_ms=now.missing_ms,
        dropped=now.dropped,
        jitter_ms=round(now.jitter_ms, 1),
        rate_hz=rate_hz,
    )


def encoder_info(ids: Mapping[str, str]) -> dict[str, EncoderInfo]:
    """Return what the wire schema says about engines."""
    return {
        role: EncoderInfo(engine=engine, baseline=engine.startswith("baseline"))
        for role, engine in ids.items()
    }


def newest(matrix: SimilarityMatrix, count: int) -> SimilarityMatrix:
    """Return the newest windows of a matrix; a worst pair that is older than them is left out."""
    cut = max(0, len(matrix.spans) - count)
    worst = matrix.worst
    if worst is not None:
        row, column = worst[0] - cut, worst[1] - cut
        worst = (row, column) if row >= 0 and column >= 0 else None
    return SimilarityMatrix(values=matrix.values[cut:, cut:], spans=matrix.spans[cut:], worst=worst)


def encode(matrix: SimilarityMatrix) -> str:
    """Return base64 of one byte a cell: 0 for -1, 254 for +1, 255 for no value."""
    known = np.nan_to_num(np.clip(matrix.values, -1.0, 1.0))
    cells = np.where(np.isnan(matrix.values), NO_VALUE, np.rint((known + 1.0) * 127.0))
    return base64.b64encode(cells.astype(np.uint8).tobytes()).decode("ascii")


def rounded(value: float | None, digits: int = 4) -> float | None:
    """Round what is a number."""
    return None if value is None else round(value, digits)
