"""Seamwatch's method without what makes it cheap: every window looks at all of its pictures again.

The detector and the identity encoder run on every picture, overlapping windows share nothing, and after every
window all similarities are computed from the embeddings of the whole clip.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.peers.anew import Anew


class Adapter:
    """The paper's score (Eq. 4) after the last window, negated.

    Args:
        options: None are known.
    """

    name = "Seamwatch, everything anew"

    def __init__(self, options: Mapping[str, str]) -> None:
        del options

    def why_unavailable(self) -> str | None:
        """Return None: it needs nothing more than Seamwatch."""
        return None

    def prepare(self) -> None:
        """Load the models."""
        self._anew = Anew()

    def score(self, clip: Path) -> float | None:
        """Scan a clip."""
        found = self._anew.score(clip)
        return None if found is None else -found
