"""Talking portraits: one picture of a person that is made to move."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from realtime.timebase import FRAME_RATE_HZ
from realtime.types import Float32, UInt8, read_only
from training.tamper.blending import Region, grown
from training.tamper.face_mesh import EYE_CORNERS, FACE_OVAL, eye_distance, onto_head, triangulate, warp_mesh
from training.tamper.face_swap import Portrait
from training.tamper.landmarks import LandmarkTrack
from training.tamper.mouth_swap import weights_near_lips

_LIP_REACH: Final = 0.9
_EYE_REACH: Final = 0.4
_RING: Final = 1.35
_ZOOM: Final = 1.03
_SWAY_TURN_DEG: Final = 1.0
_SWAY_SHIFT: Final = 0.008
_SWAY_SCALE: Final = 0.008
_SWAY_HZ: Final = (0.11, 0.27, 0.43)


class TalkingPortrait:
    """Animates one picture: it sways slowly, and mouth and eyelids move as those of a driving face do.

    Args:
        portrait: The picture.
        driver: Landmarks of the face that drives it, on T ticks.
        rng: Source of chance, for the sway.
        mouth_moves: Whether mouth and eyelids move; else only the sway is left.
    """

    def __init__(
        self, portrait: Portrait, driver: LandmarkTrack, rng: np.random.Generator, *, mouth_moves: bool
    ) -> None:
        self._portrait = portrait
        self._driver = driver
        self._mouth_moves = mouth_moves
        ring = grown(portrait.points[list(FACE_OVAL)], _RING)
        self._vertices = np.concatenate([portrait.points, ring])
        self._triangles = triangulate(self._vertices)
        self._weights = np.maximum(
            weights_near_lips(portrait.points, _LIP_REACH), _weights_near_eyes(portrait.points)
        )
        self._sway = _slow_noise(rng, len(driver.present))
        self._known = np.maximum.accumulate(
            np.where(driver.present, np.arange(len(driver.present)), int(driver.ticks[0]))
        )

    def frame(self, tick: int) -> UInt8:
        """Return the picture of a tick."""
        image = self._portrait.image
        if self._mouth_moves:
            image = self._animated(self._driver.points[self._known[tick]])
        height, width = image.shape[:2]
        turn, scale, right, down = self._sway[tick]
        centre = self._portrait.points[:, :2].mean(axis=0)
        motion = cv2.getRotationMatrix2D(
            (float(centre[0]), float(centre[1])),
            float(_SWAY_TURN_DEG * turn),
            float(_ZOOM * (1 + _SWAY_SCALE * scale)),
        )
        motion[:, 2] += _SWAY_SHIFT * width * np.array([right, down])
        moved = cv2.warpAffine(image, motion, (width, height), borderMode=cv2.BORDER_REPLICATE)
        return read_only(np.asarray(moved, np.uint8))

    def _animated(self, face: Float32) -> UInt8:
        still = self._portrait.points
        moved = self._vertices.copy()
        moved[: len(still)] += self._weights[:, None] * (onto_head(face, still) - still)
        height, width = self._portrait.image.shape[:2]
        region = Region.around(moved, (width, height))
        if region is None:
            return self._portrait.image
        warp = warp_mesh(region.local(moved), self._vertices, self._triangles, region.size)
        patch = warp.of(self._portrait.image)
        out = self._portrait.image.copy()
        region.of(out)[warp.covered] = patch[warp.covered]
        return out


def _weights_near_eyes(points: Float32) -> Float32:
    corners = points[list(EYE_CORNERS), :2]
    centres = corners.reshape(2, 2, 2).mean(axis=1)
    gaps = np.linalg.norm(points[:, None, :2] - centres[None], axis=-1).min(axis=1)
    near = (1 - gaps / (_EYE_REACH * eye_distance(points))).clip(0, 1)
    return np.asarray(np.sqrt(near), np.float32)


def _slow_noise(rng: np.random.Generator, ticks: int) -> Float32:
    """Return four smooth signals of about unit size, float32, shape (ticks, 4)."""
    time_s = np.arange(ticks)[:, None, None] / FRAME_RATE_HZ
    phase = rng.uniform(0, 2 * np.pi, (1, 4, len(_SWAY_HZ)))
    size = rng.uniform(0.3, 0.6, (1, 4, len(_SWAY_HZ)))
    waves = size * np.sin(2 * np.pi * np.array(_SWAY_HZ) * time_s + phase)
    return np.asarray(waves.sum(axis=2), np.float32)
