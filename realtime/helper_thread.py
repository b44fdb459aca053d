"""A thread that works beside its owner, one work after the other."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")


class HelperThread:
    """Does work in the order in which it is asked for; see ``realtime.deferred.Helper``.

    How much may wait is up to who asks (``realtime.deferred.MAX_OPEN``). After the ``with`` block the thread
    has ended, and what it had not begun is not done.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="helper")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._executor.shutdown(cancel_futures=True)

    def begin(self, work: Callable[[], T]) -> Callable[[], T]:
        """Begin some work; what is returned waits for its result or its error."""
        return self._executor.submit(work).result
