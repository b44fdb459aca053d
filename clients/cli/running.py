"""Running a command that a person ends with Ctrl-C."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from realtime.interrupt import sigterm_as_interrupt


def run_until_interrupted(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end, or until SIGINT or SIGTERM asks for it; both are ordinary ends.

    The running tasks clean up before the program ends.
    """
    try:
        with sigterm_as_interrupt():
            asyncio.run(work)
    except KeyboardInterrupt:
        return
