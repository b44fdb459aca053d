"""The layouts that a data set may have, and which one a path has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from training.data.clip import Clip
from training.data.errors import DatasetError
from training.data.folder import read_folder
from training.data.manifest import MANIFEST_NAME, read_manifest


def _manifest(source: Path) -> list[Clip]:
    return read_manifest(source / MANIFEST_NAME if source.is_dir() else source)


LAYOUTS: Final[Mapping[str, Callable[[Path], list[Clip]]]] = MappingProxyType(
    {"manifest": _manifest, "folder": read_folder}
)


def read_clips(source: Path, layout: str | None = None) -> list[Clip]:
    """Return the clips of a data set.

    Args:
        source: A folder, or a manifest.
        layout: A key of ``LAYOUTS``; None finds it out.

    Raises:
        DatasetError: If it does not exist, is not laid out so, or holds no clips.
    """
    if not source.exists():
        raise DatasetError(f"{source} does not exist.", fix="Check the path.")
    name = layout or layout_of(source)
    clips = LAYOUTS[name](source)
    if not clips:
        raise DatasetError(f"{source} holds no clips in the layout {name}.", fix="Choose another --layout.")
    return clips


def layout_of(source: Path) -> str:
    """Return the layout that a path has."""
    if source.is_file() or (source / MANIFEST_NAME).is_file():
        return "manifest"
    return "folder"
