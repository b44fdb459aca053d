"""Which simulcast layer to ask an SFU for: the smallest that shows the face large enough. Pure."""

from __future__ import annotations

import enum

from clients.joining.adapter import Sighting

MIN_FACE_PX = 80.0
#: How much larger than needed a face must be expected to be before a smaller layer is tried.
MARGIN = 1.25
#: By how much neighbouring layers are taken to differ until they are seen.
LAYER_SCALE = 2.0
#: After a change: checks without a new picture size before the present one is believed.
CHECKS_TO_SETTLE = 3


class _View(enum.Enum):
    FITTING = enum.auto()
    TOO_SMALL = enum.auto()
    UNSEEN = enum.auto()
    TOO_LARGE = enum.auto()


_CHECKS_TO_ACT = {_View.TOO_SMALL: 2, _View.UNSEEN: 5, _View.TOO_LARGE: 3}


class LayerPolicy:
    """Chooses a layer from what is seen of the participant every couple of seconds.

    Begins at the highest layer, because a face that was never seen may be small. Goes down one layer where
    the face is expected to stay larger than ``MARGIN`` times ``MIN_FACE_PX``, and up one where it is too
    small or unseen. A layer that showed the face too small is not tried again until the face is larger than
    it was then, so that the choice comes to rest.

    Args:
        layers: How many layers there are, at least 1.

    Attributes:
        asked: The layer to ask for; 0 is the smallest.
    """

    def __init__(self, layers: int = 3) -> None:
        self._top = layers - 1
        self.asked = self._top
        self._needed_px = [MIN_FACE_PX] * layers
        self._view = _View.FITTING
        self._checks = 0
        self._left_px: tuple[int, int] | None = None
        self._settling = 0
        self._came_up = False

    def update(self, sighting: Sighting) -> int:
        """Take a look; return the layer to ask for."""
        if self._settling > 0:
            self._settling -= 1
            if self._settling > 0 and sighting.picture_px == self._left_px:
                return self.asked
            self._settle(sighting.face_px)
        view = self._judge(sighting.face_px)
        self._checks = self._checks + 1 if view is self._view else 1
        self._view = view
        if view is not _View.FITTING and self._checks >= _CHECKS_TO_ACT[view]:
            self._move(-1 if view is _View.TOO_LARGE else 1, sighting.picture_px)
        return self.asked

    def _judge(self, face_px: float | None) -> _View:
        if self.asked < self._top:
            if face_px is None:
                return _View.UNSEEN
            if face_px < MIN_FACE_PX:
                return _View.TOO_SMALL
        if self.asked > 0 and face_px is not None:
            expected_px = face_px / LAYER_SCALE
            if expected_px >= MARGIN * self._needed_px[self.asked - 1]:
                return _View.TOO_LARGE
        return _View.FITTING

    def _move(self, step: int, picture_px: tuple[int, int]) -> None:
        self.asked += step
        self._view, self._checks = _View.FITTING, 0
        self._left_px, self._settling = picture_px, CHECKS_TO_SETTLE
        self._came_up = step > 0

    def _settle(self, face_px: float | None) -> None:
        self._settling = 0
        if self._came_up and face_px is not None:
            below = self.asked - 1
            self._needed_px[below] = max(self._needed_px[below], face_px / LAYER_SCALE)
        self._came_up = False
