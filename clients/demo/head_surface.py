"""The shape of a synthetic head as a height field, and what light does to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from clients.demo.head_identity import HeadIdentity
from realtime.types import Float32, UInt8

PX_PER_CM = 22
"""Resolution of the head's own plane."""
LEFT_CM = -11.0
TOP_CM = -15.0
WIDTH_PX = 22 * PX_PER_CM
HEIGHT_PX = 30 * PX_PER_CM


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadSurface:
    """A head seen from the front, on a plane of ``PX_PER_CM``.

    Attributes:
        x: float32, shape (h, w): centimetres right of the middle.
        y: float32, shape (h, w): centimetres below the eye line.
        half_width: float32, shape (h, w): of the skull at that height, 0 above and below the head.
        height: float32, shape (h, w): centimetres towards the viewer.
        parallax: float32, shape (h, w): the smooth height that carries head rotation.
        occlusion: float32, shape (h, w): ambient light that reaches the skin, about 1.
    """

    x: Float32
    y: Float32
    half_width: Float32
    height: Float32
    parallax: Float32
    occlusion: Float32


def bump(x: Float32, y: Float32, at: tuple[float, float], spread: tuple[float, float]) -> Float32:
    """Return a Gaussian of height one on the plane, shape (h, w).

    Args:
        x: Plane coordinate in centimetres.
        y: Plane coordinate in centimetres.
        at: Centre.
        spread: Standard deviations.
    """
    value = np.exp(-0.5 * (((x - at[0]) / spread[0]) ** 2 + ((y - at[1]) / spread[1]) ** 2))
    return np.asarray(value, np.float32)


def blur(image: Float32, sigma_cm: float) -> Float32:
    """Blur an image of the head's plane; sigma in centimetres."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_cm * PX_PER_CM), np.float32)


def soft_step(value: npt.NDArray[Any], width: float) -> Float32:
    """Return a smooth step from 0 (negative) to 1 (positive) that is ``width`` wide."""
    return np.asarray(np.clip(value / width + 0.5, 0, 1), np.float32)


def to_display(linear: npt.NDArray[Any]) -> UInt8:
    """Return linear light in [0, 1] as gamma-corrected uint8."""
    return np.asarray(np.power(np.clip(linear, 0, 1), 1 / 2.2) * 255 + 0.5, np.uint8)


def plane_columns(centre_cm: float, half_cm: float) -> slice:
    """Return the plane's columns around a centre."""
    first = int((centre_cm - half_cm - LEFT_CM) * PX_PER_CM)
    return slice(max(first, 0), min(int((centre_cm + half_cm - LEFT_CM) * PX_PER_CM), WIDTH_PX))


def plane_rows(top_cm: float, bottom_cm: float) -> slice:
    """Return the plane's rows between two heights."""
    return slice(int((top_cm - TOP_CM) * PX_PER_CM), min(int((bottom_cm - TOP_CM) * PX_PER_CM), HEIGHT_PX))


def plane() -> tuple[Float32, Float32]:
    """Return the x and y coordinates of the plane's pixels in centimetres, each float32 (h, w)."""
    columns = LEFT_CM + np.arange(WIDTH_PX, dtype=np.float32) / PX_PER_CM
    rows = TOP_CM + np.arange(HEIGHT_PX, dtype=np.float32) / PX_PER_CM
    x, y = np.meshgrid(columns, rows)
    return np.asarray(x, np.float32), np.asarray(y, np.float32)


def _skull_half_width(identity: HeadIdentity, y: Float32) -> Float32:
    rows = y[:, 0]
    face, jaw, chin = identity.face_half_width, identity.jaw_half_width, identity.chin_y
    crown = -11.6
    up = np.clip((rows + 1.0) / (crown + 1.0), 0, 1)
    upper = face * np.power(1 - up**2.4, 1 / 2.2)
    mouth = identity.mouth_y
    cheek = np.interp(rows, [-1.0, 1.5, 4.0, mouth], [face, face * 0.99, face * 0.94, jaw])
    down = np.clip((rows - mouth) / (chin - mouth), 0, 1)
    lower = np.where(rows < mouth, cheek, jaw * np.power(1 - down**2.1, 0.66)).astype(np.float32)
    smooth = cv2.GaussianBlur(lower.reshape(-1, 1), (1, 0), sigmaX=1, sigmaY=0.35 * PX_PER_CM)
    width = np.where(rows < 0.0, upper, smooth[:, 0])
    width = np.where((rows < crown) | (rows > chin + 0.4), 0.0, width)
    return np.asarray(np.repeat(width[:, None], y.shape[1], axis=1), np.float32)


