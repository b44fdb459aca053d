"""What the promised rate of false alarms rests on, in plain words."""

from __future__ import annotations

from dataclasses import dataclass

from realtime.config import DecisionConfig
from realtime.decision.calibration import Calibration

#: No event in n trials: the 95 % upper bound of its rate is about 3 / n (Hanley & Lippman-Hand 1983).
RULE_OF_THREE = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """How far the material bears the rate that was asked for.

    Attributes:
        asked_per_hour: The rate asked for.
        verifiable_per_hour: The lowest rate that the material could verify by itself.
        verified: Whether the asked rate is at least that.
        statement: All of it in words, for the operator.
    """

    asked_per_hour: float
    verifiable_per_hour: float
    verified: bool
    statement: str


def support(calibration: Calibration, config: DecisionConfig) -> Support:
    """Say what the promise rests on.

    Args:
        calibration: In use.
        config: The rate asked for.
    """
    material, asked = calibration.material, config.false_alarms_per_hour
    verifiable = RULE_OF_THREE / max(material.minutes / 60.0, 1e-9)
    verified = asked >= verifiable
    basis = (
        f"The rate of {_rate(asked)} rests on {material.minutes:.1f} minutes of genuine material "
        f"({material.description}): {material.speakers} speakers, {material.clips} recordings."
    )
    if verified:
        rest = "Without a false alarm in it, the material alone verifies the rate."
    else:
        rest = (
            "Even without a false alarm in it, the material alone verifies no rate under"
            f" {_rate(verifiable)}; below that the rate follows from the test's bound, if participants are"
            " like these speakers."
        )
    return Support(
        asked_per_hour=asked,
        verifiable_per_hour=verifiable,
        verified=verified,
        statement=f"{basis} {rest}",
    )


def _rate(per_hour: float) -> str:
    return f"one false alarm in {1 / per_hour:.3g} participant-hours"
