"""What a process holds at a moment, as Linux tells it."""

from __future__ import annotations

import gc
import resource
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

_STATM = Path("/proc/self/statm")
_DESCRIPTORS = Path("/proc/self/fd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a process held.

    Attributes:
        hours: Time since the measurement began, of the call where that is virtual.
        resident_mib: Resident memory.
        blocks: Blocks of memory that Python objects take.
        descriptors: Open file descriptors.
        threads: Python's threads.
        tasks: Tasks of the event loop; 0 where there is none.
        participants: Participants at the time.
    """

    hours: float
    resident_mib: float
    blocks: int
    descriptors: int
    threads: int
    tasks: int = 0
    participants: int = 1


def take_sample(hours: float, *, tasks: int = 0, participants: int = 1) -> Sample:
    """Sample this process; what is only waiting for the garbage collector is collected first."""
    gc.collect()
    pages = int(_STATM.read_text().split()[1])
    return Sample(
        hours=hours,
        resident_mib=pages * resource.getpagesize() / 2**20,
        blocks=sys.getallocatedblocks(),
        descriptors=sum(1 for _ in _DESCRIPTORS.iterdir()),
        threads=threading.active_count(),
        tasks=tasks,
        participants=participants,
    )
