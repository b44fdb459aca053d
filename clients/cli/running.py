"""Running a command that a person ends with Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any


def run_until_interrupted(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end, or until SIGINT or SIGTERM asks for it; both are ordinary ends.

    The running tasks clean up before the program ends.
    """
    try:
        with sigterm_as_interrupt():
            asyncio.run(work)
    except KeyboardInterrupt:
        return


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM end the block in the way of Ctrl-C, so that it cleans up."""
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
