"""Finds 468 landmarks in regions of interest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engines.base import Engine
from realtime.types import Float32, UInt8


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshResult:
    """Landmarks of n regions.

    Attributes:
        landmarks: float32, shape (n, 468, 3): x, y and depth in px of the region.
        confidence: float32, shape (n,): probability that the region shows a face.
    """

    landmarks: Float32
    confidence: Float32


class FaceMesh:
    """FaceMesh behind an engine.

    Args:
        engine: An engine of the landmarks role.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def locate(self, regions: UInt8) -> MeshResult:
        """Find the landmarks.

        Args:
            regions: uint8 RGB, shape (n, 192, 192, 3), n >= 1, as cut by
                ``engines.frontend.alignment.mesh_roi``.

        Returns:
            Landmarks and confidence of every region.

        Raises:
            EngineError: If the engine fails.
        """
        faces = np.multiply(regions, np.float32(1 / 255), dtype=np.float32)
        outputs = self._engine.run({"faces": faces})
        confidence = 0.5 * (1 + np.tanh(0.5 * outputs["confidence"]))
        return MeshResult(landmarks=outputs["landmarks"], confidence=confidence.astype(np.float32))
