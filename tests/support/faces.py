"""A world without real faces: pictures that carry a number, and a detector and a mesh that read it."""

from collections.abc import Callable, Sequence

import numpy as np

from engines.frontend.picture import Picture, RgbPicture
from realtime.faces.detector import Detection
from realtime.faces.mesh import MeshResult
from realtime.types import UInt8, VideoFrame, read_only

HEIGHT, WIDTH = 120, 160
FACE_BOX = (40.0, 20.0, 64.0, 80.0)

#: The five points of a frontal face in its box, in box sides.
_POINTS = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])


def picture(number: int, *, height: int = HEIGHT, width: int = WIDTH, contrast: int = 40) -> UInt8:
    """Return a checkerboard whose mean is the number, in [50, 200]; the next number's is inverted."""
    rows, columns = np.indices((height, width))
    board = np.where((rows // 2 + columns // 2 + number) % 2, contrast, -contrast) + number
    return read_only(np.repeat(board.astype(np.uint8)[..., None], 3, axis=2))


def number_of(image: UInt8) -> int:
    """Read the number of a picture or a part of it."""
    return round(float(image.mean()))


def detection(box: Sequence[float] = FACE_BOX, *, confidence: float = 0.9, turn: float = 0.0) -> Detection:
    """Return a face in a box; turn moves the nose, in eye distances."""
    corner, sides = np.array(box[:2]), np.array(box[2:])
    points = _POINTS.copy()
    points[2, 0] += turn * 0.4
    return Detection(
        box=np.array(box, np.float32),
        points=(corner + points * sides).astype(np.float32),
        confidence=confidence,
    )


class ScriptedDetector:
    """Answers by the picture's number, and remembers which it was shown."""

    def __init__(self, script: Callable[[int], Sequence[Detection]]) -> None:
        self._script = script
        self.shown: list[int] = []

    def detect(self, picture: Picture) -> tuple[Detection, ...]:
        number = number_of(picture.rgb())
        self.shown.append(number)
        return tuple(self._script(number))


class BrightnessMesh:
    """Puts all lip points as far below the eyes as the region is bright, in units of the eye distance."""

    EYE_DISTANCE_PX = 50.0

    def __init__(self, confidence: Callable[[float], float] = lambda brightness: 1.0) -> None:
        self._confidence = confidence
        self.batches: list[int] = []

    def locate(self, regions: UInt8) -> MeshResult:
        self.batches.append(len(regions))
        brightness = regions.astype(np.float32).mean(axis=(1, 2, 3))
        landmarks = np.zeros((len(regions), 468, 3), np.float32)
        landmarks[:, :, 0] = 96
        landmarks[:, :, 1] = 80 + brightness[:, None] * self.EYE_DISTANCE_PX
        for corner, x in ((33, 61), (133, 81), (362, 111), (263, 131)):
            landmarks[:, corner, :2] = x, 80
        confidence = np.array([self._confidence(float(value)) for value in brightness], np.float32)
        return MeshResult(landmarks=landmarks, confidence=confidence)


def frames(ticks: Sequence[int], **options: int) -> list[VideoFrame]:
    """Return pictures that carry 50 + their tick."""
    return [VideoFrame(tick=tick, image=RgbPicture(picture(50 + tick, **options))) for tick in ticks]
