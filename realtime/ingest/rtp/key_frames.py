"""When to ask for a key frame."""

from __future__ import annotations

from realtime.timebase import NS_PER_MS

REPEAT_NS = 500 * NS_PER_MS


class KeyFrameDemand:
    """Whether decoding waits for a key frame, and when to ask for one: at most every ``REPEAT_NS``.

    Attributes:
        waiting: Whether frames that need another one are of no use.
    """

    def __init__(self) -> None:
        self.waiting = True
        self._due_ns: int | None = None
        self._last_request_ns: int | None = None

    @property
    def due_ns(self) -> int | None:
        """When to ask next; None while there is no reason to."""
        if self._due_ns is None or self._last_request_ns is None:
            return self._due_ns
        return max(self._due_ns, self._last_request_ns + REPEAT_NS)

    def need(self, now_ns: int) -> None:
        """A key frame is needed and none is in sight."""
        self.waiting = True
        if self._due_ns is None:
            self._due_ns = now_ns

    def in_sight(self, now_ns: int) -> None:
        """A key frame has begun to arrive; give it time."""
        self._due_ns = now_ns + REPEAT_NS

    def met(self) -> None:
        """A key frame is complete."""
        self.waiting = False
        self._due_ns = None

    def take_request(self, now_ns: int) -> bool:
        """Return whether to ask now, and take note of it."""
        due_ns = self.due_ns
        if due_ns is None or now_ns < due_ns:
            return False
        self._last_request_ns = now_ns
        return True
