"""What was done to each file: one JSON beside it, and one table for the folder."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from realtime.errors import MediaError
from training.data.manifest import MANIFEST_NAME, REQUIRED_COLUMNS
from training.tamper.kind_list import GENUINE
from training.tamper.tampering import Tampered

GENERATOR: Final = "seamwatch tamper"
SMALL_SHIFT_S: Final = 0.2
NOTE: Final = "made by seamwatch tamper"

COLUMNS: Final = (
    *REQUIRED_COLUMNS,
    *("note", "derived", "group", "split", "tampering", "from_s", "to_s", "sources", "seed"),
    *("compression", "variant", "amount", "control"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What is known about the recording that was altered.

    Attributes:
        speaker: Identifier of the person seen.
        group: What the recording is: sentence, call, word or clip.
        split: train, validation, test, or empty.
        source_repository: Where it was collected; empty where that is not recorded.
        path_in_repository: Its place there.
        licence_repo: Licence of that place.
        licence_corpus: Licence of the corpus.
    """

    speaker: str
    group: str = "clip"
    split: str = ""
    source_repository: str = ""
    path_in_repository: str = ""
    licence_repo: str = ""
    licence_corpus: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundTruth:
    """The truth about one file.

    Attributes:
        file: Its name within the folder.
        label: real for genuine files, else fake.
        category: Kind with what sets it apart within the kind, such as "face_swapped, mid-clip".
        kind: A name in ``training.tamper.kind_list.KINDS``.
        from_s: Where the tampering begins; None for genuine files.
        to_s: Where it ends; None for genuine files.
        sources: Names of the recordings that it was made from, the altered one first.
        seed: Seed that it was made with.
        compression: Name of the compression profile.
        variant: Which way it was done, where the kind has several.
        amount: How strongly, as in ``Tampered``.
        control: The genuine file of the same recording and compression; empty without one.
        duration_s: Length.
        frame_rate: Pictures per second.
        width: px.
        height: px.
        origin: The recording that was altered.
    """

    file: str
    label: str
    category: str
    kind: str
    from_s: float | None
    to_s: float | None
    sources: tuple[str, ...]
    seed: int
    compression: str
    variant: str
    amount: float | None
    control: str
    duration_s: float
    frame_rate: int
    width: int
    height: int
    origin: Origin

    def row(self) -> dict[str, str]:
        """Return the row of the table."""
        origin = self.origin
        return {
            "file": self.file,
            "label": self.label,
            "kind": self.category,
            "generator": "" if self.kind == GENUINE else GENERATOR,
            "speaker": origin.speaker,
            "duration_s": f"{self.duration_s:g}",
            "fps": str(self.frame_rate),
            "width": str(self.width),
            "height": str(self.height),
            "quality": "good",
            "source_repository": origin.source_repository,
            "path_in_repository": origin.path_in_repository,
            "licence_repo": origin.licence_repo,
            "licence_corpus": origin.licence_corpus,
            "note": NOTE,
            "derived": self.sources[0],
            "group": origin.group,
            "split": origin.split,
            "tampering": self.kind,
            "from_s": _number(self.from_s),
            "to_s": _number(self.to_s),
            "sources": ";".join(self.sources),
            "seed": str(self.seed),
            "compression": self.compression,
            "variant": self.variant,
            "amount": _number(self.amount),
            "control": self.control,
        }


def category_of(done: Tampered) -> str:
    """Return the kind, and what sets the file apart within it: a small shift, or a late start."""
    parts = [done.kind]
    if done.kind == "voice_shifted" and done.amount is not None and abs(done.amount) < SMALL_SHIFT_S:
        parts.append(f"under {SMALL_SHIFT_S:g} s")
    if done.from_s:
        parts.append("mid-clip")
    return ", ".join(parts)


def truth_path(media: Path) -> Path:
    """Return where the truth about a file lies."""
    return media.with_suffix(".json")


def write_truth(folder: Path, truth: GroundTruth) -> None:
    """Write the truth beside its file.

    Raises:
        MediaError: If it cannot be written.
    """
    text = json.dumps(asdict(truth), indent=2, ensure_ascii=False) + "\n"
    _write(truth_path(folder / truth.file), text)


def write_table(folder: Path, truths: Iterable[GroundTruth]) -> Path:
    """Write the table of a folder; rows of other files that are still there are kept.

    Returns:
        The table.

    Raises:
        MediaError: If it cannot be read or written, or is another kind of table.
    """
    table = folder / MANIFEST_NAME
    rows = {row["file"]: row for row in _existing(table) if (folder / row["file"]).is_file()}
    rows |= {truth.file: truth.row() for truth in truths}
    partial = table.with_name(f".{table.name}.partial")
    try:
        with partial.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, COLUMNS)
            writer.writeheader()
            writer.writerows(rows[name] for name in sorted(rows))
        partial.replace(table)
    except OSError as error:
        raise _unwritable(table, error) from error
    return table


def _existing(table: Path) -> list[dict[str, str]]:
    if not table.exists():
        return []
    try:
        with table.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            rows = list(reader)
            columns = tuple(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MediaError(f"{table} cannot be read: {error}.", fix="Choose another folder.") from error
    if columns != COLUMNS:
        raise MediaError(
            f"{table} was not written by this command.", fix="Choose an empty folder with --out."
        )
    return rows


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> MediaError:
    return MediaError(
        f"{path} cannot be written: {error}.", fix="Choose a folder with free space that you may write to."
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
