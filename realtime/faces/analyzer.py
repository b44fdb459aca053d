"""Turns a participant's pictures into one face frame a tick, a detection interval late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from engines.frontend.alignment import ALIGNED_SIZE_PX, mesh_transform, similarity_transform
from engines.frontend.picture import Picture
from engines.frontend.quality import face_size, face_turn, sharpness
from engines.frontend.region import Region
from realtime.config import FaceConfig
from realtime.errors import OverloadError
from realtime.faces.detector import Detection
from realtime.faces.freeze import FreezeDetector
from realtime.faces.interpolation import SmoothPath, bridge_overload
from realtime.faces.lips import Landmarker, LipFinder
from realtime.faces.tracker import FaceTracker
from realtime.types import FaceFrame, FaceReason, Float32, UInt8, VideoFrame, read_only

Float64 = npt.NDArray[np.float64]

#: Relative change of width to height from which a picture is a new scene, not the same one resized.
MAX_ASPECT_CHANGE: Final = 0.02
#: Another face of at least this share of the followed one's size may be who speaks.
MIN_OTHER_FACE: Final = 0.5


class Detector(Protocol):
    """What the analyzer needs of ``FaceDetector``."""

    def detect(self, picture: Picture) -> tuple[Detection, ...]:
        """Find faces."""


@dataclass(frozen=True, slots=True)
class _Tick:
    """A held tick; the picture is None where the grid has none or overload leaves it out.

    Its picture has been the same since ``shown_from``.
    """

    tick: int
    image: Picture | None
    left_out: bool
    arrival_ns: int | None
    frozen: bool
    shown_from: int


@dataclass(slots=True)
class _Face:
    """The followed face.

    The path holds box corner, box size and the five points, in picture heights. The aligned crop is the last
    detection's, None where it was too small or its eyes coincide.
    """

    track_id: int
    path: SmoothPath = field(default_factory=SmoothPath)
    aligned: UInt8 | None = None
    sharpness: float = 0.0


@dataclass(frozen=True, slots=True)
class _View:
    """A face in the picture of one tick, in px of that picture."""

    track_id: int
    image: Picture
    box: Float64
    points: Float64
    sharpness: float
    reason: FaceReason | None

    @property
    def size_px(self) -> float:
        return float(face_size(self.box))

    @property
    def box_fractions(self) -> tuple[float, float, float, float]:
        width, height = self.image.width, self.image.height
        x, y, box_width, box_height = (float(value) for value in self.box)
        return x / width, y / height, box_width / width, box_height / height


class FaceAnalyzer:
    """Detects, tracks and measures the face of one participant.

    Ticks are held until the next detection tick, a multiple of the detection interval, or until the first
    tick after it; then all of them come out in order, each exactly once. Not thread-safe.

    Args:
        config: Intervals and thresholds.
        detector: Finds faces in a picture.
        mesh: Finds landmarks in regions of interest.
        lips_on_demand: Whether the frames come with the region in which the lips are, for ``LipFinder``, in
            place of the lips. Where a face for identity is due they come with lips all the same: that face
            counts where the landmarks are sure.
    """

    def __init__(
        self, config: FaceConfig, detector: Detector, mesh: Landmarker, *, lips_on_demand: bool = False
    ) -> None:
        self._config = config
        self._lips_on_demand = lips_on_demand
        self._detector = detector
        self._lips = LipFinder(config, mesh)
        self._tracker = FaceTracker(config)
        self._stride = 1
        self._identity_interval_ticks = config.identity_interval_ticks
        self._held: list[_Tick] = []
        self._last_tick: int | None = None
        self._last_frame: FaceFrame | None = None
        self._face: _Face | None = None
        self._aspect: float | None = None
        self._other_faces = 0
        self._freeze = FreezeDetector()
        self._identity_tick = -1

    def push(self, frame: VideoFrame) -> list[FaceFrame]:
        """Take the picture of the next tick.

        Args:
            frame: Its tick is higher than that of the frame before.

        Returns:
            The face frames that are complete now, in tick order.

        Raises:
            ValueError: If the tick is not higher.
            EngineError: If an engine fails; the held ticks are lost then. Where an engine is only overloaded,
                their faces are left out for that reason.
        """
        if self._last_tick is not None and frame.tick <= self._last_tick:
            raise ValueError(f"Picture of tick {frame.tick} after that of tick {self._last_tick}.")
        done: list[FaceFrame] = []
        if self._held and frame.tick > self._due(self._held[0].tick):
            done += self.flush()
        interval = self._config.detection_interval_ticks
        if self._last_tick is not None and frame.tick - self._last_tick > interval:
            self._lose_sight()
        self._last_tick = frame.tick
        due = frame.tick == self._due(frame.tick)
        left_out = frame.image is not None and not due and frame.tick % self._stride != 0
        image = None if left_out else frame.image
        self._freeze.take(frame.image)
        shown_from = frame.tick - self._freeze.held_ticks + 1
        frozen = self._freeze.is_frozen
        self._held.append(_Tick(frame.tick, image, left_out, frame.arrival_ns, frozen, shown_from))
        return done + self.flush() if due else done

    def flush(self) -> list[FaceFrame]:
        """Return the face frames of the held ticks without waiting for the next detection tick."""
        held, self._held = self._held, []
        if not held:
            return []
        try:
            resolved = self._resolve(held)
        except OverloadError:
            resolved = self._resolve([_left_out(tick) for tick in held])
        frames = bridge_overload(self._last_frame, resolved)
        self._last_frame = frames[-1]
        return frames

    def set_stride(self, stride: int) -> None:
        """Analyse only every n-th tick, and those on which the detector runs.

        The lips between are interpolated where both neighbours are usable.
        """
        if stride < 1:
            raise ValueError(f"A stride of {stride} ticks is not positive.")
        self._stride = stride

    def set_identity_interval(self, ticks: int) -> None:
        """Give a face for identity on every n-th tick from now on, of those on which the detector runs."""
        if ticks < 1 or ticks % self._config.detection_interval_ticks:
            raise ValueError(f"An identity interval of {ticks} ticks is no multiple of the detector's.")
        self._identity_interval_ticks = ticks

    def _due(self, tick: int) -> int:
        interval = self._config.detection_interval_ticks
        return -(-tick // interval) * interval

    def _lose_sight(self) -> None:
        self._tracker.reset()
        self._face = None
        self._aspect = None

    def _resolve(self, held: Sequence[_Tick]) -> list[FaceFrame]:
        newest = next((tick for tick in reversed(held) if tick.image is not None), None)
        views: dict[int, _View] = {}
        if newest is not None and newest.image is not None:
            views = self._views(held, newest, newest.image)
        elif not any(tick.left_out for tick in held):
            self._lose_sight()
        regions = self._regions({tick: view for tick, view in views.items() if view.reason is None})
        frames = [self._frame(tick, views.get(tick.tick), regions.get(tick.tick)) for tick in held]
        due = {tick.tick for tick in held if self._is_identity_due(tick)}
        wanted = [
            frame
            for frame in frames
            if frame.region is not None and (not self._lips_on_demand or frame.tick in due)
        ]
        located = {frame.tick: frame for frame in self._lips.look(wanted)}
        frames = [located.get(frame.tick, frame) for frame in frames]
        with_faces = [self._with_identity(frame) if frame.tick in due else frame for frame in frames]
        frozen = {tick.tick for tick in held if tick.frozen}
        return [_without_lips(frame) if frame.tick in frozen else frame for frame in with_faces]

    def _views(self, held: Sequence[_Tick], newest: _Tick, image: Picture) -> dict[int, _View]:
        """Detect in the newest picture, and place the followed face in all of them."""
        width, height = image.width, image.height
        first_sight = self._aspect is None
        if self._aspect is not None and abs(width / height / self._aspect - 1) > MAX_ASPECT_CHANGE:
            self._tracker.reset()
        self._aspect = width / height
        self._tracker.update([found.scaled(1 / height) for found in self._detector.detect(image)])
        before, seen = self._face, self._tracker.seen
        if before is not None and before.track_id in seen:
            self._observe(before, newest.tick, image, seen[before.track_id])
        self._face = now = self._current(before, newest.tick, image, seen)
        self._other_faces = 0 if now is None else _others(now.track_id, seen)
        earlier = now if first_sight else before
        views: dict[int, _View] = {}
        if earlier is not None:
            views |= self._place(earlier, [tick for tick in held if tick.tick < newest.tick])
        if now is not None:
            views |= self._place(now, [newest])
        return views

    def _current(
        self, before: _Face | None, tick: int, image: Picture, seen: Mapping[int, Detection]
    ) -> _Face | None:
        followed = self._tracker.followed
        if followed is None or followed not in seen:
            return None
        if before is not None and before.track_id == followed:
            return before
        face = _Face(followed)
        self._observe(face, tick, image, seen[followed])
        return face

    def _observe(self, face: _Face, tick: int, image: Picture, detection: Detection) -> None:
        face.path.observe(tick, np.concatenate([detection.box.reshape(2, 2), detection.points]))
        points = detection.points * image.height
        large = face_size(detection.box) * image.height >= self._config.min_face_px
        face.aligned = _aligned(image, points) if large and np.isfinite(face_turn(points)) else None
        face.sharpness = 0.0 if face.aligned is None else sharpness(face.aligned)

    def _place(self, face: _Face, ticks: Sequence[_Tick]) -> dict[int, _View]:
        shown = [(tick.tick, tick.image) for tick in ticks if tick.image is not None]
        if not shown:
            return {}
        views: dict[int, _View] = {}
        for (tick, image), place in zip(shown, face.path.at([tick for tick, _ in shown]), strict=True):
            in_px = place * image.height
            box, points = in_px[:2].reshape(4), in_px[2:]
            reason = self._reason(box, points, face.sharpness)
            views[tick] = _View(face.track_id, image, box, points, face.sharpness, reason)
        return views

    def _reason(self, box: Float64, points: Float64, face_sharpness: float) -> FaceReason | None:
        if face_size(box) < self._config.min_face_px:
            return FaceReason.TOO_SMALL
        if abs(face_turn(points)) > self._config.max_turn:
            return FaceReason.TURNED_AWAY
        if face_sharpness < self._config.min_sharpness:
            return FaceReason.BLURRED
        return None

    def _regions(self, views: Mapping[int, _View]) -> dict[int, Region]:
        """Return tick -> where to look for the landmarks."""
        if not views:
            return {}
        transforms = mesh_transform(similarity_transform(np.stack([view.points for view in views.values()])))
        return {
            tick: Region(view.image, transform)
            for (tick, view), transform in zip(views.items(), transforms, strict=True)
        }

    def _is_identity_due(self, tick: _Tick) -> bool:
        return tick.tick % self._identity_interval_ticks == 0 and tick.shown_from > self._identity_tick

    def _with_identity(self, frame: FaceFrame) -> FaceFrame:
        if frame.lips is None or self._face is None or self._face.aligned is None:
            return frame
        self._identity_tick = frame.tick
        return replace(frame, identity_crop=read_only(self._face.aligned))

    def _frame(self, tick: _Tick, view: _View | None, region: Region | None) -> FaceFrame:
        if view is None:
            reason = FaceReason.NO_FACE
            if tick.image is None:
                reason = FaceReason.OVERLOAD if tick.left_out else FaceReason.NO_PICTURE
            return FaceFrame(tick=tick.tick, reason=reason, arrival_ns=tick.arrival_ns)
        return FaceFrame(
            tick=tick.tick,
            reason=view.reason,
            track_id=view.track_id,
            region=region,
            face_size_px=view.size_px,
            sharpness=view.sharpness,
            other_faces=self._other_faces,
            box=view.box_fractions,
            arrival_ns=tick.arrival_ns,
        )


def _aligned(picture: Picture, points: Float32) -> UInt8:
    return picture.warped(similarity_transform(points), ALIGNED_SIZE_PX, repeat_edge=False)


def _without_lips(frame: FaceFrame) -> FaceFrame:
    return replace(frame, reason=frame.reason or FaceReason.FROZEN, lips=None, mouth=None, region=None)


def _left_out(tick: _Tick) -> _Tick:
    return replace(tick, image=None, left_out=tick.left_out or tick.image is not None)


def _others(followed: int, seen: Mapping[int, Detection]) -> int:
    least = MIN_OTHER_FACE * face_size(seen[followed].box)
    return sum(track != followed and bool(face_size(found.box) >= least) for track, found in seen.items())
