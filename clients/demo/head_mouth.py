"""The mouth of a synthetic head: parts the painted lips, moves the jaw and shows teeth and tongue."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from clients.demo.head_identity import HeadIdentity
from clients.demo.head_surface import (
    LEFT_CM,
    PX_PER_CM,
    TOP_CM,
    HeadSurface,
    plane_columns,
    plane_rows,
    soft_step,
)
from realtime.types import Bool, Float32, UInt8

_WIDEST_GAP_CM = 2.1
_UPPER_SHARE = 0.22
_CHIN_SHARE = 0.62
_THINNEST_GAP_CM = 0.02


class Mouth:
    """Opens the mouth of one head; everything that does not depend on the opening is computed once.

    Args:
        identity: Proportions of the head.
        surface: Its plane.
    """

    def __init__(self, identity: HeadIdentity, surface: HeadSurface) -> None:
        rows, columns = plane_rows(identity.mouth_y - 1.9, identity.chin_y + 0.6), plane_columns(0.0, 4.6)
        self._box = (rows, columns)
        self._half_width = identity.mouth_half_width
        x, y = surface.x[self._box], surface.y[self._box] - identity.mouth_y
        self._x, self._y = x, y
        self._source_x = np.asarray((x - LEFT_CM) * PX_PER_CM - columns.start, np.float32)
        self._source_y = np.asarray((y + identity.mouth_y - TOP_CM) * PX_PER_CM - rows.start, np.float32)
        self._squeezed = np.exp(-((x / (1.35 * self._half_width)) ** 4) - (y / 2.6) ** 2)
        self._jaw = np.exp(-((x / 4.6) ** 4))
        self._lip_fades = np.exp(-((y / 0.9) ** 2))
        throat = identity.chin_y - identity.mouth_y
        self._above_throat = 1 - np.clip((y - throat + 0.2) / 0.8, 0, 1)
        inner_rows = (y[:, 0] > -0.8) & (y[:, 0] < _WIDEST_GAP_CM)
        inner_columns = np.abs(x[0]) < 1.3 * self._half_width
        self._inner = (_extent(inner_rows), _extent(inner_columns))

    def open(self, face: UInt8, opening: float, roundness: float) -> None:
        """Open the mouth in a picture of the head's plane, in place.

        Args:
            face: uint8 RGB, shape (h, w, 3), with closed lips.
            opening: Gap between the lips, in [0, 1].
            roundness: From spread lips (-1) to rounded ones (1).
        """
        y = self._y
        narrow = 1.0 - 0.22 * max(roundness, 0.0) - 0.08 * roundness
        u = self._x * (1 + (1 / narrow - 1) * self._squeezed)
        gap_cm = _WIDEST_GAP_CM * opening
        gap = gap_cm * np.power(1 - np.clip(np.abs(u) / (0.88 * self._half_width), 0, 1) ** 2, 0.8)
        raised, lowered = -_UPPER_SHARE * gap, (1 - _UPPER_SHARE) * gap
        below = np.clip((y - lowered) / 1.6, 0, 1)
        lower_face = (lowered * (1 - below) + _CHIN_SHARE * gap_cm * self._jaw * below) * self._above_throat
        drop = np.where(y > 0, lower_face, raised * self._lip_fades)
        moved = cv2.remap(
            face[self._box],
            np.asarray(self._source_x + (u - self._x) * PX_PER_CM, np.float32),
            np.asarray(self._source_y - drop * PX_PER_CM, np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        if gap_cm > _THINNEST_GAP_CM:
            inner = self._inner
            from_top, from_bottom = (y - raised)[inner], (lowered - y)[inner]
            hole = soft_step(np.minimum(from_top, from_bottom), 0.09) * (gap[inner] > _THINNEST_GAP_CM)
            shown = moved[inner].astype(np.float32)
            shown += (_inside(u[inner], from_top, from_bottom) - shown) * hole[..., None]
            moved[inner] = np.clip(shown, 0, 255)
        face[self._box] = moved


def _extent(flags: Bool) -> slice:
    at = np.flatnonzero(flags)
    return slice(int(at[0]), int(at[-1]) + 1)


def _inside(u: npt.NDArray[Any], from_top: npt.NDArray[Any], from_bottom: npt.NDArray[Any]) -> Float32:
    """Return teeth, tongue and dark between the lips, float32 RGB in 0..255."""
    colour = np.broadcast_to(np.array([62, 22, 22], np.float32), (*u.shape, 3)).copy()
    tongue = np.exp(-((u / 1.3) ** 2)) * soft_step(0.55 - from_bottom, 0.5)
    colour += tongue[..., None] * np.array([95, 42, 44], np.float32)
    between_teeth = 1 - 0.16 * np.exp(-((np.mod(u + 0.4, 0.8) - 0.4) ** 2) / 0.0025)
    teeth = soft_step(0.42 - from_top, 0.16) * np.exp(-((u / 1.75) ** 4)) * between_teeth
    colour += teeth[..., None] * (np.array([198, 188, 176], np.float32) - colour)
    rim = np.clip(np.minimum(from_top, from_bottom) / 0.2, 0.35, 1)
    return np.asarray(colour * rim[..., None], np.float32)
