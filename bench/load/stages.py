"""CPU time by stage: calls are timed by the clock of their thread, what they call in turn counts there.

Functions are replaced while the program runs, by those who want to know; a program that nobody measures does
not know of it.
"""

from __future__ import annotations

import functools
import importlib
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

StageOf = Callable[[tuple[Any, ...]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A function whose time counts as a stage.

    Attributes:
        path: ``module:Class.method`` or ``module:function``.
        stage: Name of the stage, or what returns it for the arguments of a call.
    """

    path: str
    stage: str | StageOf


class StageClock:
    """Adds up thread CPU time by stage; a stage's time leaves out the stages that run inside of it.

    Args:
        cpu_ns: CPU time of the calling thread.
    """

    def __init__(self, cpu_ns: Callable[[], int] = time.thread_time_ns) -> None:
        self._cpu_ns = cpu_ns
        self._local = threading.local()
        self._spent_ns: list[dict[tuple[str, str], int]] = []
        self._lock = threading.Lock()

    def timed(self, function: Callable[..., Any], stage: str | StageOf) -> Callable[..., Any]:
        """Return a function that does the same, and is timed."""

        @functools.wraps(function)
        def run(*args: Any, **options: Any) -> Any:
            name = stage if isinstance(stage, str) else stage(args)
            inside = self._inside()
            inside.append(0)
            before_ns = self._cpu_ns()
            try:
                return function(*args, **options)
            finally:
                whole_ns = self._cpu_ns() - before_ns
                nested_ns = inside.pop()
                inside[-1] += whole_ns
                spent = self._local.spent_ns
                key = threading.current_thread().name, name
                spent[key] = spent.get(key, 0) + whole_ns - nested_ns

        return run

    def spent_ns(self) -> dict[tuple[str, str], int]:
        """Return the time by name of the thread and stage, of all threads so far."""
        total: dict[tuple[str, str], int] = {}
        with self._lock:
            tables = [dict(table) for table in self._spent_ns]
        for table in tables:
            for key, spent_ns in table.items():
                total[key] = total.get(key, 0) + spent_ns
        return total

    def _inside(self) -> list[int]:
        inside: list[int] | None = getattr(self._local, "inside", None)
        if inside is None:
            inside = self._local.inside = [0]
            self._local.spent_ns = {}
            with self._lock:
                self._spent_ns.append(self._local.spent_ns)
        return inside


def time_targets(clock: StageClock, targets: Iterable[Target]) -> tuple[str, ...]:
    """Replace the functions by timed ones.

    Returns:
        Paths that do not exist, so that their stage is missing from the profile.
    """
    missing = []
    for target in targets:
        module, _, name = target.path.partition(":")
        *holders, attribute = name.split(".")
        try:
            holder: Any = importlib.import_module(module)
            for step in holders:
                holder = getattr(holder, step)
            function = holder.__dict__[attribute]
        except (ImportError, AttributeError, KeyError):
            missing.append(target.path)
            continue
        setattr(holder, attribute, _replaced(clock, function, target.stage))
    return tuple(missing)


def _replaced(clock: StageClock, function: Any, stage: str | StageOf) -> Any:
    if isinstance(function, classmethod | staticmethod):
        return type(function)(clock.timed(function.__func__, stage))
    return clock.timed(function, stage)
