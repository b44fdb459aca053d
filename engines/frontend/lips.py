"""The lips as 40 FaceMesh points, freed of where the head is, how it is rolled and how large it is."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]

OUTER_LIP: Final = (
    *(61, 146, 91, 181, 84, 17, 314, 405, 321, 375),
    *(291, 409, 270, 269, 267, 0, 37, 39, 40, 185),
)
"""FaceMesh indices of the outer contour: right corner, lower lip to the left corner, upper lip back."""

INNER_LIP: Final = (
    *(78, 95, 88, 178, 87, 14, 317, 402, 318, 324),
    *(308, 415, 310, 311, 312, 13, 82, 81, 80, 191),
)
"""FaceMesh indices of the inner contour, in the same order."""

LIP_POINTS: Final = len(OUTER_LIP) + len(INNER_LIP)
_LIPS: Final = np.array(OUTER_LIP + INNER_LIP)
_RIGHT_EYE_CORNERS: Final = np.array([33, 133])
_LEFT_EYE_CORNERS: Final = np.array([362, 263])

_INNER_LOWER: Final = np.arange(21, 30)
_INNER_UPPER: Final = np.arange(39, 30, -1)


def normalise_lips(landmarks: npt.ArrayLike) -> Float32:
    """Take the lip points out of FaceMesh landmarks, normalised by the eye corners.

    The origin is the middle between the eyes, the x axis runs from the subject's right eye to the left one,
    y points down the face, and the unit is the distance of the two eyes' centres. Depth is left out.

    Args:
        landmarks: Shape (..., 468, 2 or 3), px of any picture.

    Returns:
        float32, shape (..., 40, 2): outer then inner contour. Not finite where the eyes coincide.
    """
    points = np.asarray(landmarks, dtype=np.float32)[..., :2]
    right = points[..., _RIGHT_EYE_CORNERS, :].mean(axis=-2)
    left = points[..., _LEFT_EYE_CORNERS, :].mean(axis=-2)
    axis = left - right
    offset = points[..., _LIPS, :] - ((right + left) / 2)[..., None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = axis / np.square(axis).sum(axis=-1, keepdims=True)
    x, y = unit[..., 0, None], unit[..., 1, None]
    return np.stack(
        [offset[..., 0] * x + offset[..., 1] * y, offset[..., 1] * x - offset[..., 0] * y], axis=-1
    ).astype(np.float32, copy=False)


def lip_opening(lips: npt.ArrayLike) -> Float32:
    """Return how far the mouth is open.

    Args:
        lips: Shape (..., 40, 2), as from :func:`normalise_lips`.

    Returns:
        float32, shape (...): mean vertical gap between the inner contours, in eye distances.
    """
    height = np.asarray(lips, dtype=np.float32)[..., 1]
    return np.asarray((height[..., _INNER_LOWER] - height[..., _INNER_UPPER]).mean(axis=-1), dtype=np.float32)


def lip_height(lips: npt.ArrayLike) -> Float32:
    """Measure how high the mouth is, lips included; steadier under landmark jitter than the opening.

    Args:
        lips: Shape (..., 40, 2), as from :func:`normalise_lips`.

    Returns:
        float32, shape (...): vertical extent of the outer contour, in eye distances.
    """
    y = np.asarray(lips, dtype=np.float32)[..., : len(OUTER_LIP), 1]
    return np.asarray(y.max(axis=-1) - y.min(axis=-1), dtype=np.float32)
