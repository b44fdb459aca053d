"""The media files under a folder, in an order that does not depend on the file system."""

from __future__ import annotations

from pathlib import Path
from typing import Final

SUFFIXES: Final = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv"})


def media_files(root: Path, suffixes: frozenset[str] = SUFFIXES) -> list[Path]:
    """Return the files under a folder that have one of the suffixes, sorted by path, hidden ones left out."""
    return sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in suffixes
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )


def relative(path: Path, root: Path) -> str:
    """Return the path below a folder, with ``/``."""
    return path.relative_to(root).as_posix()
