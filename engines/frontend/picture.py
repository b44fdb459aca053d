"""A picture of which only parts are wanted in RGB: the whole of it small, and a face."""

from __future__ import annotations

from copy import copy
from typing import Final, Protocol, Self

import cv2
import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
UInt8 = npt.NDArray[np.uint8]

_NEUTRAL: Final = 128


class Picture(Protocol):
    """A picture, upright. Its content does not change."""

    @property
    def width(self) -> int:
        """Width in px."""

    @property
    def height(self) -> int:
        """Height in px."""

    def rgb(self) -> UInt8:
        """Return the whole picture: uint8 RGB, shape (height, width, 3)."""

    def scaled(self, width: int, height: int) -> UInt8:
        """Return the whole picture in another size, averaged over areas.

        Args:
            width: In px, at most the picture's.
            height: In px, at most the picture's.

        Returns:
            uint8 RGB, shape (height, width, 3).
        """

    def warped(self, transform: Float64, size_px: int, *, repeat_edge: bool) -> UInt8:
        """Cut out a square.

        Args:
            transform: Shape (2, 3), picture coordinates to coordinates in the square.
            size_px: Side of the square, even.
            repeat_edge: Whether the picture's edge is repeated beyond it; else it is black there.

        Returns:
            uint8 RGB, shape (size_px, size_px, 3), interpolated linearly.
        """

    def part(self, left: int, top: int, right: int, bottom: int) -> Picture:
        """Return a copy of a part, for when the rest is not to stay in memory.

        Args:
            left: First column, even.
            top: First row, even.
            right: The column behind the last one.
            bottom: The row behind the last one.
        """

    def lattice(self, step_px: int) -> UInt8:
        """Return how bright every n-th pixel of every n-th row is: uint8, two dimensions."""


class RgbPicture:
    """A picture that is there in RGB.

    Args:
        image: uint8 RGB, shape (height, width, 3).
    """

    def __init__(self, image: UInt8) -> None:
        self._image = image

    @property
    def width(self) -> int:
        """Width in px."""
        return int(self._image.shape[1])

    @property
    def height(self) -> int:
        """Height in px."""
        return int(self._image.shape[0])

    def rgb(self) -> UInt8:
        """Return the picture itself."""
        return self._image

    def scaled(self, width: int, height: int) -> UInt8:
        """See ``Picture.scaled``."""
        return _shrunk(self._image, width, height)

    def warped(self, transform: Float64, size_px: int, *, repeat_edge: bool) -> UInt8:
        """See ``Picture.warped``."""
        return _cut(self._image, transform, size_px, None if repeat_edge else 0)

    def part(self, left: int, top: int, right: int, bottom: int) -> RgbPicture:
        """See ``Picture.part``."""
        return RgbPicture(self._image[top:bottom, left:right].copy())

    def lattice(self, step_px: int) -> UInt8:
        """See ``Picture.lattice``; green stands for brightness."""
        return self._image[::step_px, ::step_px, 1]


