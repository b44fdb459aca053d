"""Exchanged faces: one picture of another person, bent onto the moving head by the landmark mesh."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from scipy.ndimage import uniform_filter1d

from engines.frontend.lips import INNER_LIP, lip_opening, normalise_lips
from realtime.types import Float32, UInt8, read_only
from training.tamper.blending import Colours, Region, grown, paste, recoloured, soft_polygon
from training.tamper.face_mesh import (
    EYE_CORNERS,
    FACE_OVAL,
    Int32,
    eye_distance,
    triangulate,
    warp_mesh,
)
from training.tamper.landmarks import LandmarkTrack
from training.tamper.recording import Recording

_MASK_SIZE: Final = 0.96
_FEATHER: Final = 0.22
_EVENNESS: Final = 0.6
_COLOUR_SMOOTHING_TICKS: Final = 15
_FOREHEAD: Final = 0.72
_NOSE_TIP: Final = 4
_CHIN: Final = 152
_UPPER_LIDS: Final = (159, 386)
_LOWER_LIDS: Final = (145, 374)


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """One picture of a face.

    Attributes:
        image: uint8 RGB.
        points: float32, shape (468, 3): its landmarks in px.
    """

    image: UInt8
    points: Float32

    def scaled(self, factor: float) -> Portrait:
        """Return it in another size."""
        size = tuple(max(2, round(side * factor)) for side in self.image.shape[1::-1])
        image = cv2.resize(self.image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
        return Portrait(image=np.asarray(image, np.uint8), points=self.points * np.float32(factor))


def turn(points: Float32) -> Float32:
    """Return how far heads are turned: nose tip against the eyes' middle, in eye distances.

    Args:
        points: float32, shape (n, 468, 3).

    Returns:
        float32, shape (n,).
    """
    corners = points[:, list(EYE_CORNERS), :2]
    axis = (corners[:, 2:] - corners[:, :2]).sum(axis=1) / 2
    offset = points[:, _NOSE_TIP, :2] - corners.mean(axis=1)
    return np.asarray((offset * axis).sum(axis=1) / np.square(axis).sum(axis=1), np.float32)


def choose_portrait(
    recording: Recording, track: LandmarkTrack, *, wanted_turn: float, open_share: float
) -> Portrait:
    """Choose a picture of a person.

    Args:
        recording: Pictures of the person.
        track: Their landmarks, present in one picture at least.
        wanted_turn: How far the head should be turned, in eye distances.
        open_share: How far the mouth should be open, as a share of this person's pictures that show it less.
    """
    ticks = track.ticks
    points = track.points[ticks]
    openings = lip_opening(normalise_lips(points))
    wrong_mouth = np.abs(openings - np.quantile(openings, open_share))
    lids = _eyes_open(points)
    shut = np.maximum(0, np.quantile(lids, 0.7) - lids)
    best = int(np.argmin(np.abs(turn(points) - wanted_turn) + 2 * wrong_mouth + 4 * shut))
    return Portrait(image=recording.frames[int(ticks[best])], points=points[best])


def _eyes_open(points: Float32) -> Float32:
    """Return the mean gap between the eyelids in eye distances; points of shape (n, 468, 3)."""
    gaps = np.linalg.norm(points[:, list(_UPPER_LIDS), :2] - points[:, list(_LOWER_LIDS), :2], axis=-1).mean(
        axis=1
    )
    units = np.array([eye_distance(face) for face in points], np.float32)
    return np.asarray(gaps / units, np.float32)


class FaceSwap:
    """Shows another person's face on a recording's moving head.

    Its expression and lips follow the recording, so the voice keeps fitting; the inside of the mouth stays.

    Args:
        recording: The recording to alter.
        track: Its landmarks.
        portrait: The other face.
    """

    def __init__(self, recording: Recording, track: LandmarkTrack, portrait: Portrait) -> None:
        self._recording = recording
        self._track = track
        ticks = track.ticks
        heads = track.points[ticks]
        wanted = float(np.median([eye_distance(head) for head in heads]))
        self._portrait = portrait.scaled(wanted / eye_distance(portrait.points))
        calm = heads[int(np.argmin(np.abs(turn(heads))))]
        self._triangles: Int32 = triangulate(calm)
        self._lab = np.asarray(cv2.cvtColor(self._portrait.image, cv2.COLOR_RGB2LAB), np.uint8)
        height, width = self._lab.shape[:2]
        outline = soft_polygon(self._portrait.points[list(FACE_OVAL)], (width, height), feather_px=1)
        self._own = Colours.of(self._lab, outline)
        self._wanted = self._colours()

    def frame(self, tick: int, weight: float = 1.0) -> UInt8:
        """Return the picture of a tick, with the other face shown to the degree of the weight."""
        image = self._recording.frames[tick]
        if weight <= 0 or not self._track.present[tick]:
            return image
        head = self._track.points[tick]
        region = Region.around(head, self._recording.size)
        if region is None:
            return image
        local = region.local(head)
        warp = warp_mesh(local, self._portrait.points, self._triangles, region.size)
        colour = recoloured(self._lab, self._own, self._wanted[tick])
        patch = warp.of(colour)
        patch = np.asarray(cv2.cvtColor(patch, cv2.COLOR_LAB2RGB), np.uint8)
        below = region.of(image)
        out = image.copy()
        region.of(out)[:] = paste(below, patch, weight * self._mask(local, region.size), evenness=_EVENNESS)
        return read_only(out)

    def _mask(self, local: Float32, size: tuple[int, int]) -> Float32:
        unit = eye_distance(local)
        outline = grown(_below_hair(local), _MASK_SIZE - _FEATHER / 4)
        mask = soft_polygon(outline, size, feather_px=_FEATHER * unit)
        mouth = soft_polygon(local[list(INNER_LIP)], size, feather_px=0.04 * unit)
        return mask * (1 - mouth)

    def _colours(self) -> dict[int, Colours]:
        """Return the colours of the recording's face on each tick, smoothed over time."""
        ticks = self._track.ticks
        found = []
        for tick in ticks:
            outline = self._track.points[tick][list(FACE_OVAL)]
            region = Region.around(outline, self._recording.size)
            if region is None:
                region = Region(0, 0, *self._recording.size)
            lab = cv2.cvtColor(region.of(self._recording.frames[tick]), cv2.COLOR_RGB2LAB)
            inside = soft_polygon(region.local(outline), region.size, feather_px=1)
            colours = Colours.of(np.asarray(lab, np.uint8), inside)
            found.append(np.concatenate([colours.mean, colours.deviation]))
        measured = np.stack(found)
        for first, end in self._recording.scenes:
            scene = (ticks >= first) & (ticks < end)
            if scene.any():
                measured[scene] = uniform_filter1d(
                    measured[scene], _COLOUR_SMOOTHING_TICKS, axis=0, mode="nearest"
                )
        return {int(tick): Colours(row[:3], row[3:]) for tick, row in zip(ticks, measured, strict=True)}


def _below_hair(points: Float32) -> Float32:
    """Return the outline of the face, less the upper part of the forehead."""
    outline = points[list(FACE_OVAL), :2].copy()
    corners = points[list(EYE_CORNERS), :2]
    middle = corners.mean(axis=0)
    up = middle - points[_CHIN, :2]
    up /= np.linalg.norm(up)
    height = (outline - middle) @ up
    return np.asarray(outline - np.outer((1 - _FOREHEAD) * np.maximum(height, 0), up), np.float32)
