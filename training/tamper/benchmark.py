"""The tamper benchmark of a split: paired genuine and tampered files, in a folder with one table."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

import cv2

from realtime.errors import ConfigurationError, MediaError
from realtime.timebase import FRAME_RATE_HZ
from training.data.clip import Clip
from training.data.splits import SEED as SPLIT_SEED
from training.data.splits import Split, split_of
from training.tamper.compression import Profile, profile_named
from training.tamper.ground_truth import GroundTruth, Origin, write_table
from training.tamper.kind_list import BY_MACHINE, KINDS
from training.tamper.landmarks import LandmarkFinder, load_landmark_finder
from training.tamper.machine_voice import unavailable
from training.tamper.plan import CALL_S, Base, Group, Job, plan, usable
from training.tamper.production import Producer, Wish
from training.tamper.recording import Recording, join, read_recording
from training.tamper.tampering import Subject

DESCRIPTION_NAME: Final = "benchmark.json"
PER_KIND: Final[Mapping[Group, int]] = MappingProxyType(
    {"sentence": 40, "call": 12, "word": 60, "call of words": 6}
)

_FACE_SECONDS: Final = 4.0

OnProgress = Callable[[int, int], None]
"""Receives how many recordings are done, and of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkReport:
    """What was made.

    Attributes:
        table: The table of all files.
        files: Number of files.
        skipped: What could not be made, with the reason.
    """

    table: Path
    files: int
    skipped: tuple[tuple[str, str], ...]


def build_benchmark(
    clips: Iterable[Clip],
    out_dir: Path,
    *,
    split: Split,
    seed: int,
    kinds: Sequence[str] = tuple(KINDS),
    profiles: Sequence[str] = ("clean", "lq"),
    per_kind: Mapping[Group, int] = PER_KIND,
    workers: int = 2,
    on_progress: OnProgress | None = None,
) -> BenchmarkReport:
    """Make a benchmark from the genuine clips of one split.

    Args:
        clips: The whole set of clips, since the split is made of all of them.
        out_dir: Folder of the files; made if need be.
        split: Whose clips are used; voices and faces come from the same split.
        seed: Seed of every choice; the split has a fixed seed of its own.
        kinds: Names in ``KINDS``; genuine controls are always made.
        profiles: Names in ``PROFILES``; each version is written through all of them.
        per_kind: How many recordings of each group are used, as far as there are so many.
        workers: Processes.
        on_progress: Told after every recording.

    Returns:
        What was made; also written to ``benchmark.json``.

    Raises:
        ConfigurationError: If a kind or a profile is unknown, or the split holds no usable clip.
        MediaError: If the folder cannot be written.
        ModelStoreError: If a model is missing.
    """
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise ConfigurationError(f"There is no kind {unknown[0]!r}.", fix=f"Choose from {', '.join(KINDS)}.")
    chosen_profiles = tuple(profile_named(name) for name in profiles)
    skipped: list[tuple[str, str]] = []
    reason = unavailable()
    if BY_MACHINE in kinds and reason is not None:
        skipped.append((BY_MACHINE, reason))
        kinds = [kind for kind in kinds if kind != BY_MACHINE]
    everyone = list(clips)
    assignment = split_of(everyone, SPLIT_SEED)
    own = [clip for clip in usable(everyone) if assignment.get(clip.speaker) == split]
    jobs = plan(own, kinds=kinds, per_kind=per_kind, seed=seed)
    if not jobs:
        raise ConfigurationError(
            f"The {split} split holds no clip to tamper with.", fix="Name a folder with more clips."
        )
    _make_folder(out_dir)
    work = _Work(profiles=chosen_profiles, folder=out_dir, split=split, seed=seed)
    truths: list[GroundTruth] = []
    for done, result in enumerate(_run(jobs, work, workers), start=1):
        truths += result.truths
        skipped += result.skipped
        if on_progress is not None:
            on_progress(done, len(jobs))
    table = write_table(out_dir, truths)
    report = BenchmarkReport(table=table, files=len(truths), skipped=tuple(sorted(skipped)))
    description = {
        "split": split,
        "split_seed": SPLIT_SEED,
        "seed": seed,
        "kinds": list(kinds),
        "profiles": list(profiles),
        "per_kind": dict(per_kind),
        "files": report.files,
        "skipped": [{"what": what, "reason": why} for what, why in report.skipped],
    }
    (out_dir / DESCRIPTION_NAME).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    return report


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What all jobs share."""

    profiles: tuple[Profile, ...]
    folder: Path
    split: Split
    seed: int


@dataclass(slots=True)
class _Result:
    truths: list[GroundTruth] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MediaError(f"{folder} cannot be made.", fix="Choose another folder.") from error


def _run(jobs: Sequence[Job], work: _Work, workers: int) -> Iterable[_Result]:
    """Yield the results as they come, the longest jobs first."""
    ordered = sorted(jobs, key=lambda job: -job.base.duration_s * len(job.wishes))
    if workers == 1:
        finder = load_landmark_finder()
        for job in ordered:
            yield _do(job, work, finder)
        return
    pool = ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_prepare_worker
    )
    try:
        for future in as_completed([pool.submit(_do_in_worker, job, work) for job in ordered]):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


_finder_of_this_process: list[LandmarkFinder] = []


def _prepare_worker() -> None:
    cv2.setNumThreads(1)
    _finder_of_this_process.append(load_landmark_finder())


def _do_in_worker(job: Job, work: _Work) -> _Result:
    return _do(job, work, _finder_of_this_process[0])


def _do(job: Job, work: _Work, finder: LandmarkFinder) -> _Result:
    """Make all versions of a recording; what fails is left out with its reason."""
    result = _Result()
    try:
        subject = Subject(_recording(job.base), finder)
        voices = tuple(Subject(read_recording(clip.path, max_seconds=CALL_S), None) for clip in job.voices)
        faces = _faces(job.face, finder)
    except MediaError as error:
        result.skipped.append((job.base.stem, error.message))
        return result
    producer = Producer(
        subject,
        stem=job.base.stem,
        origin=_origin(job.base, work.split),
        profiles=work.profiles,
        folder=work.folder,
        seed=work.seed,
    )
    for wish in job.wishes:
        try:
            result.truths += producer.make(
                Wish(kind=wish.kind, from_s=wish.from_s, voices=voices, faces=faces)
            )
        except MediaError as error:
            result.skipped.append((f"{job.base.stem}, {wish.kind}", error.message))
    return result


def _recording(base: Base) -> Recording:
    parts = (read_recording(clip.path, max_seconds=CALL_S) for clip in base.clips)
    return join(base.stem, parts, max_ticks=round(CALL_S * FRAME_RATE_HZ))


def _faces(clip: Clip | None, finder: LandmarkFinder) -> tuple[Subject, ...]:
    if clip is None:
        return ()
    return (Subject(read_recording(clip.path, max_seconds=_FACE_SECONDS), finder),)


def _origin(base: Base, split: Split) -> Origin:
    first = base.clips[0]
    prefix = f"{first.source_repository}/"
    inside = first.source.removeprefix(prefix) if len(base.clips) == 1 else ""
    return Origin(
        speaker=base.speaker,
        group=base.group,
        split=split,
        source_repository=first.source_repository,
        path_in_repository=inside,
        licence_repo=first.licence_repository,
        licence_corpus=first.licence_corpus,
    )
