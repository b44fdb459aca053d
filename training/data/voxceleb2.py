"""VoxCeleb2: faces in ``mp4/SPEAKER/VIDEO/NNNNN.mp4``, the sound in ``aac/SPEAKER/VIDEO/NNNNN.m4a``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from training.data.clip import Clip
from training.data.files import media_files, relative

CORPUS: Final = "VoxCeleb2"
_PARTS: Final = (".", "dev", "test")
_SPEAKERS: Final = "id[0-9][0-9][0-9][0-9][0-9]"
_PICTURES: Final = "mp4"
_SOUND: Final = "aac"
_SOUND_SUFFIXES: Final = (".m4a", ".aac", ".wav")


def is_voxceleb2(root: Path) -> bool:
    """Return whether a folder, or ``dev`` or ``test`` in it, has speakers like ``id00012`` in ``mp4``."""
    return any(any(base.glob(f"{_PICTURES}/{_SPEAKERS}")) for base in _bases(root))


def read_voxceleb2(root: Path) -> list[Clip]:
    """Return the clips under a folder; the sound is the file's own where ``aac`` has none for it.

    The source is the YouTube video, so that two people in one video go to one split.
    """
    clips = []
    for base in _bases(root):
        pictures = base / _PICTURES
        for speaker in sorted(pictures.glob(_SPEAKERS)):
            for path in media_files(speaker):
                clips.append(
                    Clip(
                        path=path,
                        audio_path=_sound_of(base / _SOUND / path.relative_to(pictures)),
                        name=relative(path, root),
                        corpus=CORPUS,
                        speaker=speaker_id(speaker.name),
                        source=f"{CORPUS}/{path.relative_to(speaker).parts[0]}",
                    )
                )
    return clips


def speaker_id(name: str) -> str:
    """Return the speaker of a VoxCeleb2 number, the same in data sets that are made from VoxCeleb2."""
    return f"{CORPUS}/{name}"


def _bases(root: Path) -> Iterator[Path]:
    return (root / part for part in _PARTS if (root / part / _PICTURES).is_dir())


def _sound_of(path: Path) -> Path | None:
    candidates = (path.with_suffix(suffix) for suffix in _SOUND_SUFFIXES)
    return next((candidate for candidate in candidates if candidate.is_file()), None)
