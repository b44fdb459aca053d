"""Settings of the pure core, grouped by stage. Lengths on the 25 fps grid are in ticks (40 ms)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from realtime.errors import ConfigurationError

MAX_FALSE_ALARMS_PER_HOUR = 60.0


def _require(condition: bool, message: str, fix: str) -> None:
    if not condition:
        raise ConfigurationError(message, fix=fix)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceConfig:
    """Face detection, tracking and quality.

    Attributes:
        detection_interval_ticks: The detector runs on every n-th tick (5 ticks are 5 Hz).
        identity_interval_ticks: A face is embedded for identity on every n-th tick; a multiple of the above.
        min_face_px: Smallest usable face, mean of the box's sides in the source picture.
        min_detection_confidence: Detector confidence from which a face starts a track, in [0, 1]; down to the
            detector's floor it only continues one.
        max_turn: Largest horizontal offset of the nose from the middle of the eyes, in eye distances.
        min_sharpness: Variance of the Laplacian of the aligned grey crop under which it counts as blurred.
        min_track_overlap: Intersection over union that joins a detection to a track.
        max_missed_detections: Detections a track may miss before it ends.
        min_landmark_confidence: Probability of a face, by the landmark model, under which its lips do not
            count.
        mouth_crops: Whether face frames carry the mouth as a small grey picture.
    """

    detection_interval_ticks: int = 5
    identity_interval_ticks: int = 15
    min_face_px: float = 48.0
    min_detection_confidence: float = 0.7
    max_turn: float = 0.38
    min_sharpness: float = 12.0
    min_track_overlap: float = 0.3
    max_missed_detections: int = 2
    min_landmark_confidence: float = 0.5
    mouth_crops: bool = False

    def __post_init__(self) -> None:
        _require(
            self.detection_interval_ticks > 0
            and self.identity_interval_ticks % self.detection_interval_ticks == 0,
            "The identity interval must be a multiple of the detection interval.",
            "Choose intervals such as 5 and 15 ticks.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowConfig:
    """Windows and the lag band.

    Attributes:
        length_ticks: Video length F of a window.
        hop_ticks: Step between windows.
        band_ticks: Lags B searched on both sides of zero; the audio of a window is 2 B ticks longer.
    """

    length_ticks: int = 25
    hop_ticks: int = 10
    band_ticks: int = 7

    def __post_init__(self) -> None:
        _require(
            self.length_ticks > 0 and self.hop_ticks > 0 and self.band_ticks >= 0,
            "Window length and hop must be positive and the lag band not negative.",
            "Choose for example 25, 10 and 7 ticks.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringConfig:
    """What counts as evidence, and how scores become a decision value.

    Attributes:
        memory_windows: Ring length N: windows that the similarity matrices remember.
        percentile: n of the paper's Score_intra, in (0, 100).
        min_intra_windows: Windows with a face needed before an intra-modal score exists.
        min_cross_windows: Speech windows needed before a cross-modal score exists.
        recent_windows: Newest speech windows behind the live cross-modal value.
        min_face_ratio: Fraction of a window's ticks that need a usable face.
        min_audio_ratio: Fraction of a window's ticks that need audio.
        min_speech_ratio: Fraction of a window's ticks that need speech for it to count cross-modally.
        speech_threshold: Speech probability from which a tick counts as speech.
        max_silence_windows: Windows without cross-modal evidence after which the score is insufficient.
        intra_alert: Intra-modal value at which the margin is 0.
        intra_genuine: Intra-modal value at which the margin is 1.
        cross_alert: Cross-modal value at which the margin is 0.
        cross_genuine: Cross-modal value at which the margin is 1.
    """

    memory_windows: int = 256
    percentile: float = 5.0
    min_intra_windows: int = 2
    min_cross_windows: int = 2
    recent_windows: int = 20
    min_face_ratio: float = 0.6
    min_audio_ratio: float = 0.8
    min_speech_ratio: float = 0.4
    speech_threshold: float = 0.5
    max_silence_windows: int = 50
    intra_alert: float = 0.45
    intra_genuine: float = 0.75
    cross_alert: float = 0.08
    cross_genuine: float = 0.28

    def __post_init__(self) -> None:
        _require(
            0 < self.percentile < 100 and self.memory_windows >= 2,
            "The percentile must lie between 0 and 100 and the memory must hold at least two windows.",
            "Choose for example 5 and 256.",
        )
        _require(
            self.intra_alert < self.intra_genuine and self.cross_alert < self.cross_genuine,
            "An alert threshold must lie under the genuine value of its channel.",
            "Lower the alert threshold.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertConfig:
    """The alert state machine: hysteresis on the margin, and minimum durations in ns of call time.

    Attributes:
        onset_margin: Below it a participant becomes suspicious.
        alert_margin: Below it for long enough, suspicion becomes an alert.
        offset_margin: Above it for long enough, the state is lifted.
        suspicious_after_ns: How long the margin must stay below onset.
        alert_after_ns: How long the margin must stay below alert, suspicion included.
        clear_after_ns: How long the margin must stay above offset.
    """

    onset_margin: float = 0.25
    alert_margin: float = 0.0
    offset_margin: float = 0.4
    suspicious_after_ns: int = 400_000_000
    alert_after_ns: int = 2_000_000_000
    clear_after_ns: int = 5_000_000_000

    def __post_init__(self) -> None:
        _require(
            self.alert_margin <= self.onset_margin < self.offset_margin,
            "Alert thresholds must be ordered alert <= onset < offset.",
            "Choose for example 0, 0.25 and 0.4.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceConfig:
    """When a face is not that of a given reference.

    Attributes:
        alert: Similarity to the reference at which the margin is 0.
        genuine: Similarity to the reference at which the margin is 1.
        mean_windows: Newest windows with a face whose mean is judged.
        max_span_windows: Windows that these may lie apart, the ones without a face included.
    """

    alert: float = 0.35
    genuine: float = 0.45
    mean_windows: int = 5
    max_span_windows: int = 25

    def __post_init__(self) -> None:
        _require(
            self.alert < self.genuine and 0 < self.mean_windows <= self.max_span_windows,
            "The alert threshold of a reference must lie under its genuine value, and its windows must fit.",
            "Choose for example 0.35 and 0.45, 5 and 25 windows.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionConfig:
    """The sequential decision on top of a calibration.

    Attributes:
        false_alarms_per_hour: Alarms that a genuine participant may cause in an hour of a call.
        false_alarms_per_file: Chance that a genuine file is called fake, in (0, 1).
        head_start_h: A participant's arrival counts as so many hours more, spent on fakes from the start.
        least_evidence: Odds that any alarm needs, whatever the rate.
        suspicious_progress: Fraction of the way to an alarm from which a participant is suspicious.
        dense_progress: Fraction of it from which the face is sampled densely.
        sparse_progress: Fraction of it under which it is sampled sparsely again.
    """

    false_alarms_per_hour: float = 1.0 / 24.0
    false_alarms_per_file: float = 0.01
    head_start_h: float = 0.5
    least_evidence: float = 20.0
    suspicious_progress: float = 0.6
    dense_progress: float = 0.3
    sparse_progress: float = 0.15

    def __post_init__(self) -> None:
        _require(
            0.0 < self.false_alarms_per_hour <= MAX_FALSE_ALARMS_PER_HOUR,
            "The rate of false alarms must be above 0 and at most 60 an hour.",
            "Choose for example 0.04, which is one a day.",
        )
        _require(
            0.0 < self.false_alarms_per_file < 1.0,
            "The chance of a false alarm on a file must lie between 0 and 1.",
            "Choose for example 0.01.",
        )
        _require(
            0.0 < self.head_start_h <= 1.0 and self.least_evidence >= 2.0,
            "The head start must be above 0 and at most an hour, and the least evidence at least 2.",
            "Choose for example 0.5 and 20.",
        )
        _require(
            0.0 < self.sparse_progress < self.dense_progress <= self.suspicious_progress < 1.0,
            "The fractions of progress must be ordered sparse < dense <= suspicious, between 0 and 1.",
            "Choose for example 0.15, 0.3 and 0.6.",
        )

    def for_file(self, duration_s: float) -> DecisionConfig:
        """Return the decision on a file: the rate of a call, or the chance of a file where that allows more.

        With the file's length T as head start, an alarm on a genuine file has a chance of at most
        2 T / (1 + T) times the rate (``realtime.decision.evidence.Thresholds``).

        Args:
            duration_s: Length of the file; 0 when unknown, which is judged as a call.
        """
        hours = duration_s / 3600.0
        if hours <= 0.0 or hours >= self.head_start_h:
            return self
        rate = min(MAX_FALSE_ALARMS_PER_HOUR, self.false_alarms_per_file * (1.0 + hours) / (2.0 * hours))
        if rate <= self.false_alarms_per_hour:
            return self
        return replace(self, false_alarms_per_hour=rate, head_start_h=hours)


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorConfig:
    """Everything the pure core needs to know."""

    faces: FaceConfig = field(default_factory=FaceConfig)
    windows: WindowConfig = field(default_factory=WindowConfig)
    scoring: ScoringConfig = field(default_factory=ScoringConfig)
    alerts: AlertConfig = field(default_factory=AlertConfig)
    decision: DecisionConfig = field(default_factory=DecisionConfig)
    reference: ReferenceConfig = field(default_factory=ReferenceConfig)
