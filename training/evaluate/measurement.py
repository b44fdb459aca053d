"""What the pipeline says about one file, independent of any label, and the cache that keeps it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from realtime.types import Float32
from training.evaluate.clip_statistics import ClipTrace

#: Part of every cache key; raised when a measurement holds something else.
MEASUREMENT_VERSION = 1
#: Longest self-similarity that is kept; of a longer clip the newest windows.
MAX_TRACE_WINDOWS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """The result of one scan.

    Attributes:
        duration_s: Length of the media.
        verdict: The shipped verdict.
        reasons: The verdict's reasons.
        intra: The paper's intra-modal score; None when insufficient.
        cross: The paper's cross-modal score; None when insufficient.
        score: The paper's Score; None when insufficient.
        lowest_margin: Lowest live decision value; None without one.
        windows: Windows scored.
        alert_windows: Windows that ended in the state "alert".
        engines: Engine id by role.
        trace: The similarities behind the scores.
    """

    duration_s: float
    verdict: str
    reasons: tuple[str, ...]
    intra: float | None
    cross: float | None
    score: float | None
    lowest_margin: float | None
    windows: int
    alert_windows: int
    engines: dict[str, str]
    trace: ClipTrace


_PLAIN = (
    "duration_s", "verdict", "reasons", "intra", "cross", "score", "lowest_margin", "windows",
    "alert_windows", "engines",
)  # fmt: skip


class MeasurementCache:
    """A folder with one file a measurement, written atomically; a damaged one counts as absent.

    Args:
        folder: Made when the first measurement is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, key: str) -> Measurement | None:
        """Return the measurement under a key, if there is one."""
        try:
            with np.load(self._path(key), allow_pickle=False) as stored:
                plain = json.loads(str(stored["plain"]))
                identity: Float32 = stored["identity"]
                lag_profiles: Float32 = stored["lag_profiles"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        if set(plain) != set(_PLAIN):
            return None
        plain["reasons"] = tuple(plain["reasons"])
        return Measurement(**plain, trace=ClipTrace(identity=identity, lag_profiles=lag_profiles))

    def save(self, key: str, measurement: Measurement) -> None:
        """Keep a measurement."""
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = self._folder / f".{key}.{os.getpid()}.partial"
        try:
            with partial.open("wb") as file:
                np.savez_compressed(
                    file,
                    plain=np.array(json.dumps({name: getattr(measurement, name) for name in _PLAIN})),
                    identity=measurement.trace.identity,
                    lag_profiles=measurement.trace.lag_profiles,
                )
            partial.replace(self._path(key))
        finally:
            with contextlib.suppress(FileNotFoundError):
                partial.unlink()

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.npz"


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_key(parts: Iterable[str]) -> str:
    """Return a file name for everything that a measurement depends on."""
    return hashlib.sha256("\0".join((str(MEASUREMENT_VERSION), *parts)).encode()).hexdigest()
