"""Identity picture by picture, without a memory: SFace from Seamwatch's store on every picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.peers.pictures import FaceOfPictures


class Adapter:
    """The largest change of a face from one picture to the next: 1 - cosine.

    Args:
        options: None are known.
    """

    name = "SFace, picture by picture"

    def __init__(self, options: Mapping[str, str]) -> None:
        del options

    def why_unavailable(self) -> str | None:
        """Return None: the store has it."""
        return None

    def prepare(self) -> None:
        """Load the models."""
        self._faces = FaceOfPictures()

    def score(self, clip: Path) -> float | None:
        """Compare the faces of neighbouring pictures."""
        return self._faces.largest_change(clip)
