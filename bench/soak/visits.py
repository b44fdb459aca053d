"""When somebody is there and when away. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One stay and the absence after it, both in seconds."""

    stays_s: float
    away_s: float


def visits(
    seed: int, *, stays_s: tuple[float, float], away_s: tuple[float, float], until_s: float
) -> Iterator[Visit]:
    """Yield visits, drawn evenly from both ranges, until they fill the time; the last one is cut short.

    Args:
        seed: Fixes them.
        stays_s: Shortest and longest stay.
        away_s: Shortest and longest absence.
        until_s: The time to fill.
    """
    drawn = random.Random(seed)
    passed_s = 0.0
    while passed_s < until_s:
        stay_s = min(drawn.uniform(*stays_s), until_s - passed_s)
        absence_s = min(drawn.uniform(*away_s), until_s - passed_s - stay_s)
        passed_s += stay_s + absence_s
        yield Visit(stays_s=stay_s, away_s=absence_s)
