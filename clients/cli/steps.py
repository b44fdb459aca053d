"""A progress bar for work in steps of which some are long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from clients.printable import printable


class Steps:
    """A bar that counts steps and moves inside of one."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=total)
        self._done = -1

    def begin(self, what: str) -> None:
        """Go on to the next step."""
        self._done += 1
        self._progress.update(self._task, description=printable(what), completed=self._done)

    def within(self, what: str, share: float) -> None:
        """Show what the step does now, and the share of it that is done, from 0 to 1."""
        completed = max(self._done, 0) + min(max(share, 0.0), 1.0)
        self._progress.update(self._task, description=printable(what), completed=completed)


@contextmanager
def counted_steps(total: int) -> Iterator[Steps]:
    """Show on stderr, and only where a person sees it, which of how many steps is being done."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        yield Steps(progress, total)
