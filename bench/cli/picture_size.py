"""Picture sizes on the command line, such as 640x480."""

from __future__ import annotations

from dataclasses import dataclass

import click

_LEAST_PX = 16


@dataclass(frozen=True, slots=True)
class PictureSize:
    """Width and height in px, both even."""

    width_px: int
    height_px: int

    def __str__(self) -> str:
        return f"{self.width_px}x{self.height_px}"


def picture_size(_context: click.Context, _parameter: click.Parameter, value: str) -> PictureSize:
    """Read an option; to be given to click as its callback.

    Raises:
        click.BadParameter: If it is no size, or no encoder takes it.
    """
    width, _, height = value.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise click.BadParameter(f"{value!r} is no size such as 640x480")
    size = PictureSize(int(width), int(height))
    if size.width_px % 2 or size.height_px % 2 or min(size.width_px, size.height_px) < _LEAST_PX:
        raise click.BadParameter(f"{value!r}: both sides have to be even, and at least {_LEAST_PX} px")
    return size
