"""Another mouth that makes the same movements: still changes of a whole segment; time stays as it is."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from training.config import CrossSampling

Float32 = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]
Rng = np.random.Generator

_WARP_KNOTS = 5
_CONTRAST_SPREAD = 0.2


def change_person(
    lips: Float32, mouth: UInt8, stranger: Callable[[Rng], UInt8], config: CrossSampling, rng: Rng
) -> tuple[Float32, UInt8]:
    """Return the same movements on another mouth; settings of zero draw no chance.

    Args:
        lips: float32, shape (F, 40, 2), in eye distances.
        mouth: uint8, shape (F, 64, 64).
        stranger: Draws mouth pictures of another segment, uint8, shape (G, 64, 64), G at least 1.
        config: How much is changed.
        rng: Source of chance.
    """
    if config.appearance_share and rng.random() < config.appearance_share:
        mouth = exchange_appearance(mouth, stranger(rng), rng)
    if config.warp_px:
        mouth = warp_pictures(mouth, config.warp_px, rng)
    if config.lip_stretch:
        lips = stretch_lips(lips, config.lip_stretch, rng)
    return lips, mouth


def exchange_appearance(mouth: UInt8, other: UInt8, rng: Rng) -> UInt8:
    """Replace part of what stands still in the pictures by what stands still in those of another person.

    Args:
        mouth: uint8, shape (F, 64, 64).
        other: uint8, shape (G, 64, 64), G at least 1.
        rng: Source of chance: how much is replaced, and how strong the movement is shown.

    Returns:
        uint8, shape (F, 64, 64).
    """
    still = mouth.mean(axis=0, dtype=np.float32)
    share = float(rng.uniform(0.0, 1.0))
    contrast = float(np.exp(rng.normal(0.0, _CONTRAST_SPREAD)))
    exchanged = (1.0 - share) * still + share * other.mean(axis=0, dtype=np.float32)
    pictures = exchanged + contrast * (mouth - still)
    return np.asarray(np.clip(np.round(pictures), 0.0, 255.0), np.uint8)


def warp_pictures(mouth: UInt8, spread_px: float, rng: Rng) -> UInt8:
    """Bend all pictures alike by a smooth random field; what comes in repeats the border.

    Args:
        mouth: uint8, shape (F, S, S).
        spread_px: Standard deviation of the field at its knots.
        rng: Source of chance.
    """
    side_px = mouth.shape[1]
    knots = rng.normal(0.0, spread_px, (_WARP_KNOTS, _WARP_KNOTS, 2)).astype(np.float32)
    field = cv2.resize(knots, (side_px, side_px), interpolation=cv2.INTER_CUBIC)
    rows, columns = np.mgrid[0:side_px, 0:side_px].astype(np.float32)
    across, down = columns + field[:, :, 0], rows + field[:, :, 1]
    warped = [
        cv2.remap(picture, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for picture in mouth
    ]
    return np.stack(warped).astype(np.uint8, copy=False)


def stretch_lips(lips: Float32, spread: float, rng: Rng) -> Float32:
    """Stretch the points of a whole segment across and upright.

    Args:
        lips: float32, shape (F, 40, 2), in eye distances.
        spread: Standard deviation of the logarithm of either factor.
        rng: Source of chance.
    """
    factors = np.exp(rng.normal(0.0, spread, 2)).astype(np.float32)
    return np.asarray(lips * factors, np.float32)
