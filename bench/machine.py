"""What a measurement states about the machine that made it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shlex
import sys
from collections.abc import Sequence

from engines.selection_measure import processor_name

PACKAGES = ("seamwatch", "aiortc", "av", "numpy", "onnxruntime", "opencv-python-headless")


def describe_machine(packages: Sequence[str] = PACKAGES) -> dict[str, object]:
    """Return processor, cores, memory, system and the versions of packages."""
    return {
        "processor": processor_name(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in packages},
    }


def load_average() -> list[float]:
    """Return the machine's load averages of 1, 5 and 15 minutes."""
    return [round(load, 2) for load in os.getloadavg()]


def command_line(module: str) -> str:
    """Return the command that repeats this measurement."""
    return shlex.join(["python", "-m", module, *sys.argv[1:]])
