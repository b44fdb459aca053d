"""The options of the commands that send many participants."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click
import platformdirs

from bench.cli.picture_size import picture_size
from bench.load.people import People
from bench.load.schedule import Talk
from bench.load.streams import Codec, Size, prepare_streams
from training.cli.console import counting_bar


def load_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--size``, ``--codec``, ``--clips-dir`` and ``--streams`` to a command.

    It gets them as ``sizes``, ``codecs``, ``clips_dir`` and ``cache``.
    """
    for option in reversed(
        (
            click.option(
                "--size",
                "sizes",
                default="640x360,1280x720",
                show_default=True,
                metavar="WxH,...",
                callback=_sizes,
                help="Picture sizes.",
            ),
            click.option(
                "--codec",
                "codecs",
                default="vp8,h264",
                show_default=True,
                metavar="NAME,...",
                callback=_codecs,
                help="Codecs of the pictures: vp8, h264.",
            ),
            click.option(
                "--clips-dir",
                type=click.Path(path_type=Path, exists=True, file_okay=False),
                help="Recorded clips with a manifest.csv; without it synthetic people are sent.",
            ),
            click.option(
                "--streams",
                "cache",
                type=click.Path(path_type=Path, file_okay=False),
                default=lambda: platformdirs.user_cache_path("seamwatch") / "bench",
                show_default="in the user's cache folder",
                metavar="DIR",
                help="Where encoded streams are kept for the next time.",
            ),
        )
    ):
        command = option(command)
    return command


def talk_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--talk`` to a command, which gets it as ``talks``."""
    return click.option(
        "--talk",
        "talks",
        default="all,turns",
        show_default=True,
        metavar="NAME,...",
        callback=_talks,
        help="all: everybody talks all the time; turns: one at a time, the others listen.",
    )(command)


def prepared(people: People, size: Size, codec: Codec, cache: Path) -> Path:
    """Return the folder of the streams; a bar on stderr shows the encoding."""
    with counting_bar(f"encoding {size[0]}x{size[1]} {codec}", 100) as update:
        return prepare_streams(people, size, codec, cache, lambda done: update(completed=round(100 * done)))


def _sizes(context: click.Context, parameter: click.Parameter, value: str) -> tuple[Size, ...]:
    sizes = (picture_size(context, parameter, part) for part in value.split(","))
    return tuple((size.width_px, size.height_px) for size in sizes)


def _codecs(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[str, ...]:
    return _named(value, get_args(Codec))


def _talks(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[str, ...]:
    return _named(value, get_args(Talk))


def _named(value: str, known: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(value.split(","))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise click.BadParameter(f"{unknown[0]!r} is none of {', '.join(known)}")
    return names
