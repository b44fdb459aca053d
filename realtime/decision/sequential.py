"""The sequential test of one participant: evidence, thresholds, alarm and recovery. Pure, memory is fixed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from realtime.config import DecisionConfig
from realtime.decision.calibration import Calibration
from realtime.decision.channel import NOT_CALIBRATED, ChannelTest
from realtime.decision.evidence import Question, Thresholds, log_mean
from realtime.decision.observation import Observation
from realtime.timebase import NS_PER_S
from realtime.types import Modality, TimeSpan

#: An alarm is lifted on evidence of so much time at least, however good.
RECOVERY_NS = 5 * NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class TestState:
    """Where the test stands.

    Attributes:
        time_ns: Call time.
        question: What the alarm was raised on, or else what is closer to an alarm.
        evidence: Evidence on it by channel, as natural logarithms; while the alarm is raised, what is left of
            the evidence for a change.
        combined: Logarithm of the mean over the channels.
        threshold: What ``combined`` is compared with.
        progress: ``combined`` as a fraction of the threshold, in [0, 1].
        alarm: Whether the alarm is raised. It is lifted once every channel that caused it has, over blocks of
            ``RECOVERY_NS`` at least, brought as much evidence against a change as it takes to raise one.
        suspicious: Whether the alarm is raised, or the progress is at least ``suspicious_progress``.
        causes: The channels that raised the alarm, or that most of the evidence comes from; empty while not
            suspicious.
        missing: Why a channel's newest observation brought no evidence.
        span: The blocks that built the evidence up: its start estimates when the change began.
    """

    time_ns: int
    question: Question
    evidence: Mapping[Modality, float]
    combined: float
    threshold: float
    progress: float
    alarm: bool
    suspicious: bool
    causes: tuple[Modality, ...]
    missing: Mapping[Modality, str]
    span: TimeSpan | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Raised:
    question: Question
    causes: tuple[Modality, ...]
    onset_ns: int


class SequentialTest:
    """Asks of one participant whether it ever was genuine, and whether it still is.

    What an alarm on a genuine participant is bounded by: ``realtime.decision.evidence.Thresholds``. Without
    observations nothing changes: silence and a missing face neither raise nor lift an alarm.

    That bound does not know of people who are usually lower than all but a few. A participant's own past is
    believed down to the value that genuine people lie under as rarely as an alarm from the start is allowed,
    so if people's means are normal no larger fraction of them can be in alarm for what they are.

    Args:
        calibration: Of the engines and the configuration in use.
        config: The rate of false alarms, and what counts as suspicious.
    """

    def __init__(self, calibration: Calibration, config: DecisionConfig) -> None:
        self._config = config
        self._thresholds = Thresholds.of(config, calibration.rule.blocks_per_hour)
        self._recovery_blocks = math.ceil(RECOVERY_NS / calibration.rule.least_span_ns)
        ceiling = self._thresholds.change + math.log(len(calibration.channels))
        self._channels = {
            channel: ChannelTest(
                each, calibration.rule, ceiling=ceiling, rarity=math.exp(-self._thresholds.start)
            )
            for channel, each in calibration.channels.items()
        }
        self._questions: tuple[Question, ...] = (Question.CHANGED, Question.FROM_START)
        self._raised: _Raised | None = None
        self._time_ns: int | None = None

    def update(self, time_ns: int, observations: Sequence[Observation]) -> TestState:
        """Take what a window brought.

        Args:
            time_ns: Call time; rises from update to update.
            observations: None later than ``time_ns``, at most one a channel. Those of a channel without a
                calibration count for nothing.

        Raises:
            ValueError: If an order is violated or a value is no cosine; the state is left alone.
        """
        self._check(time_ns, observations)
        self._time_ns = time_ns
        missing: dict[Modality, str] = {}
        for each in observations:
            test = self._channels.get(each.channel)
            reason = NOT_CALIBRATED if test is None else test.take(each, learn=self._raised is None)
            if reason is not None:
                missing[each.channel] = reason
        return self._judge(time_ns, missing)

    def _check(self, time_ns: int, observations: Sequence[Observation]) -> None:
        if self._time_ns is not None and time_ns <= self._time_ns:
            raise ValueError(f"the time of a test must rise: {time_ns} ns after {self._time_ns} ns")
        if len({each.channel for each in observations}) < len(observations):
            raise ValueError("a channel has more than one observation in an update")
        for each in observations:
            if each.time_ns > time_ns:
                raise ValueError(f"window {each.window_index} lies in the future")
            if each.channel in self._channels:
                self._channels[each.channel].check(each)

    def _judge(self, time_ns: int, missing: dict[Modality, str]) -> TestState:
        if self._raised is not None:
            if all(self._paid_back(channel) for channel in self._raised.causes):
                self._raised = None
        elif self._progress(self._nearer()) >= 1.0:
            self._raise(self._nearer())
        raised, question = self._raised, self._nearer()
        progress = self._progress(question)
        suspicious = raised is not None or progress >= self._config.suspicious_progress
        causes = () if not suspicious else self._sources(question) if raised is None else raised.causes
        span = self._span(question, causes or tuple(self._channels))
        if raised is not None and span is not None:
            span = TimeSpan(start_ns=raised.onset_ns, end_ns=span.end_ns)
        return TestState(
            time_ns=time_ns,
            question=question if raised is None else raised.question,
            evidence={channel: self._evidence(channel, question) for channel in self._channels},
            combined=self._combined(question),
            threshold=self._thresholds.against(question),
            progress=progress,
            alarm=raised is not None,
            suspicious=suspicious,
            causes=causes,
            missing=missing,
            span=span,
        )

    def _raise(self, question: Question) -> None:
        causes = self._sources(question)
        span = self._span(question, causes)
        assert span is not None, "evidence without a block"
        self._raised = _Raised(question=question, causes=causes, onset_ns=span.start_ns)
        self._questions = (Question.CHANGED,)
        for channel in causes:
            self._channels[channel].evidence.raise_to_ceiling()

    def _paid_back(self, channel: Modality) -> bool:
        evidence = self._channels[channel].evidence
        return evidence.owed <= 0.0 and evidence.blocks_below_ceiling >= self._recovery_blocks

    def _nearer(self) -> Question:
        return max(self._questions, key=self._progress)

    def _progress(self, question: Question) -> float:
        return min(1.0, max(0.0, self._combined(question) / self._thresholds.against(question)))

    def _combined(self, question: Question) -> float:
        return log_mean([self._evidence(channel, question) for channel in self._channels])

    def _evidence(self, channel: Modality, question: Question) -> float:
        return self._channels[channel].evidence.of(question)

    def _sources(self, question: Question) -> tuple[Modality, ...]:
        half = self._combined(question) / 2.0
        return tuple(channel for channel in self._channels if self._evidence(channel, question) >= half)

    def _span(self, question: Question, channels: tuple[Modality, ...]) -> TimeSpan | None:
        spans = [self._channels[channel].evidence.span(question) for channel in channels]
        found = [span for span in spans if span is not None]
        if not found:
            return None
        return TimeSpan(
            start_ns=min(span.start_ns for span in found), end_ns=max(span.end_ns for span in found)
        )
