"""The queue of an engine in virtual time, against what anybody would do with a list."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.virtual_engine import Arrival, Outcome, simulate
from realtime.encoders.batching import Batch, Batcher, BatchPolicy, DropReason
from realtime.encoders.run_costs import MAX_KEYS, MAX_SIZES, RunCosts
from tests.support.evidence import footprint

POLICIES = st.builds(
    BatchPolicy,
    max_batch=st.integers(1, 9),
    max_wait_ns=st.sampled_from([0, 0, 3, 20]),
    max_running=st.integers(1, 3),
    max_waiting=st.integers(1, 12),
)
FIXED_NS = st.integers(1, 15)
ROW_NS = st.integers(0, 6)


@st.composite
def arrival_lists(draw: st.DrawFn) -> list[Arrival]:
    """Any load, from idle to hopeless, with deadlines in any order, some of them past on arrival."""
    steps = draw(
        st.lists(
            st.tuples(st.integers(0, 12), st.sampled_from("abc"), st.integers(1, 5), st.integers(-3, 120)),
            max_size=60,
        )
    )
    time_ns, arrivals = 0, []
    for wait_ns, key, rows, budget_ns in steps:
        time_ns += wait_ns
        arrivals.append(Arrival(time_ns=time_ns, deadline_ns=time_ns + budget_ns, key=key, rows=rows))
    return arrivals


def started(outcome: Outcome) -> dict[int, int]:
    return {request.number: run.batch.started_ns for run in outcome.runs for request in run.batch.requests}


@settings(max_examples=120, deadline=None)
@given(arrivals=arrival_lists(), policy=POLICIES, fixed_ns=FIXED_NS, row_ns=ROW_NS)
def test_limits_order_and_counts_hold_under_any_load(arrivals, policy, fixed_ns, row_ns) -> None:
    outcome = simulate(arrivals, policy, lambda batch: fixed_ns + row_ns * batch.rows)

    fates = Counter(request.number for run in outcome.runs for request in run.batch.requests)
    fates.update(drop.drop.request.number for drop in outcome.dropped)
    assert fates == Counter(range(len(arrivals)))

    assert outcome.waiting_max <= policy.max_waiting
    assert outcome.running_max <= policy.max_running
    started_by_key = defaultdict(list)
    for run in outcome.runs:
        requests = run.batch.requests
        assert {request.key for request in requests} == {run.batch.key}
        assert len(requests) == 1 or run.batch.rows <= policy.max_batch
        assert all(request.deadline_ns > run.batch.started_ns for request in requests)
        started_by_key[run.batch.key] += [request.number for request in requests]
    assert all(numbers == sorted(numbers) for numbers in started_by_key.values())


@settings(max_examples=120, deadline=None)
@given(arrivals=arrival_lists(), policy=POLICIES, fixed_ns=FIXED_NS, row_ns=ROW_NS)
def test_only_what_is_late_or_the_oldest_of_a_full_queue_is_dropped(
    arrivals, policy, fixed_ns, row_ns
) -> None:
    outcome = simulate(arrivals, policy, lambda batch: fixed_ns + row_ns * batch.rows)
    left_ns = started(outcome) | {at.drop.request.number: at.time_ns for at in outcome.dropped}
    for at in outcome.dropped:
        request = at.drop.request
        if at.drop.reason is DropReason.LATE:
            longest_ns = fixed_ns + row_ns * max(policy.max_batch, request.rows)
            waited_in_vain = at.time_ns > request.submitted_ns
            assert at.time_ns >= request.deadline_ns or (
                waited_in_vain and at.time_ns + longest_ns > request.deadline_ns
            )
            assert at.time_ns <= max(request.deadline_ns, request.submitted_ns)
            continue
        older = [number for number in range(request.number) if left_ns[number] > at.time_ns]
        assert not older
        staying = sum(
            r.submitted_ns <= at.time_ns <= left_ns[r.number] and r.number > request.number
            for r in outcome.requests
        )
        assert staying >= policy.max_waiting


@settings(max_examples=120, deadline=None)
@given(arrivals=arrival_lists(), policy=POLICIES, fixed_ns=FIXED_NS, row_ns=ROW_NS)
def test_a_free_engine_is_kept_waiting_no_longer_than_the_policy_says(
    arrivals, policy, fixed_ns, row_ns
) -> None:
    outcome = simulate(arrivals, policy, lambda batch: fixed_ns + row_ns * batch.rows)
    for run in outcome.runs:
        head = run.batch.requests[0]
        idle_ns = sum(
            sum(other.batch.started_ns <= moment_ns < other.end_ns for other in outcome.runs)
            < policy.max_running
            for moment_ns in range(head.submitted_ns, run.batch.started_ns)
        )
        assert idle_ns <= policy.max_wait_ns


@st.composite
def steady_loads(draw: st.DrawFn) -> tuple[list[tuple[int, str, int]], int]:
    keys = draw(st.integers(1, 3))
    steps = draw(
        st.lists(
            st.tuples(st.integers(0, 15), st.sampled_from("abc"[:keys]), st.integers(1, 4)),
            min_size=1,
            max_size=60,
        )
    )
    time_ns, requests = 0, []
    for wait_ns, key, rows in steps:
        time_ns += wait_ns
        requests.append((time_ns, key, rows))
    return requests, keys


def finished_one_by_one(requests: list[tuple[int, str, int]], fixed_ns: int, row_ns: int) -> list[int]:
    """The naive engine: first come, first served, each alone, never idle."""
    free_ns, ends = 0, []
    for time_ns, _, rows in requests:
        free_ns = max(free_ns, time_ns) + fixed_ns + row_ns * rows
        ends.append(free_ns)
    return ends


@settings(max_examples=120, deadline=None)
@given(
    load=steady_loads(),
    max_batch=st.integers(4, 9),
    max_wait_ns=st.sampled_from([0, 3, 20]),
    fixed_ns=FIXED_NS,
    row_ns=ROW_NS,
)
def test_deadlines_that_the_naive_engine_keeps_with_room_for_one_batch_a_key_are_kept(
    load, max_batch, max_wait_ns, fixed_ns, row_ns
) -> None:
    requests, keys = load
    naive_ns = finished_one_by_one(requests, fixed_ns, row_ns)
    room_ns = max_wait_ns + keys * (fixed_ns + row_ns * max_batch)
    budget_ns = room_ns + max(end - time for end, (time, _, _) in zip(naive_ns, requests, strict=True))
    arrivals = [
        Arrival(time_ns=time, deadline_ns=time + budget_ns, key=key, rows=rows)
        for time, key, rows in requests
    ]
    policy = BatchPolicy(max_batch=max_batch, max_wait_ns=max_wait_ns, max_waiting=len(arrivals))
    outcome = simulate(arrivals, policy, lambda batch: fixed_ns + row_ns * batch.rows)
    assert not outcome.dropped
    for run in outcome.runs:
        for request in run.batch.requests:
            assert run.end_ns <= naive_ns[request.number] + room_ns
            assert run.end_ns <= request.deadline_ns


def learnt(policy: BatchPolicy, costs_ns: dict[tuple[str, int], int]) -> Batcher:
    """A batcher that has seen what runs cost."""
    batcher = Batcher(policy)
    for (key, rows), cost_ns in costs_ns.items():
        batcher.submit(-1000, key, rows, 10**9)
        batch = batcher.step(-900).batch
        assert batch is not None
        batcher.finished(-900 + cost_ns, batch)
    return batcher


def test_waiting_for_company_ends_in_time_for_the_deadline() -> None:
    batcher = learnt(BatchPolicy(max_batch=8, max_wait_ns=50), {("a", 1): 30})
    batcher.submit(0, "a", 1, 70)
    assert batcher.step(0).wake_ns == 40
    assert batcher.step(39).batch is None
    assert batcher.step(40).batch is not None


def test_waiting_ends_when_the_batch_is_full() -> None:
    batcher = Batcher(BatchPolicy(max_batch=3, max_wait_ns=50))
    batcher.submit(0, "a", 2, 1000)
    assert batcher.step(0).batch is None
    batcher.submit(1, "a", 1, 1000)
    batch = batcher.step(1).batch
    assert isinstance(batch, Batch)
    assert batch.rows == 3


def test_a_batch_does_not_grow_at_the_cost_of_another_key() -> None:
    costs_ns = {("a", 1): 30, ("a", 2): 60, ("b", 1): 10}
    for deadline_ns, expected in ((65, 1), (75, 2)):
        batcher = learnt(BatchPolicy(max_batch=2), costs_ns)
        batcher.submit(0, "a", 1, 61)
        batcher.submit(0, "a", 1, 100)
        batcher.submit(0, "b", 1, deadline_ns)
        batch = batcher.step(0).batch
        assert batch is not None
        assert (batch.key, len(batch.requests)) == ("a", expected)


def test_a_batch_does_not_grow_at_the_cost_of_its_own_members() -> None:
    for deadline_ns, expected in ((50, 1), (60, 2), (20, 2)):
        batcher = learnt(BatchPolicy(max_batch=2), {("a", 1): 30, ("a", 2): 60})
        batcher.submit(0, "a", 1, deadline_ns)
        batcher.submit(0, "a", 1, 100)
        batch = batcher.step(0).batch
        assert batch is not None
        assert len(batch.requests) == expected


def test_what_cannot_end_in_time_any_more_is_not_begun() -> None:
    batcher = learnt(BatchPolicy(), {("a", 1): 30})
    batcher.submit(0, "b", 1, 1_000)
    other = batcher.step(0).batch
    batcher.submit(1, "a", 1, 60)
    short, _ = batcher.submit(1, "a", 1, 50)
    tried, _ = batcher.submit(31, "a", 1, 60)
    batcher.finished(31, other)
    step = batcher.step(31)
    assert [(drop.request.number, drop.reason) for drop in step.dropped] == [
        (short.number - 1, DropReason.LATE),
        (short.number, DropReason.LATE),
    ]
    assert step.batch.requests == (tried,)


def test_under_a_lasting_overload_runs_stay_full_and_end_in_time() -> None:
    arrivals = [Arrival(time_ns=index, deadline_ns=index + 250) for index in range(4_000)]
    policy = BatchPolicy(max_batch=16, max_waiting=1_000)
    outcome = simulate(arrivals, policy, lambda batch: 24 + batch.rows // 2)
    sizes = [len(run.batch.requests) for run in outcome.runs]
    late = [run for run in outcome.runs if any(r.deadline_ns < run.end_ns for r in run.batch.requests)]
    assert sizes[-50:-1] == [16] * 49
    assert len(late) <= 3


def test_the_key_with_the_earliest_deadline_goes_first() -> None:
    batcher = Batcher(BatchPolicy(max_batch=4))
    batcher.submit(0, "a", 1, 100)
    batcher.submit(0, "b", 1, 50)
    batcher.submit(0, "c", 1, 70)
    keys = []
    while (batch := batcher.step(1).batch) is not None:
        keys.append(batch.key)
        batcher.finished(2, batch)
    assert keys == ["b", "c", "a"]


@given(
    runs=st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 4), st.integers(0, 100)), max_size=40),
    rows=st.integers(1, 6),
)
def test_expected_costs_are_never_under_the_newest_and_never_over_the_highest(runs, rows) -> None:
    costs = RunCosts()
    seen = defaultdict(list)
    for key, size, duration_ns in runs:
        costs.observe(key, size, duration_ns)
        seen[key, size].append(duration_ns)
    for (key, size), durations in seen.items():
        assert durations[-1] <= costs.expected_ns(key, size) <= max(durations)
    if not any(key == "a" for key, _ in seen):
        assert costs.expected_ns("a", rows) == 0


def test_memory_does_not_grow_with_the_number_of_requests_or_shapes() -> None:
    batcher = Batcher(BatchPolicy(max_batch=4, max_waiting=8))

    def push(count: int, offset: int) -> None:
        for index in range(offset, offset + count):
            batcher.submit(index, index % (2 * MAX_KEYS), 1 + index % (2 * MAX_SIZES), index + 5)
            batch = batcher.step(index).batch
            if batch is not None:
                batcher.finished(index + 1, batch)

    push(5_000, 0)
    before = footprint(batcher)
    push(5_000, 5_000)
    assert footprint(batcher) == pytest.approx(before, rel=0.01)
