"""Pastes a warped face into a picture: soft masks, colours matched, light evened out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from realtime.types import Float32, UInt8

_LIGHT_CELLS: Final = 8


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of a picture in px, not empty."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def around(cls, points: Float32, size: tuple[int, int], margin_px: float = 2.0) -> Region | None:
        """Return the smallest one around points, shape (n, 2 or more); None where they lie outside."""
        low = np.floor(points[:, :2].min(axis=0) - margin_px).clip(0, size)
        high = np.ceil(points[:, :2].max(axis=0) + margin_px).clip(0, size)
        if (high - low).min() < 4:
            return None
        return cls(int(low[0]), int(low[1]), int(high[0]), int(high[1]))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.right - self.left, self.bottom - self.top

    def of(self, image: UInt8) -> UInt8:
        """Return the view of a picture."""
        return image[self.top : self.bottom, self.left : self.right]

    def local(self, points: Float32) -> Float32:
        """Return points, shape (n, 2 or 3), relative to the corner."""
        moved = points.copy()
        moved[:, :2] -= np.array([self.left, self.top], np.float32)
        return moved


def soft_polygon(outline: Float32, size: tuple[int, int], *, feather_px: float) -> Float32:
    """Return the weight of a polygon's pixels, 1 inside and falling to 0 over the feather about its edge.

    Args:
        outline: float32, shape (n, 2 or more), px.
        size: Width and height.
        feather_px: Width of the edge.

    Returns:
        float32, shape (height, width), in [0, 1].
    """
    mask = np.zeros((size[1], size[0]), np.float32)
    cv2.fillPoly(mask, [np.rint(outline[:, :2] * 16).astype(np.int32)], 1.0, cv2.LINE_8, 4)
    side = max(1, round(feather_px / 2)) * 2 + 1
    return np.asarray(cv2.blur(mask, (side, side), borderType=cv2.BORDER_CONSTANT), np.float32)


def grown(outline: Float32, factor: float) -> Float32:
    """Scale an outline, shape (n, 2 or more), about its centre."""
    centre = outline.mean(axis=0)
    return np.asarray(centre + factor * (outline - centre), np.float32)


@dataclass(frozen=True, slots=True)
class Colours:
    """Mean and deviation of the pixels of a face in CIE L*a*b*, float64, shape (3,) each."""

    mean: npt.NDArray[np.float64]
    deviation: npt.NDArray[np.float64]

    @classmethod
    def of(cls, lab: UInt8, weight: Float32) -> Colours:
        """Measure a picture, shape (height, width, 3), where the weight is above one half."""
        inside = (weight > 0.5).astype(np.uint8)
        mean, deviation = cv2.meanStdDev(lab, mask=inside if inside.any() else None)
        return cls(np.asarray(mean, np.float64)[:, 0], np.asarray(deviation, np.float64)[:, 0])


def recoloured(lab: UInt8, own: Colours, wanted: Colours) -> UInt8:
    """Shift and stretch the colours of a picture so that they get a wanted mean and deviation."""
    levels = np.arange(256.0)[:, None]
    gain = ((wanted.deviation + 1) / (own.deviation + 1)).clip(0.5, 2.0)
    table = ((levels - own.mean) * gain + wanted.mean).clip(0, 255)
    return np.asarray(cv2.LUT(lab, np.rint(table).astype(np.uint8).reshape(256, 1, 3)), np.uint8)


def paste(picture: UInt8, patch: UInt8, weight: Float32, *, evenness: float) -> UInt8:
    """Blend a patch into a picture of its size.

    Args:
        picture: uint8, shape (height, width, 3).
        patch: The same shape.
        weight: float32, shape (height, width), in [0, 1]: 1 shows the patch.
        evenness: How much of the slow variation of light and colour is taken from the picture, in [0, 1].

    Returns:
        uint8, the same shape.
    """
    below = picture.astype(np.float32)
    difference = patch.astype(np.float32) - below
    if evenness:
        difference -= evenness * _slow_part(difference, weight)
    return np.asarray(np.rint(below + weight[..., None] * difference).clip(0, 255), np.uint8)


def _slow_part(difference: Float32, weight: Float32) -> Float32:
    """Return the variation of a difference over distances of about a quarter of the region."""
    height, width = weight.shape
    cells = (_LIGHT_CELLS, _LIGHT_CELLS)
    mass = cv2.resize(weight, cells, interpolation=cv2.INTER_AREA)[..., None]
    total = cv2.resize(difference * weight[..., None], cells, interpolation=cv2.INTER_AREA)
    total = cv2.GaussianBlur(total, (0, 0), 1.0)
    mass = cv2.GaussianBlur(mass, (0, 0), 1.0)[..., None]
    return np.asarray(
        cv2.resize(total / np.maximum(mass, 1e-3), (width, height), interpolation=cv2.INTER_CUBIC), np.float32
    )
