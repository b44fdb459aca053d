"""How the participants of each call are decided on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from realtime.calibration_file import calibration_for
from realtime.config import DecisionConfig, MonitorConfig
from realtime.decision.calibration import Calibration
from realtime.decision.support import Support, support


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """The calibration in use, and the rate of false alarms of each call.

    Attributes:
        calibration: What genuine media looks like to the engines in use; None where nobody knows.
        config: For calls that nothing else is said of.
        rates_per_hour: False alarms per participant-hour by call, where another one is wanted.
    """

    calibration: Calibration | None = None
    config: DecisionConfig = field(default_factory=DecisionConfig)
    rates_per_hour: Mapping[str, float] = field(default_factory=dict)

    def of(self, call: str) -> DecisionConfig:
        """Return how the participants of a call are decided on."""
        rate = self.rates_per_hour.get(call)
        return self.config if rate is None else replace(self.config, false_alarms_per_hour=rate)

    def support(self, call: str) -> Support | None:
        """Return what the promise to a call rests on; None without a calibration, which promises nothing."""
        return None if self.calibration is None else support(self.calibration, self.of(call))


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionChoice:
    """What the operator chose.

    Attributes:
        calibration: Made with `seamwatch calibrate`; None for the one that ships.
        false_alarms_per_hour: Per participant; None for the default.
        rates_per_hour: The same by call, where another rate is wanted.
    """

    calibration: Path | None = None
    false_alarms_per_hour: float | None = None
    rates_per_hour: Mapping[str, float] = field(default_factory=dict)

    def configured(self, config: MonitorConfig) -> MonitorConfig:
        """Return the settings with the chosen rate.

        Raises:
            ConfigurationError: It is out of range.
        """
        rate = self.false_alarms_per_hour
        if rate is None:
            return config
        return replace(config, decision=replace(config.decision, false_alarms_per_hour=rate))

    def loaded(self, engine_ids: Mapping[str, str], config: MonitorConfig) -> Decisions:
        """Return how to decide.

        Args:
            engine_ids: The engines in use, by role.
            config: As ``configured`` returned it.

        Raises:
            CalibrationError: The calibration cannot be read, or does not fit.
        """
        return Decisions(
            calibration=calibration_for(engine_ids, config, self.calibration),
            config=config.decision,
            rates_per_hour=self.rates_per_hour,
        )


AS_SHIPPED = DecisionChoice()
