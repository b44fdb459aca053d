"""The data sets that ``seamwatch evaluate`` knows, as clips with their category."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from training.data.clip import FAKE, Clip
from training.data.errors import DatasetError
from training.data.fakeavceleb import read_fakeavceleb
from training.data.kodf import ORIGINAL, SYNTHESIZED, read_kodf
from training.data.manifest import MANIFEST_NAME, read_manifest
from training.data.splits import split_of
from training.evaluate.clips import REAL, EvaluationClip

Split = Literal["train", "validation", "test", "all"]

#: Categories of the paper's Table 2 by (type, method) of the data set's own table; FVRA-FS and FVRA-GAN are
#: in the data set but not in the paper.
FAKEAVCELEB_KINDS: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
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

#: Genuine clips and fakes of each of the paper's random draws (Sec. 5.2).
KODF_DRAWS: Final = (276, 544)

TAMPER_COLUMNS: Final = ("file", "label", "kind", "speaker", "group", "split", "compression")

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
    """Read FakeAVCeleb (``training.data.fakeavceleb``) in the paper's categories.

    Raises:
        DatasetError: The table or a file is missing, or names a type and method that are unknown.
    """
    _refuse_split("fakeavceleb", split)
    clips = [
        _evaluated(clip, kind=REAL if clip.is_real else _fakeavceleb_kind(clip))
        for clip in read_fakeavceleb(root)
    ]
    _require_files(clips)
    return Dataset(clips=tuple(clips), split="whole data set", means=FAKEAVCELEB_MEANS)


def kodf(root: Path, split: Split | None = None) -> Dataset:
    """Read KoDF (``training.data.kodf``); a fake's kind is its method.

    Raises:
        DatasetError: It lacks originals or synthesised videos.
    """
    _refuse_split("kodf", split)
    clips = [_evaluated(clip, kind=clip.kind) for clip in read_kodf(root)]
    for folder, is_fake in ((ORIGINAL, False), (SYNTHESIZED, True)):
        if not any(clip.is_fake == is_fake for clip in clips):
            raise DatasetError(
                f"{root / folder} holds no videos.", fix=f"Name the folder that holds {folder}."
            )
    return Dataset(clips=tuple(clips), split="whole data set", draws=KODF_DRAWS)


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
            _of_manifest(clip, split_by_speaker)
            for clip in genuine
            if name in ("all", split_by_speaker.get(clip.speaker))
        )

    fakes = tuple(_of_manifest(clip, split_by_speaker) for clip in clips if not clip.is_real)
    left_out = sum(clip.is_real and not clip.sync_is_trusted for clip in clips)
    seen = sum(clip.trained_on_speaker for clip in fakes)
    notes = []
    if left_out:
        notes.append(f"{left_out} genuine clips with untrusted synchrony were left out.")
    if seen:
        notes.append(f"{seen} of {len(fakes)} fakes show a person of whom genuine clips were trained on.")
    return Dataset(
        clips=of_split(wanted) + fakes,
        reference=of_split("validation") if wanted in ("train", "test") else (),
        split="all genuine clips" if wanted == "all" else f"genuine clips of the {wanted} split, all fakes",
        notes=tuple(notes),
    )


def tamper(root: Path, split: Split | None = None) -> Dataset:
    """Read a folder made by ``seamwatch tamper``: all of it, or the rows of one split.

    Fakes are compared with the genuine clips of the same group and compression. Where the test split is
    asked for, genuine clips of the validation split are the reference of the two-sided evidence.

    Raises:
        DatasetError: The table lacks a column, a file is missing, or no row is in the split.
    """
    table = root / MANIFEST_NAME if root.is_dir() else root
    rows = _rows(table, TAMPER_COLUMNS)

    def of_split(name: str) -> list[EvaluationClip]:
        return [_of_tamper(table.parent, row) for row in rows if name in ("all", row["split"])]

    clips = of_split(split or "all")
    reference = [clip for clip in of_split("validation") if not clip.is_fake] if split == "test" else []
    _require_files([*clips, *reference])
    return Dataset(clips=tuple(clips), reference=tuple(reference), split=split or "all")


DATASETS: Final[Mapping[str, Callable[[Path, Split | None], Dataset]]] = MappingProxyType(
    {"fakeavceleb": fakeavceleb, "kodf": kodf, "manifest": manifest, "tamper": tamper}
)


def _fakeavceleb_kind(clip: Clip) -> str:
    kind = FAKEAVCELEB_KINDS.get((clip.kind, clip.generator))
    if kind is None:
        raise DatasetError(
            f"{clip.name} is of the unknown type {clip.kind!r} with method {clip.generator!r}.",
            fix="Use the table that came with the data set.",
        )
    return kind


def _of_manifest(clip: Clip, split_by_speaker: Mapping[str, str]) -> EvaluationClip:
    length = "" if clip.duration_s is None else ("word" if clip.duration_s < ONE_WORD_S else "sentence")
    return _evaluated(
        clip,
        kind=clip.kind,
        condition=length,
        trained_on_speaker=split_by_speaker.get(clip.speaker) == "train",
    )


def _of_tamper(folder: Path, row: Mapping[str, str]) -> EvaluationClip:
    is_fake = row["label"] != REAL
    return EvaluationClip(
        path=folder / row["file"],
        is_fake=is_fake,
        kind=row["kind"] if is_fake else REAL,
        generator="",
        speaker=row["speaker"],
        condition=", ".join(part for part in (row["group"], row["compression"]) if part),
    )


def _evaluated(
    clip: Clip, *, kind: str, condition: str = "", trained_on_speaker: bool = False
) -> EvaluationClip:
    return EvaluationClip(
        path=clip.path,
        is_fake=not clip.is_real,
        kind=REAL if clip.is_real else kind,
        generator=clip.generator,
        speaker=clip.speaker,
        condition=condition,
        trained_on_speaker=trained_on_speaker,
    )


def _rows(table: Path, required: tuple[str, ...]) -> list[dict[str, str]]:
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
        raise DatasetError(f"{table} cannot be read: {error}.", fix="Check --dataset and PATH.") from error
    for line, row in rows:
        if None in row or None in row.values():
            raise DatasetError(
                f"{table}, line {line}: the row has another number of cells than the header.",
                fix="Repair it.",
            )
        if row["label"].strip() not in (REAL, FAKE):
            raise DatasetError(
                f"{table}, line {line}: the label {row['label']!r} is neither real nor fake.",
                fix="Write one of the two.",
            )
    return [{name: value.strip() for name, value in row.items()} for _, row in rows]


def _require_files(clips: Sequence[EvaluationClip]) -> None:
    if not clips:
        raise DatasetError("No clip is in the split.", fix="Choose another --split.")
    missing = [clip.path for clip in clips if not clip.path.is_file()]
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
