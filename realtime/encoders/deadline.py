"""The deadline of what this thread is computing, for the engines below it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_DEADLINE_NS: ContextVar[int | None] = ContextVar("deadline_ns", default=None)


@contextmanager
def wanted_by(deadline_ns: int | None) -> Iterator[None]:
    """Give every engine that is run inside a deadline.

    Args:
        deadline_ns: Monotonic time from which on the result is not wanted any more; None for no deadline.
    """
    token = _DEADLINE_NS.set(deadline_ns)
    try:
        yield
    finally:
        _DEADLINE_NS.reset(token)


def current_deadline_ns() -> int | None:
    """Return the deadline of what this thread is computing; None without one."""
    return _DEADLINE_NS.get()
