"""The largest load that holds, by galloping and then bisection. Pure."""

from __future__ import annotations


class CapacitySearch:
    """Says which count to try next, and knows the largest one that held.

    What holds at a count is taken to hold at every smaller one; a count is tried at most once.

    Args:
        first: Tried first, at least 1.
        most: Never exceeded.
    """

    def __init__(self, first: int, most: int) -> None:
        if not 1 <= first <= most:
            raise ValueError(f"a search from {first} to {most}")
        self._first = first
        self._most = most
        self._failed: int | None = None
        self.capacity = 0

    @property
    def next_count(self) -> int | None:
        """The count to try; None once the capacity is known."""
        if self._failed is not None:
            middle = (self.capacity + self._failed) // 2
            return middle if middle > self.capacity else None
        if self.capacity == self._most:
            return None
        return min(2 * self.capacity, self._most) if self.capacity else self._first

    @property
    def limited(self) -> bool:
        """Whether the largest count that may be tried held, so that the capacity may be larger."""
        return self.capacity == self._most

    def record(self, *, held: bool) -> None:
        """Take what came of ``next_count``.

        Raises:
            ValueError: The search is over.
        """
        count = self.next_count
        if count is None:
            raise ValueError("the search is over")
        if held:
            self.capacity = count
        else:
            self._failed = count
