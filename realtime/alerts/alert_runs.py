"""The observations that newest alerts rest on, in memory, for the case that one is called false."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from realtime.decision.observation import Observation

#: Alerts whose observations are remembered; each takes 0.2 MB at most.
MAX_ALERTS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What made observations; those of other models or settings do not compare.

    Attributes:
        models: Model per encoder, as ``realtime.calibration_file.models_of`` names them.
        configuration_sha256: Digest of the settings that the values depend on.
    """

    models: Mapping[str, str]
    configuration_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRun:
    """What one participant brought to the test until an alert.

    Attributes:
        person: Random name of the participant in its call; the same in all its alerts.
        observations: Of both channels, oldest first.
    """

    person: str
    observations: tuple[Observation, ...]


class RunTaker(Protocol):
    """Takes what led to alerts."""

    def remember(self, seq: int, run: AlertRun) -> None:
        """Take the run of a stored alert."""


class AlertRuns:
    """Remembers the runs of the newest alerts; the oldest is forgotten when there are too many.

    Args:
        origin: What makes the observations.
        capacity: Alerts remembered.

    Attributes:
        forgotten: Runs that had to make room.
    """

    def __init__(self, origin: Origin, capacity: int = MAX_ALERTS) -> None:
        self.origin = origin
        self._capacity = capacity
        self._runs: OrderedDict[int, AlertRun] = OrderedDict()
        self.forgotten = 0

    def remember(self, seq: int, run: AlertRun) -> None:
        """Remember the run of a stored alert."""
        self._runs[seq] = run
        while len(self._runs) > self._capacity:
            self._runs.popitem(last=False)
            self.forgotten += 1

    def of(self, seq: int) -> AlertRun | None:
        """Return the run of an alert; None where it is forgotten, or the monitor was started since."""
        return self._runs.get(seq)
