"""Files that are whole or not there, and readable by their owner only."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from realtime.evidence.layout import bundle_number
from realtime.evidence.record import MANIFEST_NAME

OWNER_FILE = 0o600
OWNER_FOLDER = 0o700


def write_new(path: Path, data: bytes) -> None:
    """Write a file that does not exist yet; it is on disk afterwards.

    Raises:
        OSError: It exists, or cannot be written.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_FILE)
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of the bytes."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_folder(path: Path) -> None:
    """Put the names in a folder on disk, where the system knows how."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_files(folder: Path) -> dict[str, bytes]:
    """Return the content of the files in a folder by name; anything that is no plain file counts as empty.

    Raises:
        OSError: One cannot be read.
    """
    return {
        entry.name: Path(entry.path).read_bytes() if _is_plain(entry) else b"" for entry in os.scandir(folder)
    }


def bundle_folders(root: Path) -> list[Path]:
    """Return every folder under the root that is, or ought to be, a bundle, by number.

    Raises:
        OSError: The root cannot be read.
    """
    found = [
        folder
        for call in root.iterdir()
        if call.is_dir() and not call.is_symlink() and not call.name.startswith(".")
        for folder in call.iterdir()
        if folder.is_dir() and (bundle_number(folder.name) is not None or (folder / MANIFEST_NAME).exists())
    ]
    return sorted(found, key=lambda folder: (bundle_number(folder.name) or 0, folder))


def _is_plain(entry: os.DirEntry[str]) -> bool:
    return stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode)
