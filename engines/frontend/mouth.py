"""The mouth as a small grey picture, cut out of the FaceMesh region of interest."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]
Float64 = npt.NDArray[np.float64]

MOUTH_SIZE_PX: Final = 64

_TOP, _LEFT, _SIDE = 102, 56, 80


def mouth_crop(region: UInt8) -> UInt8:
    """Cut out the mouth: from under the nose to the chin, head roll and size already removed.

    Args:
        region: uint8 RGB, shape (192, 192, 3), as from ``engines.frontend.alignment.mesh_roi``.

    Returns:
        uint8 grey, shape (64, 64).
    """
    part = region[_TOP : _TOP + _SIDE, _LEFT : _LEFT + _SIDE]
    grey = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    return np.asarray(
        cv2.resize(grey, (MOUTH_SIZE_PX, MOUTH_SIZE_PX), interpolation=cv2.INTER_AREA), np.uint8
    )


def region_to_mouth(points: npt.ArrayLike) -> Float64:
    """Map points in the FaceMesh region of interest into the mouth picture.

    Args:
        points: Shape (..., 2), region px.

    Returns:
        float64, shape (..., 2), px of the mouth picture.
    """
    return np.asarray((np.asarray(points, np.float64) - (_LEFT, _TOP)) * (MOUTH_SIZE_PX / _SIDE))
