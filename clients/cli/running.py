"""Running a command that a person ends with Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any


def run_until_interrupted(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end, or until SIGINT or SIGTERM asks for it; both are ordinary ends.

    SIGTERM is turned into SIGINT, which lets the running tasks clean up before the program ends.
    """
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, before)
