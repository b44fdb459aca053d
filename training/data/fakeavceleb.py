"""FakeAVCeleb (v1.2): ``meta_data.csv`` and the folders that it names."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from training.data.clip import FAKE, REAL, Clip
from training.data.errors import DatasetError
from training.data.files import relative
from training.data.voxceleb2 import speaker_id

CORPUS: Final = "FakeAVCeleb"
TABLE: Final = "meta_data.csv"
_REAL_TYPE: Final = "RealVideo-RealAudio"
_TYPES: Final = frozenset({_REAL_TYPE, "RealVideo-FakeAudio", "FakeVideo-RealAudio", "FakeVideo-FakeAudio"})
_FIX: Final = f"Name the data set's own folder, with the {TABLE} that came with it."
_COLUMNS: Final = ("source", "method", "type", "race", "gender", "path")
_FOLDER_COLUMN: Final = ""


def is_fakeavceleb(root: Path) -> bool:
    """Return whether a folder has the table and a folder of one of the four types."""
    return (root / TABLE).is_file() and any((root / name).is_dir() for name in _TYPES)


def read_fakeavceleb(root: Path) -> list[Clip]:
    """Return the clips of the table; one that it lists again under another method counts once, as first.

    Speakers have their VoxCeleb2 numbers, so that a person of both data sets is one. A fake's kind is its
    type and its generator is its method.

    Raises:
        DatasetError: If the table cannot be read, lacks a column, or names a type that is unknown or a file
            outside the folder.
    """
    table = root / TABLE
    clips: dict[str, Clip] = {}
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise DatasetError(f"{table} lacks {', '.join(missing)}.", fix=_FIX)
            for row in reader:
                clip = _clip(root, f"{table}, line {reader.line_num}", row)
                clips.setdefault(clip.name, clip)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{table} cannot be read: {error}.", fix=_FIX) from error
    return list(clips.values())


def _clip(root: Path, where: str, row: Mapping[str, str | None]) -> Clip:
    cells = {name: (row[name] or "").strip() for name in _COLUMNS}
    kind = cells["type"]
    if kind not in _TYPES:
        raise DatasetError(f"{where}: unknown type {kind!r}.", fix=_FIX)
    if not cells["path"]:
        raise DatasetError(f"{where}: the row names no file.", fix=_FIX)
    folder = (row.get(_FOLDER_COLUMN) or "").strip()
    inner = Path(folder).parts[1:] or (kind, cells["race"], cells["gender"], cells["source"])
    path = root.joinpath(*inner, cells["path"])
    if ".." in path.parts[len(root.parts) :] or not path.is_relative_to(root):
        raise DatasetError(f"{where}: the file lies outside the data set.", fix=_FIX)
    is_real = kind == _REAL_TYPE
    return Clip(
        path=path,
        name=relative(path, root),
        corpus=CORPUS,
        speaker=speaker_id(cells["source"]),
        source=f"{CORPUS}/{cells['source']}",
        label=REAL if is_real else FAKE,
        kind=REAL if is_real else kind,
        generator="" if is_real else cells["method"],
    )
