"""What the windows of one participant, once encoded, lead to: scores, verdicts and alerts. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from realtime.alerts.machine import AlertMachine, Finding
from realtime.config import MonitorConfig, WindowConfig
from realtime.decision.calibration import Calibration
from realtime.decision.observation import Observation
from realtime.decision.observer import Observer
from realtime.decision.sequential import SequentialTest, TestState
from realtime.evidence.decision_run import DecisionMemory
from realtime.evidence.memory import Alignment, EvidenceMemory, EvidenceSnapshot, LipsAndVoice, TracePoint
from realtime.identity.reference import NOT_THE_REFERENCE, Reference, ReferenceCheck
from realtime.scoring.scorer import IDENTITY_CHANGED, LIPS_DO_NOT_FIT_VOICE, Scorer
from realtime.scoring.verdict import NOT_ENROLLED, live_verdict
from realtime.timebase import tick_time_ns
from realtime.types import (
    Alert,
    AlertState,
    Embedding,
    LagEmbeddings,
    Modality,
    Score,
    ScoreStatus,
    Seam,
    SimilarityMatrix,
    TimeSpan,
    Verdict,
    Window,
)

#: The reason for an alert that each comparison stands for.
CHANNEL_REASONS = {Modality.INTRA: IDENTITY_CHANGED, Modality.CROSS: LIPS_DO_NOT_FIT_VOICE}
SEVERAL_FACES = "several_faces"
#: Window pairs attached to an alert, and offered as a file's seams.
SEAMS_PER_ALERT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedWindow:
    """One window and what the encoders made of it.

    Attributes:
        window: The window.
        identity: Pooled identity, None without a face.
        lips: Embedding of the lips, None without lips or where nobody speaks.
        voice: Embeddings of the voice over the lag band, None without a voice or without lips.
        degraded: Why the measurement is poorer than configured, such as "overload".
        unfit: Why lips and voice cannot be compared now, such as "low_frame_rate".
    """

    window: Window
    identity: Embedding | None
    lips: Embedding | None
    voice: LagEmbeddings | None
    degraded: tuple[str, ...] = ()
    unfit: tuple[str, ...] = ()

    def moved(self, hops: int, windows: WindowConfig) -> EncodedWindow:
        """Return the same, so many hops later."""
        window = self.window
        index, shift_ns = window.index + hops, tick_time_ns(hops * windows.hop_ticks)
        span = TimeSpan(start_ns=window.span.start_ns + shift_ns, end_ns=window.span.end_ns + shift_ns)
        return replace(
            self,
            window=replace(window, index=index, span=span),
            identity=None if self.identity is None else replace(self.identity, window_index=index, span=span),
            lips=None if self.lips is None else replace(self.lips, window_index=index, span=span),
            voice=None if self.voice is None else replace(self.voice, window_index=index, span=span),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowResult:
    """What one window led to.

    Attributes:
        window_index: The window.
        score: Running scores after it.
        verdict: Live verdict after it.
        state: State of the alert machine after it.
        alert: The transition it caused, if any.
        arrival_ns: Monotonic arrival of the window's newest media; None for files.
        observations: What the window brought to the sequential test.
        test: State of the sequential test after it; None where none runs.
        evidence: What the transition rests on; None without one, or where no evidence is kept.
    """

    window_index: int
    score: Score
    verdict: Verdict
    state: AlertState
    alert: Alert | None
    arrival_ns: int | None
    observations: tuple[Observation, ...] = ()
    test: TestState | None = None
    evidence: EvidenceSnapshot | None = None


class Judge:
    """Scores the windows of one participant and decides; memory is fixed.

    Args:
        config: Settings of scoring and alerts.
        keep_evidence: Whether embeddings are kept for the evidence of transitions.
        calibration: What genuine media looks like to the engines in use, for the sequential test; without one
            the thresholds on the margins decide, at a rate of false alarms that nobody knows.
        reference: Of the person that the participant should be; None to compare with nobody.
    """

    def __init__(
        self,
        config: MonitorConfig,
        *,
        keep_evidence: bool = False,
        calibration: Calibration | None = None,
        reference: Reference | None = None,
    ) -> None:
        self._evidence = EvidenceMemory(config.scoring.memory_windows) if keep_evidence else None
        self._scorer = Scorer(config.scoring, config.windows)
        self._observer = Observer(config.windows, config.scoring)
        self._test = None if calibration is None else SequentialTest(calibration, config.decision)
        self._decided = (
            None if calibration is None or not keep_evidence else DecisionMemory(calibration, config.decision)
        )
        self._uncounted: dict[Modality, str] = {}
        self._machine = AlertMachine(config.alerts, tested=CHANNEL_REASONS.values() if self._test else ())
        self._reference = None if reference is None else ReferenceCheck(reference, config.reference)

    @property
    def state(self) -> AlertState:
        """State of the alert machine."""
        return self._machine.state

    @property
    def causes(self) -> tuple[str, ...]:
        """The channels behind the state."""
        return self._machine.causes

    def take(self, encoded: EncodedWindow) -> WindowResult:
        """Take the next window; indices rise and may skip."""
        window = encoded.window
        score = self._scorer.update(
            window, encoded.identity, encoded.lips, encoded.voice, encoded.degraded, unfit=encoded.unfit
        )
        margins = self._scorer.fresh_margins()
        if self._reference is not None:
            score = replace(score, reference=self._reference.update(encoded.identity))
            margins[NOT_THE_REFERENCE] = self._reference.margin
        observations = self._observer.observe(window, encoded.identity, self._scorer.agreement)
        test = None if self._test is None else self._test.update(score.time_ns, observations)
        if self._decided is not None:
            self._decided.take(observations)
        score = self._qualified(score, window, observations, test)
        alert = self._machine.update(
            score.time_ns,
            margins,
            lambda: self._scorer.seams(SEAMS_PER_ALERT),
            {
                "score": score.score,
                "intra": score.intra,
                "cross": score.cross,
                "recent_intra": score.recent_intra,
                "recent_cross": score.recent_cross,
                "lag_ms": score.lag_ms,
                **({} if self._reference is None else {"reference": score.reference}),
                **_evidence(test),
            },
            finding=_finding(test, observations),
        )
        return WindowResult(
            window_index=window.index,
            score=score,
            verdict=live_verdict(score, self._machine.state),
            observations=observations,
            test=test,
            state=self._machine.state,
            alert=alert,
            arrival_ns=window.arrival_ns,
            evidence=self._keep(encoded, score, alert, test),
        )

    def _qualified(
        self, score: Score, window: Window, observations: tuple[Observation, ...], test: TestState | None
    ) -> Score:
        """Say so where a channel is measured, but what it says is no ground for a decision."""
        if test is None:
            return score
        for observation in observations:
            self._uncounted.pop(observation.channel, None)
        self._uncounted.update(test.missing)
        several = {SEVERAL_FACES} if window.other_faces else set()
        reasons = tuple(sorted({*self._uncounted.values(), *several}))
        if not reasons and not self._observer.is_enrolled:
            reasons = (NOT_ENROLLED,)
        if score.status is not ScoreStatus.OK or not reasons:
            return score
        return replace(score, status=ScoreStatus.DEGRADED, reasons=reasons)

    def set_sync_uncertainty(self, uncertainty_ns: int) -> None:
        """Say what may be left of a misalignment of sound and picture, from now until said otherwise.

        To be called for media from a network before the first of it; a file's tracks share a clock.
        """
        self._scorer.set_sync_uncertainty(uncertainty_ns)

    def realign(self) -> None:
        """Say that sound and picture come over another connection from now on, on another alignment."""
        self._scorer.realign()

    def seams(self, count: int) -> tuple[Seam, ...]:
        """Return the window pairs in memory that disagree most, worst first."""
        return self._scorer.seams(count)

    def matrices(self) -> tuple[SimilarityMatrix, SimilarityMatrix]:
        """Return the intra-modal and the cross-modal similarity matrix in memory."""
        return self._scorer.matrices()

    def _keep(
        self, encoded: EncodedWindow, score: Score, alert: Alert | None, test: TestState | None
    ) -> EvidenceSnapshot | None:
        if self._evidence is None:
            return None
        lips_and_voice = None
        if encoded.lips is not None and encoded.voice is not None and self._scorer.compared:
            lips_and_voice = LipsAndVoice(lips=encoded.lips, voice=encoded.voice)
        self._evidence.take(
            TracePoint(
                window_index=encoded.window.index,
                score=score,
                face_size_px=encoded.window.face_px or 0.0,
            ),
            encoded.identity,
            lips_and_voice,
        )
        if alert is None:
            return None
        lag_ticks, from_window = self._scorer.alignment
        snapshot = self._evidence.snapshot(
            alert,
            seams=alert.seams or self._scorer.seams(SEAMS_PER_ALERT),
            similarities=self._scorer.matrices()[0],
            alignment=Alignment(lag_ticks=lag_ticks, from_window=from_window),
        )
        if self._decided is None or test is None:
            return snapshot
        return replace(snapshot, test=self._decided.snapshot(test))


def _evidence(test: TestState | None) -> dict[str, float]:
    return {} if test is None else {"evidence": max(0.0, test.combined), "threshold": test.threshold}


def _finding(test: TestState | None, observations: tuple[Observation, ...]) -> Finding | None:
    """Return what the test found, where this window brought it something."""
    if test is None or not observations:
        return None
    causes = tuple(CHANNEL_REASONS[channel] for channel in test.causes)
    return Finding(suspects=causes if test.suspicious else (), culprits=causes if test.alarm else ())
