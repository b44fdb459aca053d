"""Finds embeddings and media in bytes that must not hold any."""

from __future__ import annotations

import re

import numpy as np

#: Lengths of the default engines' embeddings: a face, a frame of lips or voice, a window of frames.
DIMENSIONS = (96, 128, 1440)
_MEDIA = (
    b"\xff\xd8\xff",
    b"\x89PNG",
    b"RIFF",
    b"OggS",
    b"\x1a\x45\xdf\xa3",
    b"ftypisom",
    b"\x93NUMPY",
    b"PK\x03\x04",
)
_LONG_CODE = re.compile(rb"[A-Za-z0-9+/_-]{100,}")
_MANY_NUMBERS = re.compile(rb"(?:-?\d+(?:\.\d+)?(?:e-?\d+)?\s*,\s*){12,}")


def leaks_in(data: bytes) -> list[str]:
    """Return what looks like an embedding or media: unit vectors, lists of numbers, codes, file headers."""
    found = [f"media header {magic!r}" for magic in _MEDIA if magic in data]
    found += ["a list of numbers"] * bool(_MANY_NUMBERS.search(data))
    found += ["a long code"] * bool(_LONG_CODE.search(data))
    for dimension in DIMENSIONS:
        found += [f"a unit vector of {dimension} numbers"] * _holds_unit_vector(data, dimension)
    return found


def _holds_unit_vector(data: bytes, dimension: int) -> bool:
    for dtype in (np.float32, np.float16):
        size = np.dtype(dtype).itemsize
        for offset in range(size):
            count = (len(data) - offset) // size
            if count < dimension:
                continue
            with np.errstate(invalid="ignore"):
                values = np.frombuffer(data, dtype, count, offset).astype(np.float64)
            plausible = np.isfinite(values) & (np.abs(values) <= 1.0)
            squares = np.where(plausible, values, 2.0) ** 2
            sums = np.cumsum(np.concatenate(([0.0], squares)))
            norms = sums[dimension:] - sums[:-dimension]
            # Real embeddings have few zeros; the padding of a database page is full of them.
            filled = np.cumsum(np.concatenate(([0], np.abs(np.where(plausible, values, 0.0)) > 1e-6)))
            dense = filled[dimension:] - filled[:-dimension] > dimension // 2
            if bool(np.any((np.abs(norms - 1.0) < 2e-3) & dense)):
                return True
    return False
