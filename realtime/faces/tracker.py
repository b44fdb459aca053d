"""Joins detections to face tracks by overlap, and picks the one face that is followed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from engines.frontend.detector import overlaps
from realtime.config import FaceConfig
from realtime.faces.detector import Detection

#: Mean way of the five points between two detections, in face sizes, above which it is another face.
MAX_POINT_MOTION: Final = 0.5
#: Another face takes over once its area has been this many times larger ...
TAKEOVER_AREA_RATIO: Final = 1.3
#: ... for this many detections in a row.
TAKEOVER_DETECTIONS: Final = 5


@dataclass(slots=True)
class _Track:
    detection: Detection
    missed: int = 0
    larger_for: int = 0


class FaceTracker:
    """Face tracks over successive detections, in any isotropic unit that stays the same between them.

    A detection joins the track that it overlaps most, if by enough and if the five points moved plausibly;
    else it starts a track with a new id, if it is confident. A track that no detection joins too often ends.
    The followed face is the largest; another must be clearly larger for a while to take over.

    Args:
        config: Overlap, confidence, and detections a track may miss.
    """

    def __init__(self, config: FaceConfig) -> None:
        self._config = config
        self._tracks: dict[int, _Track] = {}
        self._next_id = 0
        self._followed: int | None = None

    @property
    def followed(self) -> int | None:
        """Track id of the followed face; it may have been missed by the last detection."""
        return self._followed

    @property
    def seen(self) -> Mapping[int, Detection]:
        """The tracks that the last detection saw, with what it saw."""
        return {track_id: track.detection for track_id, track in self._tracks.items() if track.missed == 0}

    def update(self, detections: Sequence[Detection]) -> None:
        """Take the faces of one picture."""
        joined = self._join(detections)
        for track_id, track in list(self._tracks.items()):
            if track_id in joined:
                track.detection, track.missed = detections[joined[track_id]], 0
            else:
                track.missed += 1
                if track.missed > self._config.max_missed_detections:
                    del self._tracks[track_id]
        taken = set(joined.values())
        for index, detection in enumerate(detections):
            if index not in taken and detection.confidence >= self._config.min_detection_confidence:
                self._tracks[self._next_id] = _Track(detection)
                self._next_id += 1
        self._follow()

    def reset(self) -> None:
        """End all tracks; ids are not used again."""
        self._tracks.clear()
        self._followed = None

    def _join(self, detections: Sequence[Detection]) -> dict[int, int]:
        """Return track id -> index of the detection, best overlap first."""
        if not detections:
            return {}
        boxes = np.stack([detection.box for detection in detections])
        pairs = [
            (float(overlap), track_id, index)
            for track_id, track in self._tracks.items()
            for index, overlap in enumerate(overlaps(track.detection.box, boxes))
            if overlap >= self._config.min_track_overlap and _plausible(track.detection, detections[index])
        ]
        joined: dict[int, int] = {}
        taken: set[int] = set()
        for _, track_id, index in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
            if track_id not in joined and index not in taken:
                joined[track_id] = index
                taken.add(index)
        return joined

    def _follow(self) -> None:
        current = self._tracks.get(self._followed) if self._followed is not None else None
        for track in self._tracks.values():
            larger = (
                current is not None
                and track.missed == 0
                and _area(track) >= TAKEOVER_AREA_RATIO * _area(current)
            )
            track.larger_for = track.larger_for + 1 if larger else 0
        candidates = [
            track_id
            for track_id, track in self._tracks.items()
            if (track.larger_for >= TAKEOVER_DETECTIONS if current is not None else track.missed == 0)
        ]
        if candidates:
            self._followed = max(candidates, key=lambda track_id: _area(self._tracks[track_id]))
            for track in self._tracks.values():
                track.larger_for = 0
        elif current is None:
            self._followed = None


def _area(track: _Track) -> float:
    return float(track.detection.box[2] * track.detection.box[3])


def _plausible(before: Detection, after: Detection) -> bool:
    way = np.linalg.norm(after.points - before.points, axis=1).mean()
    return bool(way <= MAX_POINT_MOTION * before.box[2:].mean())
