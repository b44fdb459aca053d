"""Geometry of the landmark mesh: triangles, piecewise affine warping and head alignment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial import Delaunay

from realtime.types import Float32, UInt8

Int32 = npt.NDArray[np.int32]

FACE_OVAL: Final = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
"""FaceMesh indices of the outline of the face, in order."""

STEADY: Final = (
    *(10, 151, 9, 8, 168, 6, 197, 195, 5, 4, 33, 133, 362, 263, 67, 297, 103, 332),
    *(54, 284, 21, 251, 162, 389, 127, 356, 234, 454),
)
"""Points that speech does not move: forehead, bridge and tip of the nose, eye corners, temples."""

EYE_CORNERS: Final = (33, 133, 362, 263)

_MIN_AREA_PX: Final = 0.05
_SUBPIXEL_BITS: Final = 4


def triangulate(points: npt.ArrayLike) -> Int32:
    """Triangulate landmarks of a frontal face (Delaunay).

    Args:
        points: Shape (n, 2 or 3); a depth is left out.

    Returns:
        int32, shape (m, 3): indices of the corners.
    """
    return np.asarray(Delaunay(np.asarray(points, np.float64)[:, :2]).simplices, np.int32)


@dataclass(frozen=True, slots=True)
class MeshWarp:
    """Where each pixel of a region comes from.

    Attributes:
        x: float32, shape (height, width): px of the source picture.
        y: float32, the same shape.
        covered: bool, the same shape: whether a triangle lies there; elsewhere x and y mean nothing.
    """

    x: Float32
    y: Float32
    covered: npt.NDArray[np.bool_]

    def of(self, source: UInt8) -> UInt8:
        """Return the region's picture, uint8, shape (height, width, 3); the source's border is repeated."""
        warped = cv2.remap(source, self.x, self.y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(warped, np.uint8)


def warp_mesh(destination: Float32, source: Float32, triangles: Int32, size: tuple[int, int]) -> MeshWarp:
    """Map every pixel of a region to the place in the source that the mesh gives it, triangle by triangle.

    Where triangles overlap, as on a turned head, the nearer one wins.

    Args:
        destination: float32, shape (n, 3): vertices in px of the region, with depth (smaller is nearer).
        source: float32, shape (n, 2 or 3): the same vertices in px of the source picture.
        triangles: int32, shape (m, 3).
        size: Width and height of the region.
    """
    corners = destination[triangles]
    edge_1, edge_2 = corners[:, 1, :2] - corners[:, 0, :2], corners[:, 2, :2] - corners[:, 0, :2]
    area = edge_1[:, 0] * edge_2[:, 1] - edge_1[:, 1] * edge_2[:, 0]
    drawn = np.flatnonzero(np.abs(area) > _MIN_AREA_PX)
    if len(drawn) == 0:
        nowhere = np.zeros((size[1], size[0]), np.float32)
        return MeshWarp(nowhere, nowhere, np.zeros((size[1], size[0]), np.bool_))
    drawn = drawn[np.argsort(-corners[drawn, :, 2].mean(axis=1), kind="stable")]
    inverse = np.linalg.inv(np.stack([edge_1[drawn], edge_2[drawn]], axis=-1).astype(np.float64))
    aim = source[triangles[drawn], :2].astype(np.float64)
    linear = np.stack([aim[:, 1] - aim[:, 0], aim[:, 2] - aim[:, 0]], axis=-1) @ inverse
    shift = aim[:, 0] - (linear @ corners[drawn, 0, :2, None])[..., 0]
    affine = np.concatenate([linear.reshape(-1, 4), shift], axis=1).astype(np.float32)
    index = np.full((size[1], size[0]), -1, np.int32)
    fixed = np.rint(corners[drawn, :, :2] * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    for number, triangle in enumerate(fixed):
        cv2.fillConvexPoly(index, triangle, number, cv2.LINE_8, _SUBPIXEL_BITS)
    chosen = affine[np.maximum(index, 0)]
    x = np.arange(size[0], dtype=np.float32)[None]
    y = np.arange(size[1], dtype=np.float32)[:, None]
    return MeshWarp(
        chosen[..., 0] * x + chosen[..., 1] * y + chosen[..., 4],
        chosen[..., 2] * x + chosen[..., 3] * y + chosen[..., 5],
        index >= 0,
    )


def onto_head(points: Float32, head: Float32) -> Float32:
    """Turn, scale and move a face onto the pose of a head, keeping its expression.

    Least-squares similarity in three dimensions over the steady points (Umeyama, IEEE TPAMI 13(4), 1991).

    Args:
        points: float32, shape (468, 3): a face.
        head: float32, shape (468, 3): the head whose pose it takes.

    Returns:
        float32, shape (468, 3).
    """
    steady = list(STEADY)
    source, target = points[steady].astype(np.float64), head[steady].astype(np.float64)
    source_centre, target_centre = source.mean(axis=0), target.mean(axis=0)
    source, target = source - source_centre, target - target_centre
    u, sizes, v = np.linalg.svd(target.T @ source)
    upright = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ v))])
    scale = (sizes * upright).sum() / np.square(source).sum()
    turned = (points - source_centre) @ (scale * (u * upright) @ v).T + target_centre
    return np.asarray(turned, np.float32)


def eye_distance(points: Float32) -> float:
    """Return the distance of the two eyes' centres in px."""
    right_outer, right_inner, left_inner, left_outer = (points[corner] for corner in EYE_CORNERS)
    return float(np.linalg.norm((right_outer + right_inner - left_inner - left_outer) / 2))