class PlanarPicture:
    """A picture as decoders give it: brightness in full, colour at half the size (YUV 4:2:0).

    Colour lies in the middle of the four pixels that share it.

    Args:
        luma: uint8, shape (height, width), Y.
        blue: uint8, shape (height / 2, width / 2), both rounded up, Cb.
        red: uint8, of the same shape, Cr.
        kr: Weight of red in brightness: 0.299 (ITU-R BT.601) or 0.2126 (BT.709).
        kb: Weight of blue: 0.114 or 0.0722.
        full_range: Whether Y uses 0 to 255; else 16 to 235, and Cb and Cr 16 to 240.
    """

    def __init__(
        self, luma: UInt8, blue: UInt8, red: UInt8, *, kr: float, kb: float, full_range: bool
    ) -> None:
        self._luma, self._blue, self._red = luma, blue, red
        self._black = 0 if full_range else 16
        self._to_rgb = _to_rgb(kr, kb, full_range=full_range)

    @property
    def width(self) -> int:
        """Width in px."""
        return int(self._luma.shape[1])

    @property
    def height(self) -> int:
        """Height in px."""
        return int(self._luma.shape[0])

    def rgb(self) -> UInt8:
        """See ``Picture.rgb``."""
        shape = self._luma.shape
        blue, red = (
            plane.repeat(2, axis=0).repeat(2, axis=1)[: shape[0], : shape[1]]
            for plane in (self._blue, self._red)
        )
        return self._converted(self._luma, blue, red)

    def scaled(self, width: int, height: int) -> UInt8:
        """See ``Picture.scaled``."""
        return self._converted(
            *(_shrunk(plane, width, height) for plane in (self._luma, self._blue, self._red))
        )

    def warped(self, transform: Float64, size_px: int, *, repeat_edge: bool) -> UInt8:
        """See ``Picture.warped``."""
        linear, shift = transform[:, :2], transform[:, 2]
        # Pixel i of a plane at half the size has its centre at 2 i + 1/2, in the picture and in the square.
        halved = np.column_stack([linear, (shift - 0.5 + linear @ (0.5, 0.5)) / 2])
        luma = _cut(self._luma, transform, size_px, None if repeat_edge else self._black)
        blue, red = (
            cv2.resize(
                _cut(plane, halved, size_px // 2, None if repeat_edge else _NEUTRAL), (size_px, size_px)
            )
            for plane in (self._blue, self._red)
        )
        return self._converted(luma, np.asarray(blue, np.uint8), np.asarray(red, np.uint8))

    def part(self, left: int, top: int, right: int, bottom: int) -> Self:
        """See ``Picture.part``."""
        part = copy(self)
        part._luma = self._luma[top:bottom, left:right].copy()
        rows, columns = slice(top // 2, (bottom + 1) // 2), slice(left // 2, (right + 1) // 2)
        part._blue, part._red = self._blue[rows, columns].copy(), self._red[rows, columns].copy()
        return part

    def lattice(self, step_px: int) -> UInt8:
        """See ``Picture.lattice``; it is Y."""
        return self._luma[::step_px, ::step_px]

    def _converted(self, luma: UInt8, blue: UInt8, red: UInt8) -> UInt8:
        return np.asarray(cv2.transform(cv2.merge((luma, blue, red)), self._to_rgb), np.uint8)


def _to_rgb(kr: float, kb: float, *, full_range: bool) -> Float64:
    """Return the affine map from (Y, Cb, Cr) to (R, G, B), shape (3, 4) (ITU-R BT.601-7, Sec. 2.5)."""
    kg = 1 - kr - kb
    of_blue, of_red = 2 * (1 - kb), 2 * (1 - kr)
    linear = np.array(
        [[1, 0, of_red], [1, -of_blue * kb / kg, -of_red * kr / kg], [1, of_blue, 0]], np.float64
    )
    zero = np.array([0.0 if full_range else 16.0, _NEUTRAL, _NEUTRAL])
    if not full_range:
        linear *= 255 / np.array([219, 224, 224])
    return np.column_stack([linear, -linear @ zero])


def _shrunk(plane: UInt8, width: int, height: int) -> UInt8:
    if plane.shape[:2] == (height, width):
        return plane
    return np.asarray(cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _cut(plane: UInt8, transform: Float64, size_px: int, beyond: int | None) -> UInt8:
    """Cut out a square; beyond the plane lies a constant, or for None the repeated edge."""
    mode = cv2.BORDER_REPLICATE if beyond is None else cv2.BORDER_CONSTANT
    cut = cv2.warpAffine(
        plane,
        transform,
        (size_px, size_px),
        flags=cv2.INTER_LINEAR,
        borderMode=mode,
        borderValue=(beyond or 0,) * 3,
    )
    return np.asarray(cut, np.uint8)
