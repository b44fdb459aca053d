"""A synthetic talking head: painted once by numbers, then moved, lit and made to speak frame by frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from clients.demo.head_identity import HeadIdentity
from clients.demo.head_mouth import Mouth
from clients.demo.head_paint import HeadPaint, lid_edges, paint_head
from clients.demo.head_pose import PoseMapper, rotation_matrix
from clients.demo.head_room import paint_body, paint_room
from clients.demo.head_surface import (
    HeadSurface,
    build_surface,
    light_surface,
    plane_columns,
    plane_rows,
    soft_step,
    to_display,
)
from realtime.types import Float32, UInt8

CAPTION: Final = "synthetic"
"""Written into every picture."""

_LAMPS: Final = ((-0.45, -0.45, 0.75), (0.45, -0.35, 0.8))
_FILL_LIGHT: Final = 0.42
_CM_PER_PICTURE_HEIGHT: Final = 33.9
_EYE_LINE: Final = 0.45
_HEAD_REACH_CM: Final = 12.5
_HEAD_BOTTOM_CM: Final = 14.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadFrame:
    """What the head does in one picture.

    Attributes:
        opening: Gap between the lips, in [0, 1] of the widest.
        roundness: From spread lips (-1) to rounded ones (1).
        lids: 0 with open eyes, 1 with closed ones.
        yaw: Turn to the right of the picture, in radians; up to about 0.25.
        pitch: Nod downwards, in radians; up to about 0.2.
        roll: Tilt clockwise, in radians.
        shift: Sway of the head in centimetres (right, down); the body follows by half.
        lamp: Where the light comes from, 0 left to 1 right.
        exposure: Brightness of the picture, about 1.
    """

    opening: float = 0.0
    roundness: float = 0.0
    lids: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    lamp: float = 0.3
    exposure: float = 1.0


class SyntheticHead:
    """Renders one identity.

    Args:
        identity: Who it is.
        size: Width and height of the pictures in pixels.
    """

    def __init__(self, identity: HeadIdentity, *, size: tuple[int, int] = (640, 480)) -> None:
        self.identity = identity
        self.size = size
        width, height = size
        self._px_per_cm = height / _CM_PER_PICTURE_HEIGHT
        surface = build_surface(identity)
        paint = paint_head(identity, surface)
        self._outline = np.asarray(paint.outline * 255, np.uint8)
        self._faces, self._eyes = _light(surface, paint)
        self._eye_parts = [_eye_part(identity, surface, paint, side) for side in (-1.0, 1.0)]
        self._mouth = Mouth(identity, surface)
        eye_line_px = _EYE_LINE * height
        self._room = paint_room(identity, size)
        self._body, self._body_cover = paint_body(identity, size, self._px_per_cm, eye_line_px)
        left = max(int(width / 2 - _HEAD_REACH_CM * self._px_per_cm), 0)
        bottom = min(int(eye_line_px + _HEAD_BOTTOM_CM * self._px_per_cm), height)
        self._head_box = (slice(0, bottom), slice(left, width - left))
        self._body_top = int(eye_line_px + 4.0 * self._px_per_cm)
        box = (left, 0, width - 2 * left, bottom)
        self._pose = PoseMapper(surface.parallax, box, (width / 2, eye_line_px), self._px_per_cm)

    def render(self, frame: HeadFrame) -> UInt8:
        """Render one picture.

        Args:
            frame: Pose, mouth, lids and light.

        Returns:
            uint8 RGB, shape (height, width, 3).
        """
        face = _blend(self._faces, frame.lamp)
        self._set_lids(face, _blend(self._eyes, frame.lamp), frame.lids)
        self._mouth.open(face, frame.opening, frame.roundness)
        picture = self._room.copy()
        self._add_body(picture, frame)
        self._add_head(picture, face, frame)
        if frame.exposure != 1.0:
            picture = np.asarray(cv2.convertScaleAbs(picture, alpha=frame.exposure), np.uint8)
        _write_caption(picture)
        return picture

    def _set_lids(self, face: UInt8, eyes: UInt8, lids: float) -> None:
        for eye in self._eye_parts:
            edge = eye.upper + (eye.lower - eye.upper) * lids
            aperture = soft_step(eye.y - edge, 0.07) * soft_step(eye.lower - eye.y, 0.07)
            aperture *= eye.inside > 0.02
            lash = np.exp(-0.5 * ((eye.y - edge + 0.02) / 0.075) ** 2) * np.power(eye.inside, 0.35)
            skin = face[eye.box]
            mixed = skin + (eyes[eye.box].astype(np.float32) - skin) * aperture[..., None]
            face[eye.box] = mixed * (1 - 0.82 * (lash * eye.uncovered)[..., None])

    def _add_body(self, picture: UInt8, frame: HeadFrame) -> None:
        right, down = (0.5 * self._px_per_cm * part for part in frame.shift)
        sway = np.array([[1, 0, right], [0, 1, down]], np.float32)
        lower = slice(self._body_top, None)
        size = (self.size[0], self.size[1] - self._body_top)
        body = cv2.warpAffine(self._body[lower], sway, size, borderMode=cv2.BORDER_REPLICATE)
        cover = cv2.warpAffine(self._body_cover[lower], sway, size, borderMode=cv2.BORDER_REPLICATE)
        picture[lower] = cv2.blendLinear(body, np.ascontiguousarray(picture[lower]), cover, 1 - cover)

    def _add_head(self, picture: UInt8, face: UInt8, frame: HeadFrame) -> None:
        rotation = rotation_matrix(frame.yaw, frame.pitch, frame.roll)
        columns, rows = self._pose.maps(rotation, frame.shift)
        head = cv2.remap(face, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        cover = cv2.remap(self._outline, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        share = cover.astype(np.float32) / 255
        behind = np.ascontiguousarray(picture[self._head_box])
        picture[self._head_box] = cv2.blendLinear(head, behind, share, 1 - share)


@dataclass(frozen=True, slots=True)
class _EyePart:
    """One eye on the plane: where, rows and open lids in cm, nearness to its middle, what glasses leave."""

    box: tuple[slice, slice]
    y: Float32
    upper: Float32
    lower: Float32
    inside: Float32
    uncovered: Float32


def _eye_part(identity: HeadIdentity, surface: HeadSurface, paint: HeadPaint, side: float) -> _EyePart:
    columns = plane_columns(side * identity.eye_half_distance, identity.eye_half_width + 0.35)
    box = (plane_rows(-1.5, 1.2), columns)
    upper, lower, inside = lid_edges(identity, surface.x[box], side)
    uncovered = np.asarray(1 - paint.overlay_mask[box], np.float32)
    return _EyePart(box, surface.y[box], upper, lower, inside, uncovered)


def _light(surface: HeadSurface, paint: HeadPaint) -> tuple[list[UInt8], list[UInt8]]:
    """Return the plane with closed eyes, and the eyeballs, under each lamp."""
    faces, eyes = [], []
    hair, overlay = paint.hair_share[..., None], paint.overlay_mask[..., None]
    for lamp in _LAMPS:
        diffuse, highlight = light_surface(surface, paint.relief, lamp, _FILL_LIGHT)
        light, shine = diffuse[..., None], 0.10 * highlight[..., None]
        skin = paint.skin * light * 1.12 + shine * (1 - 0.7 * hair)
        lit = skin * (1 - hair) + paint.hair * (0.35 + 0.65 * light) * hair
        faces.append(to_display(lit * (1 - overlay) + 0.03 * overlay))
        ball = paint.eyes * np.clip(0.45 + 0.6 * light, 0, 1.1)
        eyes.append(to_display(ball * (1 - overlay) + 0.03 * overlay))
    return faces, eyes


def _blend(lit: list[UInt8], lamp: float) -> UInt8:
    return np.asarray(cv2.addWeighted(lit[0], 1 - lamp, lit[1], lamp, 0), np.uint8)


def _write_caption(picture: UInt8) -> None:
    height = picture.shape[0]
    scale = 0.55 * height / 480
    left, baseline = int(0.02 * height), int(0.975 * height)
    (width, ascent), _ = cv2.getTextSize(CAPTION, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    margin = int(0.012 * height)
    corner = (left - margin, baseline - ascent - margin)
    cv2.rectangle(picture, corner, (left + width + margin, baseline + margin), (30, 30, 30), -1)
    cv2.putText(
        picture, CAPTION, (left, baseline), cv2.FONT_HERSHEY_SIMPLEX, scale, (240, 240, 240), 1, cv2.LINE_AA
    )
