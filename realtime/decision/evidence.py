"""Evidence that accumulates along a channel, and how much of it an alarm needs."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from realtime.config import DecisionConfig
from realtime.types import TimeSpan

#: Logarithm of evidence that is as good as none; so little is added that no bound is touched.
LEAST = -50.0
#: A block that speaks for a change by less than this counts against one by as much at least. Where genuine
#: values are all alike their e-values are 1: the sum over all moments would grow by itself, call after call,
#: and what an alarm was raised on would never be paid back.
LEAST_STEP = 0.25


class Question(enum.StrEnum):
    """What is asked about the stream."""

    FROM_START = "from_start"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Logarithms of the evidence that an alarm needs.

    Let B be the blocks an hour at most, r the rate, h the head start in hours. The evidence for a change is
    compared with B (1 + h) / r and the evidence since the start with (1 + h) / (h r). If every e-value has a
    mean of at most 1 given the past, the probability of an alarm within T hours of a genuine stream is at
    most r (T + h) / (1 + h): the sum of B T over the first (optional stopping: a Shiryaev-Roberts sum of n
    blocks has a mean of at most n) and of 1 over the second (Ville's inequality). So a call of an hour or
    more keeps the rate, and a shorter one counts as less than an hour.

    Source: Shin, Ramdas & Rinaldo 2024, "E-detectors"; the head start after Lucas & Crosier 1982, "Fast
    initial response for CUSUM quality-control schemes".
    """

    change: float
    start: float

    @classmethod
    def of(cls, config: DecisionConfig, blocks_per_hour: float) -> Thresholds:
        """Return the thresholds for a rate.

        Args:
            config: Rate, head start and the least evidence of any alarm.
            blocks_per_hour: Blocks of a channel in an hour at most.
        """
        share = (1.0 + config.head_start_h) / config.false_alarms_per_hour
        least = math.log(config.least_evidence)
        return cls(
            change=max(least, math.log(share * blocks_per_hour)),
            start=max(least, math.log(share / config.head_start_h)),
        )

    def against(self, question: Question) -> float:
        """Return the threshold of a question."""
        return self.start if question is Question.FROM_START else self.change


class ChannelEvidence:
    """Two processes of one channel, as logarithms.

    - ``log_change``: the Shiryaev-Roberts sum over all moments at which a change may have come,
      R = (1 + R) E, with what says next to nothing lowered (``LEAST_STEP``).
    - ``log_start``: the product of all e-values, for a stream that never was genuine.

    Args:
        ceiling: ``log_change`` goes no higher.

    Attributes:
        log_change: At most the ceiling.
        log_start: At least ``LEAST``.
        owed: What is left of the ceiling since ``raise_to_ceiling``; evidence for a change adds to it,
            evidence against one pays it back.
        blocks_below_ceiling: Blocks since ``log_change`` was last at the ceiling.
    """

    def __init__(self, ceiling: float) -> None:
        self._ceiling = ceiling
        self._rise = 0.0
        self._first_ns: int | None = None
        self._onset_ns: int | None = None
        self._last_ns: int | None = None
        self.log_change = LEAST
        self.log_start = 0.0
        self.owed = 0.0
        self.blocks_below_ceiling = 0

    def take(self, log_e: float, span: TimeSpan) -> None:
        """Take the evidence of the next block."""
        step = log_e if log_e >= LEAST_STEP else min(log_e, -LEAST_STEP)
        self.log_change = min(self._ceiling, float(np.logaddexp(0.0, self.log_change)) + step)
        self.log_start = max(LEAST, self.log_start + log_e)
        self.owed = min(self._ceiling, self.owed + step)
        self.blocks_below_ceiling = 0 if self.log_change >= self._ceiling else self.blocks_below_ceiling + 1
        if self._rise <= 0.0:
            self._rise, self._onset_ns = 0.0, span.start_ns
        self._rise = min(self._ceiling, self._rise + step)
        if self._first_ns is None:
            self._first_ns = span.start_ns
        self._last_ns = span.end_ns

    def of(self, question: Question) -> float:
        """Return the logarithm of the evidence on a question."""
        return self.log_start if question is Question.FROM_START else self.log_change

    def span(self, question: Question) -> TimeSpan | None:
        """Return the time of the blocks that built the evidence up; None without any.

        A change is dated by where the cumulative sum of the logarithms last left zero (Page 1954), which is
        the likeliest of the moments that the Shiryaev-Roberts sum goes over.
        """
        first_ns = self._first_ns if question is Question.FROM_START else self._onset_ns
        if first_ns is None or self._last_ns is None:
            return None
        return TimeSpan(start_ns=first_ns, end_ns=self._last_ns)

    def raise_to_ceiling(self) -> None:
        """Hold the evidence of a change as high as it can be, so that it has to be paid back in full."""
        self.log_change = self.owed = self._ceiling
        self.blocks_below_ceiling = 0


def log_mean(logarithms: Sequence[float]) -> float:
    """Return the logarithm of the mean of some values given by their logarithms.

    The mean of processes that are e-detectors given the common past is one, however they depend on each
    other within a step.
    """
    return float(np.logaddexp.reduce(list(logarithms))) - math.log(len(logarithms))
