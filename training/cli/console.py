"""What the commands of training share on a terminal: a bar that counts, and safe text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def counting_bar(what: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """Show on stderr, and only where a person sees it, how many are dealt with.

    Args:
        what: What is being done, such as "preparing".
        total: Of how many; None until it is known.

    Yields:
        Takes ``completed`` or ``advance``, and ``total``, as ``rich.progress.Progress.update`` does.
    """
    console = Console(stderr=True)
    with Progress(
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        yield partial(progress.update, progress.add_task("", total=total))


def printable(text: str) -> str:
    """Return text without what could steer a terminal or fail to encode; each such character is U+FFFD."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
