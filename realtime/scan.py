"""The same pipeline over a file, as fast as the machine goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engines.processors import usable_processors
from realtime.config import MonitorConfig
from realtime.decision.calibration import Calibration
from realtime.encoders.suite import EncoderSuite
from realtime.evidence.media import KeptMedia
from realtime.evidence.memory import EvidenceSnapshot
from realtime.foresight import Foresight, Item
from realtime.helper_thread import HelperThread
from realtime.identity.reference import Reference
from realtime.ingest.file import MediaReader, read_media
from realtime.ingest.read_ahead import ReadAhead
from realtime.ingest.sink import PendingPicture
from realtime.judge import SEAMS_PER_ALERT, EncodedWindow, WindowResult
from realtime.pipeline import ParticipantPipeline
from realtime.scoring.verdict import clip_verdict, mostly_measured
from realtime.timebase import NS_PER_S
from realtime.types import Alert, AudioFrame, MediaGap, Score, Seam, SimilarityMatrix, Verdict

#: Windows remembered while a file is scanned, about 14 minutes. A longer file is scored in sections of this
#: length and its lowest section counts.
SCAN_MEMORY_WINDOWS = 2048

#: Pictures and blocks of audio that each stage is ahead of the next one; about half a second.
READ_AHEAD_ITEMS = 25

TRUNCATED = "truncated"


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
        latency_ms: Median processing time from the last sample of a window to its score, less what was worked
            out ahead.
        engines: Engine id per encoder.
        timeline: The running score after every window.
        progress: For each of them how far the test was towards an alarm, in [0, 1]; None without one.
        intra_matrix: Identity self-similarity of the newest windows in memory.
        cross_matrix: Lips-voice similarity of the newest windows in memory.
        media: Pictures at the seams, and loudness; None unless media is kept.
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
    progress: tuple[float | None, ...]
    intra_matrix: SimilarityMatrix
    cross_matrix: SimilarityMatrix
    media: KeptMedia | None = None


def scan_config(config: MonitorConfig) -> MonitorConfig:
    """Return the settings of a scan, which remembers ``SCAN_MEMORY_WINDOWS``."""
    return replace(config, scoring=replace(config.scoring, memory_windows=SCAN_MEMORY_WINDOWS))


def scan_file(
    path: Path,
    encoders: EncoderSuite,
    config: MonitorConfig,
    on_progress: Callable[[float, float], None] | None = None,
    on_evidence: Callable[[EvidenceSnapshot], None] | None = None,
    *,
    keep_media: bool = False,
    calibration: Calibration | None = None,
    reference: Reference | None = None,
    on_window: Callable[[EncodedWindow], None] | None = None,
    overlapping: bool | None = None,
) -> ScanResult:
    """Run the pipeline over one file.

    Overlapping stages are threads: decoding; detector, speech activity and voices (``realtime.foresight``);
    lips and identity (``realtime.helper_thread``); and everything else, in the caller's. The result is the
    same in every bit. Whatever one of them raises is raised here, after all of them have ended.

    Args:
        path: Any container and codec that PyAV reads.
        encoders: Shared encoders.
        config: Settings of the pure core; the memory is widened to ``SCAN_MEMORY_WINDOWS``.
        on_progress: Called with the seconds of media done and the duration (0 when unknown).
        on_evidence: Called with what a transition rests on; None to keep no embeddings for it.
        keep_media: Whether small pictures of the face and the loudness are kept with it.
        calibration: What genuine media looks like to these encoders, for the sequential test; None for none.
        reference: Of the person that the file should show; None to compare with nobody.
        on_window: Called with every window once it is encoded.
        overlapping: Whether stages of the analysis run side by side; None where there are processors for it.

    Raises:
        MediaError: The file cannot be read, or has neither audio nor video.
    """
    results: list[WindowResult] = []

    def take(new: list[WindowResult]) -> None:
        for result in new:
            if result.evidence is not None and on_evidence is not None:
                on_evidence(result.evidence)
            results.append(replace(result, evidence=None))

    costs_ms: list[float] = []
    if overlapping is None:
        overlapping = usable_processors() > 1 and encoders.scheduler is None
    with ExitStack() as stages:
        media = stages.enter_context(read_media(path))
        items: Iterator[tuple[Item, int]] = stages.enter_context(
            ReadAhead(_resolved(media), READ_AHEAD_ITEMS)
        )
        foresight, helper = None, None
        if overlapping:
            foresight = Foresight(encoders, config)
            items = stages.enter_context(ReadAhead(_foreseen(items, foresight), READ_AHEAD_ITEMS))
            helper = stages.enter_context(HelperThread())
        duration_s = (media.info.duration_ns or 0) / NS_PER_S
        pipeline = ParticipantPipeline(
            encoders,
            replace(scan_config(config), decision=config.decision.for_file(duration_s)),
            keep_evidence=on_evidence is not None,
            keep_media=keep_media,
            calibration=calibration,
            reference=reference,
            on_window=on_window,
            foresight=foresight,
            helper=helper,
        )
        for item, position_ns in items:
            started_s = time.perf_counter()
            new = _push(pipeline, item)
            if new:
                costs_ms.append((time.perf_counter() - started_s) * 1000)
                take(new)
            if on_progress is not None:
                on_progress(position_ns / NS_PER_S, duration_s)
        take(pipeline.flush())
        read_s, truncated = media.position_ns / NS_PER_S, media.truncated
    timeline = tuple(result.score for result in results)
    alerts = tuple(result.alert for result in results if result.alert is not None)
    verdict, reasons = clip_verdict(timeline, alerts)
    if verdict in (Verdict.FAKE, Verdict.SUSPICIOUS):
        reasons = tuple(dict.fromkeys((*reasons, *pipeline.causes)))
    lowest = _lowest_section(timeline)
    scored = None if verdict is Verdict.INSUFFICIENT and not mostly_measured(timeline) else lowest
    intra_matrix, cross_matrix = pipeline.matrices()
    seams = pipeline.seams(SEAMS_PER_ALERT)
    return ScanResult(
        file=str(path),
        duration_s=round(read_s, 3),
        score=None if scored is None else scored.score,
        intra=None if scored is None else scored.intra,
        cross=None if scored is None else scored.cross,
        lag_ms=None if scored is None else scored.lag_ms,
        verdict=verdict,
        reasons=(*reasons, TRUNCATED) if truncated else reasons,
        seams=seams,
        alerts=alerts,
        latency_ms=round(float(np.median(costs_ms)), 3) if costs_ms else None,
        engines=encoders.ids,
        timeline=timeline,
        progress=tuple(None if result.test is None else result.test.progress for result in results),
        intra_matrix=intra_matrix,
        cross_matrix=cross_matrix,
        media=pipeline.media(seams),
    )


def _resolved(media: MediaReader) -> Iterator[tuple[Item, int]]:
    """Yield the media, ready for the pipeline, and how far the file has been read with each item."""
    for item in media:
        yield item.resolve() if isinstance(item, PendingPicture) else item, media.position_ns


def _foreseen(items: Iterator[tuple[Item, int]], foresight: Foresight) -> Iterator[tuple[Item, int]]:
    """Yield the items once foresight has taken them."""
    for item, position_ns in items:
        foresight.take(item)
        yield item, position_ns
    foresight.end()


def _push(pipeline: ParticipantPipeline, item: Item) -> list[WindowResult]:
    if isinstance(item, MediaGap):
        return pipeline.push_gap(item)
    if isinstance(item, AudioFrame):
        return pipeline.push_audio([item])
    return pipeline.push_video([item])


def _lowest_section(timeline: tuple[Score, ...]) -> Score | None:
    """Return the lowest of the scores at the end of each section and of the file."""
    ends = [
        next((score for score in reversed(timeline[:stop]) if score.score is not None), None)
        for stop in (*range(SCAN_MEMORY_WINDOWS, len(timeline), SCAN_MEMORY_WINDOWS), len(timeline))
    ]
    return min(
        (score for score in ends if score is not None),
        key=lambda score: score.score if score.score is not None else float("inf"),
        default=None,
    )
