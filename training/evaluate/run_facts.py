"""What a reported number depends on: the command, the machine, and the versions of what computed it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

_PACKAGES = ("seamwatch", "numpy", "onnxruntime", "opencv-python-headless", "av")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """Where and with what a report was made.

    Attributes:
        command: The command line.
        machine: Processor, number of processors and system.
        versions: Version by package, Python included.
    """

    command: str
    machine: str
    versions: dict[str, str]


def run_facts(arguments: list[str] | None = None) -> RunFacts:
    """Return the facts of this process.

    Args:
        arguments: Arguments of the command; None takes the process's own.
    """
    given = sys.argv[1:] if arguments is None else arguments
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return RunFacts(
        command=" ".join(["seamwatch", *given]),
        machine=f"{_processor()}, {os.cpu_count()} processors, {platform.system()} {platform.machine()}",
        versions=versions,
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"
