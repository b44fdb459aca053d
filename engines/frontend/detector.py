"""Pre- and post-processing of the YuNet face detector (Wu et al., Machine Intelligence Research 20, 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from engines.frontend.picture import Picture

Float32 = npt.NDArray[np.float32]

STRIDES: Final = (8, 16, 32)
LONGEST_SIDE_PX: Final = 320
SCORE_FLOOR: Final = 0.5
NMS_OVERLAP: Final = 0.3
_CANDIDATES: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorInput:
    """A picture made ready for the detector.

    Attributes:
        tensor: float32, shape (1, 3, H, W), BGR in [0, 255]; H and W are multiples of 32.
        scale: Picture px per tensor px as (x, y).
    """

    tensor: Float32
    scale: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Faces:
    """Faces in a picture, most confident first.

    Attributes:
        boxes: float32, shape (n, 4): x, y, width, height in picture px.
        points: float32, shape (n, 5, 2), picture px, in the order of ``engines.frontend.alignment``.
        confidences: float32, shape (n,), in [0, 1].
    """

    boxes: Float32
    points: Float32
    confidences: Float32


def prepare(picture: Picture, longest_side_px: int = LONGEST_SIDE_PX) -> DetectorInput:
    """Shrink a picture to the detector's size, and pad it on the right and below with black.

    Args:
        picture: The picture.
        longest_side_px: Upper bound of the longer side; smaller pictures keep their size.

    Returns:
        The tensor, and the way back to picture coordinates.
    """
    height, width = picture.height, picture.width
    factor = min(1.0, longest_side_px / max(height, width))
    small_height, small_width = max(1, round(height * factor)), max(1, round(width * factor))
    small = picture.scaled(small_width, small_height)
    coarsest = STRIDES[-1]
    padded_height, padded_width = (-(-side // coarsest) * coarsest for side in (small_height, small_width))
    tensor = np.zeros((1, 3, padded_height, padded_width), np.float32)
    for channel, plane in enumerate(reversed(cv2.split(small))):
        tensor[0, channel, :small_height, :small_width] = plane
    return DetectorInput(tensor=tensor, scale=(width / small_width, height / small_height))


def decode(
    outputs: Mapping[str, npt.NDArray[Any]],
    prepared: DetectorInput,
    *,
    min_score: float = SCORE_FLOOR,
    max_overlap: float = NMS_OVERLAP,
) -> Faces:
    """Turn the detector's twelve outputs into faces.

    The score is the geometric mean of class and objectness; overlapping boxes are suppressed greedily.

    Args:
        outputs: ``cls_S`` and ``obj_S`` (1, n, 1), ``bbox_S`` (1, n, 4), ``kps_S`` (1, n, 10) for the strides
            8, 16 and 32, cells in rows.
        prepared: What the detector was given.
        min_score: Lowest score that counts.
        max_overlap: Intersection over union from which the less confident of two boxes is dropped.

    Returns:
        The faces, in picture px.
    """
    rows: list[Float32] = []
    width = prepared.tensor.shape[3]
    for stride in STRIDES:
        product = outputs[f"cls_{stride}"][0, :, 0].clip(0, 1) * outputs[f"obj_{stride}"][0, :, 0].clip(0, 1)
        kept = np.flatnonzero(product >= min_score * min_score)
        cells = np.stack([kept % (width // stride), kept // (width // stride)], axis=1).astype(np.float32)
        box = outputs[f"bbox_{stride}"][0, kept]
        sides = np.exp(box[:, 2:]) * stride
        corner = (cells + box[:, :2]) * stride - sides / 2
        points = (np.tile(cells, 5) + outputs[f"kps_{stride}"][0, kept]) * stride
        rows.append(np.hstack([corner, sides, points, np.sqrt(product[kept, None])]).astype(np.float32))
    faces = np.concatenate(rows)
    faces = faces[np.argsort(-faces[:, 14], kind="stable")[:_CANDIDATES]]
    faces = faces[_suppressed(faces[:, :4], max_overlap)]
    faces[:, :14] *= np.tile(np.asarray(prepared.scale, np.float32), 7)
    return Faces(boxes=faces[:, :4], points=faces[:, 4:14].reshape(-1, 5, 2), confidences=faces[:, 14])


def overlaps(box: npt.ArrayLike, boxes: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the intersection over union of one box with many.

    Args:
        box: Shape (4,): x, y, width, height.
        boxes: Shape (n, 4), in the same units.

    Returns:
        float64, shape (n,), in [0, 1].
    """
    one, many = np.asarray(box, np.float64), np.asarray(boxes, np.float64).reshape(-1, 4)
    low = np.maximum(one[:2], many[:, :2])
    high = np.minimum(one[:2] + one[2:], many[:, :2] + many[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    union = one[2:].prod() + many[:, 2:].prod(axis=1) - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def _suppressed(boxes: Float32, max_overlap: float) -> list[int]:
    """Return the indices that survive non-maximum suppression of boxes sorted by score."""
    left = np.arange(len(boxes))
    kept: list[int] = []
    while left.size:
        kept.append(int(left[0]))
        left = left[1:][overlaps(boxes[left[0]], boxes[left[1:]]) < max_overlap]
    return kept
