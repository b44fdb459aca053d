"""KoDF: ``original_videos/SPEAKER/...`` and ``synthesized_videos/METHOD/SPEAKER/...``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from training.data.clip import FAKE, REAL, Clip
from training.data.files import media_files, relative

CORPUS: Final = "KoDF"
ORIGINAL: Final = "original_videos"
SYNTHESIZED: Final = "synthesized_videos"


def is_kodf(root: Path) -> bool:
    """Return whether a folder has one of the two folders."""
    return any((root / name).is_dir() for name in (ORIGINAL, SYNTHESIZED))


def read_kodf(root: Path) -> list[Clip]:
    """Return the clips of both folders; a fake's kind and generator are its method."""
    clips = []
    for path in media_files(root / ORIGINAL):
        speaker = _speaker(path.relative_to(root / ORIGINAL))
        clips.append(_clip(path, root, speaker, method=None))
    for path in media_files(root / SYNTHESIZED):
        method, *below = path.relative_to(root / SYNTHESIZED).parts
        if below:
            clips.append(_clip(path, root, _speaker(Path(*below)), method))
    return clips


def _speaker(inner: Path) -> str:
    """Return the folder that a file is in, or its own name where it is in none."""
    return inner.parts[0] if len(inner.parts) > 1 else inner.stem


def _clip(path: Path, root: Path, speaker: str, method: str | None) -> Clip:
    name = relative(path, root)
    return Clip(
        path=path,
        name=name,
        corpus=CORPUS,
        speaker=f"{CORPUS}/{speaker}",
        source=f"{CORPUS}/{name}",
        label=REAL if method is None else FAKE,
        kind=method or REAL,
        generator=method or "",
    )
