"""Looks for the lips in the regions in which faces show them: at once, or when somebody wants them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from engines.frontend.lips import normalise_lips
from engines.frontend.mouth import mouth_crop
from realtime.config import FaceConfig
from realtime.faces.interpolation import bridge_overload
from realtime.faces.mesh import MeshResult
from realtime.types import FaceFrame, FaceReason, UInt8, read_only


class Landmarker(Protocol):
    """What the lips need of ``FaceMesh``."""

    def locate(self, regions: UInt8) -> MeshResult:
        """Find the landmarks."""


class LipFinder:
    """Turns face frames that carry a region into frames that carry lips, or the reason why not.

    Args:
        config: When landmarks are sure, and what goes with the lips.
        mesh: Finds landmarks in regions of interest.
    """

    def __init__(self, config: FaceConfig, mesh: Landmarker) -> None:
        self._config = config
        self._mesh = mesh

    def look(self, frames: Sequence[FaceFrame]) -> list[FaceFrame]:
        """Look for the lips wherever nobody has, and where frames carry no region, leave them as they are.

        Raises:
            EngineError: If the engine fails or, as an ``OverloadError``, has no time.
        """
        looked = list(frames)
        wanted = [index for index, frame in enumerate(frames) if frame.region is not None]
        # Engines are built for so many rows.
        rows = self._config.detection_interval_ticks
        for first in range(0, len(wanted), rows):
            batch = wanted[first : first + rows]
            regions = np.stack(
                [region.pixels() for index in batch if (region := frames[index].region) is not None]
            )
            for index, found in zip(batch, self._found(regions), strict=True):
                looked[index] = replace(looked[index], region=None, **found)
        return looked

    def look_and_bridge(self, frames: Sequence[FaceFrame]) -> list[FaceFrame]:
        """Look for the lips of frames that have awaited them, and interpolate those that overload left out.

        Args:
            frames: In tick order, as they came out of the analyzer or of this method. What overload left out
                needs its neighbours among them.

        Raises:
            EngineError: As ``look``.
        """
        looked = self.look(frames)
        return bridge_overload(
            None,
            [replace(frame, reason=FaceReason.OVERLOAD) if frame.awaits_lips else frame for frame in looked],
        )

    def _found(self, regions: UInt8) -> list[dict[str, Any]]:
        """Return what to write into the frame of each region."""
        result = self._mesh.locate(regions)
        all_lips = normalise_lips(result.landmarks)
        sure = result.confidence >= self._config.min_landmark_confidence
        sure &= np.isfinite(all_lips).all(axis=(1, 2))
        return [
            {
                "lips": read_only(lips),
                "mouth": read_only(mouth_crop(region)) if self._config.mouth_crops else None,
            }
            if keep
            else {"reason": FaceReason.LANDMARKS_UNSURE}
            for lips, region, keep in zip(all_lips, regions, sure, strict=True)
        ]
