"""What a program has to be able to do to be measured beside Seamwatch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class Peer(Protocol):
    """A program that may tell genuine clips from fakes.

    An adapter is a file of its own under ``adapters`` with a class ``Adapter`` that keeps to this protocol.
    It runs under the Python that the owner names for it: outside of its methods it imports the standard
    library only, and it fetches nothing. Those of Seamwatch itself may import Seamwatch.

    Attributes:
        name: As in the table.
    """

    name: str

    def __init__(self, options: Mapping[str, str]) -> None:
        """Take what the owner said: paths of checkouts and weights, by name."""

    def why_unavailable(self) -> str | None:
        """Return what is missing and how to get it; None where everything is there. Must be cheap."""

    def prepare(self) -> None:
        """Load models; called once, before the first clip, and not counted."""

    def score(self, clip: Path) -> float | None:
        """Return how much speaks for a fake, higher for fakes; None where the program does not say."""
