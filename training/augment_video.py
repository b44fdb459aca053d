"""What cameras, landmark models and video codecs do to lips and mouth pictures; time stays as it is."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from engines.frontend.alignment import FIVE_POINT_TEMPLATE, mesh_transform
from engines.frontend.lips import LIP_POINTS
from engines.frontend.mouth import region_to_mouth

Float32 = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]
Rng = np.random.Generator

_HALF = LIP_POINTS // 2
_CONTOUR_MIRROR = (10 - np.arange(_HALF)) % _HALF
_MIRROR = np.concatenate([_CONTOUR_MIRROR, _HALF + _CONTOUR_MIRROR])
_HIDDEN_GREY = 128
_TO_REGION = mesh_transform(np.eye(2, 3))
#: The eyes as they lie above a mouth picture.
_EYES_PX = region_to_mouth(FIVE_POINT_TEMPLATE[:2] @ _TO_REGION[:, :2].T + _TO_REGION[:, 2])
_EYE_DISTANCE_PX = float(np.linalg.norm(_EYES_PX[1] - _EYES_PX[0]))
_EXCHANGED_TICKS = (5, 15)


def mirror(lips: Float32, mouth: UInt8) -> tuple[Float32, UInt8]:
    """Swap left and right of both.

    Args:
        lips: float32, shape (F, 40, 2).
        mouth: uint8, shape (F, 64, 64).
    """
    flipped = lips[:, _MIRROR] * np.array([-1.0, 1.0], np.float32)
    return flipped, np.ascontiguousarray(mouth[:, :, ::-1])


def degrade_face(
    lips: Float32, mouth: UInt8, rng: Rng, *, exchanged_share: float = 0.0
) -> tuple[Float32, UInt8]:
    """Return randomly degraded copies.

    Args:
        lips: float32, shape (F, 40, 2), in eye distances.
        mouth: uint8, shape (F, 64, 64).
        rng: Source of chance.
        exchanged_share: How often the skin around the lips is of another moment, in [0, 1].

    Returns:
        Both in the shape that they came in. At most one of the two is hidden altogether.
    """
    if exchanged_share and rng.random() < exchanged_share:
        mouth = exchange_surroundings(lips, mouth, rng)
    if rng.random() < 0.5:
        lips, mouth = mirror(lips, mouth)
    if rng.random() < 0.15:
        held = hold_frames(len(lips), float(rng.uniform(8.0, 20.0)), rng)
        lips, mouth = lips[held], mouth[held]
    lips = _bend_lips(lips, rng)
    mouth = _degrade_mouth(mouth, rng)
    hidden = rng.random()
    if hidden < 0.08:
        lips = np.broadcast_to(lips.mean(axis=0), lips.shape).astype(np.float32)
    elif hidden < 0.16:
        mouth = np.full_like(mouth, _HIDDEN_GREY)
    return lips, mouth


def exchange_surroundings(lips: Float32, mouth: UInt8, rng: Rng) -> UInt8:
    """Keep the lips, and show the skin around them as it is at another moment of the segment.

    Who re-times or replaces lips leaves chin and cheeks as they were, in time with the voice. An encoder
    that learns from them takes such lips for genuine.

    Args:
        lips: float32, shape (F, 40, 2), in eye distances, as recorded.
        mouth: uint8, shape (F, 64, 64), as recorded.
        rng: Source of chance.

    Returns:
        uint8, shape (F, 64, 64).
    """
    ticks = np.arange(len(mouth))
    least, most = _EXCHANGED_TICKS
    away = int(rng.integers(least, most + 1)) * int(rng.choice([-1, 1]))
    # Beyond its ends the segment is played backwards.
    last = len(mouth) - 1
    moments = last - np.abs(last - np.abs(ticks + away) % (2 * max(last, 1)))
    growth, feather_px = float(rng.uniform(1.1, 1.7)), float(rng.uniform(1.0, 3.0))
    points = _EYES_PX.mean(axis=0) + _EYE_DISTANCE_PX * lips[:, :_HALF]
    centres = points.mean(axis=1, keepdims=True)
    outlines = np.rint(centres + growth * (points - centres)).astype(np.int32)
    result = np.empty_like(mouth)
    for tick, moment in enumerate(moments):
        mask = np.zeros(mouth.shape[1:], np.float32)
        cv2.fillConvexPoly(mask, cv2.convexHull(outlines[tick]), 1.0)
        mask = cv2.GaussianBlur(mask, (0, 0), feather_px)
        result[tick] = np.rint(mask * mouth[tick] + (1.0 - mask) * mouth[moment])
    return result


def hold_frames(ticks: int, rate_hz: float, rng: Rng) -> npt.NDArray[np.int64]:
    """Return for every tick the tick whose picture is still shown at a lower frame rate."""
    phase = float(rng.uniform(0.0, 1.0))
    step = 25.0 / rate_hz
    shown = np.floor((np.arange(ticks) + phase) / step) * step - phase
    return np.asarray(np.clip(np.ceil(shown - 1e-9), 0, np.arange(ticks)), np.int64)


def _bend_lips(lips: Float32, rng: Rng) -> Float32:
    """Scale, turn and shear the whole segment, and shake the points."""
    change = np.eye(2) + rng.normal(0.0, 0.05, (2, 2))
    jitter = rng.normal(0.0, float(rng.uniform(0.0, 0.006)), lips.shape)
    if rng.random() < 0.3:
        jitter = jitter + rng.normal(0.0, float(rng.uniform(0.0, 0.01)), (len(lips), 1, 2))
    return (lips @ change + jitter).astype(np.float32)


def _degrade_mouth(mouth: UInt8, rng: Rng) -> UInt8:
    shift = rng.uniform(-4.0, 4.0, 2)
    turn_deg, scale = float(rng.normal(0.0, 4.0)), float(np.exp(rng.normal(0.0, 0.06)))
    mouth = move_pictures(mouth, turn_deg, scale, (float(shift[0]), float(shift[1])))
    if rng.random() < 0.3:
        mouth = lose_detail(mouth, int(rng.integers(14, 48)))
    if rng.random() < 0.2:
        sigma_px = float(rng.uniform(0.4, 1.8))
        mouth = np.stack([cv2.GaussianBlur(picture, (0, 0), sigma_px) for picture in mouth])
    if rng.random() < 0.3:
        mouth = recompress(mouth, int(rng.integers(8, 60)))
    tones = np.linspace(0.0, 1.0, 256) ** float(np.exp(rng.normal(0.0, 0.25)))
    tones = (tones - 0.5) * float(rng.uniform(0.6, 1.4)) + 0.5 + float(rng.uniform(-0.15, 0.15))
    table = np.clip(tones * 255.0, 0.0, 255.0).astype(np.uint8)
    return np.asarray(table[mouth], np.uint8)


def move_pictures(mouth: UInt8, turn_deg: float, scale: float, shift_px: tuple[float, float]) -> UInt8:
    """Turn, scale and shift all pictures alike; what comes in repeats the border."""
    side_px = mouth.shape[1]
    centre = (side_px - 1) / 2
    matrix = cv2.getRotationMatrix2D((centre, centre), turn_deg, scale)
    matrix[:, 2] += np.array(shift_px)
    size = (side_px, side_px)
    moved = [cv2.warpAffine(picture, matrix, size, borderMode=cv2.BORDER_REPLICATE) for picture in mouth]
    return np.stack(moved).astype(np.uint8, copy=False)


def lose_detail(mouth: UInt8, size_px: int) -> UInt8:
    """Make the pictures as small as a distant face has them, and large again."""
    side_px = mouth.shape[1]
    small = [cv2.resize(picture, (size_px, size_px), interpolation=cv2.INTER_AREA) for picture in mouth]
    return np.stack([cv2.resize(picture, (side_px, side_px)) for picture in small]).astype(
        np.uint8, copy=False
    )


def recompress(mouth: UInt8, quality: int) -> UInt8:
    """Pass the pictures through JPEG, one under the other; its 8 px blocks keep them apart.

    Args:
        mouth: uint8, shape (F, 64, 64).
        quality: JPEG quality in [0, 100].
    """
    strip = mouth.reshape(-1, mouth.shape[2])
    _, code = cv2.imencode(".jpg", strip, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE), np.uint8).reshape(mouth.shape)


def mask_mel(mel: Float32, rng: Rng) -> Float32:
    """Hide a short time and a few bands of log-mel behind the mean (SpecAugment).

    Args:
        mel: float32, shape (4 F, 80).
        rng: Source of chance.
    """
    result = mel.copy()
    fill = float(mel.mean())
    if rng.random() < 0.3:
        length = int(rng.integers(2, 17))
        start = int(rng.integers(0, max(1, len(mel) - length)))
        result[start : start + length] = fill
    if rng.random() < 0.3:
        bands = int(rng.integers(2, 11))
        first = int(rng.integers(0, mel.shape[1] - bands))
        result[:, first : first + bands] = fill
    return result
