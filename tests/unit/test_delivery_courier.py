"""The courier in virtual time: waiting costs none, and chance always draws its mean."""

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime

import pytest
from prometheus_client import generate_latest

from realtime.alerts.store import AlertStore
from realtime.delivery.companion import deliver_alerts
from realtime.delivery.courier import Courier, Surroundings
from realtime.delivery.dead_letters import DeadLetter, DeadLetterFile
from realtime.delivery.outlet import Attempt, Destination, LineOutlet
from realtime.delivery.retry import Outcome, RetryPolicy
from realtime.errors import AlertStoreError
from realtime.observe.metrics import MonitorMetrics
from realtime.server.hub import EventHub
from realtime.server.records import from_stored
from tests.support.fake_monitor import draft

START_S = 1_767_323_045.0
DELIVERED = Attempt(outcome=Outcome.DELIVERED)
FAILED = Attempt(outcome=Outcome.FAILED, fault="status 500")
REFUSED = Attempt(outcome=Outcome.REFUSED, fault="status 400")
GONE = Attempt(outcome=Outcome.GONE, fault="status 410")
DAY_S = 86_400.0


async def turns_until(condition):
    """Let the other tasks run until a condition holds."""
    while True:
        if condition():
            return
        await asyncio.sleep(0)


class Time:
    """A clock that waiting moves on."""

    def __init__(self):
        self.now_s = START_S
        self.waits_s = []

    async def sleep(self, delay_s):
        self.waits_s.append(delay_s)
        self.now_s += delay_s
        await asyncio.sleep(0)

    def surroundings(self):
        return Surroundings(sleep=self.sleep, clock=lambda: self.now_s, uniform=lambda: 0.5)


class Outlet:
    """Answers each alert as a test says, and says when it was tried so many times."""

    def __init__(self, answers=None):
        self.answers = defaultdict(list, answers or {})
        self.tried = []
        self._changed = asyncio.Condition()

    async def attempt(self, alert, message_id):
        self.tried.append((alert.seq, message_id))
        async with self._changed:
            self._changed.notify_all()
        waiting = self.answers[alert.seq]
        return waiting.pop(0) if len(waiting) > 1 else waiting[0] if waiting else DELIVERED

    @property
    def seqs(self):
        return [seq for seq, _ in self.tried]

    async def until(self, attempts):
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.tried) >= attempts)


class Bench:
    """A store, a hub and one courier."""

    def __init__(self, store, outlet, destination, policy):
        self.store = store
        self.metrics = MonitorMetrics()
        self.hub = EventHub(store, self.metrics)
        self.outlet = outlet
        self.time = Time()
        self.courier = Courier(
            destination,
            outlet,
            store,
            self.metrics,
            newest_seq=store.last_seq,
            policy=policy,
            surroundings=self.time.surroundings(),
        )

    def count(self, outcome, kind="webhook"):
        return self.metrics.deliveries.labels(destination=kind, outcome=outcome)._value.get()

    async def raise_alert(self, call="c1", at_s=START_S):
        raised_at = datetime.fromtimestamp(at_s, UTC).isoformat()
        return await self.hub.publish_alert(draft(call=call).model_copy(update={"raised_at": raised_at}))

    async def until_settled(self):
        await turns_until(lambda: not self.courier.pending)

    @asynccontextmanager
    async def running(self):
        with self.hub.alert_signal() as stored:
            task = asyncio.create_task(self.courier.run(stored), name="test-courier")
            await asyncio.sleep(0)
            try:
                yield task
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()


@asynccontextmanager
async def bench(
    answers=None, *, path=None, letters=None, call=None, bookmark="webhook:1", policy=None, **store
):
    destination = Destination(
        kind="webhook",
        open_outlet=nullcontext,
        call=call,
        bookmark=bookmark,
        dead_letters=None if letters is None else DeadLetterFile(letters),
    )
    async with AlertStore(path, clock=lambda: START_S, **store) as opened:
        yield Bench(opened, Outlet(answers), destination, policy)


async def test_alerts_come_in_order_each_once_and_new_ones_only(tmp_path):
    path = tmp_path / "alerts.sqlite3"
    async with bench(path=path) as before:
        await before.raise_alert()
    async with bench(path=path) as at:
        await at.raise_alert()
        async with at.running():
            for _ in range(2):
                await at.raise_alert()
            await at.outlet.until(3)
        assert at.outlet.tried == [(seq, f"alert_{at.store.identity}_{seq}") for seq in (2, 3, 4)]
        assert at.count("delivered") == 3
        assert await at.store.bookmark("webhook:1") == 4


async def started(at):
    while True:
        if await at.store.bookmark("webhook:1") is not None:
            return


