"""Tells a picture that stands still, in the network or at the sender, from one in which somebody keeps still.

Pure.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from engines.frontend.picture import Picture

#: A source of 10 pictures a second or more shows none for longer, so it is held for the grid's sake.
MAX_HELD_TICKS: Final = 4
#: The picture is compared on a lattice of about so many rows: a mouth in the smallest usable face covers a
#: dozen of its points.
_ROWS: Final = 90
#: What a codec does to a picture that it only repeats: brightness changes by no more than so many levels ...
_MAX_LEVELS: Final = 6
#: ... but in so many points.
_MAX_POINTS: Final = 8

_Lattice = npt.NDArray[np.int16]


class FreezeDetector:
    """Finds ticks whose picture has been the same for longer than any usable frame rate explains.

    The whole picture counts: a face that moves nothing but the mouth, or anything but the mouth, is not
    frozen. Each picture is compared with the first of those that it repeats, so slow motion adds up. Memory
    is fixed.
    """

    def __init__(self) -> None:
        self._picture: Picture | None = None
        self._first: _Lattice | None = None
        self._held_ticks = 0

    @property
    def held_ticks(self) -> int:
        """For how many ticks, the newest included, the picture has been the same; 0 without one."""
        return self._held_ticks

    @property
    def is_frozen(self) -> bool:
        """Whether the newest tick's picture says nothing new, and has not for ``MAX_HELD_TICKS``."""
        return self._held_ticks > MAX_HELD_TICKS

    def take(self, picture: Picture | None) -> None:
        """Take the next tick's picture: the same object again where the grid holds it, None without one."""
        if picture is None:
            self._picture, self._first, self._held_ticks = None, None, 0
            return
        if picture is self._picture:
            self._held_ticks += 1
            return
        self._picture = picture
        lattice = picture.lattice(max(1, picture.height // _ROWS)).astype(np.int16)
        if self._first is not None and _repeats(self._first, lattice):
            self._held_ticks += 1
        else:
            self._first, self._held_ticks = lattice, 1


def _repeats(first: _Lattice, lattice: _Lattice) -> bool:
    if first.shape != lattice.shape:
        return False
    return int(np.count_nonzero(np.abs(lattice - first) > _MAX_LEVELS)) <= _MAX_POINTS
