"""What adapters of face recognisers share. It runs in the peer's Python: OpenCV is all that it may need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any


def largest_change(faces: Iterable[Any]) -> float | None:
    """Return the largest 1 - cosine between the faces of two neighbouring pictures.

    Args:
        faces: For every picture the embedding of its face, of unit length, or None where there is none.

    Returns:
        None where no two neighbouring pictures show a face.
    """
    largest: float | None = None
    before = None
    for face in faces:
        if face is not None and before is not None:
            largest = max(largest or 0.0, 1.0 - float(face @ before))
        before = face
    return largest


def pictures(clip: Path) -> Iterator[Any]:
    """Yield a file's pictures as OpenCV decodes them: height x width x BGR, uint8."""
    video = import_module("cv2").VideoCapture(str(clip))
    try:
        while True:
            shown, picture = video.read()
            if not shown:
                return
            yield picture
    finally:
        video.release()