async def test_failures_are_tried_again_with_growing_delays_and_hold_the_order():
    async with bench({1: [FAILED, FAILED, FAILED, DELIVERED]}) as at, at.running():
        await started(at)
        await at.raise_alert()
        await at.raise_alert()
        await at.outlet.until(5)
        await at.until_settled()
        assert at.outlet.seqs == [1, 1, 1, 1, 2]
        assert len({message_id for seq, message_id in at.outlet.tried if seq == 1}) == 1
        assert at.time.waits_s == [0.5, 1.0, 2.0]
        assert (at.count("delivered"), at.count("retried")) == (2, 3)


async def test_a_success_makes_the_next_delay_short_again():
    async with bench({1: [FAILED, FAILED, DELIVERED], 2: [FAILED, DELIVERED]}) as at, at.running():
        await started(at)
        await at.raise_alert()
        await at.raise_alert()
        await at.outlet.until(5)
        await at.until_settled()
        assert at.time.waits_s == [0.5, 1.0, 0.5]


async def test_what_the_destination_asks_for_is_waited_for():
    asked = Attempt(outcome=Outcome.FAILED, fault="status 429", asked_s=120.0)
    async with bench({1: [asked, DELIVERED]}) as at, at.running():
        await started(at)
        await at.raise_alert()
        await at.outlet.until(2)
        await at.until_settled()
        assert at.time.waits_s == [120.0]


async def test_an_alert_is_given_up_after_a_day_and_becomes_a_dead_letter(tmp_path):
    letters = tmp_path / "letters.jsonl"
    async with bench({1: [FAILED]}, letters=letters) as at, at.running():
        await started(at)
        await at.raise_alert()
        await at.raise_alert()
        await at.until_settled()
        last_wait_s = at.time.waits_s[-1]
        assert DAY_S <= at.time.now_s - START_S < DAY_S + last_wait_s
        assert max(at.time.waits_s) == 150.0
        (line,) = letters.read_text().splitlines()
        letter = DeadLetter.model_validate_json(line)
        assert (letter.id, letter.alert.seq) == (f"alert_{at.store.identity}_1", 1)
        assert (letter.fault, letter.attempts) == ("status 500", at.outlet.seqs.count(1))
        assert at.outlet.seqs[-1] == 2
        assert (at.count("dead_lettered"), at.count("delivered")) == (1, 1)


async def test_an_old_alert_is_still_tried_a_few_times(tmp_path):
    letters = tmp_path / "letters.jsonl"
    async with bench({1: [FAILED]}, letters=letters) as at, at.running():
        await started(at)
        await at.raise_alert(at_s=START_S - 3 * DAY_S)
        await at.until_settled()
        assert len(at.outlet.tried) == RetryPolicy().least_attempts
        assert at.count("dead_lettered") == 1


async def test_attempts_are_counted_for_each_alert(tmp_path):
    answers = {1: [FAILED] * 10 + [DELIVERED], 2: [FAILED]}
    async with bench(answers, letters=tmp_path / "letters.jsonl") as at, at.running():
        await at.raise_alert()
        await at.raise_alert(at_s=START_S - 3 * DAY_S)
        await at.until_settled()
        assert at.outlet.seqs.count(2) == RetryPolicy().least_attempts


async def test_a_courier_without_alerts_rests(monkeypatch):
    async with bench() as at, at.running():
        await started(at)
        await at.raise_alert()
        await at.until_settled()
        reads = []
        read = at.store.after

        async def counted(*arguments, **options):
            reads.append(arguments)
            return await read(*arguments, **options)

        monkeypatch.setattr(at.store, "after", counted)
        for _ in range(20):
            await at.store.bookmark("webhook:1")
        assert len(reads) <= 1


async def test_a_refusal_is_final_at_once_and_holds_up_nothing(tmp_path):
    letters = tmp_path / "letters.jsonl"
    async with bench({1: [REFUSED]}, letters=letters) as at, at.running():
        await started(at)
        await at.raise_alert()
        await at.raise_alert()
        await at.outlet.until(2)
        await at.until_settled()
        assert at.outlet.seqs == [1, 2]
        assert at.time.waits_s == []
        assert DeadLetter.model_validate_json(letters.read_text()).fault == "status 400"


async def test_an_alert_that_cannot_be_buried_is_not_left_behind(tmp_path):
    letters = tmp_path / "folder" / "letters.jsonl"
    async with bench({1: [REFUSED]}, letters=letters) as at, at.running():
        await started(at)
        await at.raise_alert()
        await at.outlet.until(3)
        assert at.courier.pending == 1
        assert at.count("dead_lettered") == 0
        letters.parent.mkdir()
        await at.until_settled()
        assert at.count("dead_lettered") == 1
        assert len(letters.read_text().splitlines()) == 1


