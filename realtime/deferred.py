"""Work on ticks whose result is wanted later than it could begin. Pure: who runs it is given."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar

T = TypeVar("T")

#: Works that may await their taking; the oldest is taken at once when there are more.
MAX_OPEN = 64


class Helper(Protocol):
    """Whoever does work beside the caller."""

    def begin(self, work: Callable[[], T]) -> Callable[[], T]:
        """Begin some work in the order of the calls; what is returned waits for its result or its error."""


class DeferredWork:
    """Hands work to a helper and takes the results in order, later; without a helper, at once.

    Args:
        helper: Does the work; None to do it where it is asked for.
    """

    def __init__(self, helper: Helper | None) -> None:
        self._helper = helper
        self._open: deque[tuple[int, Callable[[], None]]] = deque()

    @property
    def is_deferring(self) -> bool:
        """Whether results are taken later."""
        return self._helper is not None

    def do(self, first_tick: int, work: Callable[[], T], take: Callable[[Callable[[], T]], None]) -> None:
        """Have some work done.

        Args:
            first_tick: Of the ticks that it is about.
            work: Depends on nothing that changes until ``settle``.
            take: Gets what returns the result of the work, or raises its error: now, or in ``settle``.
        """
        if self._helper is None:
            take(work)
            return
        if len(self._open) >= MAX_OPEN:
            self._settle_oldest()
        self._open.append((first_tick, partial(take, self._helper.begin(work))))

    def settle(self, end_tick: int | None = None) -> None:
        """Take results in the order in which the work was asked for.

        Args:
            end_tick: Until all work on ticks before this one is taken; None for all there is.
        """
        while any(end_tick is None or first_tick < end_tick for first_tick, _ in self._open):
            self._settle_oldest()

    def _settle_oldest(self) -> None:
        self._open.popleft()[1]()
