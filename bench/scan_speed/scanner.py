"""A scan as ``seamwatch scan`` runs it, without its printing."""

from __future__ import annotations

from pathlib import Path

from realtime.config import MonitorConfig
from realtime.decisions import DecisionChoice
from realtime.encoders.suite import load_encoders
from realtime.scan import ScanResult, scan_file


class Scanner:
    """Loaded models and the decision that goes with them.

    Args:
        threads: As ``seamwatch scan --threads``.
    """

    def __init__(self, threads: int) -> None:
        choice = DecisionChoice()
        self._config = choice.configured(MonitorConfig())
        self._encoders = load_encoders(self._config, threads=threads)
        self._calibration = choice.loaded(self._encoders.ids, self._config).calibration

    def scan(self, clip: Path) -> ScanResult:
        """Judge one recording."""
        return scan_file(clip, self._encoders, self._config, calibration=self._calibration)
