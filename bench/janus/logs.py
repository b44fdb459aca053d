"""Where a run keeps its files, and what stays of them when it fails."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def kept_on_failure(say: Callable[[str], None]) -> Iterator[Path]:
    """Make a folder for a run; it goes when the block ends, but its logs stay where it fails.

    Args:
        say: Told where they are.
    """
    folder = Path(tempfile.mkdtemp(prefix="seamwatch-janus-"))
    try:
        yield folder
    except Exception:
        logs = list(folder.glob("*.log"))
        for path in folder.iterdir():
            if path not in logs:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        say(f"The logs of this run are in {folder}.")
        raise
    except BaseException:
        shutil.rmtree(folder)
        raise
    else:
        shutil.rmtree(folder)
