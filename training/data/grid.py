"""GRID: ``sN/bbaf2n.mpg``, or the same in folders below such as ``sN/video/mpg_6000``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from training.data.clip import Clip
from training.data.files import media_files, relative

CORPUS: Final = "GRID"
_SPEAKER: Final = re.compile(r"s\d{1,2}")
_SENTENCE: Final = re.compile(r"[blps][bgrw][abiw][a-z][0-9z][anps]")
"""Command, colour, preposition, letter, digit and adverb, by their first characters."""


def is_grid(root: Path) -> bool:
    """Return whether a folder has a speaker like ``s1`` with a sentence like ``bbaf2n``."""
    return any(_sentences(speaker) for speaker in _speakers(root))


def read_grid(root: Path) -> list[Clip]:
    """Return the clips under a folder; of a sentence in several encodings, the last in order of paths."""
    clips = []
    for speaker in _speakers(root):
        for sentence, path in _sentences(speaker).items():
            clips.append(
                Clip(
                    path=path,
                    name=relative(path, root),
                    corpus=CORPUS,
                    speaker=f"{CORPUS}/{speaker.name}",
                    source=f"{CORPUS}/{speaker.name}/{sentence}",
                    licence_corpus="GRID (CC BY 4.0)",
                )
            )
    return clips


def _speakers(root: Path) -> Iterator[Path]:
    return (path for path in sorted(root.iterdir()) if path.is_dir() and _SPEAKER.fullmatch(path.name))


def _sentences(speaker: Path) -> dict[str, Path]:
    return {path.stem: path for path in media_files(speaker) if _SENTENCE.fullmatch(path.stem)}
