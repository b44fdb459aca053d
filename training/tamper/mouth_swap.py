"""Lips from another moment of the same recording, bent onto the head of the picture they go into."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d

from engines.frontend.lips import INNER_LIP, OUTER_LIP
from realtime.timebase import FRAME_RATE_HZ
from realtime.types import Float32, UInt8, read_only
from training.tamper.blending import Region, paste, soft_polygon
from training.tamper.face_mesh import eye_distance, onto_head, triangulate, warp_mesh
from training.tamper.face_swap import turn
from training.tamper.landmarks import LandmarkTrack
from training.tamper.recording import Recording

_REACH: Final = 0.45
_MASK_MARGIN: Final = 0.16
_FEATHER: Final = 0.2
_EVENNESS: Final = 0.8
_TURN_TICKS: Final = 7


def weights_near_lips(points: Float32, reach: float) -> Float32:
    """Return how far each landmark goes with the mouth: 1 on the lips, falling smoothly to 0.

    Args:
        points: float32, shape (468, 3).
        reach: Distance from the lips at which it is 0, in eye distances.

    Returns:
        float32, shape (468,), in [0, 1].
    """
    lips = points[list(OUTER_LIP + INNER_LIP), :2]
    gaps = np.linalg.norm(points[:, None, :2] - lips[None], axis=-1).min(axis=1)
    near = (1 - gaps / (reach * eye_distance(points))).clip(0, 1)
    return np.asarray(near * near * (3 - 2 * near), np.float32)


class MouthSwap:
    """Shows on each tick the mouth of another tick.

    Head, eyes, jaw line and voice stay. The lips keep the shape of the moment that they come from, turned and
    scaled to the head's pose in three dimensions.

    Args:
        recording: The recording to alter.
        track: Its landmarks.
        moments: Tick -> the tick whose mouth it shows, both with a face; ticks not in it stay as they are.
    """

    def __init__(self, recording: Recording, track: LandmarkTrack, moments: Mapping[int, int]) -> None:
        self._recording = recording
        self._track = track
        self._moments = moments
        heads = track.points[track.ticks]
        calm = heads[int(np.argmin(np.abs(turn(heads))))]
        triangles = triangulate(calm)
        self._weights = weights_near_lips(calm, _REACH)
        moving = np.isin(triangles, np.flatnonzero(self._weights > 0)).any(axis=1)
        self._triangles = triangles[moving]

    def frame(self, tick: int) -> UInt8:
        """Return the picture of a tick."""
        image = self._recording.frames[tick]
        moment = self._moments.get(tick)
        if moment is None or moment == tick:
            return image
        head, lips = self._track.points[tick], self._track.points[moment]
        weight = self._weights[:, None]
        wanted = head + weight * (onto_head(lips, head) - head)
        region = Region.around(wanted[np.unique(self._triangles)], self._recording.size)
        if region is None:
            return image
        local = region.local(np.asarray(wanted, np.float32))
        warp = warp_mesh(local, lips, self._triangles, region.size)
        patch = warp.of(self._recording.frames[moment])
        out = image.copy()
        mask = self._mask(local, region.local(head), region.size)
        region.of(out)[:] = paste(region.of(image), patch, mask, evenness=_EVENNESS)
        return read_only(out)

    @staticmethod
    def _mask(wanted: Float32, head: Float32, size: tuple[int, int]) -> Float32:
        """Return the soft hull of the lips that come and of those that go, with a margin."""
        unit = eye_distance(head)
        lips = np.concatenate([wanted[list(OUTER_LIP), :2], head[list(OUTER_LIP), :2]])
        hull = cv2.convexHull(lips.astype(np.float32))[:, 0]
        away = hull - hull.mean(axis=0)
        away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-6)
        outline = np.asarray(hull + _MASK_MARGIN * unit * away, np.float32)
        return soft_polygon(outline, size, feather_px=_FEATHER * unit)


def retimed(
    track: LandmarkTrack,
    first_tick: int,
    rng: np.random.Generator,
    *,
    offset_s: tuple[float, float] = (0.2, 0.6),
) -> dict[int, int]:
    """Choose moments that run ahead of the picture and behind it in turns.

    The offset changes its size every second or so, and now and then its sign.

    Args:
        track: Landmarks of T ticks.
        first_tick: Where it begins.
        rng: Source of chance.
        offset_s: Smallest and largest offset at the turning points.

    Returns:
        Tick -> moment, for the ticks with a face on both.
    """
    total = len(track.present)
    span_s = (total - first_tick) / FRAME_RATE_HZ
    largest_s = min(offset_s[1], max(offset_s[0], span_s / 3))
    knots: list[int] = [first_tick]
    while knots[-1] < total:
        knots.append(knots[-1] + round(rng.uniform(0.8, 1.6) * FRAME_RATE_HZ))
    sizes = rng.uniform(offset_s[0], largest_s, len(knots))
    turns = rng.choice([-1, 1]) * np.cumprod(rng.choice([-1, 1], len(knots), p=[0.25, 0.75]))
    ticks = np.arange(first_tick, total)
    signs = turns[np.searchsorted(knots, ticks, side="right") - 1].astype(float)
    signs = uniform_filter1d(signs, _TURN_TICKS, mode="nearest")
    offsets = signs * np.interp(ticks, knots, sizes)
    moments = ticks + np.rint(offsets * FRAME_RATE_HZ).astype(int)
    mirrored = np.where((moments < first_tick) | (moments >= total), 2 * ticks - moments, moments)
    return _both_present(track, ticks, mirrored.clip(first_tick, total - 1))


def other_moment(track: LandmarkTrack, first_tick: int, rng: np.random.Generator) -> dict[int, int]:
    """Choose a run of moments from elsewhere in the recording: half its length away, more or less.

    Args:
        track: Landmarks of T ticks.
        first_tick: Where it begins.
        rng: Source of chance.

    Returns:
        Tick -> moment, for the ticks with a face on both.
    """
    total = len(track.present)
    ticks = np.arange(first_tick, total)
    away = max(1, round(total * rng.uniform(0.35, 0.65)))
    return _both_present(track, ticks, (ticks + away) % total)


def _both_present(
    track: LandmarkTrack, ticks: npt.NDArray[np.int64], moments: npt.NDArray[np.int64]
) -> dict[int, int]:
    usable = track.present[ticks] & track.present[moments]
    return {int(tick): int(moment) for tick, moment in zip(ticks[usable], moments[usable], strict=True)}
