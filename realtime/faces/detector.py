"""Finds faces in a picture."""

from __future__ import annotations

from dataclasses import dataclass

from engines.base import Engine
from engines.frontend.detector import decode, prepare
from engines.frontend.picture import Picture
from realtime.types import Float32


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """A face that the detector found.

    Attributes:
        box: float32, shape (4,): x, y, width, height.
        points: float32, shape (5, 2), in the order of ``engines.frontend.alignment``.
        confidence: In [0, 1].
    """

    box: Float32
    points: Float32
    confidence: float

    def scaled(self, factor: float) -> Detection:
        """Return the detection in other units of length."""
        return Detection(box=self.box * factor, points=self.points * factor, confidence=self.confidence)


class FaceDetector:
    """YuNet behind an engine.

    Args:
        engine: An engine of the detector role.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def detect(self, picture: Picture) -> tuple[Detection, ...]:
        """Find faces.

        Args:
            picture: The picture.

        Returns:
            Detections in px, most confident first, down to ``engines.frontend.detector.SCORE_FLOOR``.

        Raises:
            EngineError: If the engine fails.
        """
        prepared = prepare(picture)
        faces = decode(self._engine.run({"image": prepared.tensor}), prepared)
        return tuple(
            Detection(box=box, points=points, confidence=float(confidence))
            for box, points, confidence in zip(faces.boxes, faces.points, faces.confidences, strict=True)
        )
