"""How many processors there are for this process."""

from __future__ import annotations

import os


def usable_processors() -> int:
    """Return on how many processors this process may run; a container may have few of its host's."""
    if hasattr(os, "process_cpu_count"):
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
