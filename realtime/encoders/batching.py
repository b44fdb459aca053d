"""Decides which requests an engine runs next, which of them together, and which it drops. Pure.

One ``Batcher`` an engine; the caller passes the time in and runs what it is given.

- Requests with one shape key may share a run. Within a key they run in the order in which they came; between
  keys the one with the earliest deadline goes first.
- A run starts at once unless the policy lets it wait for company; it then starts when the batch is full, when
  its first request has waited long enough, or when waiting longer could make any waiting request late.
- A batch does not grow by a request that would make another one late, in the batch or of another key, that is
  in time without it. Where more waits than fits into a run, only other keys keep it from being full.
- What is past its deadline is dropped, and so is what has waited so long that a run can no longer end by it:
  a run of the request alone, or a full one where more waits than fits into one. The oldest request is dropped
  when the queue is full.
"""

from __future__ import annotations

import enum
from collections import Counter, OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from realtime.encoders.run_costs import RunCosts


class DropReason(enum.StrEnum):
    """Why a request was not run."""

    LATE = "late"
    QUEUE_FULL = "queue_full"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPolicy:
    """How one engine is driven.

    Attributes:
        max_batch: Rows that one run takes at most; a single request with more of them runs alone.
        max_wait_ns: How long a request may wait for company while the engine is free.
        max_running: Runs at a time.
        max_waiting: Requests that wait at most.
    """

    max_batch: int = 1
    max_wait_ns: int = 0
    max_running: int = 1
    max_waiting: int = 64

    def __post_init__(self) -> None:
        if min(self.max_batch, self.max_running, self.max_waiting) < 1 or self.max_wait_ns < 0:
            raise ValueError(f"a batch policy needs positive limits: {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call of an engine.

    Attributes:
        number: Counts the requests of this engine.
        key: Requests with equal keys may share a run.
        rows: Length of the batch axis.
        submitted_ns: When it came.
        deadline_ns: From this time on its result is not wanted any more.
    """

    number: int
    key: Hashable
    rows: int
    submitted_ns: int
    deadline_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Requests of one key that run together, in the order in which they came."""

    requests: tuple[Request, ...]
    started_ns: int

    @property
    def key(self) -> Hashable:
        """The key that all of its requests have."""
        return self.requests[0].key

    @property
    def rows(self) -> int:
        """Rows of all requests."""
        return sum(request.rows for request in self.requests)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """A request that will not run."""

    request: Request
    reason: DropReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What to do now.

    Attributes:
        batch: What to run; ``Batcher.finished`` must follow. None to run nothing yet.
        dropped: What will never run.
        wake_ns: When to ask again if nothing else happens before; None where nothing waits.
    """

    batch: Batch | None
    dropped: tuple[Drop, ...]
    wake_ns: int | None


class Batcher:
    """The queue of one engine. Not thread-safe.

    Attributes:
        submitted: Requests taken so far.
        started: Requests handed out to be run so far.
        dropped: Requests dropped so far, by reason.
    """

    def __init__(self, policy: BatchPolicy) -> None:
        self.policy = policy
        self.submitted = 0
        self.started = 0
        self.dropped: Counter[DropReason] = Counter()
        self._queue: OrderedDict[int, Request] = OrderedDict()
        self._running = 0
        self._costs = RunCosts()

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._queue)

    @property
    def running(self) -> int:
        """Runs that have not finished."""
        return self._running

    def submit(
        self, now_ns: int, key: Hashable, rows: int, deadline_ns: int
    ) -> tuple[Request, tuple[Drop, ...]]:
        """Queue a request; when the queue is full, what is late gives way to it, else the oldest.

        Args:
            now_ns: The time.
            key: Requests with equal keys may share a run.
            rows: Length of the batch axis, at least 1.
            deadline_ns: From this time on its result is not wanted any more.

        Returns:
            The request, and what was dropped for it.
        """
        drops: list[Drop] = []
        if len(self._queue) >= self.policy.max_waiting:
            drops += self._drop_late(now_ns)
        if len(self._queue) >= self.policy.max_waiting:
            drops.append(self._drop(next(iter(self._queue.values())), DropReason.QUEUE_FULL))
        request = Request(
            number=self.submitted, key=key, rows=rows, submitted_ns=now_ns, deadline_ns=deadline_ns
        )
        self.submitted += 1
        self._queue[request.number] = request
        return request, tuple(drops)

    def step(self, now_ns: int) -> Step:
        """Return what to run and what to drop now; to be asked again until it has no batch."""
        drops = self._drop_late(now_ns)
        if self._running < self.policy.max_running:
            drops += self._drop_hopeless(now_ns)
        if not self._queue:
            return Step(batch=None, dropped=drops, wake_ns=None)
        first_deadline_ns = min(request.deadline_ns for request in self._queue.values())
        if self._running >= self.policy.max_running:
            return Step(batch=None, dropped=drops, wake_ns=first_deadline_ns)
        queues = self._by_key()
        start_ns = {
            key: self._start_ns(queue, first_deadline_ns - self._backlog_ns(queues))
            for key, queue in queues.items()
        }
        ready = [queue for key, queue in queues.items() if start_ns[key] <= now_ns]
        if not ready:
            return Step(batch=None, dropped=drops, wake_ns=min(first_deadline_ns, *start_ns.values()))
        chosen = min(ready, key=lambda queue: min((r.deadline_ns, r.number) for r in self._fitting(queue)))
        others = [queue[0] for queue in queues.values() if queue is not chosen]
        batch = Batch(requests=tuple(self._grow(now_ns, chosen, others)), started_ns=now_ns)
        for request in batch.requests:
            del self._queue[request.number]
        self.started += len(batch.requests)
        self._running += 1
        return Step(batch=batch, dropped=drops, wake_ns=None)

    def finished(self, now_ns: int, batch: Batch) -> None:
        """Take note that a run has ended, well or not."""
        self._running -= 1
        self._costs.observe(batch.key, batch.rows, now_ns - batch.started_ns)

    def clear(self) -> tuple[Request, ...]:
        """Take every waiting request out, uncounted."""
        requests = tuple(self._queue.values())
        self._queue.clear()
        return requests

    def _drop(self, request: Request, reason: DropReason) -> Drop:
        del self._queue[request.number]
        self.dropped[reason] += 1
        return Drop(request=request, reason=reason)

    def _drop_late(self, now_ns: int) -> tuple[Drop, ...]:
        late = [request for request in self._queue.values() if request.deadline_ns <= now_ns]
        return tuple(self._drop(request, DropReason.LATE) for request in late)

    def _drop_hopeless(self, now_ns: int) -> tuple[Drop, ...]:
        """Drop what waiting has made late; a request that had too little time when it came is tried."""
        hopeless: list[Request] = []
        for key, queue in self._by_key().items():
            fitting = self._fitting(queue)
            waiting_rows = sum(request.rows for request in fitting) if len(fitting) < len(queue) else 0
            full_rows = min(waiting_rows, self.policy.max_batch)
            for request in queue:
                least_ns = self._costs.least_ns(key, max(full_rows, request.rows))
                if request.submitted_ns + least_ns <= request.deadline_ns < now_ns + least_ns:
                    hopeless.append(request)
        return tuple(self._drop(request, DropReason.LATE) for request in hopeless)

    def _by_key(self) -> dict[Hashable, list[Request]]:
        queues: dict[Hashable, list[Request]] = {}
        for request in self._queue.values():
            queues.setdefault(request.key, []).append(request)
        return queues

    def _fitting(self, queue: list[Request]) -> list[Request]:
        """Return the first requests that one run can take."""
        rows, count = queue[0].rows, 1
        while count < len(queue) and rows + queue[count].rows <= self.policy.max_batch:
            rows += queue[count].rows
            count += 1
        return queue[:count]

    def _start_ns(self, queue: list[Request], latest_start_ns: int) -> int:
        """Return when a queue's first batch need not wait any longer."""
        fitting = self._fitting(queue)
        full = len(fitting) < len(queue) or sum(r.rows for r in fitting) >= self.policy.max_batch
        if full:
            return queue[0].submitted_ns
        return min(queue[0].submitted_ns + self.policy.max_wait_ns, latest_start_ns)

    def _backlog_ns(self, queues: dict[Hashable, list[Request]]) -> int:
        """Return the expected cost of everything that waits."""
        total_ns = 0
        for key, queue in queues.items():
            rest = queue
            while rest:
                fitting = self._fitting(rest)
                total_ns += self._costs.expected_ns(key, sum(request.rows for request in fitting))
                rest = rest[len(fitting) :]
        return total_ns

    def _grow(self, now_ns: int, queue: list[Request], others: list[Request]) -> list[Request]:
        """Return the first requests of a queue that may run together now."""
        batch, rows = [queue[0]], queue[0].rows
        latest_ends_ns = [
            other.deadline_ns - self._costs.expected_ns(other.key, other.rows) for other in others
        ]
        fitting = self._fitting(queue)
        for request in fitting[1:]:
            if len(fitting) == len(queue):
                latest_ends_ns.append(batch[-1].deadline_ns)
            end_ns = now_ns + self._costs.expected_ns(request.key, rows)
            longer_end_ns = now_ns + self._costs.expected_ns(request.key, rows + request.rows)
            if any(end_ns <= latest < longer_end_ns for latest in latest_ends_ns):
                break
            batch.append(request)
            rows += request.rows
        return batch
