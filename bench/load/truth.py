"""What is known about files that are streamed: genuine or not, and from when on."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from clients.recordings import SUFFIXES, TABLE_NAME
from realtime.errors import MediaError

REAL, FAKE = "real", "fake"


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The truth about one file.

    Attributes:
        label: ``real``, ``fake``, or empty where nothing is known.
        kind: How it was tampered with; empty where that is not known.
        from_s: Where the tampering begins; 0 for the whole of a fake file.
    """

    label: str = ""
    kind: str = ""
    from_s: float = 0.0


def truth_of(path: Path) -> Truth:
    """Return what ``seamwatch tamper`` wrote beside a file, else what the folder's table says of it.

    Raises:
        MediaError: What is there cannot be read.
    """
    beside, table = path.with_suffix(".json"), path.parent / TABLE_NAME
    try:
        if beside.is_file():
            values = json.loads(beside.read_text(encoding="utf-8"))
            return _truth(values["label"], values.get("kind"), values.get("from_s"))
        if table.is_file():
            with table.open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    if row["file"] == path.name:
                        return _truth(row["label"], row.get("kind"), row.get("from_s"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MediaError(
            f"The truth about {path} cannot be read.", fix=f"Correct or remove {beside.name} or {TABLE_NAME}."
        ) from error
    return Truth()


def media_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files, and in place of folders the media in them, by name.

    Raises:
        MediaError: There are none.
    """
    found = [
        file
        for path in paths
        for file in (
            sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
            if path.is_dir()
            else [path]
        )
    ]
    if not found:
        raise MediaError("There is no media to stream.", fix="Name files, or folders that hold some.")
    return found


def _truth(label: str, kind: str | None, from_s: float | str | None) -> Truth:
    if label not in (REAL, FAKE):
        raise ValueError(f"label {label!r}")
    return Truth(label=label, kind=kind or "", from_s=float(from_s or 0.0))
