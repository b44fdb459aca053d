"""The file that names several calls: ``seamwatch join --config calls.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clients.joining.target import MONITOR_NAME, JoinTarget, join_target
from realtime.config import MAX_FALSE_ALARMS_PER_HOUR
from realtime.errors import ConfigurationError

MAX_CALLS = 64


class _Call(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    url: str
    name: str | None = None
    pin: str | None = None
    token: str | None = None
    display_name: str = MONITOR_NAME
    false_alarms_per_hour: float | None = Field(default=None, gt=0, le=MAX_FALSE_ALARMS_PER_HOUR)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    call: list[_Call] = Field(min_length=1, max_length=MAX_CALLS)


def read_calls(path: Path) -> list[JoinTarget]:
    """Read the calls of a file: a table ``[[call]]`` each, with a ``url`` and what a call may need.

    Raises:
        ConfigurationError: The file cannot be read, or says something that it should not.
    """
    try:
        content = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}.", fix=_EXAMPLE) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"{path}: {where}: {first['msg']}.", fix=_EXAMPLE) from error
    return [
        replace(
            join_target(
                call.url, call=call.name, display_name=call.display_name, pin=call.pin, token=call.token
            ),
            false_alarms_per_hour=call.false_alarms_per_hour,
        )
        for call in content.call
    ]


_EXAMPLE = (
    'Write a table for every call: [[call]] url = "janus://host:8188/room/1234" pin = "..." name = "..."'
)
