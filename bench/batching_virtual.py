"""Rising load before engines of known cost, in virtual time: with and without batches."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.virtual_engine import Arrival, Outcome, simulate
from realtime.encoders.batching import Batch, BatchPolicy, DropReason
from realtime.encoders.scheduler import MAX_BATCH, MAX_CALLERS, MAX_WAIT_NS
from realtime.timebase import NS_PER_MS, NS_PER_S

WINDOW_EVERY_NS = NS_PER_S * 2 // 5


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualEngine:
    """An engine of known cost.

    Attributes:
        name: What it stands for.
        fixed_ns: What every run costs.
        row_ns: What every row adds.
        budget_ns: From the submission of a request to its deadline.
        participants: The loads that are tried.
        policies: By name; the first is the one that the others are held against.
    """

    name: str
    fixed_ns: int
    row_ns: int
    budget_ns: int
    participants: Sequence[int]
    policies: dict[str, BatchPolicy]

    def cost_ns(self, batch: Batch) -> int:
        """Return what a run costs."""
        return self.fixed_ns + self.row_ns * batch.rows


ENGINES = (
    VirtualEngine(
        name="accelerator: 4 ms a run and 0.25 ms a row",
        fixed_ns=4 * NS_PER_MS,
        row_ns=NS_PER_MS // 4,
        budget_ns=250 * NS_PER_MS,
        participants=(1, 4, 16, 64, 128, 256, 512, 768, 1024),
        policies={
            "one by one": BatchPolicy(max_waiting=MAX_CALLERS),
            "batches": BatchPolicy(max_batch=MAX_BATCH, max_wait_ns=MAX_WAIT_NS, max_waiting=MAX_CALLERS),
            "batches, long queue": BatchPolicy(
                max_batch=MAX_BATCH, max_wait_ns=MAX_WAIT_NS, max_waiting=8 * MAX_CALLERS
            ),
        },
    ),
    VirtualEngine(
        name="two cores: 14 ms a row, alone or not",
        fixed_ns=0,
        row_ns=14 * NS_PER_MS,
        budget_ns=250 * NS_PER_MS,
        participants=(1, 4, 8, 16, 24, 32, 48, 64),
        policies={
            "two runs at a time": BatchPolicy(max_running=2, max_waiting=MAX_CALLERS),
            "one run at a time": BatchPolicy(max_waiting=MAX_CALLERS),
            "one run at a time, batches": BatchPolicy(max_batch=8, max_waiting=MAX_CALLERS),
            "two runs at a time, batches": BatchPolicy(max_batch=8, max_running=2, max_waiting=MAX_CALLERS),
        },
    ),
)


def calls(participants: int, seconds: float, budget_ns: int, seed: int = 0) -> list[Arrival]:
    """Return the windows of participants that joined at any time, each up to 20 ms late."""
    chance = random.Random(seed)
    arrivals = []
    for _ in range(participants):
        start_ns = chance.randrange(WINDOW_EVERY_NS)
        for at_ns in range(start_ns, int(seconds * NS_PER_S), WINDOW_EVERY_NS):
            time_ns = at_ns + chance.randrange(20 * NS_PER_MS)
            arrivals.append(Arrival(time_ns=time_ns, deadline_ns=time_ns + budget_ns))
    return sorted(arrivals, key=lambda arrival: arrival.time_ns)


def measure_virtual(engine: VirtualEngine, seconds: float) -> list[dict[str, object]]:
    """Return a row for each load and policy."""
    rows: list[dict[str, object]] = []
    for participants in engine.participants:
        arrivals = calls(participants, seconds, engine.budget_ns)
        reference: set[int] | None = None
        for name, policy in engine.policies.items():
            outcome = simulate(arrivals, policy, engine.cost_ns)
            in_time = kept(outcome)
            reference = in_time if reference is None else reference
            rows.append(
                {
                    "participants": participants,
                    "policy": name,
                    "requests": len(arrivals),
                    **spread("wait", [start - came for came, start, _ in times_ms(outcome)]),
                    **spread("result", [end - came for came, _, end in times_ms(outcome)]),
                    "requests_a_run": round(
                        sum(len(run.batch.requests) for run in outcome.runs) / max(1, len(outcome.runs)), 2
                    ),
                    "most_a_run": max((len(run.batch.requests) for run in outcome.runs), default=0),
                    "dropped": {
                        reason.value: sum(at.drop.reason is reason for at in outcome.dropped)
                        for reason in DropReason
                    },
                    "finished_late": len(arrivals) - len(outcome.dropped) - len(in_time),
                    "in_time": len(in_time),
                    "in_time_before_and_not_now": len(reference - in_time),
                }
            )
    return rows


def kept(outcome: Outcome) -> set[int]:
    """Return the numbers of the requests that had finished by their deadline."""
    return {
        request.number
        for run in outcome.runs
        for request in run.batch.requests
        if run.end_ns <= request.deadline_ns
    }


def times_ms(outcome: Outcome) -> Iterator[tuple[float, float, float]]:
    """Yield when each request that ran came, started and ended."""
    for run in outcome.runs:
        for request in run.batch.requests:
            times = request.submitted_ns, run.batch.started_ns, run.end_ns
            yield times[0] / NS_PER_MS, times[1] / NS_PER_MS, times[2] / NS_PER_MS


def spread(name: str, values_ms: Iterable[float]) -> dict[str, float]:
    """Return quantiles of times in ms."""
    values = np.array(list(values_ms) or [0.0])
    return {
        f"{name}_{suffix}_ms": round(float(np.quantile(values, level)), 2)
        for suffix, level in (("p50", 0.5), ("p95", 0.95), ("max", 1.0))
    }
