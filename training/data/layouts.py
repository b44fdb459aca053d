"""The layouts that a data set may have, and which one a path has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from training.data.clip import Clip
from training.data.errors import DatasetError
from training.data.fakeavceleb import is_fakeavceleb, read_fakeavceleb
from training.data.folder import read_folder
from training.data.grid import is_grid, read_grid
from training.data.kodf import is_kodf, read_kodf
from training.data.lrs3 import is_lrs3, read_lrs3
from training.data.manifest import MANIFEST_NAME, read_manifest
from training.data.voxceleb2 import is_voxceleb2, read_voxceleb2


@dataclass(frozen=True, slots=True)
class Layout:
    """How to know a layout, and how to read it."""

    has: Callable[[Path], bool]
    read: Callable[[Path], list[Clip]]


def _is_manifest(source: Path) -> bool:
    return source.is_file() or (source / MANIFEST_NAME).is_file()


def _read_manifest(source: Path) -> list[Clip]:
    return read_manifest(source / MANIFEST_NAME if source.is_dir() else source)


LAYOUTS: Final[Mapping[str, Layout]] = MappingProxyType(
    {
        "manifest": Layout(_is_manifest, _read_manifest),
        "fakeavceleb": Layout(is_fakeavceleb, read_fakeavceleb),
        "kodf": Layout(is_kodf, read_kodf),
        "voxceleb2": Layout(is_voxceleb2, read_voxceleb2),
        "lrs3": Layout(is_lrs3, read_lrs3),
        "grid": Layout(is_grid, read_grid),
        "folder": Layout(Path.is_dir, read_folder),
    }
)
"""By name, in the order in which a path is tried; every folder has the last one."""


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
    if name != "manifest" and not source.is_dir():
        raise DatasetError(f"{source} is not a folder, as the layout {name} needs.", fix="Name its folder.")
    clips = LAYOUTS[name].read(source)
    if not clips:
        raise DatasetError(f"{source} holds no clips in the layout {name}.", fix="Choose another --layout.")
    return clips


def layout_of(source: Path) -> str:
    """Return the layout that an existing path has."""
    return next((name for name, layout in LAYOUTS.items() if layout.has(source)), "folder")
