"""Runs one file through the live pipeline, as ``seamwatch scan`` does, and keeps the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engines.checkpoint import DEFAULT_CHECKPOINT
from realtime.calibration_file import calibration_for, sha256_of
from realtime.config import MonitorConfig
from realtime.encoders.speech import SpeechDetector
from realtime.encoders.suite import EncoderSuite, load_encoders
from realtime.errors import MediaError
from realtime.scan import ScanResult, scan_file
from realtime.types import Alert, AlertState, Score
from training.evaluate.clip_statistics import ClipTrace, clip_statistics, piece_statistics
from training.evaluate.clips import ClipScore, ClipStatus, EvaluationClip
from training.evaluate.measurement import (
    MAX_TRACE_WINDOWS,
    Measurement,
    MeasurementCache,
    cache_key,
    file_sha256,
)
from training.evaluate.recording import LagRecorder
from training.evaluate.variants import SUFFIX, VARIANT_VERSION, Quality, make_variant, speech_onset_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerSettings:
    """Everything that decides what a file's measurement is, besides the file and the engines.

    Attributes:
        config: Settings of the pipeline.
        cache_folder: Where measurements and re-encoded clips are kept.
        quality: Re-encoding before the scan.
        trim: Whether the silence before the first word is cut away.
        fresh: Whether kept measurements are made again.
        checkpoint: Folder of the trained encoders; None for the untrained baseline.
    """

    config: MonitorConfig
    cache_folder: Path
    quality: Quality = "as-is"
    trim: bool = False
    fresh: bool = False
    checkpoint: Path | None = DEFAULT_CHECKPOINT


class FileScorer:
    """Measures files one after the other; one per process.

    Args:
        encoders: The encoders.
        settings: How to measure.
    """

    def __init__(self, encoders: EncoderSuite, settings: ScorerSettings) -> None:
        self._encoders = encoders
        self._settings = settings
        self._calibration = calibration_for(encoders.ids, settings.config)
        self._cache = MeasurementCache(settings.cache_folder / "measurements")

    def measure(self, path: Path) -> Measurement:
        """Measure a file, or return what is kept of an earlier measurement under the same conditions.

        Raises:
            MediaError: The file cannot be read.
        """
        settings = self._settings
        try:
            sha256 = file_sha256(path)
        except OSError as error:
            raise MediaError(f"{path} cannot be read.", fix="Check the path.") from error
        key = cache_key(
            (
                sha256,
                settings.quality,
                "trimmed" if settings.trim else "whole",
                "uncalibrated" if self._calibration is None else sha256_of(self._calibration),
                str(VARIANT_VERSION),
                repr(settings.config),
                *(f"{role}={engine}" for role, engine in sorted(self._encoders.ids.items())),
            )
        )
        measurement = None if settings.fresh else self._cache.load(key)
        if measurement is None:
            measurement = self._scan(self._variant(path, sha256))
            self._cache.save(key, measurement)
        return measurement

    def _variant(self, path: Path, sha256: str) -> Path:
        settings = self._settings
        start_ns = 0
        if settings.trim:
            start_ns = speech_onset_ns(path, SpeechDetector(self._encoders.engines.vad)) or 0
        if settings.quality == "as-is" and start_ns == 0:
            return path
        folder = settings.cache_folder / "variants"
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{sha256}-{settings.quality}-{start_ns}-v{VARIANT_VERSION}{SUFFIX[settings.quality]}"
        target = folder / name
        if not target.exists():
            make_variant(path, target, settings.quality, start_ns)
        return target

    def _scan(self, path: Path) -> Measurement:
        recorder = LagRecorder(self._encoders, self._settings.config)
        result = scan_file(path, recorder.encoders, self._settings.config, calibration=self._calibration)
        return measurement_of(result, recorder)


def load_measure(settings: ScorerSettings) -> Callable[[Path], Measurement]:
    """Return what measures a file, with the engines on one processor thread.

    Raises:
        ModelStoreError: A model is missing or damaged.
        EngineError: A model or the checkpoint cannot be loaded.
    """
    encoders = load_encoders(settings.config, checkpoint_dir=settings.checkpoint)
    return FileScorer(encoders, settings).measure


def measurement_of(result: ScanResult, recorder: LagRecorder) -> Measurement:
    """Keep of a scan what an evaluation needs."""
    margins = [score.margin for score in result.timeline if score.margin is not None]
    identity = result.intra_matrix.values[-MAX_TRACE_WINDOWS:, -MAX_TRACE_WINDOWS:]
    return Measurement(
        duration_s=result.duration_s,
        verdict=str(result.verdict),
        reasons=result.reasons,
        intra=result.intra,
        cross=result.cross,
        score=result.score,
        lowest_margin=min(margins, default=None),
        windows=len(result.timeline),
        alert_windows=_windows_in_alert(result.timeline, result.alerts),
        engines=dict(result.engines),
        trace=ClipTrace(identity=np.array(identity, np.float32), lag_profiles=recorder.lag_profiles),
    )


def score_clip(clip: EvaluationClip, measure: Callable[[Path], Measurement]) -> ClipScore:
    """Return the score of one clip; a clip that cannot be read is reported as such and not raised."""
    try:
        measurement = measure(clip.path)
    except MediaError as error:
        return ClipScore(clip=clip, status=ClipStatus.UNREADABLE, reasons=(error.message,))
    margin = measurement.lowest_margin
    return ClipScore(
        clip=clip,
        status=ClipStatus.INSUFFICIENT if measurement.score is None else ClipStatus.SCORED,
        reasons=measurement.reasons,
        verdict=measurement.verdict,
        duration_s=measurement.duration_s,
        intra=measurement.intra,
        cross=measurement.cross,
        score=measurement.score,
        windows=measurement.windows,
        alert_windows=measurement.alert_windows,
        cross_windows=len(measurement.trace.lag_profiles),
        statistics=clip_statistics(measurement.trace),
        pieces=piece_statistics(measurement.trace),
        evidence={"live": None if margin is None else -margin},
        engines=measurement.engines,
    )


def with_minimum_windows(config: MonitorConfig, windows: int | None) -> MonitorConfig:
    """Return a configuration that scores clips from so many windows on; None leaves it as shipped."""
    if windows is None:
        return config
    scoring = replace(config.scoring, min_intra_windows=windows, min_cross_windows=windows)
    return replace(config, scoring=scoring)


def _windows_in_alert(timeline: Sequence[Score], alerts: Sequence[Alert]) -> int:
    """Count the windows that ended while the state machine was in alert."""
    pending = list(alerts)
    state = AlertState.CLEAR
    count = 0
    for score in timeline:
        while pending and pending[0].time_ns <= score.time_ns:
            state = pending.pop(0).state
        count += state is AlertState.ALERT
    return count
