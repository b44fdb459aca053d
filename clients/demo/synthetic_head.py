"""A synthetic talking head: painted once by numbers, then moved, lit and made to speak frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from clients.demo.head_identity import HeadIdentity
from clients.demo.head_paint import HeadPaint, lid_edges, paint_head, soft_step
from clients.demo.head_surface import (
    HEIGHT_PX,
    LEFT_CM,
    PX_PER_CM,
    TOP_CM,
    WIDTH_PX,
    HeadSurface,
    build_surface,
    light_surface,
)
from realtime.types import Float32, UInt8

CAPTION = "synthetic"

_LAMPS = ((-0.45, -0.45, 0.75), (0.45, -0.35, 0.8))
_JAW_PIVOT_Z = 2.0
_NECK_Y = 8.0
_MAP_STEP_PX = 4
_SCALE = 0.0295
_EYE_LINE = 0.45


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
        shift: Sway of the body in centimetres (right, down).
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


def _to_display(linear: Float32) -> UInt8:
    return np.asarray(np.clip(np.power(np.clip(linear, 0, 1), 1 / 2.2) * 255 + 0.5, 0, 255), np.uint8)


def _columns(centre_cm: float, half_cm: float) -> slice:
    first = int((centre_cm - half_cm - LEFT_CM) * PX_PER_CM)
    return slice(max(first, 0), min(int((centre_cm + half_cm - LEFT_CM) * PX_PER_CM), WIDTH_PX))


def _rows(top_cm: float, bottom_cm: float) -> slice:
    return slice(int((top_cm - TOP_CM) * PX_PER_CM), min(int((bottom_cm - TOP_CM) * PX_PER_CM), HEIGHT_PX))


class SyntheticHead:
    """Renders one identity.

    Args:
        identity: Who it is.
        size: Width and height of the pictures in pixels.
    """

    def __init__(self, identity: HeadIdentity, *, size: tuple[int, int] = (640, 480)) -> None:
        self.identity = identity
        self.size = size
        surface = build_surface(identity)
        paint = paint_head(identity, surface)
        self._parallax = surface.parallax
        self._outline = np.asarray(paint.outline * 255, np.uint8)
        self._faces, self._eyes = self._light(surface, paint)
        self._prepare_eyes(surface, paint)
        self._prepare_mouth(surface)
        self._px_per_cm = _SCALE * size[1]
        self._background = self._paint_background()
        self._body, self._body_mask = self._paint_body()

    def render(self, frame: HeadFrame) -> UInt8:
        """Render one picture.

        Args:
            frame: Pose, mouth, lids and light.

        Returns:
            uint8 RGB, shape (height, width, 3).
        """
        face = cv2.addWeighted(self._faces[0], 1 - frame.lamp, self._faces[1], frame.lamp, 0)
        eyes = cv2.addWeighted(self._eyes[0], 1 - frame.lamp, self._eyes[1], frame.lamp, 0)
        self._open_eyes(face, eyes, frame.lids)
        self._open_mouth(face, frame.opening, frame.roundness)
        picture = self._compose(face, frame)
        if frame.exposure != 1.0:
            picture = cv2.convertScaleAbs(picture, alpha=frame.exposure)
        self._write_caption(picture)
        return np.asarray(picture, np.uint8)

    def _light(self, surface: HeadSurface, paint: HeadPaint) -> tuple[list[UInt8], list[UInt8]]:
        faces, eyes = [], []
        hair = paint.hair_mask[..., None]
        overlay = paint.overlay_mask[..., None]
        for lamp in _LAMPS:
            diffuse, highlight = light_surface(surface, paint.relief, lamp, 0.42)
            shine = 0.10 * highlight[..., None] * (1 - 0.7 * hair)
            skin = paint.skin * diffuse[..., None] * 1.12 + shine
            soft = 0.35 + 0.65 * diffuse[..., None]
            lit = skin * (1 - hair) + paint.hair * soft * hair
            lit = lit * (1 - overlay) + 0.03 * overlay
            faces.append(_to_display(np.asarray(lit, np.float32)))
            ball = paint.eyes * np.clip(0.45 + 0.6 * diffuse[..., None], 0, 1.1)
            eyes.append(_to_display(np.asarray(ball * (1 - overlay) + 0.03 * overlay, np.float32)))
        return faces, eyes

    def _prepare_eyes(self, surface: HeadSurface, paint: HeadPaint) -> None:
        self._eye_parts = []
        for side in (-1.0, 1.0):
            reach = self.identity.eye_half_width + 0.35
            box = (_rows(-1.5, 1.2), _columns(side * self.identity.eye_half_distance, reach))
            x, y = surface.x[box], surface.y[box]
            upper, lower, inside = lid_edges(self.identity, x, side)
            visible = 1 - paint.overlay_mask[box]
            self._eye_parts.append((box, y, upper, lower, inside, visible))

    def _open_eyes(self, face: UInt8, eyes: UInt8, lids: float) -> None:
        for box, y, upper, lower, inside, visible in self._eye_parts:
            edge = upper + (lower - upper) * lids
            aperture = soft_step(y - edge, 0.07) * soft_step(lower - y, 0.07) * (inside > 0.02)
            lash = np.exp(-0.5 * ((y - edge + 0.02) / 0.075) ** 2) * np.power(inside, 0.35) * visible
            mixed = face[box] + (eyes[box].astype(np.float32) - face[box]) * aperture[..., None]
            face[box] = mixed * (1 - 0.82 * lash[..., None])

    def _prepare_mouth(self, surface: HeadSurface) -> None:
        identity = self.identity
        self._mouth_box = (_rows(identity.mouth_y - 2.3, identity.chin_y + 0.6), _columns(0.0, 5.2))
        x, y = surface.x[self._mouth_box], surface.y[self._mouth_box]
        self._mouth_x, self._mouth_y = x, y - identity.mouth_y
        rows, columns = self._mouth_box
        self._source_x = np.asarray((x - LEFT_CM) * PX_PER_CM - columns.start, np.float32)
        self._source_y = np.asarray((y - TOP_CM) * PX_PER_CM - rows.start, np.float32)

    def _open_mouth(self, face: UInt8, opening: float, roundness: float) -> None:
        x, y = self._mouth_x, self._mouth_y
        half_width = self.identity.mouth_half_width
        narrow = 1.0 - 0.22 * max(roundness, 0.0) - 0.08 * roundness
        fade = np.exp(-((x / (1.35 * half_width)) ** 4) - (y / 2.6) ** 2)
        squeeze = 1 + (1 / narrow - 1) * fade
        u = x * squeeze
        gap_cm = 2.1 * opening
        across = np.clip(np.abs(u) / (0.88 * half_width), 0, 1)
        gap = gap_cm * np.power(1 - across**2, 0.8)
        jaw = gap_cm * np.exp(-((x / 4.6) ** 4))
        raised, lowered = -0.22 * gap, 0.78 * gap
        below = np.clip((y - lowered) / 1.6, 0, 1)
        drop = np.where(
            y > 0,
            lowered * (1 - below) + 0.62 * jaw * below,
            raised * np.exp(-((y / 0.9) ** 2)),
        )
        ending = 1 - np.clip((y - (self.identity.chin_y - self.identity.mouth_y) + 0.2) / 0.8, 0, 1)
        drop = drop * np.where(y > 0, ending, 1.0)
        map_x = self._source_x + (u - x) * PX_PER_CM
        map_y = self._source_y - drop * PX_PER_CM
        region = face[self._mouth_box]
        warped = cv2.remap(
            region,
            np.asarray(map_x, np.float32),
            np.asarray(map_y, np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        ).astype(np.float32)
        if gap_cm > 0.02:
            hole = soft_step(np.asarray(np.minimum(y - raised, lowered - y), np.float32), 0.09)
            hole *= gap > 0.02
            warped += (self._mouth_inside(u, y - raised, lowered - y) - warped) * hole[..., None]
        face[self._mouth_box] = np.clip(warped, 0, 255)

    @staticmethod
    def _mouth_inside(u: Float32, from_top: Float32, from_bottom: Float32) -> Float32:
        """Return teeth, tongue and dark, float32 RGB in 0..255."""
        colour = np.broadcast_to(np.array([62, 22, 22], np.float32), (*u.shape, 3)).copy()
        tongue = np.exp(-((u / 1.3) ** 2)) * soft_step(0.55 - from_bottom, 0.5)
        colour += tongue[..., None] * np.array([95, 42, 44], np.float32)
        gaps = 1 - 0.16 * np.exp(-((np.mod(u + 0.4, 0.8) - 0.4) ** 2) / 0.0025)
        teeth = soft_step(np.asarray(0.42 - from_top, np.float32), 0.16) * np.exp(-((u / 1.75) ** 4)) * gaps
        colour += teeth[..., None] * (np.array([198, 188, 176], np.float32) - colour)
        rim = np.clip(np.minimum(from_top, from_bottom) / 0.2, 0.35, 1)
        return np.asarray(colour * rim[..., None], np.float32)

    def _paint_background(self) -> UInt8:
        width, height = self.size
        rng = np.random.default_rng([self.identity.room_seed, 0xBAC6])
        across = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
        down = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
        wall = np.asarray(self.identity.backdrop, np.float32)
        room = wall * (0.85 - 0.25 * across - 0.15 * down)[..., None]
        for _ in range(5):
            left, top = rng.uniform(-0.2, 0.9) * width, rng.uniform(0, 0.8) * height
            corner = (int(left + rng.uniform(0.1, 0.3) * width), int(top + rng.uniform(0.1, 0.4) * height))
            shade = [
                float(c)
                for c in np.clip(wall * rng.uniform(0.4, 1.7) + 0.04 * rng.standard_normal(3), 0, 0.9)
            ]
            cv2.rectangle(room, (int(left), int(top)), corner, shade, -1)
        room = cv2.GaussianBlur(room, (0, 0), 0.02 * width)
        room += 0.006 * rng.standard_normal(room.shape).astype(np.float32)
        return _to_display(np.asarray(room, np.float32))

    def _paint_body(self) -> tuple[UInt8, Float32]:
        width, height = self.size
        columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        x = (columns - width / 2) / self._px_per_cm
        y = (rows - _EYE_LINE * height) / self._px_per_cm
        neck_half = 0.8 * self.identity.jaw_half_width + 0.5 * np.clip(y - 12.5, 0, 4) ** 1.6
        neck = soft_step(np.asarray(neck_half - np.abs(x), np.float32), 0.15) * soft_step(y - 5, 0.5)
        shoulder = 13.6 + 0.016 * x**2 + np.clip(np.abs(x) - 15, 0, 9) ** 2 * 0.12
        collar = 16.4 - 0.10 * x**2
        cloth = soft_step(
            np.asarray(y - np.maximum(shoulder, np.where(np.abs(x) < 5.3, collar, 0)), np.float32), 0.2
        )
        skin = (
            np.asarray(self.identity.skin, np.float32)
            * (
                0.62
                * np.sqrt(np.clip(1 - (x / 7.5) ** 2, 0.05, 1))
                * (1 - 0.62 * np.exp(-(((y - 10.3) / 2.1) ** 2)))
            )[..., None]
        )
        folds = 0.8 + 0.12 * np.sin(0.55 * x + 0.25 * y) * np.clip((y - 14) / 3, 0, 1) - 0.012 * np.abs(x)
        fabric = np.asarray(self.identity.cloth, np.float32) * np.clip(folds, 0.2, 1.2)[..., None]
        body = skin * (1 - cloth[..., None]) + fabric * cloth[..., None]
        return _to_display(np.asarray(body, np.float32)), np.asarray(
            np.maximum(neck, cloth)[..., None], np.float32
        )

    def _pose_maps(self, frame: HeadFrame) -> tuple[Float32, Float32]:
        """Return where on the head's plane each picture's pixel looks, two float32 (height, width) maps."""
        width, height = self.size
        step = _MAP_STEP_PX
        columns, rows = np.meshgrid(
            np.arange(0, width + step, step, dtype=np.float32),
            np.arange(0, height + step, step, dtype=np.float32),
        )
        screen_x = (columns - width / 2) / self._px_per_cm - frame.shift[0]
        screen_y = (rows - _EYE_LINE * height) / self._px_per_cm - frame.shift[1] - _NECK_Y
        cy, sy = np.cos(frame.yaw), np.sin(frame.yaw)
        cp, sp = np.cos(frame.pitch), np.sin(frame.pitch)
        cr, sr = np.cos(frame.roll), np.sin(frame.roll)
        turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        nod = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
        tilt = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
        rotation = tilt @ nod @ turn
        inverse = np.linalg.inv(rotation[:2, :2])
        x, y = screen_x, screen_y
        for _ in range(4):
            depth = cv2.remap(
                self._parallax,
                np.asarray((x - LEFT_CM) * PX_PER_CM, np.float32),
                np.asarray((y + _NECK_Y - TOP_CM) * PX_PER_CM, np.float32),
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
            depth = depth - _JAW_PIVOT_Z
            left_x = screen_x - rotation[0, 2] * depth
            left_y = screen_y - rotation[1, 2] * depth
            x = inverse[0, 0] * left_x + inverse[0, 1] * left_y
            y = inverse[1, 0] * left_x + inverse[1, 1] * left_y
        full = (x.shape[1] * step, x.shape[0] * step)
        maps = []
        for plane, first in ((x, LEFT_CM), (y + _NECK_Y, TOP_CM)):
            fine = cv2.resize(
                np.asarray((plane - first) * PX_PER_CM, np.float32), full, interpolation=cv2.INTER_LINEAR
            )
            half = step // 2
            shifted = cv2.warpAffine(
                fine,
                np.array([[1, 0, -half], [0, 1, -half]], np.float32),
                full,
                borderMode=cv2.BORDER_REPLICATE,
            )
            maps.append(np.asarray(shifted[:height, :width], np.float32))
        return maps[0], maps[1]

    def _compose(self, face: UInt8, frame: HeadFrame) -> UInt8:
        width, height = self.size
        sway = np.array(
            [[1, 0, 0.5 * frame.shift[0] * self._px_per_cm], [0, 1, 0.3 * frame.shift[1] * self._px_per_cm]],
            np.float32,
        )
        body = cv2.warpAffine(self._body, sway, (width, height), borderMode=cv2.BORDER_REPLICATE)
        cover = cv2.warpAffine(self._body_mask, sway, (width, height), borderMode=cv2.BORDER_REPLICATE)
        picture = self._background.astype(np.float32)
        picture += (body - picture) * cover[..., None]
        map_x, map_y = self._pose_maps(frame)
        head = cv2.remap(face, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        alpha = cv2.remap(self._outline, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        picture += (head - picture) * (alpha.astype(np.float32) / 255)[..., None]
        return np.asarray(picture, np.uint8)

    def _write_caption(self, picture: UInt8) -> None:
        scale = self.size[1] / 480
        at = (int(10 * scale), int(self.size[1] - 12 * scale))
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(picture, CAPTION, at, font, 0.5 * scale, (20, 20, 20), 3, cv2.LINE_AA)
        cv2.putText(picture, CAPTION, at, font, 0.5 * scale, (235, 235, 235), 1, cv2.LINE_AA)