async def test_without_a_file_what_is_refused_is_counted():
    async with bench({1: [REFUSED]}) as at, at.running():
        await started(at)
        await at.raise_alert()
        await at.until_settled()
        assert at.count("undelivered") == 1


async def test_a_destination_that_is_gone_gets_nothing_more_and_loses_nothing(tmp_path):
    path = tmp_path / "alerts.sqlite3"
    async with bench({1: [GONE]}, path=path) as at:
        async with at.running() as task:
            await started(at)
            await at.raise_alert()
            await at.raise_alert()
            await at.outlet.until(1)
            for _ in range(50):
                await asyncio.sleep(0)
            assert not task.done()
        assert at.outlet.seqs == [1]
        assert at.courier.pending == 2
    async with bench(path=path) as later, later.running():
        await later.outlet.until(2)
        assert later.outlet.seqs == [1, 2]


async def test_a_restart_goes_on_behind_what_was_delivered(tmp_path):
    path = tmp_path / "alerts.sqlite3"
    async with bench({2: [FAILED]}, path=path) as at:
        async with at.running():
            await started(at)
            for _ in range(3):
                await at.raise_alert()
            await at.outlet.until(4)
        tried_before = at.outlet.tried
        await at.raise_alert()
    assert set(at.outlet.seqs) == {1, 2}
    async with bench(path=path) as later, later.running():
        await later.outlet.until(3)
        await later.until_settled()
        assert later.outlet.seqs == [2, 3, 4]
        assert later.outlet.tried[0] == tried_before[-1]


async def test_a_restart_before_the_first_delivery_loses_nothing(tmp_path):
    path = tmp_path / "alerts.sqlite3"
    async with bench(path=path) as at:
        async with at.running():
            await started(at)
        await at.raise_alert()
    async with bench(path=path) as later, later.running():
        await later.outlet.until(1)
        assert later.outlet.seqs == [1]


async def test_without_a_bookmark_a_restart_begins_anew(tmp_path):
    path = tmp_path / "alerts.sqlite3"
    async with bench(path=path, bookmark=None) as at:
        async with at.running():
            pass
        await at.raise_alert()
    async with bench(path=path, bookmark=None) as later, later.running():
        await later.raise_alert()
        await later.outlet.until(1)
        await later.until_settled()
        assert later.outlet.seqs == [2]


async def test_the_end_lets_the_attempt_under_way_finish_and_delivers_what_is_pending():
    async with bench() as at:
        entered, free = asyncio.Event(), asyncio.Event()
        attempt = at.outlet.attempt

        async def slow(alert, message_id):
            entered.set()
            await free.wait()
            return await attempt(alert, message_id)

        at.outlet.attempt = slow
        with at.hub.alert_signal() as stored:
            task = asyncio.create_task(at.courier.run(stored), name="test-courier")
            await started(at)
            await at.raise_alert()
            await at.raise_alert()
            await entered.wait()
            task.cancel()
            await asyncio.sleep(0)
            free.set()
            await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        assert at.outlet.seqs == [1, 2]
        assert await at.store.bookmark("webhook:1") == 2


async def test_the_end_does_not_wait_for_a_destination_that_fails():
    async with bench({1: [FAILED]}) as at:
        with at.hub.alert_signal() as stored:
            task = asyncio.create_task(at.courier.run(stored), name="test-courier")
            await started(at)
            task.cancel()
            await at.raise_alert()
            await at.raise_alert()
            await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        assert at.outlet.seqs == [1]
        assert at.time.waits_s == []
        assert await at.store.bookmark("webhook:1") == 0


async def test_the_end_gives_up_a_destination_that_hangs(monkeypatch):
    monkeypatch.setattr("realtime.delivery.courier.GRACE_S", 0.01)
    async with bench() as at:
        entered, ended = asyncio.Event(), asyncio.Event()

        async def hang(alert, message_id):
            entered.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        at.outlet.attempt = hang
        async with at.running():
            await started(at)
            await at.raise_alert()
            await entered.wait()
        assert ended.is_set()
        assert await at.store.bookmark("webhook:1") == 0


async def test_alerts_that_expired_unread_are_counted():
    async with bench({1: [FAILED]}, max_alerts=2) as at, at.running():
        await started(at)
        entered, blocked = asyncio.Event(), asyncio.Event()
        attempt = at.outlet.attempt

        async def block(alert, message_id):
            entered.set()
            await blocked.wait()
            return await attempt(alert, message_id)

        at.outlet.attempt = block
        at.outlet.answers.clear()
        await at.raise_alert()
        await entered.wait()
        for _ in range(5):
            await at.raise_alert()
        blocked.set()
        await at.until_settled()
        assert at.outlet.seqs == [1, 5, 6]
        assert (at.count("expired"), at.count("delivered")) == (3, 3)


