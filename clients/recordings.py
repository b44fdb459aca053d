"""Genuine recordings by person: from a table, or from folders named after people."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from realtime.errors import CalibrationError

TABLE_NAME = "manifest.csv"
COLUMNS = ("file", "label", "speaker")
#: Quality flag of recordings whose sound is known to be late; they show the person, but not the lips' fit.
OUT_OF_SYNC = "sync_suspect"
SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".webm"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One recording of one person.

    Attributes:
        path: The file.
        person: Who is seen.
        material: What it was made from; several encodings of one recording have it in common.
        face_only: Whether it shows what the person looks like, but not how lips fit the voice.
    """

    path: Path
    person: str
    material: str
    face_only: bool = False


def genuine_recordings(sources: Iterable[Path]) -> list[Recording]:
    """Return the recordings by person and name.

    Args:
        sources: Tables, folders that hold one, or folders with one folder a person. A table lists ``file``
            (relative to it), ``label`` (``real`` counts) and ``speaker``; where it has a column ``quality``,
            what is out of sync is left out, and a column ``sources`` tells what several files were made from.

    Raises:
        CalibrationError: A source does not exist or cannot be read, or nothing genuine is in them.
    """
    found = [recording for source in sources for recording in _recordings(source)]
    if not found:
        raise CalibrationError(
            "There is no genuine recording in it.",
            fix="Name a folder with one folder a person, or a table whose label column says real.",
        )
    return sorted(found, key=lambda recording: (recording.person, str(recording.path)))


def _recordings(source: Path) -> Iterator[Recording]:
    table = source / TABLE_NAME if source.is_dir() else source
    if table.suffix == ".csv" and table.is_file():
        yield from _listed(table)
    elif source.is_dir():
        for path in sorted(source.glob("*/**/*")):
            if path.suffix.lower() in SUFFIXES:
                person = f"{source}/{path.relative_to(source).parts[0]}"
                yield Recording(path=path, person=person, material=str(path))
    else:
        raise CalibrationError(
            f"{source} is neither a folder nor a table of recordings.",
            fix="Name a folder with one folder a person, or a CSV file with file, label and speaker.",
        )


def _listed(table: Path) -> Iterator[Recording]:
    try:
        with table.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise CalibrationError(
                    f"{table} lacks the column {missing[0]}.", fix=f"Give it {', '.join(COLUMNS)}."
                )
            for row in rows:
                if not row["file"] or not row["speaker"]:
                    raise CalibrationError(
                        f"{table} names no file or no speaker in line {rows.line_num}.",
                        fix="Complete the line, or remove it.",
                    )
                if row["label"] == "real" and OUT_OF_SYNC not in (row.get("quality") or "").split(";"):
                    yield Recording(
                        path=table.parent / row["file"],
                        person=row["speaker"],
                        material=row.get("sources") or row["file"],
                    )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CalibrationError(f"{table} cannot be read: {error}.", fix="Check the table.") from error
