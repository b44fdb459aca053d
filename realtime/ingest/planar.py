"""Planar YUV 4:2:0 pictures from memory, upright."""

from __future__ import annotations

import av
import numpy as np

from realtime.types import UInt8


def frame_from_i420(data: UInt8, width: int, height: int, *, clockwise_degrees: int = 0) -> av.VideoFrame:
    """Copy an I420 picture into a frame that needs no further rotation.

    Args:
        data: uint8, the planes Y, U, V behind each other without padding; the chroma planes are half as wide
            and high, rounded up. An odd last row or column is cut away.
        width: Width in px, at least 2.
        height: Height in px, at least 2.
        clockwise_degrees: By how much the picture must be turned to be upright; to the nearest quarter turn.

    Raises:
        ValueError: The size is too small or does not fit the data.
    """
    chroma_width, chroma_height = (width + 1) // 2, (height + 1) // 2
    luma, chroma = width * height, chroma_width * chroma_height
    if width < 2 or height < 2 or data.size != luma + 2 * chroma:
        raise ValueError(f"{data.size} bytes are no I420 picture of {width} x {height}")
    turns = round(clockwise_degrees / 90) % 4
    if turns == 0 and width % 2 == 0 and height % 2 == 0:
        return av.VideoFrame.from_ndarray(data.reshape(height * 3 // 2, width), format="yuv420p")
    planes = [
        data[:luma].reshape(height, width)[: height // 2 * 2, : width // 2 * 2],
        data[luma : luma + chroma].reshape(chroma_height, chroma_width)[: height // 2, : width // 2],
        data[luma + chroma :].reshape(chroma_height, chroma_width)[: height // 2, : width // 2],
    ]
    turned = [np.rot90(plane, -turns) for plane in planes]
    packed = np.concatenate([plane.reshape(-1) for plane in turned])
    return av.VideoFrame.from_ndarray(packed.reshape(-1, turned[0].shape[1]), format="yuv420p")
