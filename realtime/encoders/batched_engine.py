"""One engine behind a bounded queue, with deadlines and micro-batches: the thread edge of ``Batcher``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from engines.base import Array, Engine, check_inputs
from engines.errors import EngineError
from engines.spec import EngineSpec
from realtime.encoders.batching import Batch, Batcher, BatchPolicy, Drop, DropReason
from realtime.encoders.deadline import current_deadline_ns
from realtime.errors import OverloadError
from realtime.load import MAX_AGE_NS, BusyMeter
from realtime.timebase import NS_PER_S

Outputs = dict[str, Array]

_DROPPED = {
    DropReason.LATE: "could not run by its deadline",
    DropReason.QUEUE_FULL: "gave way to newer ones in a full queue",
}


class EngineObserver(Protocol):
    """Hears what engines do; called from several threads, and must not block."""

    def engine_ran(self, role: str, waits_s: Sequence[float]) -> None:
        """One run served these requests, which had waited so long."""

    def engine_dropped(self, role: str, reason: str, count: int) -> None:
        """Requests were dropped."""


@dataclass(frozen=True, slots=True)
class _Call:
    inputs: Mapping[str, Array]
    outcome: Future[Outputs]


class BatchedEngine:
    """An ``Engine`` around another one. Callers block; what they see is as if each had run alone.

    At most ``policy.max_running`` threads are inside the engine at a time. With ``callers_run`` a caller that
    finds the engine free runs its request itself, without a change of threads, and owner threads only serve
    what had to queue; without, owner threads alone run the engine. There are as many of them as runs at a
    time, so that an engine with one run at a time has one owner.

    Args:
        engine: Owned from now on.
        policy: Limits.
        callers_run: Whether callers may run the engine.
        clock_ns: Monotonic clock, the one that deadlines are on.
        observer: Hears about runs and drops.
    """

    def __init__(
        self,
        engine: Engine,
        policy: BatchPolicy,
        *,
        callers_run: bool,
        clock_ns: Callable[[], int],
        observer: EngineObserver | None = None,
    ) -> None:
        self._engine = engine
        self._callers_run = callers_run
        self._clock_ns = clock_ns
        self._observer = observer
        self._batcher = Batcher(policy)
        self._busy = BusyMeter()
        self._calls: dict[int, _Call] = {}
        self._changed = threading.Condition()
        self._owners: list[threading.Thread] = []
        self._closed = False

    @property
    def spec(self) -> EngineSpec:
        """The contract of the engine."""
        return self._engine.spec

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return self._batcher.waiting

    def busy(self) -> float:
        """Return how many runs went on at a time, on the average of the last seconds."""
        with self._changed:
            return self._busy.busy(self._clock_ns())

    def run(self, inputs: Mapping[str, Array]) -> Outputs:
        """Run the engine once, perhaps together with other callers' requests; see ``Engine.run``.

        The deadline is that of ``realtime.encoders.deadline``, or ``MAX_AGE_NS`` from now.

        Raises:
            OverloadError: If the request was dropped.
            EngineError: As the engine, whose failure reaches every request of the run.
        """
        return self.submit(inputs).result()

    def submit(self, inputs: Mapping[str, Array]) -> Future[Outputs]:
        """Queue a request, or run it at once where ``run`` would.

        Raises:
            EngineError: If the inputs break the contract, or the engine is closed.
        """
        check_inputs(self.spec, inputs)
        rows = _rows(self.spec, inputs)
        key = tuple(inputs[name].shape[1:] for name in sorted(inputs))
        call = _Call(inputs, Future())
        with self._changed:
            if self._closed:
                raise _closed(self.spec)
            now_ns = self._clock_ns()
            deadline_ns = current_deadline_ns()
            request, drops = self._batcher.submit(
                now_ns, key, rows, now_ns + MAX_AGE_NS if deadline_ns is None else deadline_ns
            )
            self._calls[request.number] = call
            self._discard(drops)
            batch = self._next(now_ns)[0] if self._callers_run else None
            if self._batcher.waiting:
                self._wake_owners()
        if batch is not None:
            self._execute(batch)
        return call.outcome

    def close(self) -> None:
        """Fail what waits, let what runs finish, and close the engine. Idempotent."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            for request in self._batcher.clear():
                self._calls.pop(request.number).outcome.set_exception(_closed(self.spec))
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._batcher.running == 0)
        for owner in self._owners:
            owner.join()
        self._engine.close()

    def _wake_owners(self) -> None:
        if len(self._owners) < self._batcher.policy.max_running:
            name = f"engine-{self.spec.role.value}"
            self._owners.append(threading.Thread(target=self._own, name=name, daemon=True))
            self._owners[-1].start()
        self._changed.notify_all()

    def _own(self) -> None:
        while True:
            with self._changed:
                batch = None
                while batch is None and not self._closed:
                    now_ns = self._clock_ns()
                    batch, wake_ns = self._next(now_ns)
                    if batch is None:
                        self._changed.wait(None if wake_ns is None else max(0, wake_ns - now_ns) / NS_PER_S)
            if batch is None:
                return
            self._execute(batch)

    def _next(self, now_ns: int) -> tuple[Batch | None, int | None]:
        step = self._batcher.step(now_ns)
        self._discard(step.dropped)
        return step.batch, step.wake_ns

    def _discard(self, drops: Iterable[Drop]) -> None:
        for drop in drops:
            self._calls.pop(drop.request.number).outcome.set_exception(
                OverloadError(
                    f"A request to {self.spec.id} {_DROPPED[drop.reason]}.",
                    fix="Watch fewer participants, or build faster engines with `seamwatch engines build`.",
                )
            )
            if self._observer is not None:
                self._observer.engine_dropped(self.spec.role.value, drop.reason.value, 1)

    def _execute(self, batch: Batch) -> None:
        with self._changed:
            calls = [self._calls.pop(request.number) for request in batch.requests]
        results: list[Outputs] | None = None
        failure: Exception | None = None
        try:
            results = run_together(self._engine, [call.inputs for call in calls])
        except Exception as error:
            failure = error
        now_ns = self._clock_ns()
        with self._changed:
            self._batcher.finished(now_ns, batch)
            self._busy.add(batch.started_ns, now_ns)
            if self._closed:
                self._changed.notify_all()
            elif self._batcher.waiting:
                self._wake_owners()
        for index, call in enumerate(calls):
            if results is None:
                call.outcome.set_exception(_failure(self.spec, failure))
            else:
                call.outcome.set_result(results[index])
        if self._observer is not None:
            waits_s = [(batch.started_ns - request.submitted_ns) / NS_PER_S for request in batch.requests]
            self._observer.engine_ran(self.spec.role.value, waits_s)


