"""Clips listed by a CSV table, one row a clip, with paths relative to the table."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from training.data.clip import FAKE, GOOD, REAL, Clip, Label
from training.data.errors import DatasetError

__all__ = ["MANIFEST_NAME", "Clip", "read_manifest"]

MANIFEST_NAME: Final = "manifest.csv"

REQUIRED_COLUMNS: Final = (
    "file",
    "label",
    "kind",
    "generator",
    "speaker",
    "duration_s",
    "fps",
    "width",
    "height",
    "quality",
    "source_repository",
    "path_in_repository",
    "licence_repo",
    "licence_corpus",
)
OPTIONAL_COLUMNS: Final = ("note", "derived", "corpus")

_SAME_SPEAKER: Final = re.compile(r"speaker matches existing (\w+)")
_NO_CORPUS: Final = "unnamed"


def read_manifest(path: Path) -> list[Clip]:
    """Read a table of clips.

    Columns: file, label (real or fake), kind, generator, speaker, duration_s, fps, width, height, quality,
    source_repository, path_in_repository, licence_repo, licence_corpus; optionally note, derived, and corpus,
    which else is what ``licence_corpus`` begins with. A note "speaker matches existing X" gives the clip to
    speaker X.

    Args:
        path: The table.

    Returns:
        The clips in the order of the rows.

    Raises:
        DatasetError: If the table cannot be read, has other columns, is empty, lists a file twice or holds a
            value that does not fit its column.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            _check_columns(path, reader.fieldnames or ())
            clips = [_clip(path, reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(
            f"The manifest {path} cannot be read: {error}.", fix="Name a CSV file in UTF-8."
        ) from error
    if not clips:
        raise DatasetError(f"The manifest {path} lists no clips.", fix="Add one row a clip.")
    seen: set[str] = set()
    for clip in clips:
        if clip.name in seen:
            raise DatasetError(f"The manifest {path} lists {clip.name} twice.", fix="Remove one of the rows.")
        seen.add(clip.name)
    return clips


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    missing = [name for name in REQUIRED_COLUMNS if name not in columns]
    known = (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS)
    wrong = [
        name or "(no name)"
        for index, name in enumerate(columns)
        if name not in known or name in columns[:index]
    ]
    problems = []
    if missing:
        problems.append(f"lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}")
    if wrong:
        problems.append(f"has unknown or repeated columns: {', '.join(wrong)}")
    if problems:
        raise DatasetError(
            f"The manifest {path} {' and '.join(problems)}.",
            fix=f"Use the columns {', '.join(REQUIRED_COLUMNS)}; {', '.join(OPTIONAL_COLUMNS)} may follow.",
        )


def _clip(path: Path, line: int, row: Mapping[str | None, str | None]) -> Clip:
    where = f"{path}, line {line}"
    if None in row or None in row.values():
        raise DatasetError(f"{where}: the row has another number of cells than the header.", fix="Repair it.")
    cells = {name: (value or "").strip() for name, value in row.items() if name is not None}
    for column in ("file", "speaker"):
        if not cells[column]:
            raise DatasetError(f"{where}: the column {column} is empty.", fix="Fill it in.")
    name = Path(cells["file"])
    if name.is_absolute() or ".." in name.parts:
        raise DatasetError(
            f"{where}: the file {name} lies outside the manifest's folder.", fix="Move it there."
        )
    label = _label(where, cells["label"])
    same_speaker = _SAME_SPEAKER.search(cells.get("note", ""))
    repository, inner = cells["source_repository"], cells["path_in_repository"]
    return Clip(
        path=path.parent / name,
        name=name.as_posix(),
        corpus=cells.get("corpus") or _corpus(cells["licence_corpus"]),
        speaker=same_speaker.group(1) if same_speaker else cells["speaker"],
        source=f"{repository}/{inner}" if repository or inner else name.as_posix(),
        label=label,
        kind=cells["kind"] or label,
        generator=cells["generator"],
        quality=cells["quality"] or GOOD,
        source_repository=repository,
        licence_repository=cells["licence_repo"],
        licence_corpus=cells["licence_corpus"],
        duration_s=_number(where, cells, "duration_s"),
        fps=_number(where, cells, "fps"),
        width=_whole(where, cells, "width"),
        height=_whole(where, cells, "height"),
    )


def _label(where: str, text: str) -> Label:
    if text == "real":
        return REAL
    if text == "fake":
        return FAKE
    raise DatasetError(f"{where}: the label {text!r} is neither real nor fake.", fix="Write one of the two.")


def _corpus(licence: str) -> str:
    """Return what a licence text begins with, such as ``LRS2`` of "LRS2 (BBC, academic agreement only)"."""
    return re.split(r"[(,;]", licence, maxsplit=1)[0].strip() or _NO_CORPUS


def _number(where: str, cells: Mapping[str, str], column: str) -> float | None:
    text = cells[column]
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise DatasetError(
            f"{where}: the {column} {text!r} is not a number >= 0.", fix="Write one or nothing."
        )
    return value


def _whole(where: str, cells: Mapping[str, str], column: str) -> int | None:
    value = _number(where, cells, column)
    return None if value is None else round(value)
