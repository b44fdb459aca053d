"""Prepared graphs, kept so that they are made once."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path

from engines.store.files import write_atomically


class PreparedCache:
    """Prepared graphs by source hash and preparation version.

    A file's name carries the hash of its own content, so a damaged one is recognised and made again.

    Args:
        folder: Where the files lie; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, source_sha256: str, version: int, build: Callable[[], bytes]) -> bytes:
        """Return a prepared graph.

        Args:
            source_sha256: SHA-256 of the source file.
            version: Version of the preparation.
            build: Makes the graph; called only if the cache does not hold it.

        Returns:
            The prepared graph.
        """
        prefix = f"{source_sha256[:16]}-v{version}"
        for path in self._folder.glob(f"{prefix}-*.onnx"):
            with contextlib.suppress(OSError):
                data = path.read_bytes()
                if path.name == _name(prefix, data):
                    return data
        data = build()
        # A store that cannot be written, such as a read-only image, costs time and no more.
        with contextlib.suppress(OSError):
            write_atomically(self._folder / _name(prefix, data), data)
        return data


def _name(prefix: str, data: bytes) -> str:
    return f"{prefix}-{hashlib.sha256(data).hexdigest()[:16]}.onnx"
