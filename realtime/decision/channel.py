"""One channel of one participant: from observations to evidence."""

from __future__ import annotations

import math

from realtime.decision.baseline import OwnBaseline
from realtime.decision.blocks import Block, BlockBuilder, BlockRule
from realtime.decision.calibration import ChannelCalibration
from realtime.decision.evidence import ChannelEvidence
from realtime.decision.observation import Observation
from realtime.decision.quality import factors

QUALITY_UNKNOWN = "quality_unknown"
NOT_CALIBRATED = "not_calibrated"


class ChannelTest:
    """Compares blocks with the calibration and with the participant's own past.

    Args:
        calibration: Of the channel.
        rule: Blocks to form.
        ceiling: How high the evidence of a change may go, as a logarithm.
        rarity: The fraction of genuine people whose own low values are not believed, in (0, 0.5].

    Attributes:
        evidence: So far.
    """

    def __init__(
        self, calibration: ChannelCalibration, rule: BlockRule, *, ceiling: float, rarity: float
    ) -> None:
        self._calibration = calibration
        self._rule = rule
        self._builder: BlockBuilder | None = None
        self._baseline = OwnBaseline(calibration.prior, calibration.prior.floor(rarity))
        self._newest: Observation | None = None
        self._uncounted: str | None = None
        self.evidence = ChannelEvidence(ceiling)

    def check(self, observation: Observation) -> None:
        """Refuse what does not come after the newest observation.

        Raises:
            ValueError: If the window or the time does not rise, the time by a hop at least, or the value is
                no cosine.
        """
        newest = self._newest
        if newest is not None and (
            observation.window_index <= newest.window_index
            or observation.time_ns - newest.time_ns < self._rule.hop_ns
        ):
            raise ValueError(f"window {observation.window_index} comes too soon after {newest.window_index}")
        if not (math.isfinite(observation.value) and abs(observation.value) <= 1.001):
            raise ValueError(f"window {observation.window_index} has no cosine similarity")

    def take(self, observation: Observation, *, learn: bool) -> str | None:
        """Take the next observation and return why such brings no evidence, if so.

        An observation that completes no block is as good as the one before it was.

        Args:
            observation: Of this channel.
            learn: Whether the participant's own baseline learns from it.
        """
        if self._builder is None:
            self._builder = BlockBuilder(observation.channel, self._rule)
        self._newest = observation
        block = self._builder.add(observation)
        if factors(observation.channel, observation.quality) is None:
            self._uncounted = QUALITY_UNKNOWN
        elif block is not None:
            self._uncounted = self._count(block, learn=learn)
        return self._uncounted

    def _count(self, block: Block, *, learn: bool) -> str | None:
        usual = self._calibration.usual(block)
        reference = self._calibration.reference(block.level, self._baseline.age)
        if usual is None or reference is None:
            return NOT_CALIBRATED
        deviation = block.value - usual
        log_e = reference.log_e_value(deviation - self._baseline.offset)
        self.evidence.take(self._calibration.discount * log_e, block.span)
        if learn:
            self._baseline.learn(deviation)
        return None
