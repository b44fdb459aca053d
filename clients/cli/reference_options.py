"""``--reference``: who a participant, or the person in a file, should be."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from clients.printable import printable
from realtime.errors import ConfigurationError
from realtime.identity.references import ReferenceFile, References

_CONSENT = (
    "It is embedded at the start and kept in memory only. Embeddings of a face are biometric data: use it "
    "only with the person's consent."
)


def reference_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option for participants to a command, which gets all of them as ``references``."""

    @wraps(command)
    def gathered(*, reference: tuple[str, ...], **options: Any) -> Any:
        return command(references=References(map(reference_file, reference)), **options)

    add_option = click.option(
        "--reference",
        multiple=True,
        metavar="NAME=FILE",
        help="A photo or a clip of the person that the participant NAME (or CALL/NAME) should be; may be "
        "given more than once. " + _CONSENT,
    )
    return add_option(gathered)


def scan_reference_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option for files to a command, which gets the path as ``reference``."""
    add_option = click.option(
        "--reference",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A photo or a clip of the person that the files should show. " + _CONSENT,
    )
    return add_option(command)


def reference_file(text: str) -> ReferenceFile:
    """Return what one ``NAME=FILE`` says.

    Raises:
        ConfigurationError: It is not of that form.
    """
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise ConfigurationError(
            f"{text!r} names no reference.",
            fix="Write --reference NAME=FILE, such as --reference alice=alice.jpg.",
        )
    return ReferenceFile(name=name, path=Path(path))


def tell_unused(references: References) -> None:
    """Say on stderr for which references nobody came: such a participant was compared with nobody."""
    for name in references.unused:
        click.echo(printable(f"note: nobody named {name} came, so that reference was not used"), err=True)
