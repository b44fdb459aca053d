"""Batches prepared ahead by threads, handed out in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor

from training.sampling import Batch


def batches_ahead(
    make: Callable[[int], Batch], first: int, end: int, workers: int
) -> Generator[Batch, None, None]:
    """Yield ``make(step)`` for every step in [first, end), at most two a worker ahead.

    Args:
        make: Pure function of the step.
        first: First step.
        end: Step after the last one.
        workers: Threads.
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="batches") as threads:
        waiting: deque[Future[Batch]] = deque()
        try:
            for step in range(first, end):
                waiting.append(threads.submit(make, step))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
