"""The colours of a synthetic head, painted on its plane: skin, lips, brows, hair, beard, eyes, glasses."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from clients.demo.head_identity import HeadIdentity
from clients.demo.head_surface import LEFT_CM, PX_PER_CM, TOP_CM, HeadSurface, blur, bump, soft_step
from realtime.types import Float32

_SHIFT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadPaint:
    """Albedos in linear RGB on the head's plane.

    Attributes:
        skin: float32, shape (h, w, 3): skin with closed lids and closed lips, beard and brows included.
        hair: float32, shape (h, w, 3).
        hair_share: float32, shape (h, w), in [0, 1]: how much of what is seen is hair.
        eyes: float32, shape (h, w, 3): eyeballs as they would show without lids.
        overlay_mask: float32, shape (h, w), in [0, 1]: where glasses hide what lies behind.
        outline: float32, shape (h, w), in [0, 1]: the head with ears and hair.
        relief: float32, shape (h, w): pores and folds in centimetres.
    """

    skin: Float32
    hair: Float32
    hair_share: Float32
    eyes: Float32
    overlay_mask: Float32
    outline: Float32
    relief: Float32


def lid_edges(identity: HeadIdentity, x: Float32, side: float) -> tuple[Float32, Float32, Float32]:
    """Return the open upper lid, the lower lid (y in centimetres) and how far x is inside the eye (1 to 0).

    Args:
        identity: The proportions.
        x: float32, any shape: plane coordinate.
        side: -1 for the eye on the left of the picture, 1 for the other.
    """
    t = (x - side * identity.eye_half_distance) / identity.eye_half_width
    inside = np.clip(1 - t**2, 0, 1)
    tilt = -identity.eye_tilt * t * side
    upper = tilt - identity.eye_half_height * inside**0.75 * (1 - 0.12 * t * side)
    lower = tilt + 0.62 * identity.eye_half_height * inside
    return np.asarray(upper, np.float32), np.asarray(lower, np.float32), np.asarray(inside, np.float32)


def _noise(rng: np.random.Generator, shape: tuple[int, ...], sigma_cm: float) -> Float32:
    field = blur(rng.standard_normal(shape).astype(np.float32), sigma_cm)
    return np.asarray(field / max(float(field.std()), 1e-6), np.float32)


def _strokes(
    shape: tuple[int, ...],
    starts: Float32,
    steps: Float32,
    shades: Float32,
    *,
    bends: Float32 | None = None,
) -> Float32:
    """Draw straight or bent strokes (centimetres) and return their darkness, float32 (h, w) in [0, 1]."""
    canvas = np.zeros(shape, np.uint8)
    origin = np.array([LEFT_CM, TOP_CM], np.float32)
    parts = np.linspace(0, 1, 5, dtype=np.float32)
    for index, (start, step, shade) in enumerate(zip(starts, steps, shades, strict=True)):
        path = start + parts[:, None] * step
        if bends is not None:
            path = path + (parts**2)[:, None] * bends[index]
        points = np.round((path - origin) * PX_PER_CM * (1 << _SHIFT)).astype(np.int32)
        cv2.polylines(canvas, [points], False, int(shade * 255), 1, cv2.LINE_AA, _SHIFT)
    return np.asarray(canvas.astype(np.float32) / 255)


def _brows(identity: HeadIdentity, surface: HeadSurface, rng: np.random.Generator) -> Float32:
    starts, steps = [], []
    for side in (-1.0, 1.0):
        t = rng.uniform(-1, 1, 260).astype(np.float32)
        thick = identity.brow_thickness * np.clip(1.0 - 0.55 * np.clip(t, 0, 1), 0.3, 1)
        middle = identity.brow_y - identity.brow_arch * (1 - (t - 0.25) ** 2) + 0.25 * np.clip(t, 0, 1) ** 2
        middle = middle - identity.brow_slant * t
        offset = rng.uniform(-0.5, 0.5, t.size).astype(np.float32) * thick
        x = side * (identity.eye_half_distance + 0.1 + 1.85 * t)
        starts.append(np.stack([x, middle + offset], 1))
        slant = np.stack(
            [side * np.full_like(t, 0.42), -0.22 + 0.35 * np.clip(t + 0.4, 0, 1.4) - 0.2 * offset], 1
        )
        steps.append(slant * rng.uniform(0.7, 1.1, (t.size, 1)))
    drawn = _strokes(
        surface.x.shape,
        np.concatenate(starts).astype(np.float32),
        np.concatenate(steps).astype(np.float32),
        rng.uniform(0.5, 1.0, 520).astype(np.float32),
    )
    under = blur(drawn, 0.12)
    return np.asarray(np.clip(0.65 * drawn + 0.9 * under, 0, 1), np.float32)


def _lips(identity: HeadIdentity, surface: HeadSurface) -> Float32:
    x, y = surface.x, surface.y
    t = np.abs(x) / identity.mouth_half_width
    inside = np.clip(1 - t**2.2, 0, 1)
    bow = 1 - 0.22 * np.exp(-((x / 0.28) ** 2)) + 0.10 * np.exp(-(((np.abs(x) - 0.55) / 0.35) ** 2))
    top = identity.mouth_y - identity.upper_lip * inside**0.8 * bow
    bottom = identity.mouth_y + identity.lower_lip * inside**0.7
    return np.asarray(soft_step(y - top, 0.12) * soft_step(bottom - y, 0.16) * (t < 1), np.float32)


def _paint_skin(
    identity: HeadIdentity, surface: HeadSurface, rng: np.random.Generator
) -> tuple[Float32, Float32]:
    x, y = surface.x, surface.y
    skin = np.asarray(identity.skin, np.float32)
    pale = float(np.clip(skin.mean() / 0.6, 0.5, 1.2))
    albedo = np.broadcast_to(skin, (*x.shape, 3)).astype(np.float32).copy()
    blotches = (
        0.03 * _noise(rng, x.shape, 0.8)
        + 0.012 * _noise(rng, x.shape, 0.12)
        + 0.02 * _noise(rng, x.shape, 0.035)
    )
    albedo *= (1 + blotches)[..., None]

    flush = 0.55 * bump(x, y, (0, identity.nose_y), (1.2, 0.8))
    shadow = np.zeros_like(x)
    for side in (-1.0, 1.0):
        flush += 0.7 * bump(x, y, (side * 4.2, 3.6), (1.5, 1.2))
        eye = side * identity.eye_half_distance
        shadow += (0.25 + 0.3 * identity.age) * bump(x, y, (eye - side * 0.3, 1.15), (1.3, 0.4))
        shadow += 0.35 * bump(x, y, (eye, -0.75), (1.4, 0.45))
        nostril = bump(x, y, (side * identity.nose_half_width * 0.42, identity.nose_y + 0.62), (0.27, 0.15))
        shadow += 1.6 * np.clip(1.4 * nostril - 0.25, 0, 1)
        shadow += 0.35 * bump(x, y, (side * identity.nose_half_width, identity.nose_y + 0.25), (0.16, 0.5))
    shadow += 0.35 * bump(x, y, (0, identity.nose_y + 0.95), (1.2, 0.25))
    albedo *= 1 - pale * flush[..., None] * np.array([0.02, 0.17, 0.15], np.float32)
    albedo *= np.exp(-shadow[..., None] * np.array([0.75, 1.0, 1.05], np.float32))

    if identity.freckles > 0:
        spots = np.clip(_noise(rng, x.shape, 0.055) - 1.7, 0, 1) * np.exp(-(((y - 2.2) / 2.6) ** 2))
        albedo *= np.exp(-identity.freckles * blur(np.asarray(spots, np.float32), 0.03)[..., None] * 1.3)

    lips = _lips(identity, surface)[..., None]
    lip_colour = skin * np.array([0.74, 0.42, 0.44], np.float32) + np.array([0.03, 0.0, 0.01], np.float32)
    streaks = 1 + 0.05 * _noise(rng, (1, x.shape[1]), 0.05)[..., None]
    albedo += 0.88 * lips * (lip_colour * streaks - albedo)
    corner = np.exp(-np.power(np.abs(x / identity.mouth_half_width), 6.0))
    line = np.exp(-0.5 * ((y - identity.mouth_y) / 0.07) ** 2) * corner
    albedo *= np.exp(-1.6 * line[..., None])

    hair = np.asarray(identity.hair, np.float32)
    brows = _brows(identity, surface, rng)[..., None]
    albedo = albedo * (1 - 0.9 * brows) + 0.8 * hair * 0.9 * brows
    if identity.beard > 0:
        jaw = soft_step(y - (3.2 + 2.2 * np.exp(-((x / 3.3) ** 2))), 1.6)
        cheeks = soft_step(np.abs(x) - 2.0 + np.clip(y - 5.0, 0, 3.0), 1.0)
        moustache = bump(x, y, (0, identity.mouth_y - identity.upper_lip - 0.55), (1.9, 0.38))
        zone = np.clip(jaw * cheeks + moustache, 0, 1) * (1 - lips[..., 0])
        grain = np.clip(0.75 + 0.35 * _noise(rng, x.shape, 0.035), 0, 1)
        cover = (identity.beard * zone * grain)[..., None]
        albedo = albedo * (1 - 0.88 * cover) + 0.9 * hair * 0.88 * cover
    for side in (-1.0, 1.0):
        _, lower, inside = lid_edges(identity, x, side)
        lash = np.exp(-0.5 * ((y - lower) / 0.05) ** 2) * (inside > 0)
        albedo *= np.exp(-1.1 * lash[..., None])
        crease = lower - 1.55 * identity.eye_half_height * inside**0.6
        fold = np.exp(-0.5 * ((y - crease) / 0.06) ** 2) * inside**0.5
        albedo *= np.exp(-0.45 * fold[..., None])
    relief = 0.004 * _noise(rng, x.shape, 0.05) + 0.006 * _noise(rng, x.shape, 0.2)
    return np.asarray(np.clip(albedo, 0.005, 0.97), np.float32), np.asarray(relief, np.float32)


def _paint_eyes(identity: HeadIdentity, surface: HeadSurface, rng: np.random.Generator) -> Float32:
    x, y = surface.x, surface.y
    eyes = np.zeros((*x.shape, 3), np.float32)
    iris_colour = np.asarray(identity.iris, np.float32)
    for side in (-1.0, 1.0):
        upper, _, _ = lid_edges(identity, x, side)
        centre_x, centre_y = side * (identity.eye_half_distance - 0.05), -0.08
        dx, dy = x - centre_x, y - centre_y
        radius = np.sqrt(dx**2 + dy**2)
        near = (np.sign(x) == side)[..., None]
        ball = np.clip(1.0 - 0.22 * (dx / identity.eye_half_width) ** 2, 0.5, 1)[..., None]
        white = np.array([0.70, 0.66, 0.63], np.float32) * ball
        rays = 1 + 0.22 * np.interp(
            np.arctan2(dy, dx), np.linspace(-np.pi, np.pi, 64), rng.standard_normal(64)
        ).astype(np.float32)
        ring = 0.6 + 0.7 * soft_step(0.48 - radius, 0.2)
        iris = iris_colour * (rays * ring)[..., None]
        within = soft_step(0.60 - radius, 0.06)[..., None]
        pupil = soft_step(0.23 - radius, 0.06)[..., None]
        painted = white * (1 - within) + iris * within
        painted = painted * (1 - pupil) + 0.012 * pupil
        under_lid = 0.45 + 0.55 * soft_step(y - upper - 0.22, 0.4)
        painted = painted * under_lid[..., None]
        glint = bump(x, y, (centre_x - 0.18, centre_y - 0.2), (0.085, 0.085))[..., None]
        painted = painted + 1.0 * glint
        eyes = np.asarray(np.where(near, painted, eyes), np.float32)
    return np.asarray(np.clip(eyes, 0, 1), np.float32)


def _paint_hair(
    identity: HeadIdentity, surface: HeadSurface, rng: np.random.Generator
) -> tuple[Float32, Float32, Float32]:
    """Return hair colour, the share of hair, and the outline of hair with skull and ears."""
    x, y = surface.x, surface.y
    volume = identity.hair_volume
    skull = surface.half_width
    crown = -11.6 - 0.6 * volume
    reach = identity.face_half_width + volume
    above = np.power(np.clip(1 - np.power(np.clip(y / crown, 0, 1), 2.3), 0, 1), 1 / 2.2) * reach
    below = np.where(y < identity.hair_length_y, reach + 0.05 * np.maximum(y, 0), 0.0)
    shell = np.where(y < 0, above, below)
    wave = 0.10 * _noise(rng, (x.shape[0], 1), 0.9)
    outside = soft_step(shell + wave - np.abs(x), 0.25) * (shell > 0.2)
    outside *= soft_step(identity.hair_length_y - y, 0.9)
    across = np.abs(x) / identity.face_half_width
    fringe = 0.12 * _noise(rng, (1, x.shape[1]), 0.12) + 0.25 * _noise(rng, (1, x.shape[1]), 0.8)
    parting = -1.1 * np.exp(-(((x - identity.parting_x) / 1.6) ** 2))
    edge = identity.hairline_y + parting + 5.0 * np.power(across, 4.0) + fringe
    inner = soft_step(edge - y, 0.7)
    side_hair = soft_step(np.abs(x) - 0.93 * identity.face_half_width, 0.5)
    side_hair *= soft_step(identity.hair_length_y - y, 0.8)
    mask = outside * np.clip(inner + side_hair, 0, 1)

    count = 2600
    angle = rng.uniform(-1, 1, count).astype(np.float32)
    start = np.stack([1.2 + 0.25 * rng.standard_normal(count), np.full(count, crown + 1.6)], 1)
    start += 0.35 * rng.standard_normal((count, 2))
    start += np.stack([angle * 6.0, 5.0 * angle**2 + rng.uniform(-1.5, 4, count)], 1)
    step = np.stack([angle * 1.6, 1.6 + 2.2 * np.abs(angle)], 1)
    bend = np.stack([angle * 0.4, np.full(count, 1.2)], 1) * rng.uniform(0.2, 1.3, (count, 1))
    light = _strokes(
        x.shape,
        start.astype(np.float32),
        step.astype(np.float32),
        rng.uniform(0.1, 1, count).astype(np.float32),
        bends=bend.astype(np.float32),
    )
    sheen = 0.65 + 0.75 * light * (0.7 + 0.8 * np.exp(-(((y + 8.6 - 0.35 * np.abs(x)) / 1.3) ** 2)))
    shade = 0.6 + 0.4 * soft_step(edge - y - 0.5, 1.2)
    colour = np.asarray(identity.hair, np.float32) * (sheen * shade)[..., None]

    ears = np.zeros_like(x)
    for side in (-1.0, 1.0):
        at = side * (identity.face_half_width + 0.15)
        ears = np.maximum(ears, soft_step(1.0 - ((x - at) / 0.85) ** 2 - ((y - 1.2) / 1.75) ** 2, 0.25))
    outline = np.maximum(soft_step(skull - np.abs(x), 0.14) * (skull > 0.2), ears)
    outline = np.maximum(outline, mask)
    share = mask / np.maximum(outline, 1e-3)
    return np.asarray(colour, np.float32), np.asarray(share, np.float32), np.asarray(outline, np.float32)


def _glasses(identity: HeadIdentity, surface: HeadSurface) -> Float32:
    mask = np.zeros_like(surface.x)
    if not identity.glasses:
        return mask
    x, y = surface.x, surface.y
    for side in (-1.0, 1.0):
        centre = side * identity.eye_half_distance * 1.02
        radius = np.power(np.abs((x - centre) / 2.35) ** 3 + np.abs((y - 0.25) / 1.75) ** 3, 1 / 3)
        mask = np.maximum(mask, soft_step(0.055 - np.abs(radius - 1), 0.04))
        temple = (np.abs(x) > identity.eye_half_distance + 2.3) & (np.abs(x) < identity.face_half_width)
        mask = np.maximum(mask, soft_step(0.14 - np.abs(y + 0.4), 0.1) * temple)
    bridge = np.abs(x) < identity.eye_half_distance * 1.02 - 2.3
    mask = np.maximum(mask, soft_step(0.13 - np.abs(y + 0.35), 0.1) * bridge)
    return np.asarray(mask, np.float32)


def paint_head(identity: HeadIdentity, surface: HeadSurface) -> HeadPaint:
    """Paint a head.

    Args:
        identity: Proportions and colours.
        surface: The shape that belongs to them.
    """
    rng = np.random.default_rng([identity.texture_seed, 0x5417])
    skin, relief = _paint_skin(identity, surface, rng)
    hair, hair_share, outline = _paint_hair(identity, surface, rng)
    return HeadPaint(
        skin=skin,
        hair=hair,
        hair_share=hair_share,
        eyes=_paint_eyes(identity, surface, rng),
        overlay_mask=_glasses(identity, surface),
        outline=outline,
        relief=relief,
    )
