"""A decoded frame, as PyAV has it, as an upright picture. Run time and training use the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np

from engines.frontend.picture import Picture, PlanarPicture, RgbPicture, UInt8

#: Pixel formats whose planes can be worked on as they are, and whether they imply the full range.
_PLANAR: Final = {"yuv420p": False, "yuvj420p": True}
_BT601: Final = (0.299, 0.114)
_BT709: Final = (0.2126, 0.0722)
#: Weights of red and blue in brightness by matrix coefficients (ITU-T H.273, Table 4: BT.709, unspecified,
#: BT.470BG, SMPTE 170M); what is not said is BT.601, as swscale takes it.
_WEIGHTS: Final = {1: _BT709, 2: _BT601, 5: _BT601, 6: _BT601}
#: PyAV's and FFmpeg's number for samples that use 0 to 255.
_FULL_RANGE: Final = 2


class DecodedFrame(Protocol):
    """What is needed of ``av.VideoFrame``, which this package does not import."""

    @property
    def format(self) -> Any:
        """Pixel format, with its ``name``."""

    @property
    def planes(self) -> Sequence[Any]:
        """Buffers with ``line_size``, ``width`` and ``height``."""

    @property
    def colorspace(self) -> Any:
        """Matrix coefficients (ITU-T H.273, Table 4), or an enumeration of them."""

    @property
    def color_range(self) -> Any:
        """Range of the samples, or an enumeration of them."""

    @property
    def rotation(self) -> int:
        """Degrees by which the picture must be turned counterclockwise to be upright."""

    def to_ndarray(self, *, format: str) -> Any:
        """Return all of it in another format."""


def upright_rgb(frame: DecodedFrame) -> UInt8:
    """Convert a decoded picture, applying its display rotation to the nearest quarter turn.

    Returns:
        uint8 RGB, shape (height, width, 3), contiguous and read-only.
    """
    quarter_turns = _quarter_turns(frame)
    rgb = np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
    return _read_only(np.ascontiguousarray(np.rot90(rgb, quarter_turns)))


def upright_picture(frame: DecodedFrame) -> Picture:
    """Return a decoded picture, upright: its own planes where that works, else converted."""
    weights = _WEIGHTS.get(int(frame.colorspace))
    if frame.format.name not in _PLANAR or weights is None or _quarter_turns(frame):
        return RgbPicture(upright_rgb(frame))
    kr, kb = weights
    full_range = _PLANAR[frame.format.name] or int(frame.color_range) == _FULL_RANGE
    return PlanarPicture(*_planes(frame), kr=kr, kb=kb, full_range=full_range)


def _quarter_turns(frame: DecodedFrame) -> int:
    return round(frame.rotation / 90) % 4


def _planes(frame: DecodedFrame) -> tuple[UInt8, UInt8, UInt8]:
    luma, blue, red = (_pixels(plane) for plane in frame.planes)
    return luma, blue, red


def _pixels(plane: Any) -> UInt8:
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return _read_only(rows[: plane.height, : plane.width])


def _read_only(array: UInt8) -> UInt8:
    array.flags.writeable = False
    return array
