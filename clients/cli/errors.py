"""The one place where an exception becomes a message on stderr and an exit code.

Exit codes: 0 done, 1 a stated fault, 2 usage or configuration, 3 a file could not be read, 70 a fault of the
program itself, 130 interrupted.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import click

from clients.printable import printable
from engines.errors import SeamwatchError
from realtime.errors import ConfigurationError, MediaError

EXIT_FAULT = 1
EXIT_USAGE = 2
EXIT_UNREADABLE = 3
EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130


def exit_code_of(error: SeamwatchError) -> int:
    """Return the exit code that a stated fault ends the program with."""
    if isinstance(error, ConfigurationError):
        return EXIT_USAGE
    if isinstance(error, MediaError):
        return EXIT_UNREADABLE
    return EXIT_FAULT


def show_error(message: str, *, fix: str) -> None:
    """Print a fault and its remedy on stderr."""
    click.echo(f"error: {printable(message)}", err=True)
    if fix:
        click.echo(f"  fix: {printable(fix)}", err=True)


def _most_telling(raised: BaseException) -> BaseException:
    """Return the exception to report: out of a task group a stated fault before any other."""
    leaves: list[BaseException] = []
    pending = [raised]
    while pending:
        current = pending.pop(0)
        if isinstance(current, BaseExceptionGroup):
            pending.extend(current.exceptions)
        else:
            leaves.append(current)
    stated = [leaf for leaf in leaves if isinstance(leaf, SeamwatchError)]
    return (stated or leaves)[0]


def _report(error: BaseException, *, details: bool) -> int:
    """Print an exception and return the exit code for it."""
    if details:
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    if isinstance(error, SeamwatchError):
        show_error(error.message, fix=error.fix)
        return exit_code_of(error)
    hint = "" if details else "; run with --log-level debug for details"
    click.echo(f"internal error: {type(error).__name__}{hint}", err=True)
    return EXIT_INTERNAL


@contextmanager
def reported_errors(*, details: bool) -> Iterator[None]:
    """Turn whatever leaves the block into a message and an exit code.

    Args:
        details: Whether tracebacks are shown.

    Raises:
        SystemExit: In place of every exception but those that click answers itself (usage, broken pipe).
    """
    try:
        yield
    except (click.ClickException, click.exceptions.Exit):
        raise
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        raise SystemExit(EXIT_INTERRUPTED) from None
    except Exception as raised:
        error = _most_telling(raised)
        if isinstance(error, BrokenPipeError):
            raise error from None
        raise SystemExit(_report(error, details=details)) from None
