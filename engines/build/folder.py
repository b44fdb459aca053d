"""Folders that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

_PART = ".seamwatch-part"
_ABANDONED_AFTER_S = 3600.0


def write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder so that nobody ever sees part of it; what was there before is replaced.

    A process that is killed leaves at most a hidden folder beside the target, which is removed by the next
    one that writes there after an hour.

    Args:
        target: The folder; its parent is made where it is missing.
        files: Content by path inside the folder, with ``/`` between folders.

    Raises:
        OSError: If the folder cannot be written.
    """
    parent = target.parent
    parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(parent)
    temporary = Path(tempfile.mkdtemp(dir=parent, prefix=f".{target.name}.", suffix=_PART))
    try:
        for name, data in files.items():
            path = temporary / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
        for folder in (*(path for path in temporary.rglob("*") if path.is_dir()), temporary):
            _sync_folder(folder)
        temporary.chmod(0o755)
        _put_in_place(temporary, target)
        _sync_folder(parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _put_in_place(new: Path, target: Path) -> None:
    if not target.exists():
        new.rename(target)
        return
    old = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=_PART))
    # A folder can only take the place of an empty one.
    target.replace(old)
    try:
        new.rename(target)
    except BaseException:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_abandoned(parent: Path) -> None:
    for path in parent.glob(f".*{_PART}"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED_AFTER_S:
                shutil.rmtree(path)
