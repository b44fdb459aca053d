"""Runs an iterator in a thread of its own, a bounded number of items ahead of who takes them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class ReadAhead(Generic[T]):
    """Iterates over a source that another thread reads; order and number of the items stay the same.

    The thread waits while ``limit`` items have not been taken: nothing is dropped. What the source raises is
    raised where the item behind it would come. The thread starts with the ``with`` block and has ended after
    it; the source is then no longer in use.

    Args:
        source: Used by the thread alone until the end of the block.
        limit: Items read ahead, at least 1.
    """

    def __init__(self, source: Iterator[T], limit: int) -> None:
        if limit < 1:
            raise ValueError(f"reading {limit} items ahead is not reading ahead")
        self._source = source
        self._limit = limit
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._error: Exception | None = None
        self._ended = False
        self._closed = False
        self._thread = threading.Thread(target=self._read, name="read-ahead", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()
        self._thread.join()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._ended or self._closed)
            if self._items:
                item = self._items.popleft()
                self._changed.notify_all()
                return item
            error, self._error = self._error, None
        if error is not None:
            raise error
        raise StopIteration

    def _read(self) -> None:
        try:
            for item in self._source:
                if not self._hand_over(item):
                    break
        except Exception as error:
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _hand_over(self, item: T) -> bool:
        """Wait for room; return whether anybody still wants items."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._items) < self._limit or self._closed)
            if not self._closed:
                self._items.append(item)
                self._changed.notify_all()
            return not self._closed