def batchable(spec: EngineSpec) -> bool:
    """Say whether the contract leaves the first axis of every input and output free."""
    tensors = (*spec.inputs.values(), *spec.outputs.values())
    return all(len(tensor.shape) > 0 and tensor.shape[0] is None for tensor in tensors)


def run_together(engine: Engine, requests: Sequence[Mapping[str, Array]]) -> list[Outputs]:
    """Run several requests as one, joined along the first axis, and take the outputs apart again.

    Args:
        engine: ``batchable``, unless there is one request only. A single request of more rows than
            ``spec.max_batch`` is run in parts.
        requests: Inputs that keep to the contract and differ at most in the length of the first axis.

    Raises:
        EngineError: If the engine fails, or an output has another number of rows than the inputs.
    """
    if len(requests) == 1:
        return [_run_in_parts(engine, requests[0])]
    joined = {name: np.concatenate([request[name] for request in requests]) for name in requests[0]}
    outputs = engine.run(joined)
    rows = [_rows(engine.spec, request) for request in requests]
    for name, array in outputs.items():
        if len(array) != sum(rows):
            raise EngineError(
                f"Output {name!r} of {engine.spec.id} has {len(array)} rows for {sum(rows)} rows of input.",
                fix="Build the engine again with `seamwatch engines build`.",
            )
    ends = np.cumsum(rows)
    return [
        {name: array[end - count : end] for name, array in outputs.items()}
        for end, count in zip(ends, rows, strict=True)
    ]


def _run_in_parts(engine: Engine, inputs: Mapping[str, Array]) -> Outputs:
    rows, most = _rows(engine.spec, inputs), engine.spec.max_batch
    if most is None or rows <= most:
        return engine.run(inputs)
    parts = [
        engine.run({name: array[start : start + most] for name, array in inputs.items()})
        for start in range(0, rows, most)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _rows(spec: EngineSpec, inputs: Mapping[str, Array]) -> int:
    if not batchable(spec):
        return 1
    rows = {len(array) for array in inputs.values()}
    if len(rows) != 1:
        raise EngineError(
            f"The inputs of {spec.id} have different numbers of rows: {sorted(rows)}.",
            fix="Pass as many rows to each input.",
        )
    return rows.pop()


def _closed(spec: EngineSpec) -> EngineError:
    return EngineError(f"{spec.id} is closed.", fix="Load the engine again.")


def _failure(spec: EngineSpec, cause: Exception | None) -> EngineError:
    """Return an error of its own for each request, so that threads do not share a traceback."""
    if isinstance(cause, EngineError):
        error = EngineError(cause.message, fix=cause.fix)
    else:
        error = EngineError(f"{spec.id} failed: {cause}", fix="Report this with the version of the engine.")
    error.__cause__ = cause
    return error
