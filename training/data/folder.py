"""Plain folders of real clips: the first folder below the root is the speaker."""

from __future__ import annotations

from pathlib import Path

from training.data.clip import Clip
from training.data.files import media_files, relative


def read_folder(root: Path) -> list[Clip]:
    """Return the clips under a folder; those directly in it are of a speaker named like the folder."""
    root = root.resolve()
    clips = []
    for path in media_files(root):
        name = relative(path, root)
        speaker = name.split("/", 1)[0] if "/" in name else ""
        clips.append(
            Clip(
                path=path,
                name=name,
                corpus=root.name,
                speaker=f"{root.name}/{speaker}" if speaker else root.name,
                source=f"{root.name}/{name}",
            )
        )
    return clips
