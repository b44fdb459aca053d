"""The command line that a result states."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

import click

_ARGUMENTS = "bench.arguments"


def remember_arguments(ctx: click.Context, arguments: Iterable[str]) -> None:
    """Keep the arguments of ``seamwatch bench`` for ``stated_command``."""
    ctx.meta[_ARGUMENTS] = tuple(arguments)


def stated_command() -> str:
    """Return the running command as a result may state it: ``seamwatch bench ...`` with relative paths.

    Outside of the group, as in a test that invokes one bench, the arguments are not known and are left out.
    """
    ctx = click.get_current_context()
    arguments = ctx.meta.get(_ARGUMENTS, (ctx.info_name or "",))
    return shlex.join(["seamwatch", "bench", *map(relative_argument, arguments)])


def relative_argument(argument: str) -> str:
    """Return an argument without the host's folders.

    An absolute path becomes relative if it lies in the working folder or beside it, else its last part.
    """
    option, equals, value = ("", "", argument) if Path(argument).is_absolute() else argument.partition("=")
    if not equals:
        option, value = "", argument
    if not Path(value).is_absolute():
        return argument
    relative = os.path.relpath(value)
    kept = relative if relative.count("..") <= 1 else Path(value).name
    return f"{option}{equals}{kept}"
