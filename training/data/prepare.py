"""Prepares many clips in several processes, resumable at every moment."""

from __future__ import annotations

import csv
import io
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from engines.errors import SeamwatchError
from engines.store.files import write_atomically
from realtime.timebase import FRAME_RATE_HZ
from training.data.clip import Clip
from training.data.errors import DatasetError
from training.data.listing import add_to_listing
from training.data.reencode import profile_for
from training.data.shards import (
    INDEX_NAME,
    MAX_SHARD_BYTES,
    Entry,
    ShardIndex,
    fingerprint_of,
    write_shard,
)
from training.data.worker import Job, Outcome, fingerprint, run_job, start_worker

SKIPPED_NAME: Final = "skipped.csv"
_PARTS: Final = "parts"
_JOBS_PER_WORKER: Final = 8

OnProgress = Callable[[int, int], None]


@dataclass(slots=True, kw_only=True)
class PrepareReport:
    """What a preparation did.

    Attributes:
        prepared: Clips that got features now.
        unchanged: Clips that had them.
        seconds: Length of the features made now.
        skipped: (name, reason) of clips that have none.
        shards: Shards that the folder holds at the end.
    """

    prepared: int = 0
    unchanged: int = 0
    seconds: float = 0.0
    skipped: list[tuple[str, str]] = field(default_factory=list)
    shards: int = 0


def prepare(
    clips: Sequence[Clip],
    folder: Path,
    *,
    workers: int = 1,
    faces: bool = False,
    through: Sequence[str] = (),
    on_progress: OnProgress | None = None,
    max_shard_bytes: int = MAX_SHARD_BYTES,
) -> PrepareReport:
    """Bring a folder of shards up to date with a list of clips.

    Clips that the folder holds in their present state are left alone; others are prepared in their order.
    A clip's archive is written whole under ``parts`` and moves into a shard with others, so that whatever
    ends the process loses at most the clips at hand. All clips, skipped ones included, are listed.

    Args:
        clips: The clips.
        folder: Where the shards go; it need not exist.
        workers: Number of processes, each with engines of one thread.
        faces: Whether the features hold aligned faces; clips prepared otherwise are prepared again.
        through: Compression profiles; each clip goes through one of them first. None: clips as they are.
        on_progress: Called with the number of clips dealt with and of all clips.
        max_shard_bytes: Size that a shard stays under unless it holds one clip.

    Returns:
        What was done.

    Raises:
        DatasetError: If two clips have the same key, or the folder's index or list is damaged.
        SeamwatchError: If the models are missing or an engine fails.
    """
    _require_different_keys(clips)
    parts = folder / _PARTS
    parts.mkdir(parents=True, exist_ok=True)
    add_to_listing(folder, clips)
    index = ShardIndex.read(folder) if (folder / INDEX_NAME).exists() else ShardIndex()
    index.forget_missing(folder)
    report = PrepareReport()
    packer = _Packer(folder, index, max_shard_bytes)
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=start_worker)
    begin = partial(_begin, parts=parts, index=index, pool=pool, faces=faces, through=through)
    try:
        for done, outcome in enumerate(_outcomes(clips, begin, workers), start=1):
            _take(outcome, report, packer)
            if on_progress is not None:
                on_progress(done, len(clips))
        packer.pack()
    except BrokenProcessPool as error:
        raise DatasetError(
            "A worker process died while it prepared a clip.",
            fix="Run again; with --workers 1 the first file without progress is the one.",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
        _write_skipped(folder / SKIPPED_NAME, report.skipped)
    report.shards = len(index.shards)
    return report


class _Packer:
    """Collects archives and moves them into shards."""

    def __init__(self, folder: Path, index: ShardIndex, max_bytes: int) -> None:
        self._folder = folder
        self._index = index
        self._max_bytes = max_bytes
        self._jobs: list[Job] = []
        self._bytes = 0

    def add(self, job: Job) -> None:
        """Take the archive of one clip."""
        size = job.part.stat().st_size
        if self._bytes + size > self._max_bytes:
            self.pack()
        self._jobs.append(job)
        self._bytes += size

    def pack(self) -> None:
        """Make a shard of what is collected."""
        if not self._jobs:
            return
        name = self._index.next_name()
        self._index.shards[name] = write_shard(self._folder / name, [job.part for job in self._jobs])
        for job in self._jobs:
            self._index.clips[job.clip.key] = Entry(shard=name, fingerprint=job.fingerprint)
        self._index.write(self._folder)
        for job in self._jobs:
            job.part.unlink()
        self._jobs, self._bytes = [], 0


@dataclass(frozen=True, slots=True)
class _Unchanged:
    """A clip that a shard holds in its present state."""


_Begun = Future[Outcome] | Outcome | _Unchanged


def _outcomes(
    clips: Sequence[Clip], begin: Callable[[Clip], _Begun], workers: int
) -> Iterator[Outcome | _Unchanged]:
    """Yield one outcome a clip, in the order of the clips, with a bounded number of jobs under way."""
    waiting: deque[_Begun] = deque()
    for clip in clips:
        waiting.append(begin(clip))
        while len(waiting) >= workers * _JOBS_PER_WORKER:
            yield _finished(waiting.popleft())
    while waiting:
        yield _finished(waiting.popleft())


def _begin(
    clip: Clip,
    *,
    parts: Path,
    index: ShardIndex,
    pool: ProcessPoolExecutor,
    faces: bool,
    through: Sequence[str],
) -> _Begun:
    part = parts / f"{clip.key}.tar"
    try:
        profile = profile_for(clip, through)
        state = fingerprint(clip, faces=faces, through=profile)
        job = Job(clip=clip, fingerprint=state, part=part, faces=faces, through=profile)
    except OSError as error:
        job = Job(clip=clip, fingerprint="", part=part)
        return Outcome(job=job, skipped=f"{clip.path} cannot be read: {error.strerror}.")
    entry = index.clips.get(clip.key)
    if entry is not None and entry.fingerprint == job.fingerprint:
        part.unlink(missing_ok=True)
        return _Unchanged()
    if part.exists() and fingerprint_of(part) == job.fingerprint:
        return Outcome(job=job)
    return pool.submit(run_job, job)


def _finished(item: _Begun) -> Outcome | _Unchanged:
    return item.result() if isinstance(item, Future) else item


def _take(outcome: Outcome | _Unchanged, report: PrepareReport, packer: _Packer) -> None:
    if isinstance(outcome, _Unchanged):
        report.unchanged += 1
        return
    if outcome.fault is not None:
        message, fix = outcome.fault
        raise SeamwatchError(message, fix=fix)
    if outcome.skipped is not None:
        report.skipped.append((outcome.job.clip.name, outcome.skipped))
        return
    report.prepared += 1
    report.seconds += outcome.ticks / FRAME_RATE_HZ
    packer.add(outcome.job)


def _require_different_keys(clips: Sequence[Clip]) -> None:
    seen: dict[str, Clip] = {}
    for clip in clips:
        other = seen.setdefault(clip.key, clip)
        if other is not clip:
            raise DatasetError(
                f"{other.path} and {clip.path} have the same corpus and name.",
                fix="Name one of them only, or prepare them in different folders.",
            )


def _write_skipped(path: Path, skipped: Sequence[tuple[str, str]]) -> None:
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(("file", "reason"))
    table.writerows(skipped)
    write_atomically(path, stream.getvalue().encode(errors="surrogateescape"))
