"""What genuine recordings bring to the sequential test: observations, speaker by speaker."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from realtime.config import MonitorConfig
from realtime.decision.observation import Observation
from realtime.encoders.suite import EncoderSuite
from realtime.judge import EncodedWindow, Judge
from realtime.scan import scan_file
from realtime.similarity.lag import MIN_WINDOWS
from realtime.timebase import NS_PER_S
from realtime.types import Modality

#: Recordings of one person follow each other like parts of a call, with a pause that no window spans.
PAUSE_WINDOWS = 5
#: Rise of similarity towards the band's end that tells sound which is off from lips that hardly fit it.
OUT_OF_SYNC_RISE = 0.1


@dataclass(slots=True)
class Person:
    """One speaker's calibration material.

    Attributes:
        clips: The observations of every recording.
        materials: What every recording was made from; None where it shows the face alone.
        judge: Remembers the person from recording to recording, as in a call.
        next_index: First window of the next recording.
    """

    judge: Judge
    clips: list[list[Observation]] = field(default_factory=list)
    materials: list[str | None] = field(default_factory=list)
    next_index: int = 0


class LagProfile:
    """Tells a recording whose sound is further off than the lag band reaches."""

    def __init__(self) -> None:
        self._sum: npt.NDArray[np.float64] | None = None
        self._windows = 0

    def add(self, encoded: EncodedWindow) -> None:
        """Take a window whose lips and voice were compared; it counts where all lags have sound."""
        if encoded.lips is None or encoded.voice is None or not encoded.voice.valid.all():
            return
        agreement = encoded.voice.vectors.astype(np.float64) @ encoded.lips.vector
        self._sum = agreement if self._sum is None else self._sum + agreement
        self._windows += 1

    @property
    def is_out_of_sync(self) -> bool:
        """Whether the best lag lies at an end of the band, far above lag zero, over enough windows."""
        if self._sum is None or self._windows < MIN_WINDOWS:
            return False
        mean = self._sum / self._windows
        best = int(np.argmax(mean))
        return best in (0, len(mean) - 1) and bool(mean[best] - mean[len(mean) // 2] > OUT_OF_SYNC_RISE)


class DistinctMaterial(NamedTuple):
    """How much there is to learn from.

    Attributes:
        speakers: People with a recording.
        recordings: Encodings of one count once.
        minutes: Observed, of the longest encoding of each.
    """

    speakers: int
    recordings: int
    minutes: float


def distinct_material(people: Iterable[Person], hop_ns: int) -> DistinctMaterial:
    """Return how much there is; recordings that show the face alone do not count."""
    speakers, recordings, windows = 0, 0, 0
    for person in people:
        longest: dict[str, int] = {}
        for material, clip in zip(person.materials, person.clips, strict=True):
            if material is None:
                continue
            seen = len({each.window_index for each in clip})
            longest[material] = max(seen, longest.get(material, 0))
        observed = [seen for seen in longest.values() if seen > 0]
        speakers += bool(observed)
        recordings += len(observed)
        windows += sum(observed)
    return DistinctMaterial(speakers, recordings, round(windows * hop_ns / (60 * NS_PER_S), 2))


def observe_file(
    path: Path,
    person: Person,
    encoders: EncoderSuite,
    config: MonitorConfig,
    *,
    material: str,
    face_only: bool = False,
) -> bool:
    """Let the pipeline see one genuine recording of a person.

    Args:
        path: The recording.
        person: Whom it shows.
        encoders: Shared encoders.
        config: Settings of the pipeline.
        material: What it was made from.
        face_only: Whether lips and voice are left out, as they do not show how genuine ones fit.

    Returns:
        Whether its sound is in sync; one that is not shows the person, but not how lips fit the voice.

    Raises:
        MediaError: The file cannot be read, or has neither audio nor video.
    """
    observations: list[Observation] = []
    profile = LagProfile()
    first = person.next_index

    def take(encoded: EncodedWindow) -> None:
        moved = encoded.moved(first, config.windows)
        taken = person.judge.take(moved).observations
        observations.extend(taken)
        if any(each.channel is Modality.CROSS for each in taken):
            profile.add(encoded)
        person.next_index = moved.window.index + 1 + PAUSE_WINDOWS

    scan_file(path, encoders, config, on_window=take)
    in_sync = not profile.is_out_of_sync
    heard = in_sync and not face_only
    person.materials.append(None if face_only else material)
    person.clips.append([each for each in observations if heard or each.channel is not Modality.CROSS])
    return in_sync
