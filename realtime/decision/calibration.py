"""What genuine media looks like to the detectors: the values that a live value is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from realtime.decision.baseline import Age, SpeakerPrior
from realtime.decision.blocks import Block, BlockRule
from realtime.decision.conformal import Reference
from realtime.decision.quality import Level
from realtime.types import Modality


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """The genuine media behind a calibration.

    Attributes:
        description: Of what it is, in words.
        speakers: Distinct people.
        clips: Recordings.
        minutes: Of distinct material that was compared on some channel.
    """

    description: str
    speakers: int
    clips: int
    minutes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelReference:
    """What is usual at one level of quality.

    Attributes:
        mean: Mean value of a block, each speaker weighing the same.
        poorest: The lowest value of every quality factor among the blocks; nothing is claimed below.
    """

    mean: float
    poorest: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelCalibration:
    """The genuine values of one channel.

    Attributes:
        prior: How speakers differ.
        discount: Power that every e-value is raised to, in (0, 1]: what neighbouring blocks share.
        levels: What is usual at every level of quality that has enough material.
        strata: Genuine values, relative to what was predicted for the speaker.
    """

    prior: SpeakerPrior
    discount: float
    levels: Mapping[Level, LevelReference]
    strata: Mapping[tuple[Level, Age], Reference]

    def usual(self, block: Block) -> float | None:
        """Return the usual value of such a block; None where the calibration has nothing that compares."""
        level = self.levels.get(block.level)
        if level is None or any(block.factors[name] < lowest for name, lowest in level.poorest.items()):
            return None
        return level.mean

    def reference(self, level: Level, age: Age) -> Reference | None:
        """Return the genuine values to compare with.

        Without enough of an age, those of the next younger one stand in: with less known about the speaker
        the values spread more around the same mean, and the mean of a convex function such as the bet
        exp(-tilt x) only grows with the spread, so the e-value only shrinks. A level of quality never stands
        in for another.
        """
        for known in sorted(Age, reverse=True):
            if known <= age and (level, known) in self.strata:
                return self.strata[level, known]
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Made from genuine media alone (``realtime.decision.fitting.fit``).

    Attributes:
        rule: Blocks that it was made with, and that the test has to use.
        channels: The channels that had enough material.
        material: What it was made from.
        engine_ids: Engines that the values come from, by role.
        configuration_sha256: Digest of the configuration that produced the values.
    """

    rule: BlockRule
    channels: Mapping[Modality, ChannelCalibration]
    material: Material
    engine_ids: Mapping[str, str]
    configuration_sha256: str
