"""LRS3-TED: ``pretrain``, ``trainval`` and ``test``, each with ``VIDEO/NNNNN.mp4``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from training.data.clip import Clip
from training.data.files import media_files, relative

CORPUS: Final = "LRS3-TED"
_SETS: Final = ("pretrain", "trainval", "test")
_VIDEO: Final = re.compile(r"[\w-]{11}", re.ASCII)
_CLIP: Final = re.compile(r"\d{5}")


def is_lrs3(root: Path) -> bool:
    """Return whether a folder has one of the sets, with a YouTube video that has a numbered clip."""
    return any(any(_clips(video)) for video in _videos(root))


def read_lrs3(root: Path) -> list[Clip]:
    """Return the clips under a folder.

    The table of speakers is not part of the data set: every talk counts as one speaker, in all sets alike.
    """
    return [
        Clip(
            path=path,
            name=relative(path, root),
            corpus=CORPUS,
            speaker=f"{CORPUS}/{video.name}",
            source=f"{CORPUS}/{video.name}",
        )
        for video in _videos(root)
        for path in _clips(video)
    ]


def _videos(root: Path) -> Iterator[Path]:
    folders = (root / name for name in _SETS if (root / name).is_dir())
    return (
        path
        for folder in folders
        for path in sorted(folder.iterdir())
        if path.is_dir() and _VIDEO.fullmatch(path.name)
    )


def _clips(video: Path) -> Iterator[Path]:
    return (path for path in media_files(video) if _CLIP.fullmatch(path.stem))
