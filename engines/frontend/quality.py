"""Whether a face is good enough to be measured: size, turn and sharpness."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
UInt8 = npt.NDArray[np.uint8]


def face_size(boxes: npt.ArrayLike) -> Float64:
    """Return the mean of width and height of boxes, shape (..., 4): x, y, width, height."""
    return np.asarray(np.asarray(boxes, np.float64)[..., 2:].mean(axis=-1))


def face_turn(points: npt.ArrayLike) -> Float64:
    """Return how far the nose tip lies from the middle of the eyes, along the eye axis.

    Args:
        points: Shape (..., 5, 2), in the order of ``engines.frontend.alignment``; only the eyes and the nose
            count.

    Returns:
        float64, shape (...), in eye distances: 0 for a frontal face, positive towards the subject's left;
        infinite where the eyes coincide.
    """
    all_points = np.asarray(points, np.float64)
    right, left, nose = (all_points[..., index, :] for index in range(3))
    axis = left - right
    along = ((nose - (right + left) / 2) * axis).sum(axis=-1)
    length = np.square(axis).sum(axis=-1)
    return np.asarray(np.divide(along, length, out=np.full_like(along, np.inf), where=length > 0))


def sharpness(aligned: UInt8) -> float:
    """Return the variance of the Laplacian of an aligned face, in grey.

    Args:
        aligned: uint8 RGB, shape (112, 112, 3).

    Returns:
        0 for a flat face; a few units for an upscaled or strongly compressed one, hundreds for a crisp one.
    """
    grey = cv2.cvtColor(aligned, cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())
