"""Neighbouring windows overlap; blocks of them share no observation and are what the test counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from realtime.decision.observation import Observation
from realtime.decision.quality import Level, factors, level_of, poorest
from realtime.errors import ConfigurationError
from realtime.timebase import NS_PER_S
from realtime.types import Modality, TimeSpan


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRule:
    """How observations are gathered.

    Attributes:
        observations: Observations in a block, at least 1.
        max_pause_ns: Longest pause between two observations of one block.
        hop_ns: Least time between two observations of a channel.
    """

    observations: int = 2
    max_pause_ns: int = 2 * NS_PER_S
    hop_ns: int = 400_000_000

    def __post_init__(self) -> None:
        if self.observations < 1 or not 0 < self.hop_ns <= self.max_pause_ns:
            raise ConfigurationError(
                "A block needs an observation at least, and a pause of a hop at least.",
                fix="Choose for example 2 observations, a hop of 0.4 s and a pause of 2 s.",
            )

    @property
    def least_span_ns(self) -> int:
        """Time that a block takes at least."""
        return self.observations * self.hop_ns

    @property
    def blocks_per_hour(self) -> float:
        """Blocks that a channel can complete in an hour at most."""
        return 3600 * NS_PER_S / self.least_span_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Some consecutive observations of one channel.

    Attributes:
        span: From the first observation's time to the last one's.
        value: Mean of the observations.
        factors: The lowest value of each of the channel's quality factors.
    """

    span: TimeSpan
    value: float
    factors: Mapping[str, float]

    @property
    def level(self) -> Level:
        """Level of the poorest media in the block."""
        return level_of(self.factors)


class BlockBuilder:
    """Gathers one channel's observations; an observation of unknown quality never enters a block.

    Args:
        channel: The channel.
        rule: Size of a block.
    """

    def __init__(self, channel: Modality, rule: BlockRule) -> None:
        self._channel = channel
        self._rule = rule
        self._observations: list[Observation] = []
        self._factors: list[dict[str, float]] = []

    def add(self, observation: Observation) -> Block | None:
        """Take the next observation and return the block that it completes.

        After a pause longer than ``max_pause_ns`` the block is begun anew: what a change may lie in is not
        averaged over.
        """
        measured = factors(self._channel, observation.quality)
        if measured is None:
            return None
        held = self._observations
        if held and observation.time_ns - held[-1].time_ns > self._rule.max_pause_ns:
            self._clear()
        self._observations.append(observation)
        self._factors.append(measured)
        if len(self._observations) < self._rule.observations:
            return None
        block = Block(
            span=TimeSpan(start_ns=self._observations[0].time_ns, end_ns=observation.time_ns),
            value=sum(each.value for each in self._observations) / len(self._observations),
            factors=poorest(self._factors),
        )
        self._clear()
        return block

    def _clear(self) -> None:
        self._observations = []
        self._factors = []
