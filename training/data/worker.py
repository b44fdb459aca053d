"""What a worker process does: one clip at a time, from the file to an archive of its features."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import threading
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import cv2

from engines.errors import SeamwatchError
from engines.loader import EngineSet, load_engines
from engines.store.files import write_atomically
from engines.store.store import ModelStore
from realtime.errors import MediaError
from training.data.clip import Clip
from training.data.features import features_of
from training.data.prepared_clip import FEATURE_VERSION
from training.data.reencode import reencoded
from training.data.shards import tar_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A clip to prepare.

    Attributes:
        clip: The clip.
        fingerprint: The state that its features are made from.
        part: Where the archive goes.
        faces: Whether the features hold aligned faces.
        through: Compression profile that the clip goes through first; None for as it is.
    """

    clip: Clip
    fingerprint: str
    part: Path
    faces: bool = False
    through: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a job; errors travel as text between processes.

    Attributes:
        job: The job.
        ticks: Length of the features.
        skipped: Why the clip has no features; None where it has.
        fault: Message and fix of a fault that is not the clip's, which ends the preparation.
    """

    job: Job
    ticks: int = 0
    skipped: str | None = None
    fault: tuple[str, str] | None = None


_engines: list[EngineSet | SeamwatchError] = []


def start_worker() -> None:
    """Make this process a worker: it leaves Ctrl-C to its parent, and ends with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)
    try:
        _engines.append(load_engines(ModelStore(), threads=1))
    except SeamwatchError as error:
        _engines.append(error)


def run_job(job: Job) -> Outcome:
    """Prepare one clip; only in a process in which ``start_worker`` ran."""
    (engines,) = _engines
    try:
        if isinstance(engines, SeamwatchError):
            raise engines
        with nullcontext(job.clip) if job.through is None else reencoded(job.clip, job.through) as clip:
            prepared = features_of(clip, engines, faces=job.faces)
        prepared = replace(prepared, clip=replace(prepared.clip, path=job.clip.path))
        write_atomically(job.part, tar_bytes(prepared.members(job.fingerprint)))
    except MediaError as error:
        return Outcome(job=job, skipped=error.message)
    except SeamwatchError as error:
        return Outcome(job=job, fault=(error.message, error.fix))
    except OSError as error:
        return Outcome(
            job=job, fault=(f"{job.part} cannot be written: {error}.", "Make room or choose another folder.")
        )
    return Outcome(job=job, ticks=prepared.ticks)


def fingerprint(clip: Clip, *, faces: bool = False, through: str | None = None) -> str:
    """Return what tells apart two states of a clip's files, record, encoding and kinds of features.

    Raises:
        OSError: If a file is missing.
    """
    stats = [path.stat() for path in (clip.path, clip.audio_path) if path is not None]
    state = [FEATURE_VERSION, clip.to_json(), [[stat.st_size, stat.st_mtime_ns] for stat in stats]]
    if faces:
        state.append("faces")
    if through is not None:
        state.append(f"through {through}")
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
