"""The thread edge: who runs an engine, and what callers get. Threads meet at gates; time stands still."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from engines.errors import EngineError
from realtime.encoders.batched_engine import BatchedEngine, batchable, run_together
from realtime.encoders.batching import BatchPolicy
from realtime.encoders.deadline import current_deadline_ns, wanted_by
from realtime.encoders.scheduler import MAX_CALLERS, EngineScheduler, policy_for
from realtime.errors import OverloadError
from realtime.load import MAX_AGE_NS
from tests.support.engine_gate import GatedEngine, row_spec

TOGETHER = BatchPolicy(max_batch=8, max_waiting=8)


class Clock:
    """Stands still until it is set."""

    now_ns = 1_000

    def __call__(self) -> int:
        return self.now_ns


class Seen:
    """What an observer heard."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, list[float]]] = []
        self.drops: list[tuple[str, str, int]] = []

    def engine_ran(self, role, waits_s) -> None:
        self.runs.append((role, list(waits_s)))

    def engine_dropped(self, role, reason, count) -> None:
        self.drops.append((role, reason, count))


class Bench:
    """An engine behind its queue, and callers that block."""

    def __init__(self, policy: BatchPolicy = TOGETHER, *, callers_run: bool = False, spec=None) -> None:
        self.clock, self.seen, self.inner = Clock(), Seen(), GatedEngine(spec)
        self.engine = BatchedEngine(
            self.inner, policy, callers_run=callers_run, clock_ns=self.clock, observer=self.seen
        )
        self._callers = ThreadPoolExecutor(16, thread_name_prefix="caller")
        self._arrived = threading.Event()
        self._watch_submissions()

    def call(self, x: np.ndarray, deadline_ns: int | None = None) -> Future:
        """Call from a thread of its own; returns once the request waits or runs."""

        def run():
            with wanted_by(deadline_ns):
                return self.engine.run({"x": x})

        self._arrived = arrived = threading.Event()
        future = self._callers.submit(run)
        future.add_done_callback(lambda _: arrived.set())
        arrived.wait()
        return future

    def _watch_submissions(self) -> None:
        batcher, submit = self.engine._batcher, self.engine._batcher.submit

        def watched(*arguments):
            result = submit(*arguments)
            self._arrived.set()
            return result

        batcher.submit = watched

    def close(self) -> None:
        self.inner.open()
        self.engine.close()
        self._callers.shutdown()


