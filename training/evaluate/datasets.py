"""The data sets that ``seamwatch evaluate`` knows, as clips with their category."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from training.data.clip import Clip
from training.data.errors import DatasetError
from training.data.manifest import MANIFEST_NAME, read_manifest
from training.data.splits import split_of
from training.evaluate.clips import REAL, EvaluationClip

Split = Literal["train", "validation", "test", "all"]

FAKEAVCELEB_TABLE: Final = "meta_data.csv"
#: Categories of the paper's Table 2 by (type, method) of the data set's own table; FVRA-FS and FVRA-GAN are
#: in the data set but not in the paper.
FAKEAVCELEB_KINDS: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        ("RealVideo-RealAudio", "real"): REAL,
        ("RealVideo-FakeAudio", "rtvc"): "RVFA",
        ("FakeVideo-RealAudio", "wav2lip"): "FVRA-WL",
        ("FakeVideo-RealAudio", "faceswap"): "FVRA-FS",
        ("FakeVideo-RealAudio", "fsgan"): "FVRA-GAN",
        ("FakeVideo-FakeAudio", "faceswap-wav2lip"): "FVFA-FS",
        ("FakeVideo-FakeAudio", "fsgan-wav2lip"): "FVFA-GAN",
        ("FakeVideo-FakeAudio", "wav2lip"): "FVFA-WL",
    }
)
FAKEAVCELEB_MEANS: Final = MappingProxyType({"AVG-FV": ("FVRA-WL", "FVFA-FS", "FVFA-GAN", "FVFA-WL")})

KODF_ORIGINAL, KODF_SYNTHESIZED = "original_videos", "synthesized_videos"
VIDEO_SUFFIXES: Final = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi"})

TAMPER_COLUMNS: Final = ("file", "kind", "speaker", "compression", "group")
GENUINE_KINDS: Final = frozenset({REAL, "genuine", "none"})

#: Clips of a manifest that are shorter are compared among themselves: one word is not a sentence.
ONE_WORD_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """The clips to evaluate, and how to sum them up.

    Attributes:
        clips: The clips.
        reference: Genuine clips that no result is reported on, for the two-sided evidence.
        split: What the clips are, in words.
        means: Rows that average the metrics of other rows, by name.
        draws: Genuine clips and fakes of the paper's random draws; None without draws.
        notes: What was left out, in words.
    """

    clips: tuple[EvaluationClip, ...]
    reference: tuple[EvaluationClip, ...] = ()
    split: str
    means: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    draws: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()


def fakeavceleb(root: Path, split: Split | None = None) -> Dataset:
    """Read FakeAVCeleb (v1.2): ``meta_data.csv`` and the folders that it names, below its own folder.

    A file that the table lists again under another method counts once, as first listed.

    Raises:
        DatasetError: The table or a file is missing, or names a type and method that are unknown.
    """
    _refuse_split("fakeavceleb", split)
    table = root / FAKEAVCELEB_TABLE
    clips: dict[Path, EvaluationClip] = {}
    repeated = 0
    for line, row in _rows(table, ("source", "method", "type", "path")):
        kind = FAKEAVCELEB_KINDS.get((row["type"], row["method"]))
        if kind is None:
            raise DatasetError(
                f"{table}, line {line}: unknown type {row['type']!r} with method {row['method']!r}.",
                fix="Use the table that came with the data set.",
            )
        path = root.joinpath(*Path(row.get("", "")).parts[1:], row["path"])
        if path in clips:
            repeated += 1
            continue
        clips[path] = EvaluationClip(
            path=path,
            is_fake=kind != REAL,
            kind=kind,
            generator="" if kind == REAL else row["method"],
            speaker=row["source"],
        )
    _require_files(clips)
    notes = (f"{repeated} rows repeat a file and were left out.",) if repeated else ()
    return Dataset(clips=tuple(clips.values()), split="whole data set", means=FAKEAVCELEB_MEANS, notes=notes)


def kodf(root: Path, split: Split | None = None) -> Dataset:
    """Read KoDF: ``original_videos/SPEAKER/...`` and ``synthesized_videos/METHOD/SPEAKER/...``.

    Raises:
        DatasetError: One of the two folders is missing or holds no videos.
    """
    _refuse_split("kodf", split)
    clips: list[EvaluationClip] = []
    for folder, is_fake in ((KODF_ORIGINAL, False), (KODF_SYNTHESIZED, True)):
        base = root / folder
        videos = sorted(path for path in base.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
        if not videos:
            raise DatasetError(f"{base} holds no videos.", fix=f"Name the folder that holds {folder}.")
        for path in videos:
            parts = path.relative_to(base).parts
            method = parts[0] if is_fake and len(parts) > 1 else ""
            clips.append(
                EvaluationClip(
                    path=path,
                    is_fake=is_fake,
                    kind=(method or "synthesized") if is_fake else REAL,
                    generator=method,
                    speaker=path.parent.name,
                )
            )
    return Dataset(clips=tuple(clips), split="whole data set", draws=(276, 544))


def manifest(root: Path, split: Split | None = None) -> Dataset:
    """Read a table of clips (``training.data.manifest``): genuine clips of one split, and all fakes.

    One-word clips and longer ones are two conditions. The genuine clips of the validation split are the
    reference of the two-sided evidence, unless they are evaluated themselves. Genuine clips whose sound is
    known to be out of step are left out.

    Raises:
        DatasetError: The table is wrong.
    """
    wanted = split or "test"
    clips = read_manifest(root / MANIFEST_NAME if root.is_dir() else root)
    genuine = [clip for clip in clips if clip.is_real and clip.sync_is_trusted]
    split_by_speaker = split_of(clips)

    def of_split(name: str) -> tuple[EvaluationClip, ...]:
        return tuple(
            _of_manifest(clip) for clip in genuine if name in ("all", split_by_speaker.get(clip.speaker))
        )

    left_out = sum(clip.is_real and not clip.sync_is_trusted for clip in clips)
    return Dataset(
        clips=of_split(wanted) + tuple(_of_manifest(clip) for clip in clips if not clip.is_real),
        reference=of_split("validation") if wanted in ("train", "test") else (),
        split="all genuine clips" if wanted == "all" else f"genuine clips of the {wanted} split, all fakes",
        notes=(f"{left_out} genuine clips with untrusted synchrony were left out.",) if left_out else (),
    )


def tamper(root: Path, split: Split | None = None) -> Dataset:
    """Read a tamper benchmark: ``manifest.csv`` with file, kind, speaker, compression and group.

    Fakes are compared with the genuine clips of the same group and compression. With a split the table needs
    a column of that name, and other rows are left out.

    Raises:
        DatasetError: The table lacks a column, a file is missing, or no row is in the split.
    """
    table = root / MANIFEST_NAME if root.is_dir() else root
    columns = (*TAMPER_COLUMNS, "split") if split not in (None, "all") else TAMPER_COLUMNS
    clips: dict[Path, EvaluationClip] = {}
    for _, row in _rows(table, columns):
        if split not in (None, "all", row.get("split")):
            continue
        is_fake = row["label"] != REAL if row.get("label") else row["kind"] not in GENUINE_KINDS
        path = table.parent / row["file"]
        clips[path] = EvaluationClip(
            path=path,
            is_fake=is_fake,
            kind=row["kind"] if is_fake else REAL,
            generator=row.get("generator", ""),
            speaker=row["speaker"],
            condition=", ".join(part for part in (row["group"], row["compression"]) if part),
        )
    _require_files(clips)
    return Dataset(clips=tuple(clips.values()), split=split or "all")


DATASETS: Final[Mapping[str, Callable[[Path, Split | None], Dataset]]] = MappingProxyType(
    {"fakeavceleb": fakeavceleb, "kodf": kodf, "manifest": manifest, "tamper": tamper}
)


def _of_manifest(clip: Clip) -> EvaluationClip:
    length = "" if clip.duration_s is None else ("word" if clip.duration_s < ONE_WORD_S else "sentence")
    return EvaluationClip(
        path=clip.path,
        is_fake=not clip.is_real,
        kind=REAL if clip.is_real else clip.kind,
        generator=clip.generator,
        speaker=clip.speaker,
        condition=length,
    )


def _rows(table: Path, required: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in required if name not in (reader.fieldnames or ())]
            if missing:
                raise DatasetError(
                    f"{table} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}.",
                    fix=f"It needs {', '.join(required)}.",
                )
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(
            f"{table} cannot be read: {error}.", fix="Check --dataset and the path."
        ) from error
    if not rows:
        raise DatasetError(f"{table} lists no clips.", fix="Add one row a clip.")
    for line, row in rows:
        if None in row or None in row.values():
            raise DatasetError(
                f"{table}, line {line}: the row has another number of cells than the header.",
                fix="Repair it.",
            )
    return [(line, {name: value.strip() for name, value in row.items()}) for line, row in rows]


def _require_files(clips: Mapping[Path, EvaluationClip]) -> None:
    if not clips:
        raise DatasetError("No clip is in the split.", fix="Choose another --split.")
    missing = [path for path in clips if not path.is_file()]
    if missing:
        raise DatasetError(
            f"{len(missing)} of {len(clips)} files of the table are missing, such as {missing[0]}.",
            fix="Name the folder that the table belongs to.",
        )


def _refuse_split(name: str, split: Split | None) -> None:
    if split not in (None, "all"):
        raise DatasetError(
            f"{name} takes no part in training and has no {split} split.", fix="Leave --split out."
        )
