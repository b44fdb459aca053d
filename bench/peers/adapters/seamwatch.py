"""Seamwatch itself, as ``seamwatch scan`` runs it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.scan_speed.scanner import Scanner


class Adapter:
    """The paper's score (Eq. 4) of a whole file, negated.

    Args:
        options: None are known.
    """

    name = "Seamwatch"

    def __init__(self, options: Mapping[str, str]) -> None:
        del options

    def why_unavailable(self) -> str | None:
        """Return None: it is here."""
        return None

    def prepare(self) -> None:
        """Load the models."""
        self._scanner = Scanner(1)

    def score(self, clip: Path) -> float | None:
        """Scan a clip."""
        found = self._scanner.scan(clip).score
        return None if found is None else -found
