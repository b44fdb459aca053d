"""Chooses how each engine of a monitor is driven, and sums up how busy they are."""

from __future__ import annotations

from collections.abc import Callable

from engines.base import Engine
from engines.spec import EngineSpec
from realtime.encoders.batched_engine import BatchedEngine, EngineObserver, batchable
from realtime.encoders.batching import BatchPolicy
from realtime.load import DeviceLoad
from realtime.timebase import NS_PER_MS

CPU = "cpu"
#: Rows in one run of an engine that is not on the CPU and says nothing about them.
MAX_BATCH = 16
#: How long a request may wait for company while such an engine is free.
MAX_WAIT_NS = 2 * NS_PER_MS
#: Threads that may wait for engines at a time.
MAX_CALLERS = 64


def policy_for(spec: EngineSpec, *, cores: int) -> BatchPolicy:
    """Return how to drive an engine.

    On the CPU a batch costs as much as its requests one by one, so nothing waits and nothing is joined: as
    many runs go on at a time as there are cores for them. Another device runs one batch at a time.

    Args:
        spec: The engine's contract.
        cores: Processor cores of this process.
    """
    if spec.device == CPU:
        return BatchPolicy(max_running=max(1, cores // max(1, spec.threads)), max_waiting=MAX_CALLERS)
    if not batchable(spec):
        return BatchPolicy(max_waiting=MAX_CALLERS)
    return BatchPolicy(
        max_batch=spec.max_batch or MAX_BATCH, max_wait_ns=MAX_WAIT_NS, max_waiting=MAX_CALLERS
    )


class EngineScheduler:
    """The engines of one monitor.

    Args:
        clock_ns: Monotonic clock, the one that stamps arrivals.
        cores: Processor cores of this process.
        observer: Hears about runs and drops.
    """

    def __init__(
        self,
        *,
        clock_ns: Callable[[], int],
        cores: int,
        observer: EngineObserver | None = None,
    ) -> None:
        self._clock_ns = clock_ns
        self._cores = cores
        self._observer = observer
        self._engines: list[BatchedEngine] = []

    def drive(self, engine: Engine) -> Engine:
        """Return an engine that runs this one by its policy, and owns it."""
        driven = BatchedEngine(
            engine,
            policy_for(engine.spec, cores=self._cores),
            callers_run=engine.spec.device == CPU,
            clock_ns=self._clock_ns,
            observer=self._observer,
        )
        self._engines.append(driven)
        return driven

    @property
    def waiting(self) -> int:
        """Requests that wait for an engine."""
        return sum(engine.waiting for engine in self._engines)

    def callers(self, threads: int, participants: int) -> int:
        """Return how many threads should call the engines.

        Args:
            threads: Threads that the user lets compute.
            participants: Most participants at a time, each of which uses one thread at a time.

        Returns:
            ``threads`` on the CPU. Where another device computes, its callers only wait, and only requests
            that wait together can share a run: a thread a participant.
        """
        if all(engine.spec.device == CPU for engine in self._engines):
            return threads
        return max(threads, min(participants, MAX_CALLERS))

    def loads(self) -> tuple[DeviceLoad, ...]:
        """Return how busy each device is with engines."""
        busy: dict[str, float] = {}
        for engine in self._engines:
            busy[engine.spec.device] = busy.get(engine.spec.device, 0.0) + engine.busy() * (
                engine.spec.threads if engine.spec.device == CPU else 1
            )
        return tuple(
            DeviceLoad(device=device, busy=value, capacity=self._cores if device == CPU else 1)
            for device, value in busy.items()
        )