def build_surface(identity: HeadIdentity) -> HeadSurface:
    """Model the head as an ellipsoid with sockets, brows, nose, cheeks, lips and chin on it.

    Args:
        identity: The proportions.
    """
    x, y = plane()
    half_width = _skull_half_width(identity, y)
    across = np.abs(x) / np.maximum(half_width, 0.05)
    along = np.where(y < 0, np.abs(y / 11.8), np.abs(y / (identity.chin_y + 0.6)))
    base = np.sqrt(np.maximum(0, 1 - across**2.2)) * np.power(np.maximum(0, 1 - along**3.2), 0.5) * 8.6
    parallax = blur(np.asarray(base, np.float32), 0.8)
    height = blur(np.asarray(base, np.float32), 0.25)

    for side in (-1.0, 1.0):
        eye = side * identity.eye_half_distance
        height -= 1.45 * bump(x, y, (eye, -0.15), (1.55, 0.95))
        height -= 0.5 * bump(x, y, (side * 1.35, 0.1), (0.55, 0.8))
        height += 0.75 * bump(x, y, (eye, 0.05), (1.0, 0.75))
        height += 0.65 * bump(x, y, (eye * 0.95, identity.brow_y - 0.1), (2.0, 0.65))
        height += identity.cheek * bump(x, y, (side * 4.5, 2.8), (1.5, 1.3))
        height -= 0.45 * bump(x, y, (side * 4.9, 6.0), (1.1, 1.5))
        wing = side * identity.nose_half_width * 0.82
        height += 0.85 * bump(x, y, (wing, identity.nose_y + 0.1), (0.48, 0.48))
        height -= 0.35 * bump(
            x, y, (side * identity.nose_half_width * 0.42, identity.nose_y + 0.6), (0.3, 0.2)
        )
        fold = side * (identity.nose_half_width + 0.25 + 0.42 * (y - identity.nose_y))
        reach = bump(x, y, (side * 2.6, identity.nose_y + 1.5), (2.0, 1.1))
        height -= (0.1 + 0.22 * identity.age) * np.exp(-0.5 * ((x - fold) / 0.22) ** 2) * reach

    nose_length = identity.nose_y + 0.6
    climb = np.clip((y + 0.9) / nose_length, 0, 1)
    ending = 1 / (1 + np.exp((y - identity.nose_y - 0.45) / 0.16))
    ridge_width = 0.55 + 0.40 * climb * identity.nose_half_width / 1.65
    ridge = (0.55 + (identity.nose_depth - 0.55) * climb**1.2) * np.exp(-0.5 * (x / ridge_width) ** 2)
    height += ridge * ending / (1 + np.exp(-(y + 1.3) / 0.45))
    height += 0.45 * bump(x, y, (0, identity.nose_y - 0.05), (0.7, 0.55))

    mouth = identity.mouth_y
    height += 0.75 * bump(x, y, (0, mouth - 0.2), (2.6, 1.8))
    lip_reach = np.exp(-np.power(np.abs(x / identity.mouth_half_width), 3.0))
    for at, amount, spread in (
        (mouth - 0.5 * identity.upper_lip, 0.32, 0.55 * identity.upper_lip),
        (mouth + 0.55 * identity.lower_lip, 0.45, 0.5 * identity.lower_lip),
        (mouth, -0.30, 0.13),
    ):
        height += amount * lip_reach * np.exp(-0.5 * ((y - at) / spread) ** 2)
    height -= 0.13 * bump(x, y, (0, mouth - identity.upper_lip - 0.7), (0.24, 0.5))
    chin_y = identity.chin_y - 1.3
    height -= 0.4 * bump(x, y, (0, (mouth + identity.lower_lip + chin_y) / 2 - 0.25), (1.7, 0.42))
    height += 0.75 * bump(x, y, (0, chin_y), (1.5, 0.85))
    for line in range(3):
        height -= 0.05 * identity.age * bump(x, y, (0, -3.4 - 0.8 * line), (3.0, 0.09))

    height = np.asarray(height, np.float32)
    hollow = 0.55 * (blur(height, 0.35) - height) + 0.40 * (blur(height, 1.0) - height)
    occlusion = np.clip(1.0 - 0.55 * hollow, 0.35, 1.15)
    return HeadSurface(
        x=x,
        y=y,
        half_width=half_width,
        height=height,
        parallax=parallax,
        occlusion=np.asarray(occlusion, np.float32),
    )


def light_surface(
    surface: HeadSurface, detail: Float32, toward_light: tuple[float, float, float], fill: float
) -> tuple[Float32, Float32]:
    """Shade the surface with one large lamp and fill light.

    Args:
        surface: The shape.
        detail: float32, shape (h, w): fine relief in centimetres.
        toward_light: Direction to the lamp (x right, y down, z to the viewer).
        fill: Ambient light, in [0, 1].

    Returns:
        Diffuse light and highlight, each float32 of shape (h, w).
    """
    relief = surface.height + detail
    slope_x = np.clip(cv2.Sobel(relief, cv2.CV_32F, 1, 0, scale=PX_PER_CM / 8), -2.5, 2.5)
    slope_y = np.clip(cv2.Sobel(relief, cv2.CV_32F, 0, 1, scale=PX_PER_CM / 8), -2.5, 2.5)
    length = np.sqrt(slope_x**2 + slope_y**2 + 1)
    lamp = np.asarray(toward_light, np.float32)
    lamp /= np.linalg.norm(lamp)
    facing = (-slope_x * lamp[0] - slope_y * lamp[1] + lamp[2]) / length
    wrapped = np.clip((facing + 0.25) / 1.25, 0, 1)
    halfway = lamp + np.array([0, 0, 1], np.float32)
    halfway /= np.linalg.norm(halfway)
    mirror = (-slope_x * halfway[0] - slope_y * halfway[1] + halfway[2]) / length
    diffuse = fill * surface.occlusion + (1 - fill) * wrapped * np.sqrt(surface.occlusion)
    highlight = np.power(np.clip(mirror, 0, 1), 22) * surface.occlusion
    return np.asarray(diffuse, np.float32), np.asarray(highlight, np.float32)
