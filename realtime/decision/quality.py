"""Ordered levels of media quality: a value is only ever compared with genuine values of its own level."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from realtime.decision.observation import Quality
from realtime.types import Modality


class Level(enum.IntEnum):
    """How good the media was; the worst of its factors decides."""

    POOR = 0
    FAIR = 1
    GOOD = 2


#: Factor to (least value that is FAIR, least value that is GOOD), in the units of ``Quality``.
LEVEL_EDGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "face_px": (64.0, 90.0),
        "sharpness": (40.0, 130.0),
        "picture_ratio": (0.7, 0.9),
    }
)

#: The factors that a channel's values depend on; speech, above the least that a window needs, is none.
CHANNEL_FACTORS: Mapping[Modality, tuple[str, ...]] = MappingProxyType(
    {
        Modality.INTRA: ("face_px", "sharpness"),
        Modality.CROSS: ("face_px", "sharpness", "picture_ratio"),
    }
)


def factors(channel: Modality, quality: Quality) -> dict[str, float] | None:
    """Return the channel's factors by name; None if one of them was not measured."""
    measured = {name: getattr(quality, name) for name in CHANNEL_FACTORS[channel]}
    return None if any(value is None for value in measured.values()) else measured


def poorest(measured: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the lowest value of every factor.

    Args:
        measured: At least one set of factors of one channel.
    """
    sets = list(measured)
    return {name: min(each[name] for each in sets) for name in sets[0]}


def level_of(measured: Mapping[str, float]) -> Level:
    """Return the level of a set of factors: that of its worst one."""
    return min(_level(value, LEVEL_EDGES[name]) for name, value in measured.items())


def _level(value: float, edges: tuple[float, float]) -> Level:
    if value < edges[0]:
        return Level.POOR
    return Level.FAIR if value < edges[1] else Level.GOOD
