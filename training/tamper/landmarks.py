"""Where the 468 FaceMesh landmarks of the followed face lie in every picture of a recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d
from scipy.signal import savgol_filter

from engines.frontend.alignment import MESH_SIZE_PX, mesh_roi, mesh_transform, similarity_transform
from engines.frontend.picture import RgbPicture
from engines.loader import load_engines
from engines.store.store import ModelStore
from realtime.config import FaceConfig
from realtime.faces.analyzer import Detector
from realtime.faces.detector import FaceDetector
from realtime.faces.lips import Landmarker
from realtime.faces.mesh import FaceMesh
from realtime.faces.tracker import FaceTracker
from realtime.types import Float32, UInt8, read_only
from training.tamper.recording import Recording

Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

LANDMARKS: Final = 468

_BATCH: Final = 25
_ROI_SMOOTHING_TICKS: Final = 7
_POINT_SMOOTHING_TICKS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LandmarkTrack:
    """The landmarks of one face over a recording of T ticks.

    Attributes:
        points: float32, shape (T, 468, 3): x, y and depth in px of the picture; 0 where absent.
        present: bool, shape (T,): whether the face was found.
    """

    points: Float32
    present: Bool

    @property
    def ticks(self) -> npt.NDArray[np.int64]:
        """The ticks with a face."""
        return np.flatnonzero(self.present)


class LandmarkFinder:
    """Finds the landmarks of the largest face, scene by scene.

    Args:
        detector: Finds faces in a picture.
        mesh: Finds landmarks in regions of interest.
        config: Detection interval and thresholds.
    """

    def __init__(self, detector: Detector, mesh: Landmarker, config: FaceConfig | None = None) -> None:
        self._detector = detector
        self._mesh = mesh
        self._config = config or FaceConfig()

    def track(self, recording: Recording) -> LandmarkTrack:
        """Return the landmarks of all pictures.

        Raises:
            EngineError: If an engine fails.
        """
        points = np.zeros((recording.ticks, LANDMARKS, 3), np.float32)
        present = np.zeros(recording.ticks, np.bool_)
        for first, end in recording.scenes:
            self._scene(recording.frames[first:end], points[first:end], present[first:end])
        return LandmarkTrack(points=read_only(points), present=read_only(present))

    def _scene(self, frames: Sequence[UInt8], points: Float32, present: Bool) -> None:
        for first, end, five_points in self._sightings(frames):
            transforms = similarity_transform(five_points)
            sure = np.zeros(end - first, np.bool_)
            for start in range(first, end, _BATCH):
                stop = min(start + _BATCH, end)
                here = transforms[start - first : stop - first]
                regions = np.empty((stop - start, MESH_SIZE_PX, MESH_SIZE_PX, 3), np.uint8)
                for frame, transform, region in zip(frames[start:stop], here, regions, strict=True):
                    mesh_roi(frame, transform, region)
                found = self._mesh.locate(regions)
                points[start:stop] = _to_picture(found.landmarks, here)
                sure[start - first : stop - first] = found.confidence >= self._config.min_landmark_confidence
            present[first:end] |= sure
            points[first:end][~sure] = 0
            for run_first, run_end in _runs(sure):
                if run_end - run_first >= _POINT_SMOOTHING_TICKS:
                    run = points[first + run_first : first + run_end]
                    run[:] = savgol_filter(run, _POINT_SMOOTHING_TICKS, 2, axis=0)

    def _sightings(self, frames: Sequence[UInt8]) -> list[tuple[int, int, Float64]]:
        """Return first tick, end tick and five points a tick of each stretch with a followed face."""
        tracker = FaceTracker(self._config)
        seen: dict[int, tuple[list[int], list[Float32]]] = {}
        interval = self._config.detection_interval_ticks
        due = sorted({*range(0, len(frames), interval), len(frames) - 1})
        for tick in due:
            image = frames[tick]
            found = self._detector.detect(RgbPicture(image))
            tracker.update([face.scaled(1 / image.shape[0]) for face in found])
            followed = tracker.followed
            if followed is None or followed not in tracker.seen:
                continue
            ticks, points = seen.setdefault(followed, ([], []))
            ticks.append(tick)
            points.append(tracker.seen[followed].points * image.shape[0])
        stretches = []
        for ticks, points in seen.values():
            first, end = ticks[0], ticks[-1] + 1
            known = np.stack(points).reshape(len(ticks), -1)
            every = np.stack([np.interp(range(first, end), ticks, column) for column in known.T], axis=1)
            smooth = uniform_filter1d(every, _ROI_SMOOTHING_TICKS, axis=0, mode="nearest")
            stretches.append((first, end, smooth.reshape(-1, 5, 2)))
        return stretches


def load_landmark_finder(*, threads: int = 1) -> LandmarkFinder:
    """Load the pinned models.

    Raises:
        ModelStoreError: If a model is missing or damaged.
        EngineError: If a model cannot be loaded.
    """
    engines = load_engines(ModelStore(), threads=threads)
    return LandmarkFinder(FaceDetector(engines.detector), FaceMesh(engines.landmarks))


def _to_picture(landmarks: Float32, transforms: Float64) -> Float32:
    forward = mesh_transform(transforms)
    linear, shift = forward[:, :, :2], forward[:, :, 2]
    flat = np.linalg.solve(linear, (landmarks[..., :2] - shift[:, None]).transpose(0, 2, 1))
    depth = landmarks[..., 2] / np.sqrt(np.linalg.det(linear))[:, None]
    return np.concatenate([flat.transpose(0, 2, 1), depth[..., None]], axis=-1).astype(np.float32)


def _runs(flags: Bool) -> list[tuple[int, int]]:
    """Return first and end index of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]