@pytest.fixture
def bench():
    made = []

    def make(*arguments, **options) -> Bench:
        made.append(Bench(*arguments, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def rows(*values: float, width: int = 2) -> np.ndarray:
    return np.repeat(np.array(values, np.float32)[:, None], width, axis=1)


def busy(bench: Bench) -> Future:
    """Bring the engine into a run that lasts until the gate opens."""
    bench.inner.shut()
    future = bench.call(rows(100))
    bench.inner.inside.acquire()
    return future


def test_requests_that_queue_up_share_a_run_and_each_gets_its_own_rows(bench) -> None:
    case = bench()
    first = busy(case)
    waiting = [case.call(rows(*values)) for values in ([1], [2, 3], [4])]
    wide = case.call(rows(5, width=3))
    assert case.engine.waiting == 4
    case.inner.open()
    assert first.result()["y"].tolist() == [200]
    assert [future.result()["y"].tolist() for future in waiting] == [[2], [4, 6], [8]]
    assert wide.result()["y"].tolist() == [15]
    assert case.inner.batches == [(1, 2), (4, 2), (1, 3)]
    assert set(case.inner.threads) == {"engine-visual"}
    assert [len(waits) for _, waits in case.seen.runs] == [1, 3, 1]


def test_a_caller_that_finds_the_engine_free_runs_it_itself(bench) -> None:
    case = bench(callers_run=True)
    case.call(rows(1)).result()
    assert case.inner.threads[0].startswith("caller")
    first = busy(case)
    second = case.call(rows(2))
    assert case.inner.batches == [(1, 2), (1, 2)]
    case.inner.open()
    assert (first.result()["y"].item(), second.result()["y"].item()) == (200, 4)
    assert case.inner.threads[1].startswith("caller")
    assert case.inner.threads[2] == "engine-visual"


def test_no_more_runs_at_a_time_than_the_policy_allows(bench) -> None:
    case = bench(BatchPolicy(max_running=2), callers_run=True)
    case.inner.shut()
    calls = [case.call(rows(value)) for value in (1, 2, 3, 4)]
    case.inner.inside.acquire()
    case.inner.inside.acquire()
    assert len(case.inner.batches) == 2
    assert case.engine.waiting == 2
    case.inner.open()
    assert [call.result()["y"].item() for call in calls] == [2, 4, 6, 8]


def test_requests_past_their_deadline_are_dropped_and_counted(bench) -> None:
    case = bench()
    first = busy(case)
    late = case.call(rows(1), deadline_ns=2_000)
    early = case.call(rows(2), deadline_ns=9_000)
    case.clock.now_ns = 2_000
    case.inner.open()
    with pytest.raises(OverloadError, match="by its deadline"):
        late.result()
    assert early.result()["y"].item() == 4
    assert first.result()["y"].item() == 200
    assert case.seen.drops == [("visual", "late", 1)]


@pytest.mark.parametrize("callers_run", [True, False])
def test_a_request_that_comes_too_late_never_runs(bench, callers_run) -> None:
    case = bench(callers_run=callers_run)
    with pytest.raises(OverloadError):
        case.call(rows(1), deadline_ns=1_000).result()
    assert case.inner.batches == []


def test_without_a_deadline_a_request_waits_its_longest_and_no_longer(bench) -> None:
    case = bench()
    busy(case)
    waiting = case.call(rows(1))
    case.clock.now_ns += MAX_AGE_NS
    case.inner.open()
    with pytest.raises(OverloadError):
        waiting.result()


def test_a_full_queue_drops_its_oldest(bench) -> None:
    case = bench(BatchPolicy(max_batch=8, max_waiting=2))
    busy(case)
    calls = [case.call(rows(value)) for value in (1, 2, 3)]
    with pytest.raises(OverloadError, match="full queue"):
        calls[0].result()
    assert case.seen.drops == [("visual", "queue_full", 1)]
    case.inner.open()
    assert [call.result()["y"].item() for call in calls[1:]] == [4, 6]


@pytest.mark.parametrize("failure", [EngineError("It broke.", fix="Mend it."), ValueError("broke")])
def test_a_failure_reaches_every_request_of_the_run_and_no_other(bench, failure) -> None:
    case = bench()
    first = busy(case)
    together = [case.call(rows(value)) for value in (1, 2)]
    case.inner.failure = failure
    case.inner.open()
    errors = [call.exception() for call in (first, *together)]
    assert all(isinstance(error, EngineError) and "broke" in error.message for error in errors)
    assert all(error.__cause__ is failure for error in errors)
    assert len({id(error) for error in errors}) == 3
    assert case.inner.batches == [(1, 2), (2, 2)]
    case.inner.failure = None
    assert case.call(rows(3)).result()["y"].item() == 6


def test_closing_wakes_all_who_wait_and_lets_the_run_finish(bench) -> None:
    case = bench()
    running = busy(case)
    waiting = [case.call(rows(value)) for value in (1, 2)]
    closing = threading.Thread(target=case.engine.close)
    closing.start()
    for call in waiting:
        with pytest.raises(EngineError, match="is closed"):
            call.result()
    assert case.inner.closed == 0
    case.inner.open()
    closing.join()
    assert running.result()["y"].item() == 200
    assert case.inner.closed == 1
    assert not any(thread.name == "engine-visual" for thread in threading.enumerate())
    with pytest.raises(EngineError, match="is closed"):
        case.engine.run({"x": rows(1)})
    case.engine.close()
    assert case.inner.closed == 1


def test_inputs_that_break_the_contract_fail_alone(bench) -> None:
    case = bench()
    busy(case)
    good = case.call(rows(1))
    bad = case.call(rows(1).astype(np.float64))
    with pytest.raises(EngineError, match="must be float32"):
        bad.result()
    case.inner.open()
    assert good.result()["y"].item() == 2


def test_many_callers_each_get_what_they_asked_for() -> None:
    """Real clock, real threads, no gate: nothing is mixed up, lost or run twice."""
    case = Bench(BatchPolicy(max_batch=5, max_running=2, max_waiting=64), callers_run=True)
    values = np.random.default_rng(0).integers(0, 1000, size=(16, 50))

    def caller(mine: np.ndarray) -> bool:
        return all(
            case.engine.run({"x": rows(value, width=1 + value % 3)})["y"].item() == value * (1 + value % 3)
            for value in mine.astype(float)
            for value in [int(value)]
        )

    with ThreadPoolExecutor(16) as callers:
        assert all(callers.map(caller, values))
    assert sum(shape[0] for shape in case.inner.batches) == values.size
    assert all(shape[0] <= 5 for shape in case.inner.batches)
    case.close()


def test_an_output_with_other_rows_is_refused() -> None:
    class Wrong(GatedEngine):
        def run(self, inputs):
            return {"y": np.zeros(1, np.float32)}

    with pytest.raises(EngineError, match="1 rows for 3 rows"):
        run_together(Wrong(), [{"x": rows(1)}, {"x": rows(2, 3)}])


def test_a_request_of_more_rows_than_the_engine_takes_is_run_in_parts() -> None:
    engine = GatedEngine(row_spec(max_batch=2))
    (result,) = run_together(engine, [{"x": rows(1, 2, 3, 4, 5)}])
    assert result["y"].tolist() == [2, 4, 6, 8, 10]
    assert engine.batches == [(2, 2), (2, 2), (1, 2)]
    assert policy_for(engine.spec, cores=2).max_batch == 2


def test_only_a_contract_with_a_free_first_axis_is_batched() -> None:
    assert batchable(row_spec())
    assert not batchable(row_spec(batch=1))
    assert policy_for(row_spec(), cores=2).max_batch > 1
    assert policy_for(row_spec(batch=1), cores=2) == BatchPolicy(max_waiting=MAX_CALLERS)


def test_on_the_cpu_nothing_waits_and_as_much_runs_as_there_are_cores() -> None:
    for cores, threads, running in ((2, 1, 2), (4, 2, 2), (1, 4, 1)):
        policy = policy_for(row_spec(device="cpu", threads=threads), cores=cores)
        assert (policy.max_running, policy.max_wait_ns, policy.max_batch) == (running, 0, 1)


def test_another_device_gets_a_caller_a_participant() -> None:
    scheduler = EngineScheduler(clock_ns=Clock(), cores=2)
    scheduler.drive(GatedEngine(row_spec(device="cpu")))
    assert scheduler.callers(2, 30) == 2
    scheduler.drive(GatedEngine(row_spec()))
    assert scheduler.callers(2, 30) == 30
    assert scheduler.callers(2, 1) == 2
    assert scheduler.callers(2, 1000) == MAX_CALLERS


def test_the_load_of_a_device_is_how_many_runs_go_on_at_a_time() -> None:
    clock = Clock()

    class Slow(GatedEngine):
        def run(self, inputs):
            clock.now_ns += 500_000_000
            return {"y": np.zeros(len(inputs["x"]), np.float32)}

    scheduler = EngineScheduler(clock_ns=clock, cores=4)
    engines = [scheduler.drive(Slow(row_spec(device="cpu"))) for _ in range(2)]
    for _ in range(3):
        for engine in engines:
            engine.run({"x": rows(1)})
    clock.now_ns += 1_000_000_000
    (load,) = scheduler.loads()
    assert (load.device, load.capacity) == ("cpu", 4)
    assert load.busy == pytest.approx(6 * 0.5 / 5)


def test_deadlines_nest_and_end() -> None:
    with wanted_by(5):
        with wanted_by(None):
            assert current_deadline_ns() is None
        assert current_deadline_ns() == 5
    assert current_deadline_ns() is None
