"""Where a face's landmarks are looked for, cut out of its picture only when somebody looks."""

from __future__ import annotations

import math
from typing import Final

from engines.frontend.alignment import MESH_SIZE_PX
from engines.frontend.picture import Float64, Picture, UInt8

MOST_COPIED_PX: Final = 512
"""A part of a picture with a longer side is cut out at once: what is kept of it would be as large as it."""

#: Linear interpolation touches the next pixel, and that of colour at half the size the next two.
_MARGIN_PX: Final = 4


class Region:
    """The FaceMesh region of interest of one picture.

    It holds a copy of that part of the picture, not the picture: a hundred or so kB in place of a decoder's
    whole buffer.

    Args:
        picture: The picture.
        transform: Shape (2, 3), picture coordinates to region coordinates, a similarity, as from
            ``engines.frontend.alignment.mesh_transform``.
    """

    __slots__ = ("_content",)

    def __init__(self, picture: Picture, transform: Float64) -> None:
        left, top, right, bottom = _source(transform, picture.width, picture.height)
        self._content: UInt8 | tuple[Picture, Float64]
        if max(right - left, bottom - top) > MOST_COPIED_PX:
            self._content = picture.warped(transform, MESH_SIZE_PX, repeat_edge=True)
        else:
            moved = transform.copy()
            moved[:, 2] += transform[:, :2] @ (left, top)
            self._content = picture.part(left, top, right, bottom), moved

    def pixels(self) -> UInt8:
        """Cut the region out.

        Returns:
            uint8 RGB, shape (192, 192, 3); the picture's edge is repeated beyond it.
        """
        if isinstance(self._content, tuple):
            part, transform = self._content
            return part.warped(transform, MESH_SIZE_PX, repeat_edge=True)
        return self._content


def _source(transform: Float64, width: int, height: int) -> tuple[int, int, int, int]:
    """Return the part of a picture that a region shows, with a margin: left and top even, within the picture.

    Of a region that lies beside the picture it is the nearest edge.
    """
    (a, b, shift_x), (c, d, shift_y) = transform.tolist()
    area = a * d - b * c
    middle = (MESH_SIZE_PX - 1) / 2
    x, y = middle - shift_x, middle - shift_y
    centre_x, centre_y = (d * x - b * y) / area, (a * y - c * x) / area
    half = middle * (abs(a) + abs(b)) / abs(area)
    left, right = _span(centre_x, half, width)
    top, bottom = _span(centre_y, half, height)
    return left, top, right, bottom


def _span(centre: float, half: float, size: int) -> tuple[int, int]:
    first = min(max(math.floor(centre - half) - _MARGIN_PX, 0), size - 1) // 2 * 2
    return first, max(min(math.ceil(centre + half) + 1 + _MARGIN_PX, size), first + 1)
