"""Face crops by similarity transform: the 112x112 five-point template and the FaceMesh region of interest.

Points are ordered as YuNet gives them: the subject's right eye, left eye, nose tip, right and left mouth
corner; the right eye is the left one in the picture.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from engines.frontend.picture import RgbPicture

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
UInt8 = npt.NDArray[np.uint8]

ALIGNED_SIZE_PX: Final = 112
MESH_SIZE_PX: Final = 192

FIVE_POINT_TEMPLATE: Final[Float64] = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
"""Where the five points come to lie in the aligned crop (ArcFace, Deng et al. 2019), in px."""

_TEMPLATE_CENTRE: Final[Float64] = FIVE_POINT_TEMPLATE.mean(axis=0)
_CENTRED_TEMPLATE: Final[Float64] = FIVE_POINT_TEMPLATE - _TEMPLATE_CENTRE
_MESH_SCALE: Final = 1.3
_MESH_CENTRE: Final[Float64] = np.array([96.0, 100.0])


def similarity_transform(points: npt.ArrayLike) -> Float64:
    """Return the least-squares similarity transforms that bring five points onto the template.

    Closed form for rotation, uniform scale and translation without reflection, in two dimensions (Umeyama,
    IEEE TPAMI 13(4), 1991).

    Args:
        points: Shape (..., 5, 2), picture coordinates in px.

    Returns:
        float64, shape (..., 2, 3): picture coordinates to aligned coordinates. All NaN where the five points
        coincide.
    """
    source = np.asarray(points, dtype=np.float64)
    centre = source.mean(axis=-2)
    x, y = np.moveaxis(source - centre[..., None, :], -1, 0)
    u, v = _CENTRED_TEMPLATE.T
    spread = (x * x + y * y).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        cos = (x * u + y * v).sum(axis=-1) / spread
        sin = (x * v - y * u).sum(axis=-1) / spread
    linear = np.stack([np.stack([cos, -sin], axis=-1), np.stack([sin, cos], axis=-1)], axis=-2)
    shift = _TEMPLATE_CENTRE - (linear @ centre[..., None])[..., 0]
    return np.concatenate([linear, shift[..., None]], axis=-1)


def mesh_transform(transform: Float64) -> Float64:
    """Return transforms into the FaceMesh region of interest.

    Args:
        transform: Shape (..., 2, 3), as from :func:`similarity_transform`.

    Returns:
        float64, shape (..., 2, 3): picture coordinates to coordinates in the 192x192 region, in which the
        template is 1.3 times larger and has its centre at (96, 100).
    """
    scaled = _MESH_SCALE * transform
    scaled[..., 2] += _MESH_CENTRE - _MESH_SCALE * _TEMPLATE_CENTRE
    return scaled


def align_face(image: UInt8, points: npt.ArrayLike) -> UInt8:
    """Cut out a face so that its five points lie on the template.

    Args:
        image: uint8 RGB, shape (height, width, 3).
        points: Shape (5, 2), px.

    Returns:
        uint8 RGB, shape (112, 112, 3); black beyond the picture.
    """
    return RgbPicture(image).warped(similarity_transform(points), ALIGNED_SIZE_PX, repeat_edge=False)


def mesh_roi(image: UInt8, transform: Float64, out: UInt8 | None = None) -> UInt8:
    """Cut out the FaceMesh region of interest.

    Args:
        image: uint8 RGB, shape (height, width, 3).
        transform: Shape (2, 3), as from :func:`similarity_transform`.
        out: uint8, shape (192, 192, 3), C-contiguous; receives the region where given.

    Returns:
        uint8 RGB, shape (192, 192, 3): ``out`` or a new array; the picture's edge is repeated beyond it.
    """
    roi = np.empty((MESH_SIZE_PX, MESH_SIZE_PX, 3), np.uint8) if out is None else out
    cv2.warpAffine(
        image,
        mesh_transform(transform),
        (MESH_SIZE_PX, MESH_SIZE_PX),
        dst=roi,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return roi


def mesh_to_picture(landmarks: npt.ArrayLike, transform: Float64) -> Float64:
    """Map points in the FaceMesh region of interest back into the picture.

    Args:
        landmarks: Shape (n, 2) or (n, 3), region px; a depth is left out.
        transform: Shape (2, 3), the one that the region was cut with.

    Returns:
        float64, shape (n, 2), picture px.
    """
    forward = mesh_transform(transform)
    points = np.asarray(landmarks, dtype=np.float64)[:, :2]
    return np.asarray(np.linalg.solve(forward[:, :2], (points - forward[:, 2]).T).T)
