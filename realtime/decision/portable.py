"""A calibration as plain values, for a file, and back with every value checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

from realtime.decision.baseline import Age, SpeakerPrior
from realtime.decision.blocks import BlockRule
from realtime.decision.calibration import Calibration, ChannelCalibration, LevelReference, Material
from realtime.decision.conformal import Reference
from realtime.decision.quality import CHANNEL_FACTORS, Level
from realtime.errors import CalibrationError, ConfigurationError
from realtime.types import Modality

FORMAT = "seamwatch-calibration"
VERSION = 1

_Name = TypeVar("_Name", Level, Age)


def to_dict(calibration: Calibration) -> dict[str, Any]:
    """Return the calibration as dictionaries, lists, strings and numbers that JSON knows."""
    rule, material = calibration.rule, calibration.material
    return {
        "format": FORMAT,
        "version": VERSION,
        "rule": {
            "observations": rule.observations,
            "max_pause_ns": rule.max_pause_ns,
            "hop_ns": rule.hop_ns,
        },
        "material": {
            "description": material.description,
            "speakers": material.speakers,
            "clips": material.clips,
            "minutes": material.minutes,
        },
        "engine_ids": dict(calibration.engine_ids),
        "configuration_sha256": calibration.configuration_sha256,
        "channels": {str(name): _channel_to_dict(each) for name, each in calibration.channels.items()},
    }


def from_dict(values: object) -> Calibration:
    """Return the calibration that ``to_dict`` made the values of.

    Raises:
        CalibrationError: If anything is missing, of another type, or out of its range.
    """
    try:
        return _calibration(_mapping(values))
    except (KeyError, TypeError, ValueError, ConfigurationError) as error:
        raise CalibrationError(
            f"The calibration is damaged or of another version ({error}).",
            fix="Make it again with `seamwatch calibrate`.",
        ) from error


def _channel_to_dict(channel: ChannelCalibration) -> dict[str, Any]:
    prior = channel.prior
    return {
        "prior": {
            "between_variance": prior.between_variance,
            "within_variance": prior.within_variance,
        },
        "discount": channel.discount,
        "levels": {
            level.name.lower(): {"mean": each.mean, "poorest": dict(each.poorest)}
            for level, each in channel.levels.items()
        },
        "strata": [
            {
                "level": level.name.lower(),
                "age": age.name.lower(),
                "tilt": reference.tilt,
                "speakers": [list(own) for own in reference.speakers],
            }
            for (level, age), reference in channel.strata.items()
        ],
    }


def _calibration(values: Mapping[str, Any]) -> Calibration:
    if (values["format"], values["version"]) != (FORMAT, VERSION):
        raise ValueError("unknown format or version")
    rule, material = _mapping(values["rule"]), _mapping(values["material"])
    channels = {
        Modality(name): _channel(Modality(name), _mapping(each))
        for name, each in _mapping(values["channels"]).items()
    }
    if not channels:
        raise ValueError("no channel")
    return Calibration(
        rule=BlockRule(
            observations=_whole(rule["observations"]),
            max_pause_ns=_whole(rule["max_pause_ns"]),
            hop_ns=_whole(rule["hop_ns"]),
        ),
        channels=channels,
        material=Material(
            description=_text(material["description"]),
            speakers=_whole(material["speakers"]),
            clips=_whole(material["clips"]),
            minutes=_number(material["minutes"], least=0.0),
        ),
        engine_ids={_text(role): _text(each) for role, each in _mapping(values["engine_ids"]).items()},
        configuration_sha256=_text(values["configuration_sha256"]),
    )


def _channel(channel: Modality, values: Mapping[str, Any]) -> ChannelCalibration:
    prior = _mapping(values["prior"])
    levels: dict[Level, LevelReference] = {}
    for name, each in _mapping(values["levels"]).items():
        lowest = {_text(k): _number(v, least=0.0) for k, v in _mapping(each["poorest"]).items()}
        if set(lowest) != set(CHANNEL_FACTORS[channel]):
            raise ValueError("other quality factors")
        levels[_named(Level, name)] = LevelReference(
            mean=_number(each["mean"], least=-1.0, most=1.0), poorest=lowest
        )
    strata = {
        (_named(Level, each["level"]), _named(Age, each["age"])): Reference(
            tilt=_number(each["tilt"], least=0.0, most=1e5),
            speakers=_people(each["speakers"]),
        )
        for each in map(_mapping, values["strata"])
    }
    if not levels or {level for level, age in strata if age is Age.COLD} != set(levels):
        raise ValueError("a level without a stratum, or the reverse")
    power = _number(values["discount"], least=0.0, most=1.0)
    if power == 0.0:
        raise ValueError("a discount of 0")
    return ChannelCalibration(
        prior=SpeakerPrior(
            between_variance=_number(prior["between_variance"], least=0.0),
            within_variance=_number(prior["within_variance"], least=0.0),
        ),
        discount=power,
        levels=levels,
        strata=strata,
    )


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError("a group of values is missing")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is missing")
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError("a whole number is missing")
    return value


def _number(value: object, *, least: float = -math.inf, most: float = math.inf) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError("a number is missing")
    if not (math.isfinite(value) and least <= value <= most):
        raise ValueError(f"{value} is out of range")
    return float(value)


def _people(people: list[list[object]]) -> tuple[tuple[float, ...], ...]:
    if not people or not all(people):
        raise ValueError("a speaker without values, or a stratum without speakers")
    return tuple(tuple(sorted(_number(value, least=-4.0, most=4.0) for value in own)) for own in people)


def _named(names: type[_Name], name: object) -> _Name:
    return names[_text(name).upper()]
