"""TensorRT's timing cache: what it measured, kept by device and version for the builds to come."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import platformdirs

from engines.store.files import write_atomically


class TimingCache:
    """One file for each device and version.

    Args:
        folder: Where the files lie; None for the user's cache. It need not exist.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or platformdirs.user_cache_path("seamwatch") / "tensorrt-timing"

    def read(self, fingerprint: str) -> bytes:
        """Return what was measured; empty where nothing was."""
        try:
            return self._path(fingerprint).read_bytes()
        except OSError:
            return b""

    def write(self, fingerprint: str, measured: bytes) -> None:
        """Keep what was measured."""
        # A cache that cannot be written costs the next build time and no more.
        with contextlib.suppress(OSError):
            write_atomically(self._path(fingerprint), measured)

    def _path(self, fingerprint: str) -> Path:
        return self._folder / f"{hashlib.sha256(fingerprint.encode()).hexdigest()[:16]}.timing"
