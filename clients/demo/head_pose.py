"""Where each pixel of a picture looks on a turned head's plane."""

from __future__ import annotations

import cv2
import numpy as np

from clients.demo.head_surface import LEFT_CM, PX_PER_CM, TOP_CM
from realtime.types import Float32

_NECK_Y = 8.0
_PIVOT_Z = 2.0
_STEP_PX = 4
_ITERATIONS = 4


class PoseMapper:
    """Inverts the rotation of a height field by fixed-point iteration on a coarse grid.

    Args:
        parallax: float32, shape (h, w): height of the head on its plane in centimetres.
        box: Left, top, width and height of the picture's part that is mapped, in pixels.
        origin_px: Where the middle of the eye line lies in the picture.
        px_per_cm: Scale of the picture.
    """

    def __init__(
        self,
        parallax: Float32,
        box: tuple[int, int, int, int],
        origin_px: tuple[float, float],
        px_per_cm: float,
    ) -> None:
        left, top, width, height = box
        self._parallax = parallax
        self._size = (width, height)
        columns = left + np.arange(0, width + _STEP_PX, _STEP_PX, dtype=np.float32)
        rows = top + np.arange(0, height + _STEP_PX, _STEP_PX, dtype=np.float32)
        x, y = np.meshgrid((columns - origin_px[0]) / px_per_cm, (rows - origin_px[1]) / px_per_cm)
        self._x, self._y = x, y - _NECK_Y
        fine_columns = np.arange(width, dtype=np.float32) / _STEP_PX
        fine_rows = np.arange(height, dtype=np.float32) / _STEP_PX
        self._fine = np.meshgrid(fine_columns, fine_rows)

    def maps(self, rotation: Float32, shift_cm: tuple[float, float]) -> tuple[Float32, Float32]:
        """Return the maps of one pose for ``cv2.remap``.

        Args:
            rotation: Shape (3, 3), from the resting head to the turned one; x right, y down, z to us.
            shift_cm: Translation of the head (right, down).

        Returns:
            Columns and rows on the head's plane, each float32, shape (height, width).
        """
        turned_x, turned_y = self._x - shift_cm[0], self._y - shift_cm[1]
        inverse = np.linalg.inv(rotation[:2, :2])
        x, y = turned_x, turned_y
        for _ in range(_ITERATIONS):
            depth = self._depth(x, y)
            left_x, left_y = turned_x - rotation[0, 2] * depth, turned_y - rotation[1, 2] * depth
            x = inverse[0, 0] * left_x + inverse[0, 1] * left_y
            y = inverse[1, 0] * left_x + inverse[1, 1] * left_y
        return self._refine((x - LEFT_CM) * PX_PER_CM), self._refine((y + _NECK_Y - TOP_CM) * PX_PER_CM)

    def _depth(self, x: Float32, y: Float32) -> Float32:
        column = np.asarray((x - LEFT_CM) * PX_PER_CM, np.float32)
        row = np.asarray((y + _NECK_Y - TOP_CM) * PX_PER_CM, np.float32)
        height = cv2.remap(self._parallax, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(height - _PIVOT_Z, np.float32)

    def _refine(self, coarse: Float32) -> Float32:
        fine = cv2.remap(np.asarray(coarse, np.float32), self._fine[0], self._fine[1], cv2.INTER_LINEAR)
        return np.asarray(fine, np.float32)


def rotation_matrix(yaw: float, pitch: float, roll: float) -> Float32:
    """Return turn, then nod, then tilt as one float32 matrix of shape (3, 3); angles in radians."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    nod = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    tilt = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(tilt @ nod @ turn, np.float32)