async def test_only_one_call():
    async with bench(call="c2", bookmark=None) as at, at.running():
        for call in ("c1", "c2", "c1", "c2", "c1"):
            await at.raise_alert(call=call)
        await at.until_settled()
        assert at.outlet.seqs == [2, 4]
        assert at.count("expired") == 0


async def test_a_store_that_cannot_be_read_for_a_while_delays_only(monkeypatch):
    async with bench() as at:
        read, faults = (
            at.store.after,
            [AlertStoreError("torn", fix="mend"), AlertStoreError("torn", fix="mend")],
        )

        async def failing(*arguments, **options):
            if faults:
                raise faults.pop()
            return await read(*arguments, **options)

        monkeypatch.setattr(at.store, "after", failing)
        async with at.running():
            await started(at)
            await at.raise_alert()
            await at.outlet.until(1)
            await at.until_settled()
        assert at.time.waits_s == [0.5, 1.0]


async def test_a_bookmark_that_cannot_be_set_stops_no_alert(monkeypatch):
    async with bench() as at:

        async def full(reader, seq):
            raise AlertStoreError("full", fix="free")

        async with at.running():
            await started(at)
            monkeypatch.setattr(at.store, "set_bookmark", full)
            await at.raise_alert()
            await at.raise_alert()
            await at.outlet.until(2)
            await at.until_settled()
        assert at.outlet.seqs == [1, 2]


async def test_an_end_while_the_bookmark_is_set_sets_it_again(monkeypatch):
    async with bench() as at:
        entered = asyncio.Event()
        set_bookmark = at.store.set_bookmark

        async def stuck(reader, seq):
            entered.set()
            monkeypatch.setattr(at.store, "set_bookmark", set_bookmark)
            await asyncio.Event().wait()

        async with at.running():
            await started(at)
            monkeypatch.setattr(at.store, "set_bookmark", stuck)
            await at.raise_alert()
            await entered.wait()
        assert at.outlet.seqs == [1]
        assert await at.store.bookmark("webhook:1") == 1


async def test_a_record_that_cannot_be_read_is_counted_and_passed_over():
    async with bench() as at, at.running():
        await started(at)
        record = (await at.store.after(await at.raise_alert() - 1))[0].record
        await at.store.append(type(record)(call="c1", raised_at_s=START_S, body="{}"))
        await at.raise_alert()
        await at.outlet.until(2)
        await at.until_settled()
        assert at.outlet.seqs == [1, 3]
        assert at.count("undelivered") == 1


async def test_one_that_hangs_delays_no_other(monkeypatch):
    monkeypatch.setattr("realtime.delivery.courier.GRACE_S", 0.01)
    store = AlertStore(None, clock=lambda: START_S)
    async with store:
        hub = EventHub(store, MonitorMetrics())
        lines, enough = [], asyncio.Event()

        async def take(line):
            lines.append(line)
            if len(lines) == 3:
                enough.set()
            return True

        async def hang(line):
            await asyncio.Event().wait()

        def destination(kind, post):
            return Destination(kind=kind, open_outlet=lambda: nullcontext(LineOutlet(post, patient=True)))

        companion = deliver_alerts([destination("room", hang), destination("stdout", take)])
        task = asyncio.create_task(companion(None, hub), name="test-companion")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for _ in range(3):
            await hub.publish_alert(draft())
        await enough.wait()
        exposition = generate_latest(hub.metrics.registry).decode()
        assert 'seamwatch_alert_deliveries_pending{destination="room"} 3.0' in exposition
        assert 'outcome="delivered"' in exposition
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        assert len(lines) == 3


@pytest.mark.parametrize("taken", [True, False])
async def test_a_line_is_posted_once_whatever_comes_of_it(taken):
    lines = []

    async def post(line):
        lines.append(line)
        return taken

    alert = await _one_alert()
    attempt = await LineOutlet(post).attempt(alert, "id")
    assert attempt.outcome is (Outcome.DELIVERED if taken else Outcome.REFUSED)
    assert lines == [alert.model_dump_json()]
    assert "\n" not in lines[0]


async def test_a_post_that_fails_or_hangs_is_not_taken(monkeypatch):
    async def fail(line):
        raise RuntimeError("private")

    async def hang(line):
        await asyncio.Event().wait()

    alert = await _one_alert()
    assert (await LineOutlet(fail).attempt(alert, "id")).outcome is Outcome.REFUSED
    monkeypatch.setattr("realtime.delivery.outlet._POST_TIMEOUT_S", 0.01)
    assert (await LineOutlet(hang).attempt(alert, "id")).fault == "timeout"


async def _one_alert():
    async with AlertStore(None, clock=lambda: START_S) as store:
        await EventHub(store, MonitorMetrics()).publish_alert(draft())
        return from_stored((await store.after(0))[0])
