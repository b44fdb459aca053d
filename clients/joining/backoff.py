"""How long to wait before a call is tried again."""

from __future__ import annotations

from collections.abc import Callable

FIRST_S = 1.0
LONGEST_S = 30.0
#: A call that held this long starts the waiting anew.
SETTLED_NS = 60_000_000_000


class Backoff:
    """Doubles the wait after every failure, with jitter, up to ``LONGEST_S``.

    Args:
        jitter: Returns numbers in [0, 1).
    """

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._next_s = FIRST_S
        self._joined_ns: int | None = None

    def joined(self, now_ns: int) -> None:
        """Take note that the call was joined."""
        self._joined_ns = now_ns

    def lost(self, now_ns: int) -> float:
        """Take note that the call was lost or could not be reached; return the wait in seconds."""
        joined_ns, self._joined_ns = self._joined_ns, None
        if joined_ns is not None and now_ns - joined_ns >= SETTLED_NS:
            self._next_s = FIRST_S
        wait_s = self._next_s * (0.5 + self._jitter() / 2)
        self._next_s = min(LONGEST_S, 2 * self._next_s)
        return wait_s
