"""What surrounds a synthetic head: a blurred room, and the body that carries the head."""

from __future__ import annotations

import cv2
import numpy as np

from clients.demo.head_identity import HeadIdentity
from clients.demo.head_surface import soft_step, to_display
from realtime.types import Float32, UInt8


def paint_room(identity: HeadIdentity, size: tuple[int, int]) -> UInt8:
    """Paint a wall with a few things out of focus.

    Args:
        identity: Colour of the wall and seed of the things.
        size: Width and height in pixels.

    Returns:
        uint8 RGB, shape (height, width, 3).
    """
    width, height = size
    rng = np.random.default_rng([identity.room_seed, 0xBAC6])
    across = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    wall = np.asarray(identity.backdrop, np.float32)
    room = np.asarray(wall * (0.85 - 0.25 * across - 0.15 * down)[..., None], np.float32)
    for _ in range(5):
        left, top = rng.uniform(-0.2, 0.9) * width, rng.uniform(0, 0.8) * height
        corner = (int(left + rng.uniform(0.1, 0.3) * width), int(top + rng.uniform(0.1, 0.4) * height))
        shade = np.clip(wall * rng.uniform(0.4, 1.7) + 0.04 * rng.standard_normal(3), 0, 0.9)
        cv2.rectangle(room, (int(left), int(top)), corner, [float(c) for c in shade], -1)
    blurred = np.asarray(cv2.GaussianBlur(room, (0, 0), 0.02 * width), np.float32)
    blurred += 0.006 * rng.standard_normal(blurred.shape).astype(np.float32)
    return to_display(blurred)


def paint_body(
    identity: HeadIdentity, size: tuple[int, int], px_per_cm: float, eye_line_px: float
) -> tuple[UInt8, Float32]:
    """Paint neck, shoulders and clothes.

    Args:
        identity: Proportions and colours.
        size: Width and height in pixels.
        px_per_cm: Scale of the picture.
        eye_line_px: Row of the eyes when the head is at rest.

    Returns:
        uint8 RGB, shape (height, width, 3), and float32 coverage in [0, 1], shape (height, width).
    """
    width, height = size
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    x, y = (columns - width / 2) / px_per_cm, (rows - eye_line_px) / px_per_cm
    neck_half_width = 0.8 * identity.jaw_half_width + 0.5 * np.clip(y - 12.5, 0, 4) ** 1.6
    neck = soft_step(neck_half_width - np.abs(x), 0.15) * soft_step(y - 5, 0.5)
    shoulder = 13.6 + 0.016 * x**2 + np.clip(np.abs(x) - 15, 0, 9) ** 2 * 0.12
    collar = np.where(np.abs(x) < 5.3, 16.4 - 0.10 * x**2, 0)
    cloth = soft_step(y - np.maximum(shoulder, collar), 0.2)
    under_chin = 1 - 0.62 * np.exp(-(((y - 10.3) / 2.1) ** 2))
    skin_light = 0.62 * np.sqrt(np.clip(1 - (x / 7.5) ** 2, 0.05, 1)) * under_chin
    folds = 0.8 + 0.12 * np.sin(0.55 * x + 0.25 * y) * np.clip((y - 14) / 3, 0, 1) - 0.012 * np.abs(x)
    skin = np.asarray(identity.skin, np.float32) * skin_light[..., None]
    fabric = np.asarray(identity.cloth, np.float32) * np.clip(folds, 0.2, 1.2)[..., None]
    body = skin * (1 - cloth[..., None]) + fabric * cloth[..., None]
    return to_display(np.asarray(body, np.float32)), np.asarray(np.maximum(neck, cloth), np.float32)
